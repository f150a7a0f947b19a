"""Which rule decided what about one request: told from its record and the configuration it ran on.

Nothing is asked again and nothing is guessed from what is live now.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from trimtab.control.snapshot import Snapshot, State, build, first_stopped
from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.errors import (
    ModelNotAllowed,
    ModelRefused,
    ModelSuspended,
    ParallelLimited,
    ProviderRateLimited,
    ProviderRefused,
    RateLimited,
    TenantSuspended,
)
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import Fallback, Model, Target
from trimtab.domain.money import usd_text
from trimtab.domain.prompt import Place
from trimtab.domain.record import Attempt, RequestRecord, Status
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind
from trimtab.domain.usage import UsageSource
from trimtab.store.base.recording import StoredRecord

SECOND_US = 1_000_000
STAGES = ("admit", "plan", "screen_input", "fund", "call", "settle")

_DONE = {
    "admit": "admitted",
    "plan": "planned",
    "screen_input": "screened",
    "fund": "funded",
}
_USAGE = {
    UsageSource.PROVIDER: "usage from the provider",
    UsageSource.PARTIAL: "usage in part from the provider",
    UsageSource.ESTIMATED: "usage estimated",
    UsageSource.NONE: "nothing used",
}
_LISTS = {
    ModelRefused.code: "when_refused",
    ProviderRefused.code: "when_context_too_long",
    ProviderRateLimited.code: "when_rate_limited",
}


class Step(Struct, frozen=True):
    """One thing that was decided. `stage` is a word for people."""

    ts_us: int
    stage: str
    what: str


def explain(stored: StoredRecord, state: State) -> tuple[Step, ...]:
    """Tell the decisions of a request in the order in which they were made.

    `state` is where every pointer stood at the `config_seq` of its record.
    """
    return tuple(_Story(stored, state).steps())


class _Story:
    """A record beside the configuration it ran on."""

    def __init__(self, stored: StoredRecord, state: State) -> None:
        self._stored = stored
        self._record = stored.record
        self._state = state
        self._snapshot: Snapshot = build(stored.record.config_seq, state)
        self._model = self._snapshot.model(stored.record.model_requested)
        self._grant = self._snapshot.grant(
            KeyId(stored.record.key_id), TenantId(stored.record.tenant_id)
        )

    def steps(self) -> Iterator[Step]:
        record = self._record
        yield from self._composed()
        passed = [it for it in self._stored.detail.stages if it.stage in _DONE]
        for it in passed:
            ts_us = record.ts_us + it.start_us + it.dur_us
            yield Step(ts_us, _DONE[it.stage], self._passed(it.stage))
        if not self._stored.attempts and record.error_code:
            stage = STAGES[len(passed)]
            why = f"by {stage}: {record.error_code}, HTTP {record.http_status}{self._rule()}"
            yield Step(record.end_us, "refused", why)
        if record.origin_request_id is not None:
            yield Step(record.end_us, "replayed", f"the answer of {record.origin_request_id}")
        yield from self._attempts(self._stored.attempts)
        yield Step(record.end_us, "settled", _settled(record))

    def _passed(self, stage: str) -> str:
        record = self._record
        match stage:
            case "admit":
                who = f"tenant {record.tenant_id} ({record.tier})"
                return f"{who}, key {self._key()}, config_seq {record.config_seq}"
            case "plan":
                return self._planned()
            case "screen_input":
                return record.guardrail_decision
            case _:
                return f"limits {self._limits()}; what it needs is held"

    def _composed(self) -> Iterator[Step]:
        """Tell which version of its prompt it got, and who pointed the label there."""
        use = self._stored.detail.prompt
        if use is None:
            return
        why = use.reason
        if use.label and use.scope:
            pointed = self._snapshot.prompts.at(Place(use.name, use.label, use.scope))
            moved = f", {_moved(pointed.change)}" if pointed else ""
            why = f"label {use.label} in scope {use.scope}{moved}"
        yield Step(self._record.ts_us, "composed", f"{use.name}@{use.version} ({why})")

    def _key(self) -> str:
        key = self._snapshot.key(KeyId(self._record.key_id))
        return f"{key.name} ({key.id})" if key else self._record.key_id

    def _planned(self) -> str:
        asked = self._record.model_requested
        by = ""
        entry = self._state.get(Pointer(PointerKind.MODEL, asked.partition("!")[0]))
        if entry is not None:
            by = f" ({entry.value.kind}, {_moved(entry.change)})"
        elif self._model is not None:
            by = f" ({self._model.kind})"
        attempts, detail = self._stored.attempts, self._stored.detail
        first = attempts[0].target if attempts else self._record.target
        leads = f" -> {first}" if first else ""
        skipped = "".join(f"; skipped {target}: {code}" for target, code in detail.skipped)
        held = "".join(f"; {it}" for it in self._held_open())
        dropped = f"; without {', '.join(detail.dropped)}" if detail.dropped else ""
        return f"{asked}{leads}{by}{skipped}{held}{dropped}"

    def _held_open(self) -> Iterator[str]:
        """Name the targets that somebody wanted left alone."""
        model, snapshot = self._model, self._snapshot
        if model is None or not snapshot.breakers:
            return
        others = (snapshot.model(name) for name in sorted(model.fallback.names()))
        for target in dict.fromkeys((*model.targets, *(it.to for it in others if it))):
            name = str(target).partition("!")[0]
            order = snapshot.breakers.get(name)
            if order is not None and order.holds(self._record.ts_us):
                change = self._state[Pointer(PointerKind.BREAKER, name)].change
                yield f"{name} held open ({_moved(change)})"

    def _attempts(self, attempts: Sequence[Attempt]) -> Iterator[Step]:
        before: Attempt | None = None
        for attempt in attempts:
            why = f"  ({self._chosen(before, attempt)})" if before else ""
            end_us = attempt.started_us + attempt.dur_us
            yield Step(end_us, f"attempt {attempt.n}", _outcome(attempt) + why)
            before = attempt

    def _chosen(self, before: Attempt, attempt: Attempt) -> str:
        """Tell by which rule an attempt followed another."""
        if attempt.target == before.target:
            return f"retry after {before.error_code}"
        rule = None if self._model is None else self._fallback(self._model, before, attempt)
        return f"{rule or 'fallback'} after {before.error_code}"

    def _fallback(self, model: Model, before: Attempt, attempt: Attempt) -> str | None:
        """Name the member of the configuration that led to a target."""
        cause = _LISTS.get(before.error_code or "", "when_error")
        if getattr(model.fallback, cause) is None:
            cause = "when_error"
        if cause == "when_error" and attempt.target in map(str, model.targets):
            return "to: the next of its targets"
        for index, name in enumerate(_named(model.fallback, cause)):
            other = self._snapshot.model(name)
            if other is not None and str(other.to) == attempt.target:
                return f"fallback.{cause}[{index}] {name},"
        return None

    def _rule(self) -> str:
        """Name the rule that refused it, if the configuration holds that rule."""
        record = self._record
        match record.error_code:
            case TenantSuspended.code | ModelSuspended.code:
                return self._switch()
            case ModelNotAllowed.code:
                may = ", ".join(sorted(self._grant.models)) if self._grant else ""
                return f"; key {self._key()} may call {may or 'nothing'}"
            case RateLimited.code | ParallelLimited.code:
                return f"; limits {self._limits()}"
            case _:
                return ""

    def _switch(self) -> str:
        record = self._record
        model = record.model_requested.partition("!")[0]
        targets = self._model.targets if self._model else (Target("", ""),)
        scopes = (
            WHOLE_SITE,
            Scope(ScopeKind.TENANT, record.tenant_id),
            Scope(ScopeKind.KEY, record.key_id),
            Scope(ScopeKind.FEATURE, record.feature, record.tenant_id),
            Scope(ScopeKind.USER, record.user_hash or "", record.tenant_id),
            Scope(ScopeKind.MODEL, model),
            *(Scope(ScopeKind.MODEL, str(target)) for target in targets),
            *(Scope(ScopeKind.PROVIDER, target.provider) for target in targets),
        )
        scope = first_stopped(self._snapshot.suspensions, scopes, record.ts_us)
        if scope is None:
            return ""
        return f"; {scope} is suspended ({_moved(self._state[scope.pointer].change)})"

    def _limits(self) -> str:
        if self._grant is None:
            return "unknown"
        limits = self._grant.limits_at(self._record.ts_us)
        parts = (
            (limits.requests_per_minute, "/min"),
            (limits.tokens_per_minute, " tok/min"),
            (limits.parallel, " at once"),
        )
        told = ", ".join(f"{value:,}{unit}" for value, unit in parts if value is not None)
        return told or "none"


def _named(fallback: Fallback, cause: str) -> Sequence[str]:
    names: Sequence[str] | None = getattr(fallback, cause)
    return names or ()


def _moved(change: Change) -> str:
    return f'change {change.seq} by {change.author}: "{change.reason}"'


def _outcome(attempt: Attempt) -> str:
    took = _span(attempt.dur_us)
    billed = "" if attempt.cost_nano else ", not billed"
    if attempt.error_code is not None:
        status = f" {attempt.http_status}" if attempt.http_status else ""
        reason = f" {attempt.raw_reason}" if attempt.raw_reason else ""
        return f"{attempt.target}{status}{reason}, {attempt.error_code}, {took}{billed}"
    first = "" if attempt.ttft_us is None else f", first token after {_span(attempt.ttft_us)}"
    gone = ", cancelled: the caller was gone" if attempt.cancelled else ""
    return f"{attempt.target} answered, {took}{first}{gone}"


def _span(us: int) -> str:
    return f"{us / 1e6:.2f} s" if us >= SECOND_US else f"{us / 1e3:.1f} ms"


def _settled(record: RequestRecord) -> str:
    cost = "cost unknown" if record.cost_nano is None else f"{usd_text(record.cost_nano)} USD"
    used = _USAGE.get(UsageSource(record.usage_source), record.usage_source)
    tokens = ""
    if record.input_tokens is not None and record.output_tokens is not None:
        cached = f" ({record.cached_tokens:,} cached)" if record.cached_tokens else ""
        tokens = f", {record.input_tokens:,} in{cached} / {record.output_tokens:,} out"
    status = "" if record.status == Status.OK else f"{record.status}, "
    return f"{status}{cost}, {used}{tokens}"
