"""Every cell of the matrix ends as its table says: for the SDK, in the record and on the bill."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from tests.e2e.asking import Seen, ask_anthropic, ask_openai
from tests.e2e.conftest import Stack, eventually, stack_of
from tests.e2e.matrix import ENDS, FEW, REFUSAL, SAID, SHAPES, Cell, cells

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = Path(__file__).with_name("matrix.yaml")
AT_ONCE = 48
SHOWN = 30
NEAR = 0.25
"""How far a charge may be from the bill of a provider that never told it, for so short a prompt."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_of(tmp_path_factory.mktemp("matrix"), CONFIG.read_text()) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_every_cell_of_a_chat_caller_ends_as_the_table_says(
    running: Stack, *, stream: bool
) -> None:
    async with AsyncOpenAI(
        base_url=f"{running.url}/v1", api_key=running.key(), max_retries=0
    ) as client:
        seen = await _ask_all(
            list(cells("openai", stream=stream)), lambda cell: ask_openai(client, cell)
        )

    _check_all(running, seen)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_every_cell_of_a_messages_caller_ends_as_the_table_says(
    running: Stack, *, stream: bool
) -> None:
    async with AsyncAnthropic(base_url=running.url, api_key=running.key(), max_retries=0) as client:
        seen = await _ask_all(
            list(cells("anthropic", stream=stream)), lambda cell: ask_anthropic(client, cell)
        )

    _check_all(running, seen)


async def _ask_all(
    asked: Sequence[Cell], ask: Callable[[Cell], Coroutine[Any, Any, Seen]]
) -> list[Seen]:
    """Ask many at once; those that wait for a silent provider go first."""
    waiting = sorted(asked, key=lambda cell: not cell.fault.hasty)
    found: list[Seen] = []

    async def client() -> None:
        while waiting:
            found.append(await ask(waiting.pop(0)))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(client())
    return found


@dataclass(frozen=True, slots=True)
class _Books:
    """What was written down of the requests."""

    records: Mapping[str, Mapping[str, Any]]
    ledger: Mapping[str, Sequence[Mapping[str, Any]]]
    bill: Mapping[str, int]


def _check_all(stack: Stack, all_seen: Sequence[Seen]) -> None:
    ids = {seen.request_id for seen in all_seen}
    assert len(ids) == len(all_seen), "two requests have one id"
    books = _books(stack, ids)
    wrong = {str(seen.cell): faults for seen in all_seen if (faults := list(_faults(seen, books)))}
    shown = [f"{cell}: {'; '.join(faults)}" for cell, faults in list(wrong.items())[:SHOWN]]
    assert not wrong, f"{len(wrong)} of {len(all_seen)} cells differ\n" + "\n".join(shown)


def _books(stack: Stack, ids: set[str]) -> _Books:
    def found() -> dict[str, dict[str, Any]] | None:
        rows = stack.rows("SELECT * FROM request")
        records = {row["request_id"]: row for row in rows}
        assert len(records) == len(rows)
        return records if ids <= set(records) else None

    records = eventually(found, "every request has its record")
    ledger: dict[str, list[dict[str, Any]]] = {}
    for line in stack.rows("SELECT * FROM ledger"):
        ledger.setdefault(line["request_id"], []).append(line)
    bill = {line["id"]: line["cost_nano"] for line in stack.sim("bill")["lines"]}
    return _Books(records, ledger, bill)


def _faults(seen: Seen, books: _Books) -> Iterator[str]:
    """Tell everything about a request that is not as the table says."""
    cell, record = seen.cell, books.records[seen.request_id]
    for what, found, expected in (
        *_told(seen),
        *_recorded(seen, record),
        *_charged(seen, record, books),
    ):
        if found != expected:
            yield f"{what} is {found!r} instead of {expected!r}"
    if cell.end.kind == "answer":
        yield from _misread(seen, record)


def _told(seen: Seen) -> Iterator[tuple[str, object, object]]:
    """What the SDK says about the end."""
    cell, end = seen.cell, seen.cell.end
    yield "the error", seen.error, cell.raised
    yield "status", seen.status, cell.status
    if end.code != "provider_refused":
        yield "code", seen.code, end.code


def _recorded(seen: Seen, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    cell, end = seen.cell, seen.cell.end
    status = {"answer": "ok", "broken": "ok", "error": "error", "cut": "truncated"}[end.kind]
    yield "record.status", record["status"], status
    yield "record.error_code", record["error_code"], end.code
    yield "record.http_status", record["http_status"], cell.status
    yield "record.usage_source", record["usage_source"], end.usage
    yield "record.attempt_count", record["attempt_count"], 1
    yield "record.stream", bool(record["stream"]), cell.stream
    wire = "openai.chat" if cell.caller == "openai" else "anthropic.messages"
    yield "record.wire", record["wire"], wire
    yield "record.provider", record["target"].partition("/")[0], cell.provider


def _charged(
    seen: Seen, record: Mapping[str, Any], books: _Books
) -> Iterator[tuple[str, object, object]]:
    lines = books.ledger.get(seen.request_id, [])
    cost, billed = record["cost_nano"], books.bill.get(record["response_id"])
    yield "the ledger", sum(line["cost_nano"] for line in lines), cost
    yield "the number of lines", len(lines), 1
    match seen.cell.end.charge:
        case "exact":
            yield "the charge", cost, billed
        case "estimated":
            yield "a charge above zero", cost > 0, True
            # What images and hidden thoughts cost is told by the provider alone.
            if seen.cell.end.kind == "cut" and seen.cell.shape not in {"images", "reasoning"}:
                yield "the charge", cost, pytest.approx(billed, rel=NEAR)
        case _:
            yield "the charge", cost, 0


def _misread(seen: Seen, record: Mapping[str, Any]) -> Iterator[str]:
    """What of an answer did not arrive as the model gave it."""
    cell, shape = seen.cell, SHAPES[seen.cell.shape]
    ended = "stop" if cell.fault.name == "empty" else shape.reason
    for what, found, expected in (
        ("text", seen.text, _said(seen)),
        ("calls", [json.loads(it) for it in seen.calls], [json.loads(it) for it in shape.calls]),
        ("reason", seen.reason, ended if cell.caller == "openai" else ENDS[ended]),
        ("record.finish_reasons", record["finish_reasons"], ended),
        ("record.tool_call_count", record["tool_call_count"], len(shape.calls)),
        ("record.refusal", bool(record["refusal"]), cell.shape == "refusal"),
    ):
        if found != expected:
            yield f"{what} is {found!r} instead of {expected!r}"
    if seen.usage is not None and cell.fault.name != "no_usage":
        told = (record["input_tokens"], record["output_tokens"])
        if seen.usage != told:
            yield f"usage is {seen.usage}, and {told} in the record"


def _said(seen: Seen) -> str:
    """The text that the answer must have."""
    told = {
        "tool": "",
        "parallel tools": "",
        "refusal": REFUSAL,
        "length": SAID[: 4 * FEW],
        "schema": seen.text if _is_query(seen.text) else "JSON of the schema",
    }
    match seen.cell.fault.name:
        case "huge":
            return seen.text if len(seen.text) == 8000 else "8000 characters"
        case "empty":
            return ""
        case _:
            return told.get(seen.cell.shape, SAID)


def _is_query(text: str) -> bool:
    try:
        return set(json.loads(text)) == {"query"}
    except ValueError:
        return False
