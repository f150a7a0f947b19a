"""A real Phoenix gets our traces: what its own API reads back is what the records say."""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, free_port, stack_in
from tests.phoenix import Phoenix
from tests.prompts import SEED

from trimtab.domain.annotation import Annotated, Annotation, AnnotationKind, AnnotationSource
from trimtab.domain.money import NANO_PER_USD
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.spool import Spool, claim
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.phoenix, pytest.mark.timeout(600)]

PRICES = {
    "^large": {"input": 3.0, "cache_read": 0.3, "output": 15.0},
    "^small": {"input": 0.15, "cache_read": 0.075, "output": 0.6},
}
PRICES_READ_S = 6.0
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
VARIABLES = {"question": "why?", "context": "because", "persona": "clerk"}
ASKED_WHILE_AWAY = 300

Span = dict[str, Any]


class Site(NamedTuple):
    """A Trimtab that exports to a Phoenix."""

    stack: Stack
    phoenix: Phoenix
    key: str

    def ask(self, text: str, model: str = "chat", conversation: str = "", **more: object) -> str:
        """Ask; gives the id of the request."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        headers = {"x-trimtab-conversation": conversation} if conversation else {}
        sent = json.dumps(body).encode()
        answer = self.stack.post("/v1/chat/completions", sent, self.key, headers)
        return answer[1]["x-trimtab-request-id"]

    def trace(self, request_id: str) -> "Trace":
        """Wait for a whole trace in Phoenix."""
        record = self.stack.record(request_id)

        def found() -> list[Span]:
            spans = self.phoenix.spans()
            ours = [it for it in spans if it["trace"]["traceId"] == record["trace_id"]]
            calls = [it for it in ours if it["spanKind"] == "llm"]
            return ours if len(calls) == record["attempt_count"] else []

        return Trace(record, eventually(found, f"the trace of {request_id} is in Phoenix"))


class Trace(NamedTuple):
    """A request as we have it, and as Phoenix has it."""

    record: Mapping[str, Any]
    spans: list[Span]

    @property
    def root(self) -> Span:
        """The only span that has no parent."""
        [root] = [it for it in self.spans if it["parentId"] is None]
        return root

    @property
    def calls(self) -> list[Span]:
        """The attempts, in their order."""
        calls = [it for it in self.spans if it["spanKind"] == "llm"]
        return sorted(calls, key=lambda it: it["attributes"]["trimtab"]["attempt"]["n"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Phoenix that knows the simulator's prices, and a Trimtab beside it."""
    home = tmp_path_factory.mktemp("site")
    phoenix = Phoenix(home / "phoenix", free_port(), free_port())
    config = home / "trimtab.yaml"
    exporter = f"{{preset: phoenix, endpoint: '{phoenix.url}', project: shop, content: span}}"
    config.write_text(f"{CONFIG.read_text()}\ntelemetry: {{exporters: [{exporter}]}}\n")
    try:
        phoenix.start()
        for pattern, prices in PRICES.items():
            phoenix.add_model(pattern, pattern, prices)
        time.sleep(PRICES_READ_S)
        with stack_in(home, "--config", str(config)) as stack:
            yield Site(stack, phoenix, stack.key())
    finally:
        phoenix.stop()


def test_phoenix_receives_a_tree_of_stages_and_the_call(site: Site) -> None:
    trace = site.trace(site.ask("hi"))

    root, [call] = trace.root, trace.calls
    assert (root["name"], root["spanKind"]) == ("POST /v1/chat/completions", "chain")
    assert (call["name"], call["statusCode"]) == ("chat large", "OK")
    assert {it["parentId"] for it in trace.spans} == {None, root["spanId"]}
    assert {"trimtab.admit", "trimtab.plan", "trimtab.settle"} <= {it["name"] for it in trace.spans}
    assert [it["name"] for it in call["events"]] == ["first_chunk"]
    for span in (root, call):
        assert span["attributes"]["input"]["value"] == "hi"
        assert "sail" in span["attributes"]["output"]["value"]
        assert span["attributes"]["trimtab"]["request_id"] == trace.record["request_id"]


@pytest.mark.parametrize("stream", [False, True])
def test_phoenix_receives_tokens_and_prices_them_as_we_do(site: Site, *, stream: bool) -> None:
    text = f"{stream} {'The log of the night watch. ' * 400}"
    traces = [site.trace(site.ask(text, stream=stream)) for _ in range(2)]

    assert traces[1].record["cached_tokens"] > 1000
    for record, [call] in ((it.record, it.calls) for it in traces):
        assert call["tokenCountPrompt"] == record["input_tokens"]
        assert call["tokenCountCompletion"] == record["output_tokens"]
        assert call["tokenPromptDetails"]["cacheRead"] == record["cached_tokens"]
        cost = record["cost_nano"] / NANO_PER_USD
        assert call["attributes"]["llm"]["cost"]["total"] == cost
        assert call["costSummary"]["total"]["cost"] == pytest.approx(cost, abs=1e-9)
        assert call["attributes"]["llm"]["model_name"] == "large"


def test_phoenix_receives_calls_of_tools(site: Site) -> None:
    [call] = site.trace(site.ask('[[sim: tool=lookup({"q": 1})]]', tools=[TOOL])).calls

    said = call["attributes"]["llm"]
    assert json.loads(said["tools"][0]["tool"]["json_schema"])["function"]["name"] == "lookup"
    [asked] = said["output_messages"][0]["message"]["tool_calls"]
    assert asked["tool_call"]["function"] == {"name": "lookup", "arguments": '{"q": 1}'}
    assert call["attributes"]["output"]["value"] == 'lookup({"q": 1})'


def test_phoenix_receives_a_fallback_and_an_error(site: Site) -> None:
    rescued, refused = (
        site.trace(site.ask("hi", it)) for it in ("stubborn!status:503", "chat!status:400")
    )

    assert [it["statusCode"] for it in rescued.calls] == ["ERROR", "ERROR", "OK"]
    assert [it["name"].split("!")[0] for it in rescued.calls] == [
        *("chat large", "chat large"),
        "chat small",
    ]
    assert rescued.root["statusCode"] == "OK"
    billed = [it["costSummary"] for it in rescued.calls]
    assert billed[:2] == [None, None]
    assert billed[2]["total"]["cost"] == pytest.approx(rescued.record["cost_nano"] / NANO_PER_USD)
    assert refused.root["statusCode"] == "ERROR"
    assert refused.root["attributes"]["error"]["type"] == "provider_refused"


def test_phoenix_receives_a_conversation_as_a_session(site: Site) -> None:
    traces = [site.trace(site.ask(it, conversation="conv-1")) for it in ("one", "two")]

    for trace in traces:
        assert {it["trace"]["session"]["sessionId"] for it in trace.spans} == {"conv-1"}
    told = site.phoenix.traces(session_identifier="conv-1")
    assert {it["trace_id"] for it in told} == {it.record["trace_id"] for it in traces}
    for trace, read in zip(traces, sorted(told, key=lambda it: it["start_time"]), strict=True):
        assert len(read["spans"]) == len(trace.spans)
        assert read["token_count_prompt"] == trace.record["input_tokens"]


def test_phoenix_receives_a_prompts_version_and_what_a_judge_found(site: Site) -> None:
    file = site.stack.home / "a.prompt.yaml"
    file.write_text(SEED)
    site.stack.run("prompts", "publish", str(file))
    path = "/prompts/rag-answer/versions/3.2.0"
    eventually(lambda: site.stack.status(path, site.key) == 200, "a worker knows the prompt")
    prompt = {"id": "rag-answer", "version": "3.2.0", "variables": VARIABLES}
    trace = site.trace(site.ask("hi", trimtab={"prompt": prompt}))

    [call] = trace.calls
    assert call["attributes"]["llm"]["prompt_template"]["version"] == "3.2.0"
    assert trace.root["attributes"]["trimtab"]["prompt"]["name"] == "rag-answer"
    _judge(site.stack, trace.record, call["spanId"])

    def judged() -> list[Span]:
        return [it for it in site.phoenix.spans() if it["spanKind"] == "evaluator"]

    [found] = eventually(judged, "what the judge found is in Phoenix")
    assert (found["name"], found["parentId"]) == ("evaluation faithful", call["spanId"])
    assert found["attributes"]["gen_ai"]["evaluation"]["score"]["value"] == 0.5


def test_phoenix_misses_nothing_after_it_was_away_under_load(site: Site) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(site.ask, f"away {it}") for it in range(ASKED_WHILE_AWAY)]
        eventually(lambda: sum(it.done() for it in asked) > ASKED_WHILE_AWAY // 5, "some are asked")
        site.phoenix.stop()
        ids = {it.result() for it in asked}
    site.phoenix.start()

    wanted = {site.stack.record(it)["trace_id"]: it for it in ids}
    sizes = {
        it["request_id"]: it["attempt_count"]
        for it in site.stack.rows("SELECT request_id, attempt_count FROM request")
    }

    def calls() -> Mapping[str, list[str]]:
        return {
            trace["trace_id"]: [it["span_id"] for it in trace["spans"] if it["span_kind"] == "LLM"]
            for trace in site.phoenix.traces()
        }

    def all_there() -> bool:
        time.sleep(1)  # each look is work for Phoenix
        there = calls()
        return all(len(there.get(trace, ())) == sizes[it] for trace, it in wanted.items())

    eventually(all_there, "every trace is in Phoenix", 180)
    every = [it for found in calls().values() for it in found]
    assert len(every) == len(set(every))


def _judge(stack: Stack, record: Mapping[str, Any], span_id: str) -> None:
    """Say what a judge found, as the keeper does."""
    annotation = Annotation(
        annotation_id=f"n_{record['request_id'][2:]}",
        request_id=record["request_id"],
        tenant_id=record["tenant_id"],
        ts_us=SystemClock().now_us(),
        kind=AnnotationKind.EVALUATION,
        name="faithful",
        score=0.5,
        source=AnnotationSource.JUDGE,
    )
    said = Annotated(
        annotation=annotation,
        request_us=record["ts_us"],
        trace_id=record["trace_id"],
        span_id=span_id,
    )
    spool = Spool(claim(stack.home / "spool", "judge"), SystemClock())
    spool.append(Kind.ANNOTATION, msgspec.msgpack.encode(said))
    spool.close()
