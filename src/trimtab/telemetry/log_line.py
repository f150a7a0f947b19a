"""The one JSON line of a request: for `grep`, when nothing else is there.

The first thirteen keys are those that people know from elsewhere; none is renamed or removed
within a major version. Money is exact text, never a float.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.annotation import Annotated
from trimtab.domain.money import usd_text
from trimtab.domain.record import Finish, RequestRecord

VERSION = 1
_HASH_DIGITS = 12

_encoder = msgspec.json.Encoder()


class LogLine(Struct, kw_only=True):
    """A request's line; members are written in this order. Durations end in their unit.

    Attributes:
        cost_usd: A number, digit by digit; no exponent.
    """

    ts: str
    request_id: str
    tenant_id: str
    model: str
    prompt_name: str | None
    prompt_version: str | None
    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost_usd: Raw | None
    latency_ms_total: float
    guardrail_decision: str
    judge_score: float | None
    event: str
    v: int
    status: str
    http_status: int
    error_code: str | None
    trace_id: str
    tier: str
    feature: str
    key_id: str
    origin: str
    wire: str
    stream: bool
    model_response: str | None
    provider: str
    target: str
    attempts: int
    prompt_hash: str | None
    experiment: str | None
    arm: str | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str
    cost_nano: int | None
    price_version: str | None
    ttft_ms: float | None
    stages_ms: dict[str, float]
    retrieved: tuple[str, ...]
    tool_calls: int
    fallback: bool
    config_seq: int
    sampling_rule: str
    replay: str


_AS_RECORDED = tuple(
    {*LogLine.__struct_fields__} & {*RequestRecord.__struct_fields__} - {"prompt_hash"}
)
"""What the line says under the name, and in the words, of the record."""
_recorded = attrgetter(*_AS_RECORDED)
_SAID = ("request_id", "tenant_id", "kind", "name", "score", "label", "source", "author", "version")
ANNOTATION_KEYS = ("ts", "event", "v", *_SAID, "claimed")


def annotation_line(annotated: Annotated) -> bytes:
    """Write the line of what arrived about a request after it ended, its line feed included.

    Its words are not told. While it is claimed, nobody has seen that the request is the tenant's.
    """
    said = annotated.annotation
    members = {
        "ts": timestamp(said.ts_us),
        "event": "annotation",
        "v": VERSION,
        **{name: getattr(said, name) for name in _SAID},
        "claimed": annotated.claimed,
    }
    return _encoder.encode(members) + b"\n"


def log_line(finish: Finish) -> bytes:
    """Write the line of a request, its line feed included."""
    record = finish.record
    line = LogLine(
        **dict(zip(_AS_RECORDED, _recorded(record), strict=True)),
        ts=timestamp(record.ts_us),
        model=record.model_requested,
        cost_usd=None if record.cost_nano is None else Raw(usd_text(record.cost_nano).encode()),
        latency_ms_total=record.latency_us / 1000,
        event="request",
        v=VERSION,
        attempts=record.attempt_count,
        prompt_hash=record.prompt_hash and record.prompt_hash[:_HASH_DIGITS],
        ttft_ms=None if record.ttft_us is None else record.ttft_us / 1000,
        stages_ms={stage.stage: stage.dur_us / 1000 for stage in finish.detail.stages},
        retrieved=tuple(map(_found, finish.detail.retrieved)),
        tool_calls=record.tool_call_count,
        fallback=record.fallback_used,
    )
    return _encoder.encode(line) + b"\n"


def _found(document: Mapping[str, str | float]) -> str:
    score = document.get("score")
    return f"{document['doc_id']}" if score is None else f"{document['doc_id']}:{score}"


def day_of(ts_us: int) -> str:
    """Name the UTC day of an instant, as `20260425`."""
    return f"{datetime.fromtimestamp(ts_us // 1_000_000, UTC):%Y%m%d}"


def timestamp(ts_us: int) -> str:
    """Write an instant to the millisecond, UTC: `2026-04-25T18:42:11.482Z`."""
    seconds, rest_us = divmod(ts_us, 1_000_000)
    day = datetime.fromtimestamp(seconds, UTC)
    return f"{day:%Y-%m-%dT%H:%M:%S}.{rest_us // 1000:03d}Z"
