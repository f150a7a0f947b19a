"""From what happened to what is remembered: pure functions from a journey to its record."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from trimtab.cost.charge import Charge
from trimtab.domain.errors import ContentBlocked, Refused, TrimtabError, TryLater
from trimtab.domain.ids import span_id
from trimtab.domain.model import OnClientGone
from trimtab.domain.record import (
    Attempt,
    ContentState,
    LedgerLine,
    Replay,
    RequestRecord,
    Status,
)
from trimtab.domain.usage import Usage, UsageSource
from trimtab.domain.verdict import Decision
from trimtab.pipeline.content import params
from trimtab.pipeline.handoff import Identified
from trimtab.pipeline.journey import Journey, Try
from trimtab.pipeline.transcript import bounded

CHARS_PER_TOKEN = 4
MOST_CHARS_PER_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Bill:
    """One attempt with what it used and what that costs."""

    attempt: Try
    usage: Usage
    charge: Charge


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended, and where and when it was served."""

    failure: TrimtabError | None
    http_status: int
    end_us: int
    end_s: float
    worker_id: str
    environment: str
    day_local: str
    user_hash: str | None
    output_ref: bytes | None
    content_state: ContentState


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
        return Usage(source=UsageSource.NONE, input_tokens=0, output_tokens=0)
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


def status_of(journey: Journey, failure: TrimtabError | None) -> Status:
    """Name how a request ended."""
    match failure:
        case None:
            return Status.CANCELLED if journey.gone else Status.OK
        case ContentBlocked():
            return Status.BLOCKED
        case _ if journey.committed:
            return Status.TRUNCATED
        case Refused() | TryLater() if not journey.tries:
            return Status.REJECTED
        case _:
            return Status.ERROR


def attempt_of(journey: Journey, bill: Bill) -> Attempt:
    """Describe one attempt."""
    attempt, usage = bill.attempt, bill.usage
    start_us = journey.request.ts_us + _us(attempt.started_s - journey.request.started_s)
    return Attempt(
        n=attempt.n,
        target=str(attempt.route.target),
        provider=attempt.route.provider.name,
        model_sent=attempt.route.target.model,
        model_response=attempt.transcript.model,
        started_us=start_us,
        dur_us=_us(attempt.ended_s - attempt.started_s),
        ttft_us=_since(attempt.started_s, attempt.first_token_s),
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


def line_of(journey: Journey, identified: Identified, bill: Bill, ending: Ending) -> LedgerLine:
    """Write the ledger line of one attempt that reached its provider."""
    request, grant = journey.request, identified.grant
    attempt, usage, charge = bill.attempt, bill.usage, bill.charge
    return LedgerLine(
        line_id=f"{request.request_id}/{attempt.n}/charge/0",
        ts_us=request.ts_us + _us(attempt.started_s - request.started_s),
        day_local=ending.day_local,
        config_seq=identified.snapshot.config_seq,
        tenant_id=grant.tenant.id,
        key_id=grant.key.id,
        feature=request.feature,
        user_hash=ending.user_hash,
        conversation_id=request.conversation,
        tags=request.tags,
        model_requested=request.model,
        provider=attempt.route.provider.name,
        model_sent=attempt.route.target.model,
        context=usage.service_tier or "",
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_5m=usage.cache_write_5m,
        cache_write_30m=usage.cache_write_30m,
        cache_write_1h=usage.cache_write_1h,
        cache_write_12h=usage.cache_write_12h,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        usage_source=usage.source,
        flags="usage_inconsistent" if usage.inconsistent else "",
        cost_nano=charge.cost_nano,
        price_version=charge.price_version,
        price_row=charge.row_id,
        provider_request_id=attempt.provider_request_id,
    )


def record_of(
    journey: Journey, identified: Identified, bills: Sequence[Bill], ending: Ending
) -> RequestRecord:
    """Write the record. Its tokens are the last attempt's, its cost the sum over all."""
    request, grant = journey.request, identified.grant
    last = bills[-1] if bills else None
    transcript = last.attempt.transcript if last else None
    usage = last.usage if last else Usage(source=UsageSource.NONE)
    provider_us = sum(_us(bill.attempt.ended_s - bill.attempt.started_s) for bill in bills)
    latency_us = _us(ending.end_s - request.started_s)
    cost = _total([bill.charge for bill in bills])
    replay, gaps = _replay(journey, ending)
    return RequestRecord(
        request_id=request.request_id,
        ts_us=request.ts_us,
        end_us=ending.end_us,
        trace_id=request.trace_id,
        span_id=span_id(request.request_id, "request"),
        parent_span_id=request.parent_span_id,
        tracestate=request.tracestate,
        env=ending.environment,
        worker_id=ending.worker_id,
        config_seq=identified.snapshot.config_seq,
        client_retry=request.client_retry,
        tenant_id=grant.tenant.id,
        tier=grant.tier.name,
        key_id=grant.key.id,
        feature=request.feature,
        conversation_id=bounded(request.conversation),
        tags=request.tags,
        user_hash=ending.user_hash,
        operation=request.operation,
        wire=request.wire,
        stream=request.stream,
        model_requested=bounded(request.model) or "",
        model_kind=journey.planned.model.kind if journey.planned else "",
        target=str(last.attempt.route.target) if last else "",
        provider=last.attempt.route.provider.name if last else "",
        model_response=transcript.model if transcript else None,
        response_id=transcript.response_id if transcript else None,
        finish_reasons=transcript.finish_reasons if transcript else "",
        refusal=transcript.refused if transcript and transcript.stops else None,
        params=params(request.members),
        tool_call_count=transcript.tool_calls if transcript else 0,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        audio_input_tokens=usage.audio_input_tokens,
        audio_output_tokens=usage.audio_output_tokens,
        image_tokens=usage.image_tokens,
        usage_source=usage.source,
        cost_nano=cost.cost_nano,
        cost_input_nano=cost.input_nano,
        cost_cached_nano=cost.cached_nano,
        cost_cache_write_nano=cost.cache_write_nano,
        cost_output_nano=cost.output_nano,
        cost_other_nano=cost.other_nano,
        price_version=last.charge.price_version if last else None,
        latency_us=latency_us,
        ttft_us=_since(request.started_s, last.attempt.first_token_s) if last else None,
        provider_us=provider_us,
        overhead_us=max(0, latency_us - provider_us),
        guardrail_decision=journey.screened.decision if journey.screened else Decision.ALLOW,
        status=status_of(journey, ending.failure),
        error_code=ending.failure.code if ending.failure else None,
        http_status=ending.http_status,
        attempt_count=len(bills),
        input_ref=journey.input_ref,
        output_ref=ending.output_ref,
        content_state=ending.content_state,
        content_bytes=request.size if ending.content_state is ContentState.FULL else 0,
        replay=replay,
        replay_gaps=gaps,
    )


def _replay(journey: Journey, ending: Ending) -> tuple[Replay, str]:
    """Tell whether the same upstream body can be sent again, and what is missing if not."""
    if not journey.begun:
        return Replay.NONE, ""
    gaps: list[str] = []
    if ending.content_state is ContentState.ABSENT:
        gaps.append("content_absent")
    members = journey.request.members
    if "previous_response_id" in members or "container" in members:
        gaps.append("provider_state")
    if journey.input_ref is None:
        return Replay.NONE, ",".join(gaps)
    return (Replay.PARTIAL if gaps else Replay.FULL), ",".join(gaps)


def _total(charges: Sequence[Charge]) -> Charge:
    """Add up what all attempts cost: a part that is unknown for one is unknown for all."""
    if len(charges) == 1:
        return charges[0]
    return Charge(
        cost_nano=_sum([charge.cost_nano for charge in charges]),
        input_nano=_sum([charge.input_nano for charge in charges]),
        cached_nano=_sum([charge.cached_nano for charge in charges]),
        cache_write_nano=_sum([charge.cache_write_nano for charge in charges]),
        output_nano=_sum([charge.output_nano for charge in charges]),
        other_nano=_sum([charge.other_nano for charge in charges]),
    )


def _sum(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _since(start_s: float, end_s: float | None) -> int | None:
    return None if end_s is None else _us(end_s - start_s)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
