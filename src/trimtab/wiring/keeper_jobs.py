"""What a keeper does now and then."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from trimtab import wiring
from trimtab.jobs.claims import LOOK_S as CLAIMS_LOOK_S
from trimtab.jobs.push import LOOK_S as PUSH_LOOK_S
from trimtab.jobs.reconcile import LOOK_S
from trimtab.jobs.schedule import Job, Schedule
from trimtab.providers.http1 import Http1Transport
from trimtab.telemetry.metrics import Samples
from trimtab.telemetry.pressure import LATE_BYTES, LATE_S, Level
from trimtab.telemetry.pressure import LOOK_S as PRESSURE_LOOK_S
from trimtab.wiring.alerts import MOST_ANSWER, Spending, alert_jobs, is_free
from trimtab.wiring.cloudwatch import cloudwatch_jobs
from trimtab.wiring.keeper_parts import Parts
from trimtab.wiring.online import is_behind
from trimtab.wiring.push import books, outbox, push
from trimtab.wiring.reconcile import listed, reconciliation
from trimtab.wiring.searching import search_job


def keeper_schedule(parts: Parts, measured: Callable[[], Awaitable[Samples]]) -> Schedule:
    """Make the schedule; `measured` reads all metrics."""

    def waits() -> bool:
        return is_behind(parts.recorder) or parts.ladder.level >= Level.CUT

    is_sealed = parts.settings.master_key is not None
    return Schedule(
        [
            *_spending_jobs(parts),
            *_push_jobs(parts),
            *parts.counting.job(),
            *cloudwatch_jobs(parts.settings.cloudwatch, measured, parts.clock),
            Job("claims", CLAIMS_LOOK_S, parts.claims.step),
            search_job(parts.store, parts.snapshot, waits, parts.leads, is_sealed=is_sealed),
            Job("pressure", PRESSURE_LOOK_S, partial(_feel, parts)),
        ]
    )


async def _feel(parts: Parts) -> None:
    """See whether the recorder is late, or an exporter is held up."""
    recorder = parts.recorder
    waits_s = await asyncio.to_thread(recorder.waits_s, parts.clock.now_us())
    waiting = max(recorder.waiting().values(), default=0)
    if any(it.held_up_by is not None for it in parts.exporters):
        parts.ladder.saw(Level.EXPORTER_DOWN)
    if waiting > LATE_BYTES or max(waits_s.values(), default=0.0) > LATE_S:
        parts.ladder.saw(Level.LATE)


def _spending_jobs(parts: Parts) -> list[Job]:
    metering = parts.metering
    watching = alert_jobs(
        parts.home,
        parts.settings,
        Spending(parts.snapshot, is_free(metering, parts.snapshot)),
        parts.alerts,
        parts.clock,
        Http1Transport(max_body=MOST_ANSWER),
        parts.leads,
    )
    prices = listed(parts.snapshot, lambda: metering.prices)
    reconciling = reconciliation(parts.home, parts.settings, prices, parts.clock, Http1Transport())
    return [*watching, Job("reconcile", LOOK_S, _if(parts.leads, reconciling.step))]


def _push_jobs(parts: Parts) -> list[Job]:
    stripe = parts.settings.stripe
    if stripe is None:
        return []
    found = books(parts.home, wiring.control(parts.home), outbox(parts.home))
    pushing = push(found, stripe, parts.clock, Http1Transport(max_body=MOST_ANSWER))
    return [Job("stripe", PUSH_LOOK_S, _if(parts.leads, pushing.step))]


def _if(
    leads: Callable[[], Awaitable[bool]], step: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[object]]:
    """Do something if this keeper is the one of all that does it."""

    async def run() -> None:
        if await leads():
            await step()

    return run
