"""Outcomes of requests: ordinary ones, and ones whose every member is filled by chance."""

import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from tests.telemetry.shapes import STAGES, TS_US, attempt, record

from trimtab.domain.ids import request_id, span_id, trace_id
from trimtab.domain.record import (
    Attempt,
    Begin,
    Detail,
    Finish,
    LedgerLine,
    Origin,
    PromptUse,
    RequestRecord,
    Status,
)

DAY_US = 86_400_000_000

_T = TypeVar("_T", bound=Struct)
_TEXTS = ("", "null", "true", "0", "search", "Sümpfe", "a\0b", '"\\\n', "it's", "x" * 300)


def tenant_key(tenant_id: str) -> bytes:
    return sha256(tenant_id.encode()).digest()


def line_of(
    record: RequestRecord, number: int = 1, /, *, day_local: str = "", **fields: object
) -> LedgerLine:
    """Make the ledger line that says what a record says."""
    members = {
        name: getattr(record, name)
        for name in LedgerLine.__struct_fields__
        if name in RequestRecord.__struct_fields__
    }
    members |= {
        "line_id": f"{record.request_id}/{number}/charge/0",
        "day_local": day_local,
        "model_sent": "large",
        "cache_write_5m": record.cache_write_tokens,
    }
    return msgspec.convert({**members, **fields}, LedgerLine)


def finish(seed: int = 7, /, *, day_local: str = "", **fields: object) -> Finish:
    """Make the outcome of an ordinary request with one attempt and its line."""
    made = record(seed, **fields)
    return Finish(
        record=made,
        day_local=day_local,
        detail=Detail(stages=STAGES),
        attempts=(attempt(),),
        lines=(line_of(made, day_local=day_local),),
    )


def begin(seed: int = 7, /, **fields: object) -> Begin:
    """Make what a worker writes before the first attempt of that request."""
    made = record(seed)
    members = {
        name: getattr(made, name)
        for name in Begin.__struct_fields__
        if name in RequestRecord.__struct_fields__
    }
    members |= {
        "model_sent": "claude-sonnet-4-6",
        "input_floor": 1000,
        "day_local": "2026-04-25",
        "sent_hash": "ab" * 32,
    }
    return msgspec.convert({**members, **fields}, Begin)


def chance_finish(chance: Random) -> Finish:
    """Make an outcome with every member by chance; its lines add up to its record."""
    made = _chance_record(chance)
    day = datetime.fromtimestamp(made.ts_us // 1_000_000, UTC).date()
    day_local = (day + timedelta(days=chance.choice([-1, 0, 1]))).isoformat()
    number = chance.randrange(4)
    costs = [chance.choice([0, chance.randrange(1 << 40)]) for _ in range(number)]
    lines = tuple(
        line_of(
            made,
            n + 1,
            day_local=day_local,
            cost_nano=cost,
            provider=chance.choice(["sim", "sim-us", made.provider]),
            input_tokens=chance.randrange(1 << 30),
            output_tokens=chance.choice([None, 0, chance.randrange(1 << 30)]),
        )
        for n, cost in enumerate(costs)
    )
    paid = sum(costs) if costs else chance.choice([None, 0])
    return Finish(
        record=msgspec.structs.replace(made, cost_nano=paid, attempt_count=number),
        day_local=chance.choice([day_local, ""]),
        detail=Detail(
            stages=STAGES[: chance.randrange(7)],
            prompt=chance.choice([None, PromptUse(name="a", version="1.0.0", hash="0" * 64)]),
            retrieved=tuple(
                {"doc_id": _text(chance), "score": chance.random()} for _ in range(number)
            ),
            findings=tuple({"kind": _text(chance), "n": n} for n in range(number)),
        ),
        attempts=tuple(_fill(Attempt, chance, {"n": n + 1}) for n in range(number)),
        lines=lines,
    )


def _chance_record(chance: Random) -> RequestRecord:
    ts_us = TS_US + chance.randrange(-40 * DAY_US, 40 * DAY_US)
    identifier = request_id(ts_us, chance.randbytes)
    latency_us = chance.choice([0, 1, chance.randrange(1 << 31)])
    return _fill(
        RequestRecord,
        chance,
        {
            "request_id": identifier,
            "ts_us": ts_us,
            "end_us": ts_us + latency_us,
            "latency_us": latency_us,
            "trace_id": trace_id(ts_us, chance.randbytes),
            "span_id": span_id(identifier, "request"),
            "tenant_id": chance.choice(["acme", "globex", "null"]),
            "origin": chance.choice([*Origin, *[Origin.LIVE] * 9]).value,
            "status": chance.choice([*Status]).value,
            "usage_source": chance.choice(["provider", "partial", "estimated", "none"]),
            "guardrail_decision": chance.choice(["allow", "flag", "redact", "block"]),
        },
    )


def _fill(kind: type[_T], chance: Random, given: Mapping[str, object]) -> _T:
    """Give every member of a struct a value of its type."""
    members = {
        field.name: given[field.name] if field.name in given else _value(field.type, chance)
        for field in msgspec.structs.fields(kind)
    }
    return kind(**members)


# `Any` for the types of members, which are what they are.
def _value(kind: Any, chance: Random) -> object:  # noqa: ANN401
    if get_origin(kind) in (Union, types.UnionType):
        return _value(chance.choice(get_args(kind)), chance)
    return _MAKERS[kind](chance)


def _text(chance: Random) -> str:
    return chance.choice([*_TEXTS, chance.randbytes(4).hex()])


_MAKERS: Mapping[type, Callable[[Random], object]] = {
    str: _text,
    int: lambda chance: chance.choice([0, 1, chance.randrange(1 << 40)]),
    bool: lambda chance: chance.random() < 0.5,
    float: lambda chance: chance.random(),
    bytes: lambda chance: chance.randbytes(32),
    types.NoneType: lambda _: None,
}
