"""What a record adds to the sums, the same in every store. Whole numbers only, so sums are exact.

A request counts once, under the provider that served it last; tokens and cost count under the
provider of each ledger line, so that a fallback is paid where it was spent.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from math import log2
from operator import add
from typing import NamedTuple

from trimtab.domain.record import Finish, LedgerLine, Origin, RequestRecord, Status

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MINUTE_US = 60_000_000
INDEXES_PER_OCTAVE = 8
MAX_NAMES = 1000
OTHER = "__other__"
FAILED = frozenset({Status.ERROR, Status.TRUNCATED, Status.LOST})

ADJUSTMENT = "adjustment"

_ESTIMATED = frozenset({"estimated", "partial"})


class Key(NamedTuple):
    """What a sum is kept by. A value that is not there is empty text."""

    tenant_id: str
    tier: str
    feature: str
    key_id: str
    provider: str
    model: str
    prompt_name: str
    prompt_version: str
    experiment: str
    arm: str
    origin: str
    status: str


class TotalKey(NamedTuple):
    """What a sum over all time is kept by: few enough to be read all at once."""

    tenant_id: str
    feature: str
    model: str
    status: str
    origin: str


class Known(NamedTuple):
    """Names of a tenant that have sums of their own."""

    features: set[str]
    models: set[str]


class Sums(NamedTuple):
    """What is added up. `cost_nano` leaves out what has no price; `n_unpriced` counts it."""

    n: int = 0
    n_fallback: int = 0
    n_flagged: int = 0
    n_redacted: int = 0
    n_blocked: int = 0
    n_refused: int = 0
    n_estimated: int = 0
    n_unpriced: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Add up."""
        return Sums._make(map(add, self, other))


class MinuteKey(NamedTuple):
    """Live traffic of a minute: `idx` is floor(8 * log2(latency in us))."""

    bucket_us: int
    tenant_id: str
    idx: int


class MinuteSums(NamedTuple):
    """What is added up by minute."""

    n: int
    n_error: int
    cost_nano: int

    def plus(self, other: "MinuteSums") -> "MinuteSums":
        """Add up."""
        return MinuteSums._make(map(add, self, other))


class Buckets(NamedTuple):
    """The spans of time that a record belongs to, by their first instant."""

    hour_us: int
    day_us: int
    local_day_us: int


def buckets(finish: Finish) -> Buckets:
    """Tell which sums a record is part of. A local day is its date, taken as UTC."""
    ts_us = finish.record.ts_us
    day_us = ts_us - ts_us % DAY_US
    local_us = midnight_us(finish.day_local) if finish.day_local else day_us
    return Buckets(ts_us - ts_us % HOUR_US, day_us, local_us)


def parts(finish: Finish) -> Iterable[tuple[Key, Sums]]:
    """Tell what a record adds to the sums of its hour and days."""
    record = finish.record
    yield _key(record, record.provider), _counts(record)
    for line in finish.lines:
        yield _key(record, line.provider), _spent(line)


def adjusted(line: LedgerLine) -> tuple[Buckets, Key, Sums]:
    """Tell what an adjustment adds to sums; it is no request, so it has neither tier nor status.

    Raises:
        ValueError: the line is no adjustment, or does not say of how much.
    """
    if line.kind != ADJUSTMENT or line.cost_nano is None:
        raise ValueError(f"line '{line.line_id}' is no adjustment of money")
    day_us = line.ts_us - line.ts_us % DAY_US
    starts = Buckets(line.ts_us - line.ts_us % HOUR_US, day_us, midnight_us(line.day_local))
    key = Key(
        tenant_id=line.tenant_id,
        tier="",
        feature=line.feature,
        key_id=line.key_id,
        provider=line.provider,
        model=line.model_requested,
        prompt_name=line.prompt_name or "",
        prompt_version=line.prompt_version or "",
        experiment=line.experiment or "",
        arm=line.arm or "",
        origin=line.origin,
        status="",
    )
    return starts, key, _spent(line)


def bounded(key: Key, known: Known) -> Key:
    """Keep sums by at most 1,000 features and 1,000 models of a tenant: callers choose the names.

    What is new and has room is put to what is `known`.
    """
    feature, model = kept(key.feature, known.features), kept(key.model, known.models)
    if feature is key.feature and model is key.model:
        return key
    return key._replace(feature=feature, model=model)


def total_key(key: Key) -> TotalKey:
    """Tell to which sum over all time one of an hour belongs."""
    return TotalKey(key.tenant_id, key.feature, key.model, key.status, key.origin)


def kept(name: str, known: set[str]) -> str:
    """Give a name, or `OTHER` if it is new and there is no room for it; what has room is added."""
    if name not in known:
        if len(known) >= MAX_NAMES:
            return OTHER
        known.add(name)
    return name


def minute(record: RequestRecord) -> tuple[MinuteKey, MinuteSums] | None:
    """Tell what a record adds to its minute; nothing unless it is live traffic."""
    if record.origin != Origin.LIVE:
        return None
    bucket_us = record.ts_us - record.ts_us % MINUTE_US
    key = MinuteKey(bucket_us, record.tenant_id, latency_index(record.latency_us))
    return key, MinuteSums(1, int(record.status in FAILED), record.cost_nano or 0)


def latency_index(latency_us: int) -> int:
    """Give the bucket of OpenTelemetry's exponential histogram at scale 3."""
    return int(INDEXES_PER_OCTAVE * log2(max(1, latency_us)))


def quantile_us(counts: Mapping[int, int], share: float) -> int | None:
    """Read a quantile from counts by `latency_index`: within 4.5 %; `None` if there are none."""
    total = sum(counts.values())
    seen = 0
    for index in sorted(counts):
        seen += counts[index]
        if seen >= share * total:
            return round(2 ** ((index + 0.5) / INDEXES_PER_OCTAVE))
    return None


def _key(record: RequestRecord, provider: str) -> Key:
    return Key(
        tenant_id=record.tenant_id,
        tier=record.tier,
        feature=record.feature,
        key_id=record.key_id,
        provider=provider,
        # A model that is not configured has no sums: anybody can think of names. From `!` on, a
        # name asks a simulator for a fault.
        model=record.model_requested.partition("!")[0] if record.model_kind else "",
        prompt_name=record.prompt_name or "",
        prompt_version=record.prompt_version or "",
        experiment=record.experiment or "",
        arm=record.arm or "",
        origin=record.origin,
        status=record.status,
    )


def is_estimate(usage_source: str) -> bool:
    """Whether tokens are, at least in part, our guess."""
    return usage_source in _ESTIMATED


def _counts(record: RequestRecord) -> Sums:
    decision = record.guardrail_decision
    return Sums(
        n=1,
        n_fallback=int(record.fallback_used),
        n_flagged=int(decision == "flag"),
        n_redacted=int(decision in ("redact", "pseudonymise", "rewrite")),
        n_blocked=int(decision == "block"),
        n_refused=int(record.refusal is True),
        n_estimated=int(is_estimate(record.usage_source)),
        n_unpriced=int(record.attempt_count > 0 and record.cost_nano is None),
    )


def _spent(line: LedgerLine) -> Sums:
    writes = (
        line.cache_write_5m,
        line.cache_write_30m,
        line.cache_write_1h,
        line.cache_write_12h,
    )
    return Sums(
        input_tokens=line.input_tokens or 0,
        cached_tokens=line.cached_tokens or 0,
        cache_write_tokens=sum(count or 0 for count in writes),
        output_tokens=line.output_tokens or 0,
        reasoning_tokens=line.reasoning_tokens or 0,
        cost_nano=line.cost_nano or 0,
    )


def month_us(month: str) -> int:
    """Give the first instant of a month such as `2026-10`, UTC."""
    return midnight_us(f"{month}-01")


def midnight_us(day: str) -> int:
    """Give the first instant of a date such as `2026-10-01`, UTC."""
    on = date.fromisoformat(day)
    return round(datetime(on.year, on.month, on.day, tzinfo=UTC).timestamp()) * 1_000_000
