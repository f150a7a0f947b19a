"""Which traces are exported, and how many requests each stands for. Every record is stored.

The first rule that fits decides. None but the last looks at chance, and none at the trace id, or
the weights would be wrong.

    forced      asked for, or under watch        slow    above the limit
    error       error, truncated, lost           guard   blocked, refused, no budget, fallback
    experiment  any arm; shadow, canary, drill   rest    a share p

The share is drawn by OpenTelemetry's consistent probability, so that whoever else draws for the
same trace agrees: https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/.
What the online judge picks is known only later: such a trace is rehydrated (`telemetry.rehydrate`).
"""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from trimtab.domain.errors import BudgetExhausted, BudgetHeld, BudgetUnreachable
from trimtab.domain.record import Origin, RequestRecord, Sampling, Status
from trimtab.domain.trace_context import (
    RANDOM,
    SAMPLED,
    WHOLE,
    OpenTelemetry,
    TraceContext,
    opentelemetry,
    with_opentelemetry,
)
from trimtab.telemetry.deciding import Decision, Seen
from trimtab.telemetry.facts import route

UNKNOWN = 0.0
"""The adjusted count of a trace of which nobody knows how many it stands for."""

_STEPS = 1 << 16
_STEP = WHOLE // _STEPS
_EVERY = "ot=th:0"
_RANDOM_AT = 18

_FAILED = frozenset({Status.ERROR, Status.TRUNCATED, Status.LOST})
_TRIED_OUT = frozenset({Origin.SHADOW, Origin.CANARY, Origin.DRILL})
_NO_BUDGET = frozenset({BudgetExhausted.code, BudgetHeld.code, BudgetUnreachable.code})


class Mode(StrEnum):
    """Who drops what is not kept: our keeper, or a Collector that all spans go to."""

    KEEPER = "keeper"
    COLLECTOR = "collector"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept.

    Attributes:
        rest: Share of ordinary traces.
        tiers: The same of single tiers.
        slow_ms: Who takes as long or longer is slow.
        slow_ms_by_route: The same of single routes, as `/v1/embeddings`.
        keep: Tenants, prompts, models and features under watch, as `tenant:acme`.
        below: Evaluations with a lower score name a trace that must be there.
    """

    rest: float = 1.0
    tiers: Mapping[str, float] = {}
    slow_ms: int = 10_000
    slow_ms_by_route: Mapping[str, int] = {}
    keep: tuple[str, ...] = ()
    mode: Mode = Mode.KEEPER
    below: float = 0.5

    @property
    def drops(self) -> bool:
        """Whether there are traces that are not exported."""
        return self.mode is Mode.KEEPER and min(self.rest, *self.tiers.values(), 1.0) < 1.0


class _Incoming(NamedTuple):
    """What the caller's `tracestate` means here.

    Attributes:
        th: The caller's threshold; 0 if it counts for nothing.
        rv: Explicit randomness.
        value: Randomness, as a number.
        is_known: Whether anybody can tell how many requests a kept trace stands for.
    """

    th: int
    rv: str | None
    value: int
    is_known: bool


def threshold(probability: float) -> int:
    """Give the threshold for a share of traces, exact to 16 bits; one is always left to keep."""
    return min(round((1.0 - probability) * _STEPS), _STEPS - 1) * _STEP


def adjusted_count(th: int) -> float:
    """Tell how many traces one stands for that was kept at a threshold."""
    return WHOLE / (WHOLE - th)


def decided(record: RequestRecord, note: Sampling | None) -> Decision:
    """Tell what was decided on a request, for other spans of its trace to follow."""
    th = opentelemetry(record.tracestate).th if record.tracestate else None
    policy = note.policy if note else ""
    return Decision(record.trace_kept, record.sampling_rule, th, policy)


class Sampler:
    """Decides by one policy, the same on every worker."""

    def __init__(self, policy: Policy) -> None:
        self.version = sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()[:8]
        self._rest = threshold(policy.rest)
        self._tiers = {tier: threshold(share) for tier, share in policy.tiers.items()}
        self._watched = frozenset(policy.keep)
        self._plain = Sampling(policy=self.version)
        self._slow = policy.slow_ms
        self._by_route = policy.slow_ms_by_route

    def __call__(
        self, record: RequestRecord, context: TraceContext
    ) -> tuple[RequestRecord, Sampling]:
        """Decide on a finished request, whose `tracestate` is still its caller's."""
        rule = self._rule(record, context)
        th = self._tiers.get(record.tier, self._rest) if rule == "rest" else 0
        note = self._plain
        if rule == "slow":
            note = Sampling(policy=self.version, slow_ms=self._slow_ms(record))
        if not th and record.parent_span_id is None and record.tracestate is None:
            return _whole(record, rule), note
        incoming = _incoming(record.trace_id, record.tracestate, context)
        th = max(th, incoming.th)
        said = OpenTelemetry(th if incoming.is_known else None, incoming.rv)
        decided = replace(
            record,
            tracestate=with_opentelemetry(record.tracestate, said),
            sampling_rule=rule,
            adjusted_count=adjusted_count(th) if incoming.is_known else UNKNOWN,
            trace_kept=incoming.value >= th,
        )
        return decided, note

    def flags(self, trace_id: str, context: TraceContext, tier: str) -> int:
        """Give the flags of `traceresponse`: sampled only if that is sure before the end."""
        incoming = _incoming(trace_id, context.tracestate, context)
        th = 0 if context.keep else self._tiers.get(tier, self._rest)
        is_sure = incoming.value >= max(th, incoming.th)
        return (SAMPLED if is_sure else 0) | (RANDOM if context.is_random else 0)

    def of_spans(self, seen: Seen) -> Decision:
        """Decide on a trace of which there are spans of others only."""
        is_slow = seen.longest_us >= self._slow * 1000
        rule = "error" if seen.has_failed else "slow" if is_slow else "rest"
        context = TraceContext(parent_span_id="", is_random=seen.is_random)
        incoming = _incoming(seen.trace_id, seen.tracestate, context)
        th = max(self._rest if rule == "rest" else 0, incoming.th)
        known_th = th if incoming.is_known else None
        return Decision(incoming.value >= th, rule, known_th, self.version)

    def _rule(self, record: RequestRecord, context: TraceContext) -> str:
        if context.keep or (self._watched and self._is_watched(record)):
            return "forced"
        if record.status in _FAILED:
            return "error"
        if record.latency_us >= self._slow_ms(record) * 1000:
            return "slow"
        if record.experiment is not None or record.origin in _TRIED_OUT:
            return "experiment"
        return "guard" if _is_guarded(record) else "rest"

    def _slow_ms(self, record: RequestRecord) -> int:
        if not self._by_route:
            return self._slow
        return self._by_route.get(route(record)[1], self._slow)

    def _is_watched(self, record: RequestRecord) -> bool:
        return not self._watched.isdisjoint(
            (
                f"tenant:{record.tenant_id}",
                f"prompt:{record.prompt_name}",
                f"model:{record.model_requested}",
                f"feature:{record.feature}",
            )
        )


def _whole(record: RequestRecord, rule: str) -> RequestRecord:
    return replace(
        record, tracestate=_EVERY, sampling_rule=rule, adjusted_count=1.0, trace_kept=True
    )


def _is_guarded(record: RequestRecord) -> bool:
    return (
        record.fallback_used
        or record.refusal is True
        or record.guard_failed
        or record.guardrail_decision != "allow"
        or record.error_code in _NO_BUDGET
    )


def _incoming(trace_id: str, tracestate: str | None, context: TraceContext) -> _Incoming:
    """Weigh what a caller says: a threshold that its own flag contradicts counts for nothing.

    Of a caller that keeps nothing, and of one that says neither a threshold nor that its trace id
    is random, nobody knows what one trace stands for.
    """
    th, rv = opentelemetry(tracestate) if tracestate else OpenTelemetry()
    value = int(rv or trace_id[_RANDOM_AT:], 16)
    if context.parent_span_id is None:
        return _Incoming(0, rv, value, is_known=True)
    if not context.is_sampled or (th is not None and value < th):
        return _Incoming(0, rv, value, is_known=False)
    is_known = th is not None or rv is not None or context.is_random
    return _Incoming(th or 0, rv, value, is_known)
