import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.records import chance_finish, finish, tenant_key
from tests.telemetry.shapes import SHAPES, TS_US

from trimtab.domain.record import Detail, Finish, RequestRecord
from trimtab.store.base.recording import Batch, StoredRecord
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.log_line import LogLine, day_of, log_line, timestamp
from trimtab.testing import FrozenClock

KNOWN_ELSEWHERE = (
    "ts",
    "request_id",
    "tenant_id",
    "model",
    "prompt_name",
    "prompt_version",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "cost_usd",
    "latency_ms_total",
    "guardrail_decision",
    "judge_score",
)


def read(made: Finish) -> dict[str, Any]:
    return json.loads(log_line(made), parse_float=Decimal)


def expected(row: StoredRecord) -> Mapping[str, object]:
    """Say what the line of a stored record holds, member by member."""
    record = row.record
    same = {
        name: getattr(record, name)
        for name in LogLine.__struct_fields__
        if name in RequestRecord.__struct_fields__
    }
    return {
        **same,
        "ts": timestamp(record.ts_us),
        "model": record.model_requested,
        "cost_usd": None if record.cost_nano is None else Decimal(record.cost_nano).scaleb(-9),
        "latency_ms_total": Decimal(record.latency_us) / 1000,
        "judge_score": _number(record.judge_score),
        "event": "request",
        "v": 1,
        "attempts": record.attempt_count,
        "prompt_hash": record.prompt_hash and record.prompt_hash[:12],
        "ttft_ms": None if record.ttft_us is None else Decimal(record.ttft_us) / 1000,
        "stages_ms": {it.stage: Decimal(it.dur_us) / 1000 for it in row.detail.stages},
        "retrieved": [f"{it['doc_id']}:{it['score']}" for it in row.detail.retrieved],
        "tool_calls": record.tool_call_count,
        "fallback": record.fallback_used,
    }


def _number(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


async def test_the_line_says_what_the_row_says_for_two_hundred_random_requests(
    tmp_path: Path,
) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    finishes = [chance_finish(Random(seed)) for seed in range(200)]  # noqa: S311
    writing = SqliteRecording(tmp_path)
    await writing.commit(Batch(finishes=tuple(finishes)))
    reading = SqliteReading(tmp_path, tenant_key, FrozenClock())

    for made in finishes:
        row = await reading.find(made.record.request_id)
        assert row is not None
        assert read(made) == expected(row)

    writing.close()
    reading.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_line_has_every_key_in_one_order(shape: str) -> None:
    keys = tuple(read(SHAPES[shape]))

    assert keys == LogLine.__struct_fields__
    assert keys[: len(KNOWN_ELSEWHERE)] == KNOWN_ELSEWHERE


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    line = log_line(finish(1, feature='a\nb\r\u2028"', error_code="x\n"))

    assert line.count(b"\n") == 1
    assert line.endswith(b"}\n")
    assert json.loads(line)["feature"] == 'a\nb\r\u2028"'


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        pytest.param(9_414_000, b"0.009414", id="the usual"),
        pytest.param(1, b"0.000000001", id="the least"),
        pytest.param(0, b"0", id="nothing"),
        pytest.param(123_456_789_012_345_678, b"123456789.012345678", id="too long for a float"),
        pytest.param(None, b"null", id="unknown"),
    ],
)
def test_money_is_exact_text_and_never_a_float(nano: int | None, text: bytes) -> None:
    line = log_line(finish(1, cost_nano=nano))

    assert b'"cost_usd":' + text + b"," in line


def test_the_hash_of_a_prompt_is_cut_to_twelve_digits() -> None:
    assert read(finish(1, prompt_hash="74b300726fa8" + "0" * 52))["prompt_hash"] == "74b300726fa8"
    assert read(finish(1))["prompt_hash"] is None


def test_stages_and_documents_are_told_by_name() -> None:
    made = replace(
        finish(1),
        detail=Detail(
            stages=finish(1).detail.stages[:2],
            retrieved=({"doc_id": "doc-12", "score": 0.83, "rank": 1.0},),
        ),
    )

    assert read(made)["stages_ms"] == {"admit": Decimal("0.1"), "plan": Decimal("0.2")}
    assert read(made)["retrieved"] == ["doc-12:0.83"]


def test_instants_are_utc_to_the_millisecond() -> None:
    assert timestamp(TS_US) == "2026-04-25T18:42:11.482Z"
    assert timestamp(TS_US + 999) == "2026-04-25T18:42:11.482Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert day_of(TS_US) == "20260425"


def test_content_is_in_no_line() -> None:
    made = finish(1, params='{"stop":["planted"]}', tags='{"a":"planted"}', extra='"planted"')

    assert b"planted" not in log_line(made)
