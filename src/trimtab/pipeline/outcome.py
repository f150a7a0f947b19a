"""From what happened to what is remembered: pure functions from a journey to its record."""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.cost.charge import Charge
from trimtab.domain.errors import ContentBlocked, Refused, TrimtabError, TryLater
from trimtab.domain.ids import span_id
from trimtab.domain.record import (
    ContentState,
    Replay,
    RequestRecord,
    Status,
)
from trimtab.domain.usage import Usage, UsageSource
from trimtab.domain.verdict import Decision
from trimtab.pipeline.bill import Bill, since, us
from trimtab.pipeline.content import params
from trimtab.pipeline.handoff import Identified
from trimtab.pipeline.journey import Journey
from trimtab.pipeline.transcript import bounded

_UNSURE_FIRST = (UsageSource.ESTIMATED, UsageSource.PARTIAL, UsageSource.PROVIDER)


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
    idempotency_key_hash: str | None
    output_ref: bytes | None
    prompt_vars_ref: bytes | None
    content_state: ContentState


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


def record_of(
    journey: Journey, identified: Identified, bills: Sequence[Bill], ending: Ending
) -> RequestRecord:
    """Write the record. Its tokens are the last attempt's, its cost the sum over all."""
    request, grant, prompt = journey.request, identified.grant, journey.prompt
    last = bills[-1] if bills else None
    transcript = last.attempt.transcript if last else None
    usage = last.usage if last else Usage(source=UsageSource.NONE)
    provider_us = sum(us(bill.attempt.ended_s - bill.attempt.started_s) for bill in bills)
    latency_us = us(ending.end_s - request.started_s)
    cost = _total([bill.charge for bill in bills])
    replay, gaps = _replay(journey, ending)
    found = request.retrieval
    return RequestRecord(
        request_id=request.request_id,
        ts_us=request.ts_us,
        end_us=ending.end_us,
        trace_id=request.trace_id,
        span_id=span_id(request.request_id, "request"),
        parent_span_id=request.trace.parent_span_id,
        tracestate=request.trace.tracestate,
        env=ending.environment,
        worker_id=ending.worker_id,
        config_seq=identified.snapshot.config_seq,
        origin=request.origin,
        origin_request_id=journey.earlier.request_id if journey.earlier else None,
        idempotency_key_hash=ending.idempotency_key_hash,
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
        prompt_name=prompt.name if prompt else None,
        prompt_version=prompt.version if prompt else None,
        prompt_label=prompt.label if prompt else None,
        prompt_hash=prompt.hash if prompt else None,
        prompt_vars_ref=ending.prompt_vars_ref,
        retrieval_source=request.retrieval_source,
        index_name=found.index if found else None,
        index_build_date=found.index_build_date if found else None,
        embedding_model=found.embedding_model if found else None,
        retrieval_us=found.retrieval_us if found else None,
        tool_call_count=transcript.tool_calls if transcript else 0,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        audio_input_tokens=usage.audio_input_tokens,
        audio_output_tokens=usage.audio_output_tokens,
        image_tokens=usage.image_tokens,
        usage_source=_surety(bills),
        cost_nano=cost.cost_nano,
        cost_input_nano=cost.input_nano,
        cost_cached_nano=cost.cached_nano,
        cost_cache_write_nano=cost.cache_write_nano,
        cost_output_nano=cost.output_nano,
        cost_other_nano=cost.other_nano,
        funded_model=journey.funded.downgraded_to if journey.funded else None,
        price_version=last.charge.price_version if last else None,
        latency_us=latency_us,
        ttft_us=since(request.started_s, last.attempt.first_token_s) if last else None,
        provider_us=provider_us,
        overhead_us=max(0, latency_us - provider_us),
        guardrail_decision=journey.screened.decision if journey.screened else Decision.ALLOW,
        status=status_of(journey, ending.failure),
        error_code=ending.failure.code if ending.failure else None,
        http_status=ending.http_status,
        attempt_count=len(bills),
        fallback_used=_fell_back(journey),
        input_ref=journey.input_ref,
        output_ref=ending.output_ref,
        content_state=ending.content_state,
        content_bytes=request.size if ending.content_state is ContentState.FULL else 0,
        replay=replay,
        replay_gaps=gaps,
    )


def _surety(bills: Sequence[Bill]) -> UsageSource:
    """Say how sure the cost is: as sure as the least sure of the attempts that are paid for."""
    if len(bills) == 1:
        return bills[0].usage.source
    sources = {bill.usage.source for bill in bills}
    return next((source for source in _UNSURE_FIRST if source in sources), UsageSource.NONE)


def _fell_back(journey: Journey) -> bool:
    planned, tries = journey.planned, journey.tries
    return bool(planned and tries and tries[-1].route.target != planned.routes[0].target)


def _replay(journey: Journey, ending: Ending) -> tuple[Replay, str]:
    """Tell whether the same upstream body can be sent again, and what is missing if not."""
    if not journey.begun:
        return Replay.NONE, ""
    gaps: list[str] = []
    if ending.content_state is ContentState.ABSENT:
        gaps.append("content_absent")
    if ending.content_state is ContentState.TRUNCATED:
        gaps.append("content_truncated")
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
