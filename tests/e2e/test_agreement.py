"""Log line, record and span are renderings of the same facts; so are the command line, the admin
API and the console. What an operator reads in one place is true in all others.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.e2e.browser import Browser, printed_password
from tests.e2e.conftest import CONFIG, Stack, eventually, stack_in
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, head, next_answer, request
from tests.telemetry.collector import Collector

from trimtab.domain.record import RequestRecord
from trimtab.telemetry.facts import FIELDS
from trimtab.telemetry.log_line import LogLine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

REQUESTS = 1000
AT_ONCE = 16
DEADLINE_S = 30.0
LOOKED_AT = 6

MODELS = (
    *("chat", "chat", "chat", "chat-small", "chat-small", "sim/reasoner", "sim/large"),
    *("chat!status:500", "chat!status:429", "chat!401", "chat!status:400", "chat!reset"),
    *("chat!cut_after:3", "chat!no_done", "chat!error_after_preamble", "chat!bad_line:3"),
    *("chat!no_usage", "chat!usage_zero", "chat!usage_repeated", "chat!usage_string"),
    *("chat!empty", "chat!refusal", "chat!wrong_model", "refused", "keyless"),
    *("nothing", "forbidden", "unpriced"),
)
QUESTIONS = (
    "What is a trim tab?",
    "The log of the night watch. " * 300,
    '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"rudder"})]]',
    "[[sim: tokens=200]]",
)
BESIDE = {
    "/v1/responses": MODELS,
    "/v1/embeddings": ("embed", "embed!no_usage", "embed!status:500", "chat"),
    "/v1/moderations": ("omni-moderation-latest", "sim/moderation!status:429"),
    "/v1/messages/count_tokens": MODELS,
}
"""The routes beside chat, and whom to ask there."""
TOOL = {"type": "object", "properties": {"query": {"type": "string"}}}
TOOLS = {
    OPENAI: [{"type": "function", "function": {"name": "lookup", "parameters": TOOL}}],
    ANTHROPIC: [{"name": "lookup", "input_schema": TOOL}],
}


@dataclass(frozen=True, slots=True)
class Told:
    """What one request is told to have been, place by place."""

    answer: Answer
    record: Mapping[str, Any]
    line: Mapping[str, Any]
    spans: Sequence[Span]
    attempts: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]

    @property
    def root(self) -> Span:
        [root] = [span for span in self.spans if span.kind == Span.SPAN_KIND_SERVER]
        return root


async def test_all_places_tell_the_same_of_a_thousand_requests(tmp_path: Path) -> None:
    collector = Collector()
    async with collector.up():
        with stack_in(tmp_path, "--config", str(_config(tmp_path, collector.port))) as stack:
            keys = [stack.key("acme"), stack.key("globex")]
            answers = await _ask_all(stack.port, list(_requests(keys)))
            ids = {answer.request_id for answer in answers}
            await _arrived(collector, ids)
            told = _gather(stack, answers, collector.taken)

            for one in told:
                _check_line(one)
                _check_root(one)
                _check_stages(one)
                _check_attempts(one)
                _check_answer(one)
            _check_variety(told)
            _check_bill(stack, told)
            _check_other_places(stack, told[:: len(told) // LOOKED_AT])


def _config(home: Path, port: int) -> Path:
    exporter = f"{{name: test, endpoint: http://127.0.0.1:{port}}}"
    path = home / "trimtab.yaml"
    path.write_text(f"{CONFIG.read_text()}\ntelemetry:\n  exporters: [{exporter}]\n")
    return path


def _requests(keys: Sequence[str]) -> Iterator[bytes]:
    chance = random.Random(7)  # noqa: S311 -- repeatable on purpose
    for number in range(REQUESTS):
        key, path = chance.choice(keys), chance.choice([OPENAI, ANTHROPIC])
        headers = list(_headers(chance, number, path))
        match chance.random():
            case dice if dice < 0.02:
                yield request(key, b"{", path, *headers)
            case dice if dice < 0.05:
                yield head(key, headers, line="GET /v1/models HTTP/1.1")
            case dice if dice < 0.3:
                path = chance.choice(list(BESIDE))
                model, question = chance.choice(BESIDE[path]), chance.choice(QUESTIONS)
                stream = path == "/v1/responses" and chance.random() < 0.5
                asked = chat(model=model, input=question, stream=stream)
                yield request(key, asked, path, *_headers(chance, number, path))
            case _:
                yield request(key, _body(chance, path), path, *headers)


def _headers(chance: random.Random, number: int, path: str) -> Iterator[tuple[str, str]]:
    if path == ANTHROPIC:
        yield "anthropic-version", "2023-06-01"
    if chance.random() < 0.7:
        yield "x-trimtab-feature", chance.choice(["search", "support", "a" * 60])
    if chance.random() < 0.2:
        yield "x-trimtab-conversation", f"c-{number % 10}"
    if chance.random() < 0.2:
        yield "x-trimtab-user", f"user-{number % 10}"
    if chance.random() < 0.3:
        trace, span = chance.getrandbits(127) + 1, chance.getrandbits(63) + 1
        yield "traceparent", f"00-{trace:032x}-{span:016x}-01"
        yield "tracestate", "vendor=opaque,other=1"
    if chance.random() < 0.1:
        yield "x-stainless-retry-count", "1"


def _body(chance: random.Random, path: str) -> bytes:
    members: dict[str, Any] = {"model": chance.choice(MODELS), "stream": chance.random() < 0.5}
    question = chance.choice(QUESTIONS)
    if "tool=" in question:
        members["tools"] = TOOLS[path]
    if chance.random() < 0.2:
        members["trimtab"] = {"tags": {"team": "blue"}}
    if chance.random() < 0.3:
        members["temperature"] = 0.5
    if path == OPENAI and members["stream"] and chance.random() < 0.5:
        members["stream_options"] = {"include_usage": True}
    return chat(question, **members)


async def _ask_all(port: int, requests: list[bytes]) -> list[Answer]:
    answers: list[Answer] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while requests:
            writer.write(requests.pop())
            answers.append(await next_answer(reader))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(client())
    return answers


async def _arrived(collector: Collector, ids: set[str]) -> None:
    """Wait until the root span of every request was received."""
    async with asyncio.timeout(DEADLINE_S):
        while not ids <= {_said(span).get("trimtab.request_id") for span in collector.taken}:
            collector.arrived.clear()
            await collector.arrived.wait()


def _gather(stack: Stack, answers: Sequence[Answer], taken: Sequence[Span]) -> list[Told]:
    ids = [answer.request_id for answer in answers]
    records = eventually(lambda: _by_id(stack, "request", ids), "every request has its record")
    lines = eventually(lambda: _log(stack, set(ids)), "every request has its line")
    attempts, ledger = _all(stack, "attempt", "n"), _all(stack, "ledger", "line_id")
    spans = _spans(taken)
    return [
        Told(
            answer,
            records[answer.request_id],
            lines[answer.request_id],
            spans[answer.request_id],
            attempts[answer.request_id],
            ledger[answer.request_id],
        )
        for answer in answers
    ]


def _by_id(stack: Stack, table: str, ids: Sequence[str]) -> dict[str, dict[str, Any]] | None:
    rows = stack.rows(f"SELECT * FROM {table}")  # noqa: S608 -- ours
    found = {row["request_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found if set(ids) <= set(found) else None


def _all(stack: Stack, table: str, order: str) -> Mapping[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in stack.rows(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608 -- ours
        found[row["request_id"]].append(row)
    return found


def _log(stack: Stack, ids: set[str]) -> dict[str, dict[str, Any]] | None:
    lines = [
        json.loads(line, parse_float=Decimal)
        for path in sorted((stack.home / "log").glob("requests-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    found = {line["request_id"]: line for line in lines}
    assert len(found) == len(lines), "a request has two lines"
    return found if ids <= set(found) else None


def _spans(taken: Sequence[Span]) -> Mapping[str, list[Span]]:
    """Group spans by request; what is sent twice has the same id and says the same."""
    owners = {span.span_id: str(_said(span).get("trimtab.request_id")) for span in taken}
    unique = {span.span_id: span for span in taken}
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for span in unique.values():
        root = span.span_id if span.kind == Span.SPAN_KIND_SERVER else span.parent_span_id
        found[owners[root]].append(span)
    return found


def _said(span: Span) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in span.attributes}


def _value(value: AnyValue) -> str | int | float | bool | list[str]:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case _:
            return [it.string_value for it in value.array_value.values]


def _check_line(told: Told) -> None:
    """Every member of the line is the record's."""
    record, line = told.record, told.line
    ts = datetime.fromtimestamp(record["ts_us"] / 1e6, UTC)
    cost = record["cost_nano"]
    expected: dict[str, Any] = {
        **{name: record[name] for name in LogLine.__struct_fields__ if name in record},
        "ts": f"{ts:%Y-%m-%dT%H:%M:%S}.{record['ts_us'] // 1000 % 1000:03d}Z",
        "model": record["model_requested"],
        "cost_usd": None if cost is None else Decimal(cost).scaleb(-9),
        "latency_ms_total": Decimal(record["latency_us"]).scaleb(-3),
        "ttft_ms": None if record["ttft_us"] is None else Decimal(record["ttft_us"]).scaleb(-3),
        "event": "request",
        "v": 1,
        "stream": bool(record["stream"]),
        "attempts": record["attempt_count"],
        "stages_ms": line["stages_ms"],
        "retrieved": [],
        "tool_calls": record["tool_call_count"],
        "fallback": bool(record["fallback_used"]),
    }
    assert set(expected) == set(LogLine.__struct_fields__)
    assert line == expected


def _check_root(told: Told) -> None:
    """Every field that the span carries is the record's; what is unknown is left out."""
    record, root = told.record, told.root
    fields = {name: record[field] for field, name in FIELDS.items() if record[field] is not None}
    for name in ("trimtab.stream", "trimtab.fallback_used"):
        fields[name] = bool(fields[name])
    if not record["adjusted_count"]:
        del fields["trimtab.sampling.adjusted_count"]
    said = _said(root)
    assert {name: said.get(name) for name in FIELDS.values() if name in said} == fields
    assert root.trace_id.hex() == record["trace_id"] == told.line["trace_id"]
    assert root.span_id.hex() == record["span_id"]
    assert root.parent_span_id.hex() == (record["parent_span_id"] or "")
    assert root.trace_state == (record["tracestate"] or "")
    assert root.start_time_unix_nano == record["ts_us"] * 1000
    assert root.end_time_unix_nano - root.start_time_unix_nano == record["latency_us"] * 1000
    failed = record["status"] in {"error", "truncated", "lost"}
    assert (root.status.code == Status.STATUS_CODE_ERROR) is failed
    assert said.get("error.type") == (record["error_code"] if failed else None)


def _check_stages(told: Told) -> None:
    stages = {
        span.name.removeprefix("trimtab."): span
        for span in told.spans
        if span.kind == Span.SPAN_KIND_INTERNAL
    }
    timed = {name: ms for name, ms in told.line["stages_ms"].items() if name != "call"}
    took = {
        name: Decimal(span.end_time_unix_nano - span.start_time_unix_nano).scaleb(-6)
        for name, span in stages.items()
    }
    assert took == timed
    assert sum(told.line["stages_ms"].values()) <= told.line["latency_ms_total"] + 1


def _check_attempts(told: Told) -> None:
    record = told.record
    calls = {
        said["trimtab.attempt.n"]: said
        for said in (_said(span) for span in told.spans if span.kind == Span.SPAN_KIND_CLIENT)
    }
    assert len(calls) == len(told.attempts) == record["attempt_count"]
    for attempt in told.attempts:
        said = calls[attempt["n"]]
        assert said["trimtab.attempt.target"] == attempt["target"]
        assert said["trimtab.attempt.usage_source"] == attempt["usage_source"]
        assert said.get("trimtab.attempt.cost.nano_usd") == attempt["cost_nano"]
        assert said.get("gen_ai.usage.input_tokens") == attempt["input_tokens"]
        assert said.get("gen_ai.usage.output_tokens") == attempt["output_tokens"]
        assert said.get("http.response.status_code") == attempt["http_status"]
        assert said.get("error.type") == attempt["error_code"]
        assert said["trimtab.request_id"] == record["request_id"]
        assert said["trimtab.tenant.id"] == record["tenant_id"]
    assert sum(attempt["cost_nano"] for attempt in told.attempts) == record["cost_nano"]
    assert sum(line["cost_nano"] for line in told.ledger) == record["cost_nano"]
    for line in told.ledger:
        assert line["feature"] == record["feature"]
        assert line["tenant_id"] == record["tenant_id"]
        assert line["conversation_id"] == record["conversation_id"]
        assert line["user_hash"] == record["user_hash"]


def _check_answer(told: Told) -> None:
    """What the caller was told agrees, too."""
    record, headers = told.record, told.answer.headers
    assert told.answer.status == record["http_status"]
    assert headers["x-trimtab-trace-id"] == record["trace_id"]
    assert headers.get("x-trimtab-error") == (
        record["error_code"] if record["status"] != "truncated" else None
    )
    if record["stream"] and told.answer.status == 200:
        _, _, comment = told.answer.body.partition(b": trimtab ")
        said = json.loads(comment.partition(b"\n")[0])
        assert said["request_id"] == record["request_id"]
        assert Decimal(said["cost_usd"]) == Decimal(record["cost_nano"]).scaleb(-9)
        assert said["usage"] == record["usage_source"]
    elif record["attempt_count"]:
        assert headers["x-trimtab-target"] == record["target"]
        assert headers["x-trimtab-usage"] == record["usage_source"]
        assert Decimal(headers["x-trimtab-cost-usd"]) == Decimal(record["cost_nano"]).scaleb(-9)


def _check_variety(told: Sequence[Told]) -> None:
    """The thousand are no thousand times the same."""
    seen: defaultdict[str, set[Any]] = defaultdict(set)
    for one in told:
        for name, value in one.record.items():
            seen[name].add(value)
    assert {"ok", "error", "rejected", "truncated"} <= seen["status"]
    assert {"provider", "partial", "estimated", "none"} <= seen["usage_source"]
    operations = {"chat", "models", "embeddings", "moderations", "count_tokens"}
    assert operations == seen["operation"]
    assert len(seen["error_code"]) > 10
    assert len(seen["model_requested"]) >= len(set(MODELS))
    for name in ("tenant_id", "wire", "stream", "refusal", "user_hash", "conversation_id", "tags"):
        assert len(seen[name]) > 1, name


def _check_bill(stack: Stack, told: Sequence[Told]) -> None:
    """What the provider said it used costs what the provider bills for it."""
    bill = {line["id"]: line["cost_nano"] for line in stack.sim("bill")["lines"]}
    answered = [
        one.record
        for one in told
        if one.record["status"] == "ok" and one.record["usage_source"] == "provider"
    ]
    named = [it for it in answered if it["response_id"] and "usage_zero" not in it["target"]]
    assert {it["wire"] for it in named} > {"openai.chat", "openai.responses"}
    for record in named:
        assert record["cost_nano"] == bill[record["response_id"]], record["target"]
    vectors = [it["cost_nano"] for it in answered if it["operation"] == "embeddings"]
    billed = [cost for name, cost in bill.items() if name.startswith("embd-")]
    assert set(vectors) <= set(billed)
    assert sum(vectors) > 0


def _check_other_places(stack: Stack, told: Sequence[Told]) -> None:
    browser = Browser(stack.url)
    browser.log_in(printed_password(stack.log()))
    for one in told:
        request_id = one.record["request_id"]
        stored = stack.admin(f"records/{request_id}")
        _check_rendered(one.record, stored["record"])
        _check_rendered(one.record, stack.json("trace", request_id))
        assert browser.record(request_id) == stored
        lines = [(line["line_id"], line["cost_nano"]) for line in one.ledger]
        assert [(line["line_id"], line.get("cost_nano")) for line in stored["lines"]] == lines
    first = told[0].record
    page = browser.page(f"/console/requests/{first['request_id']}")
    for name in ("status", "tenant_id", "feature", "key_id", "model_requested", "trace_id"):
        assert first[name] in page, name


def _check_rendered(record: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """A rendering has every field of the record, but for those at their defaults."""
    defaults = RequestRecord(
        request_id="",
        ts_us=0,
        end_us=0,
        trace_id="",
        span_id="",
        worker_id="",
        config_seq=0,
        tenant_id="",
        tier="",
        key_id="",
        operation="",
        wire="",
        model_requested="",
        latency_us=0,
        status="",
        http_status=0,
    )
    for name in RequestRecord.__struct_fields__:
        value = record[name]
        shown = told.get(name, getattr(defaults, name))
        assert shown == (value.hex() if isinstance(value, bytes) else value), name
