"""Which rule decided what about one request: told from its record and the change log alone."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from trimtab.domain.change import Change
from trimtab.domain.money import usd_text
from trimtab.domain.record import Attempt, RequestRecord, Status
from trimtab.domain.usage import UsageSource
from trimtab.store.base import StoredRecord

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


class Step(Struct, frozen=True):
    """One thing that was decided. `stage` is a word for people."""

    ts_us: int
    stage: str
    what: str


def explain(
    stored: StoredRecord, *, key_name: str | None, moved: Change | None
) -> tuple[Step, ...]:
    """Tell the decisions of a request in the order in which they were made.

    `key_name` is the name of its key, if that is still known; `moved` the change that led its model
    where it led, if there is one.
    """
    record = stored.record
    passed = [it for it in stored.detail.stages if it.stage in _DONE]
    steps = [
        Step(
            record.ts_us + it.start_us + it.dur_us,
            _DONE[it.stage],
            _passed(it.stage, stored, key_name, moved),
        )
        for it in passed
    ]
    if not stored.attempts and record.error_code:
        stage = STAGES[len(passed)] if passed else "admit"
        steps.append(Step(record.end_us, "refused", f"by {stage}: {record.error_code}"))
    steps += _attempts(stored.attempts)
    steps.append(Step(record.end_us, "settled", _settled(record)))
    return tuple(steps)


def _passed(stage: str, stored: StoredRecord, key_name: str | None, moved: Change | None) -> str:
    record = stored.record
    match stage:
        case "admit":
            key = f"{key_name} ({record.key_id})" if key_name else record.key_id
            return (
                f"tenant {record.tenant_id} ({record.tier}), key {key}, config {record.config_seq}"
            )
        case "plan":
            return _planned(stored, moved)
        case "screen_input":
            return record.guardrail_decision
        case _:
            return "what it needs is held"


def _planned(stored: StoredRecord, moved: Change | None) -> str:
    record = stored.record
    first = stored.attempts[0].target if stored.attempts else record.target
    by = ""
    if moved is not None:
        by = f' (change {moved.seq} by {moved.author}: "{moved.reason}")'
    skipped = "".join(f"; skipped {target}: {code}" for target, code in stored.detail.skipped)
    leads = f" -> {first}" if first else ""
    return f"{record.model_requested}{leads}{by}{skipped}"


def _attempts(attempts: Sequence[Attempt]) -> Iterator[Step]:
    before: Attempt | None = None
    for attempt in attempts:
        end_us = attempt.started_us + attempt.dur_us
        why = ""
        if before is not None:
            how = "again" if before.target == attempt.target else "fallback"
            why = f"  ({how} after {before.error_code})"
        yield Step(end_us, f"attempt {attempt.n}", _outcome(attempt) + why)
        before = attempt


def _outcome(attempt: Attempt) -> str:
    took = f"{attempt.dur_us / 1e6:.2f} s"
    billed = "" if attempt.cost_nano else ", not billed"
    if attempt.error_code is not None:
        status = f" {attempt.http_status}" if attempt.http_status else ""
        reason = f" {attempt.raw_reason}" if attempt.raw_reason else ""
        return f"{attempt.target}{status}{reason}, {attempt.error_code}, {took}{billed}"
    first = "" if attempt.ttft_us is None else f", first token after {attempt.ttft_us / 1e6:.2f} s"
    gone = ", cancelled: the caller was gone" if attempt.cancelled else ""
    return f"{attempt.target} answered, {took}{first}{gone}"


def _settled(record: RequestRecord) -> str:
    cost = "cost unknown" if record.cost_nano is None else f"{usd_text(record.cost_nano)} USD"
    used = _USAGE.get(UsageSource(record.usage_source), record.usage_source)
    tokens = ""
    if record.input_tokens is not None and record.output_tokens is not None:
        cached = f" ({record.cached_tokens:,} cached)" if record.cached_tokens else ""
        tokens = f", {record.input_tokens:,} in{cached} / {record.output_tokens:,} out"
    status = "" if record.status == Status.OK else f"{record.status}, "
    return f"{status}{cost}, {used}{tokens}"
