"""The outcome of a request whose worker died: charged for what is known of it, no more."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.cost.charge import Charge
from trimtab.domain.clock import Clock
from trimtab.domain.ids import span_id
from trimtab.domain.model import Provider, Target, Wire
from trimtab.domain.record import (
    Attempt,
    ContentState,
    Detail,
    Finish,
    LedgerLine,
    Replay,
    RequestRecord,
    Status,
)
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.bill import UNBILLED, Meter
from trimtab.store.base.recording import OpenRequest
from trimtab.telemetry.sampling import Sampler

CODE = "worker_lost"


@dataclass(frozen=True, slots=True)
class _Loss:
    """A lost request, what it used and what that costs, and when it was found lost."""

    open: OpenRequest
    usage: Usage
    charge: Charge
    end_us: int


@dataclass(frozen=True, slots=True)
class Lose:
    """Makes the outcome of a lost request.

    Attributes:
        provider: Finds the account by name; `None` if it is configured no more.
    """

    meter: Meter
    provider: Callable[[str], Provider | None]
    environment: str
    clock: Clock
    sample: Sampler

    def __call__(self, lost: OpenRequest) -> Finish:
        """End a request with what its checkpoints prove, else with its input alone."""
        begin = lost.begin
        usage = _used(lost)
        provider = self.provider(begin.provider)
        target = Target(begin.provider, begin.model_sent)
        charge = (
            Charge()
            if provider is None
            else self.meter.charge(provider, target, usage, begin.ts_us, tenant=begin.tenant_id)
        )
        loss = _Loss(lost, usage, charge, max(begin.ts_us, self.clock.now_us()))
        context = begin.trace
        record, sampling = self.sample(_record(loss, self.environment), context)
        return Finish(
            record=record,
            day_local=begin.day_local,
            detail=Detail(
                prompt=begin.prompt, sampling=sampling, link=context.link, baggage=context.baggage
            ),
            attempts=(*begin.attempts, _attempt(loss)),
            lines=(*begin.lines, _line(loss)),
        )


def _used(lost: OpenRequest) -> Usage:
    if Wire(lost.begin.wire).is_free:
        return UNBILLED
    return Usage(
        source=UsageSource.ESTIMATED,
        input_tokens=lost.begin.input_floor,
        output_tokens=lost.output_tokens,
    )


def _record(loss: _Loss, environment: str) -> RequestRecord:
    begin, charge = loss.open.begin, loss.charge
    kept = begin.input_ref is not None
    return RequestRecord(
        request_id=begin.request_id,
        ts_us=begin.ts_us,
        end_us=loss.end_us,
        trace_id=begin.trace_id,
        span_id=span_id(begin.request_id, "request"),
        parent_span_id=begin.trace.parent_span_id,
        tracestate=begin.trace.tracestate,
        env=environment,
        worker_id=loss.open.worker_id,
        config_seq=begin.config_seq,
        origin=begin.origin,
        tenant_id=begin.tenant_id,
        tier=begin.tier,
        key_id=begin.key_id,
        feature=begin.feature,
        operation=begin.operation,
        wire=begin.wire,
        stream=begin.stream,
        model_requested=begin.model_requested,
        model_kind=begin.model_kind,
        target=begin.target,
        provider=begin.provider,
        prompt_name=begin.prompt.name if begin.prompt else None,
        prompt_version=begin.prompt.version if begin.prompt else None,
        prompt_label=begin.prompt.label if begin.prompt else None,
        prompt_hash=begin.prompt.hash if begin.prompt else None,
        input_tokens=loss.usage.input_tokens,
        output_tokens=loss.usage.output_tokens,
        usage_source=loss.usage.source.value,
        cost_nano=_total(loss),
        cost_input_nano=None if begin.lines else charge.input_nano,
        cost_cached_nano=None if begin.lines else charge.cached_nano,
        cost_cache_write_nano=None if begin.lines else charge.cache_write_nano,
        cost_output_nano=None if begin.lines else charge.output_nano,
        cost_other_nano=None if begin.lines else charge.other_nano,
        price_version=charge.price_version,
        latency_us=loss.end_us - begin.ts_us,
        status=Status.LOST.value,
        error_code=CODE,
        http_status=0,
        attempt_count=begin.n,
        fallback_used=any(it.target != begin.target for it in begin.attempts),
        input_ref=begin.input_ref,
        content_state=(ContentState.FULL if kept else ContentState.ABSENT).value,
        replay=(Replay.FULL if kept else Replay.NONE).value,
        replay_gaps="" if kept else "content_absent",
    )


def _total(loss: _Loss) -> int | None:
    """Add what the attempts before cost; one that is unknown makes the sum unknown."""
    costs = [loss.charge.cost_nano, *(line.cost_nano for line in loss.open.begin.lines)]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _attempt(loss: _Loss) -> Attempt:
    begin = loss.open.begin
    return Attempt(
        n=begin.n,
        target=begin.target,
        provider=begin.provider,
        model_sent=begin.model_sent,
        started_us=begin.ts_us,
        dur_us=loss.end_us - begin.ts_us,
        error_code=CODE,
        sent_hash=begin.sent_hash,
        input_tokens=loss.usage.input_tokens,
        output_tokens=loss.usage.output_tokens,
        usage_source=loss.usage.source.value,
        cost_nano=loss.charge.cost_nano,
    )


def _line(loss: _Loss) -> LedgerLine:
    begin, charge = loss.open.begin, loss.charge
    return LedgerLine(
        line_id=f"{begin.request_id}/{begin.n}/orphan/0",
        kind="orphan",
        ts_us=begin.ts_us,
        day_local=begin.day_local,
        config_seq=begin.config_seq,
        tenant_id=begin.tenant_id,
        key_id=begin.key_id,
        origin=begin.origin,
        feature=begin.feature,
        model_requested=begin.model_requested,
        provider=begin.provider,
        account=begin.account,
        model_sent=begin.model_sent,
        prompt_name=begin.prompt.name if begin.prompt else None,
        prompt_version=begin.prompt.version if begin.prompt else None,
        input_tokens=loss.usage.input_tokens,
        output_tokens=loss.usage.output_tokens,
        usage_source=loss.usage.source.value,
        cost_nano=charge.cost_nano,
        price_version=charge.price_version,
        price_row=charge.row_id,
    )
