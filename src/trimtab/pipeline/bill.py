"""What one attempt used and what that costs: pure functions, and the line of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from trimtab.cost.charge import Charge
from trimtab.cost.lines import extras_of
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import OnClientGone, Provider, Target, Wire
from trimtab.domain.record import Attempt, LedgerLine
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.handoff import Identified
from trimtab.pipeline.journey import Journey, Try

UNBILLED = Usage(source=UsageSource.NONE, input_tokens=0, output_tokens=0)
CHARS_PER_TOKEN = 4
MOST_CHARS_PER_TOKEN = 16


class Meter(Protocol):
    """Reads usage and prices it; see `cost`."""

    def usage(self, wire: Wire, reports: Sequence[UsageReport]) -> Usage | None:
        """Normalise a provider's reports, oldest first; `None` if there are none."""
        ...

    # who pays, where, for what and when
    def charge(
        self, provider: Provider, target: Target, usage: Usage, at_us: int, *, tenant: str = ""
    ) -> Charge:
        """Price a usage; what has no price is unknown, never zero."""
        ...


@dataclass(frozen=True, slots=True)
class Bill:
    """One attempt with what it used and what that costs."""

    attempt: Try
    usage: Usage
    charge: Charge


@dataclass(frozen=True, slots=True)
class Biller:
    """Works out what attempts used and cost."""

    meter: Meter

    def __call__(self, journey: Journey, attempt: Try) -> Bill:
        """Bill one attempt."""
        route, wire = attempt.route, attempt.route.adapter.wire
        reported = self.meter.usage(wire, attempt.transcript.usage_reports)
        usage = UNBILLED if wire.is_free else usage_of(attempt, reported)
        paying = "" if journey.identified is None else journey.identified.grant.tenant.id
        at = route.provider, route.target, usage, _started_us(journey, attempt)
        return Bill(attempt, usage, self.meter.charge(*at, tenant=paying))


def usage_of(attempt: Try, reported: Usage | None) -> Usage:
    """Say what an attempt used: what the provider reported, else what can be proved.

    A provider bills nothing for an error status, and own hardware nothing for a closed stream.
    A stream that was cut, or an answer without usage, is estimated: the bytes of the input and
    the characters of the output, four to a token. Without an error and without an answer, we
    broke off, and nobody knows what the provider had done by then.
    """
    if (
        reported is not None
        and reported.source is UsageSource.PROVIDER
        and _is_last(attempt, reported)
    ):
        return reported
    answered, error = attempt.first_token_s is not None, attempt.error
    free = attempt.cancelled and attempt.route.provider.on_client_gone is OnClientGone.CANCEL_FREE
    worked = attempt.dispatched and (error is None or error.usage_possible)
    if free or not (answered or worked):
        return UNBILLED
    output = -(-attempt.transcript.output_chars // CHARS_PER_TOKEN)
    if reported is None:
        floor = attempt.input_floor
        return Usage(source=UsageSource.ESTIMATED, input_tokens=floor, output_tokens=output)
    given, wrote = reported.input_tokens, reported.output_tokens
    return replace(
        reported,
        source=UsageSource.PARTIAL,
        input_tokens=attempt.input_floor if given is None else given,
        output_tokens=wrote if _is_last(attempt, reported) and wrote is not None else output,
    )


def _is_last(attempt: Try, reported: Usage) -> bool:
    """Whether the output that was told is the provider's last word on it.

    Before the end of a stream it may be a placeholder: the first report of a messages stream
    always is, and a later one if it does not fit what was said.
    """
    transcript = attempt.transcript
    if not any(report.final for report in transcript.usage_reports):
        return False
    fitting = (reported.output_tokens or 0) * MOST_CHARS_PER_TOKEN >= transcript.output_chars
    return fitting or transcript.ended


def written(
    journey: Journey,
    identified: Identified,
    bills: Sequence[Bill],
    day_local: str,
    user_hash: str | None,
) -> tuple[tuple[Attempt, ...], tuple[LedgerLine, ...]]:
    """Describe attempts in the order they were made, with a ledger line for each that was sent."""
    if len(bills) > 1:
        bills = sorted(bills, key=lambda bill: bill.attempt.n)
    attempts = [_attempt_of(journey, bill) for bill in bills]
    lines = [
        _line_of(journey, identified, bill, day_local, user_hash)
        for bill in bills
        if bill.attempt.dispatched
    ]
    return tuple(attempts), tuple(lines)


def _attempt_of(journey: Journey, bill: Bill) -> Attempt:
    """Describe one attempt."""
    attempt, usage = bill.attempt, bill.usage
    start_us = _started_us(journey, attempt)
    return Attempt(
        n=attempt.n,
        target=str(attempt.route.target),
        provider=attempt.route.provider.name,
        model_sent=attempt.route.target.model,
        model_response=attempt.transcript.model,
        started_us=start_us,
        dur_us=us(attempt.ended_s - attempt.started_s),
        ttft_us=since(attempt.started_s, attempt.first_token_s),
        http_status=attempt.http_status,
        error_code=attempt.error.code if attempt.error else None,
        raw_reason=attempt.error.raw_reason if attempt.error else None,
        provider_request_id=attempt.provider_request_id,
        sent_hash=attempt.sent_hash,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        usage_source=usage.source,
        cost_nano=bill.charge.cost_nano,
        cancelled=attempt.cancelled,
    )


def _line_of(
    journey: Journey, identified: Identified, bill: Bill, day_local: str, user_hash: str | None
) -> LedgerLine:
    """Write the ledger line of one attempt that reached its provider."""
    request, grant = journey.request, identified.grant
    attempt, usage, charge = bill.attempt, bill.usage, bill.charge
    return LedgerLine(
        line_id=f"{request.request_id}/{attempt.n}/charge/0",
        ts_us=_started_us(journey, attempt),
        day_local=day_local,
        config_seq=identified.snapshot.config_seq,
        tenant_id=grant.tenant.id,
        key_id=grant.key.id,
        feature=request.feature,
        user_hash=user_hash,
        conversation_id=request.conversation,
        tags=request.tags,
        origin=request.origin,
        model_requested=request.model,
        provider=attempt.route.provider.name,
        account=attempt.route.provider.account(attempt.route.key),
        model_sent=attempt.route.target.model,
        context=usage.service_tier or "",
        prompt_name=journey.prompt.name if journey.prompt else None,
        prompt_version=journey.prompt.version if journey.prompt else None,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_5m=usage.cache_write_5m,
        cache_write_30m=usage.cache_write_30m,
        cache_write_1h=usage.cache_write_1h,
        cache_write_12h=usage.cache_write_12h,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        extras=extras_of(usage),
        usage_source=usage.source,
        flags="usage_inconsistent" if usage.inconsistent else "",
        cost_nano=charge.cost_nano,
        price_version=charge.price_version,
        price_row=charge.row_id,
        provider_request_id=attempt.provider_request_id,
    )


def _started_us(journey: Journey, attempt: Try) -> int:
    """Tell when an attempt began; what it costs is the price at that instant."""
    return journey.request.ts_us + us(attempt.started_s - journey.request.started_s)


def since(start_s: float, end_s: float | None) -> int | None:
    """Tell how long something took, in microseconds; `None` if it never came."""
    return None if end_s is None else us(end_s - start_s)


def us(seconds: float) -> int:
    """Turn seconds into microseconds."""
    return round(seconds * 1e6)
