"""Always, at the end: exactly one charge and one record, also after a failure or a hang-up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable, TrimtabError, TryLater
from trimtab.domain.record import ContentState, Detail, Finish, RequestRecord
from trimtab.domain.tenant import Durability, WhenFull
from trimtab.pipeline.bill import Bill, Biller, written
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.handoff import Identified
from trimtab.pipeline.journal import Journal, Kept
from trimtab.pipeline.journey import Journey
from trimtab.pipeline.outcome import Ending, record_of, status_of
from trimtab.telemetry.sampling import Sampler

HttpStatus = Callable[[Journey, TrimtabError | None], int]
"""Tells the status a request ends with on its wire."""


class Refusals:
    """Counts refusals by key: too many in a second are counted only, and no longer recorded.

    A flood must not fill the disk. State: the present second, and what it refused to each key.
    """

    MOST = 200
    MOST_LIMITED = 10

    def __init__(self) -> None:
        self._second = 0
        self._counts: dict[str, int] = {}

    def too_many(self, key_id: str, failure: TrimtabError, now_s: float) -> bool:
        """Count one more; tells whether it is one too many to be recorded.

        Of those that a limit refuses, ten a second tell all there is to tell.
        """
        limited = isinstance(failure, TryLater)
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._counts.clear()
        counted = f"{key_id}/{limited}"
        count = self._counts[counted] = self._counts.get(counted, 0) + 1
        return count > (self.MOST_LIMITED if limited else self.MOST)


@dataclass(frozen=True, slots=True)
class Settle:
    """Write the one record of a request and free what it held."""

    worker_id: str
    environment: str
    bill: Biller
    fund: Fund
    journal: Journal
    clock: Clock
    sample: Sampler
    _refusals: Refusals = field(default_factory=Refusals)

    async def __call__(
        self, journey: Journey, failure: TrimtabError | None, http_status: HttpStatus
    ) -> RequestRecord | None:
        """Settle a request; `None` if nobody known asked, for then there is no record.

        Raises:
            RecorderUnavailable: the outcome could not be written down yet.
        """
        identified = journey.identified
        if identified is None:
            self.journal.count(failure.code if failure else "internal")
            return None
        if failure is not None and journey.funded is None and self._floods(identified, failure):
            self.journal.count(failure.code)
            return None
        tokens, cost_nano = None, None
        try:
            bills = [self.bill(journey, attempt) for attempt in journey.tries]
            tokens, cost_nano = _total_tokens(bills), _total_cost(bills)
            if journey.funded is not None and bills:
                self.fund.money.learn(journey.funded, bills[-1].attempt.route, bills[-1].usage)
        finally:
            if journey.funded is not None:
                await self.fund.settle(journey.funded, tokens=tokens, cost_nano=cost_nano)
        finish = self._finish(journey, identified, bills, failure, http_status(journey, failure))
        try:
            offset = self.journal.finish(finish)
        except RecorderUnavailable as error:
            is_open = identified.grant.when_spool_is_full is WhenFull.OPEN
            told = failure if is_open else failure or error
            kept = self._keep(journey, finish, told, http_status(journey, told))
            if not is_open:
                raise
            return kept
        if identified.grant.durability is Durability.STRICT:
            await self.journal.synced(offset)
        return finish.record

    def _floods(self, identified: Identified, failure: TrimtabError) -> bool:
        key_id, now_s = identified.grant.key.id, self.clock.monotonic_s()
        return self._refusals.too_many(key_id, failure, now_s)

    def _finish(
        self,
        journey: Journey,
        identified: Identified,
        bills: Sequence[Bill],
        failure: TrimtabError | None,
        http_status: int,
    ) -> Finish:
        kept = Kept()
        if journey.funded is not None and bills:
            message = bills[-1].attempt.transcript.message()
            is_ordinary = failure is None and not journey.gone
            kept = self.journal.content(journey, journey.funded, message, is_ordinary=is_ordinary)
        tenant, request = identified.grant.tenant, journey.request
        found = request.retrieval
        journey.passed("settle")
        ending = Ending(
            failure=failure,
            http_status=http_status,
            end_us=self.clock.now_us(),
            end_s=self.clock.monotonic_s(),
            worker_id=self.worker_id,
            environment=self.environment,
            day_local=self.journal.local_day(tenant.timezone, request.ts_us),
            user_hash=self.journal.user_hash(tenant.id, request.end_user),
            idempotency_key_hash=self.journal.user_hash(tenant.id, request.idempotency_key),
            output_ref=kept.output_ref,
            prompt_vars_ref=kept.variables_ref,
            content_state=kept.state,
        )
        attempts, lines = written(journey, identified, bills, ending.day_local, ending.user_hash)
        context = request.trace
        record, sampling = self.sample(record_of(journey, identified, bills, ending), context)
        return Finish(
            record=record,
            day_local=ending.day_local,
            detail=Detail(
                stages=tuple(journey.stages),
                skipped=_skipped(journey),
                prompt=journey.prompt,
                retrieved=found.rows() if found else (),
                shadowed=journey.funded.shadowed() if journey.funded else (),
                dropped=bills[-1].attempt.route.dropped if bills else (),
                sampling=sampling,
                link=context.link,
                baggage=context.baggage,
            ),
            attempts=attempts,
            lines=lines,
            content=kept.blobs,
        )

    def _keep(
        self, journey: Journey, finish: Finish, failure: TrimtabError | None, http_status: int
    ) -> RequestRecord | None:
        """Keep what cost something until it can be written: as the caller was told, no content."""
        if not journey.begun:
            self.journal.count(RecorderUnavailable.code)
            return None
        record = replace(
            finish.record,
            status=status_of(journey, failure),
            error_code=failure.code if failure else None,
            http_status=http_status,
            tracestate=journey.request.trace.tracestate,
        )
        record, _ = self.sample(record, journey.request.trace)
        if finish.content:
            cut = ContentState.TRUNCATED
            record = replace(record, output_ref=None, prompt_vars_ref=None, content_state=cut)
        if journey.withheld is not None:
            record = replace(record, input_ref=None)
        self.journal.keep(replace(finish, record=record, content=()))
        return record


def _skipped(journey: Journey) -> tuple[tuple[str, str], ...]:
    return journey.planned.skipped if journey.planned is not None else ()


def _total_tokens(bills: Sequence[Bill]) -> int:
    return sum((bill.usage.input_tokens or 0) + (bill.usage.output_tokens or 0) for bill in bills)


def _total_cost(bills: Sequence[Bill]) -> int | None:
    costs = [bill.charge.cost_nano for bill in bills]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
