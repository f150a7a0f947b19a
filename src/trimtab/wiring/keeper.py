"""Builds and runs the keeper: recorder, log line, exporters, console and admin API."""

import asyncio
import logging
import os
import signal
import socket
import stat
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from hashlib import sha256
from hmac import digest
from pathlib import Path
from sys import stdout
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette

from trimtab import wiring
from trimtab.console.app import create_app
from trimtab.console.base import Console, Flow, Lag, no_events
from trimtab.console.samples import samples
from trimtab.control.audit import Audit
from trimtab.control.propagate import Follower
from trimtab.control.snapshot import Snapshot
from trimtab.cost.meter import Meter
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider
from trimtab.evals.desk import Desk
from trimtab.jobs.claims import LOOK_S as LOOK_AT_CLAIMS_S
from trimtab.jobs.claims import Claims
from trimtab.jobs.push import LOOK_S as PUSH_LOOK_S
from trimtab.jobs.reconcile import LOOK_S
from trimtab.jobs.schedule import Job, Schedule
from trimtab.pipeline.lost import Lose
from trimtab.providers.http1 import Http1Transport
from trimtab.registry.webhooks import Webhook
from trimtab.settings import Settings, resolve
from trimtab.store.base import KeeperStore
from trimtab.store.relational.spend import Spend
from trimtab.store.sqlite.alerts import SqliteAlerts
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.health_file import read_ailing, read_redis_up
from trimtab.telemetry.log_file import LogFile
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.rehydrate import ASKED, Rehydrator, rehydrate
from trimtab.telemetry.sampling import Sampler
from trimtab.telemetry.spool import Claim, Spool, claim_alone
from trimtab.telemetry.sweep import Needed, sweep
from trimtab.wiring.alerts import (
    MOST_ANSWER,
    Spending,
    alert_jobs,
    alert_routes,
    alert_store,
    is_free,
)
from trimtab.wiring.cloudwatch import cloudwatch_jobs
from trimtab.wiring.counters import Counting
from trimtab.wiring.erasing import Endings
from trimtab.wiring.erasures import erasures
from trimtab.wiring.evaluations import StoredEvaluations
from trimtab.wiring.exporting import exporting, in_turn, pushing, words_of
from trimtab.wiring.following import follower, meter
from trimtab.wiring.membership import control_store, living
from trimtab.wiring.online import is_behind, judging_jobs
from trimtab.wiring.pricing import keep_shipped
from trimtab.wiring.push import books, outbox, push
from trimtab.wiring.reconcile import accept, kept, listed, reconciliation
from trimtab.wiring.record_store import recording
from trimtab.wiring.registry import registry
from trimtab.wiring.searching import search_job
from trimtab.wiring.spent import spent
from trimtab.wiring.webhooks import webhooks

SWEEP_S = 10.0
NICENESS = 5
STOP_S = 5
LEAD_POLL_S = 0.1

log = logging.getLogger("trimtab")


def run_keeper(home: Path, settings: Settings) -> None:
    """Keep until SIGTERM or SIGINT.

    Raises:
        TrimtabError: it cannot start; why.
    """
    claimed = claim_alone(home / "spool", "keeper")
    # What is recorded can wait a moment; who asks the gateway cannot.
    os.nice(NICENESS)
    stopped_by: list[int] = []
    asyncio.run(_run(home, settings, claimed, stopped_by))
    for number in stopped_by:
        # Whoever started it sees that it was told to stop.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


async def _run(home: Path, settings: Settings, claimed: Claim, stopped_by: list[int]) -> None:
    clock = wiring.SystemClock()
    spool = Spool(claimed, clock)
    following = follower(home, clock, spool.worker_id)
    metering = meter(following)
    await following.start()
    keep_shipped(home)
    store = recording(home, is_keeper=True)
    lose = _lose(settings, following, metering, clock)
    recorder = Recorder(home, store, spool, lose)
    lines = LogFile(home, clock, copy=stdout.buffer if settings.log_to_stdout else None)
    hooks = webhooks(
        home, settings, control_store(home), lambda: following.current, clock, Http1Transport()
    )
    alerts = alert_store(home)
    current = _Current(lambda: following.current, metering, _leads(recorder, store))
    claims = Claims(store, clock)
    counting = Counting(home, settings.gateway, current.snapshot, clock, current.leads)
    words = words_of(home, settings.gateway, current.snapshot, recorder.recorded)
    exporters = exporting(home, settings, clock, words)
    parts = Parts(recorder, hooks, metering, clock, counting, spool, exporters, claims, store)
    console = _console(home, settings, parts)
    measured = partial(samples, console)
    pushes = pushing(settings, clock, measured)
    schedule = Schedule(
        [
            *_spending_jobs(home, settings, current, alerts, clock),
            *_push_jobs(home, settings, current, clock),
            *counting.job(),
            *cloudwatch_jobs(settings.cloudwatch, measured, clock),
            Job("claims", LOOK_AT_CLAIMS_S, claims.step),
            search_job(store, current.snapshot, lambda: is_behind(recorder), current.leads),
        ]
    )
    server = _server(create_app(console))
    named = _rehydrators(home, settings, spool, clock)
    listening = _listen(wiring.keeper_socket(home))
    always = (recorder, lines, spool, following, schedule, counting, *named)
    needed = [recorder.needed, lines.needed, *(it.needed for it in (*exporters, *named))]
    jobs = [
        *(it.run() for it in (*always, *hooks)),
        *in_turn((*exporters, *pushes)),
        *await judging_jobs(home, settings, spool, recorder, current.snapshot),
        Schedule(await _ending(home, settings, store, recorder, lines, current)).run(),
        _sweep(home, needed),
    ]
    try:
        await _until_one_ends(jobs, server, listening, stopped_by)
    finally:
        spool.close()
        store.close()
        alerts.close()
        wiring.keeper_socket(home).unlink(missing_ok=True)


async def _ending(
    home: Path,
    settings: Settings,
    store: KeeperStore,
    recorder: Recorder,
    lines: LogFile,
    current: "_Current",
) -> list[Job]:
    endings = Endings(
        home=home,
        settings=settings,
        store=store,
        recorder=recorder,
        lines=lines,
        current=current.snapshot,
    )
    return await endings.begin(partial(_if, current.leads))


def _leads(recorder: Recorder, store: KeeperStore) -> Callable[[], Awaitable[bool]]:
    """Tell whether this keeper is the one of all that does what is done once."""

    async def leads() -> bool:
        # At the very first start the recorder is just making the store.
        while not recorder.is_recording:  # noqa: ASYNC110 -- it is there at once, or away
            await asyncio.sleep(LEAD_POLL_S)
        return await store.leads()

    return leads


def _if(
    leads: Callable[[], Awaitable[bool]], step: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[object]]:
    """Do something if this keeper is the one of all that does it."""

    async def run() -> None:
        if await leads():
            await step()

    return run


async def _until_one_ends(
    jobs: Sequence[Coroutine[object, object, None]],
    server: uvicorn.Server,
    listening: socket.socket,
    stopped_by: list[int],
) -> None:
    """Serve while all jobs run; one that fails ends the keeper, for whoever started it to see."""
    tasks = [asyncio.create_task(job) for job in jobs]
    # The server hands on what stopped it once it is through, and then the jobs are not.
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped_by.append(number))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.wait([*tasks, serving], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


class _Current(NamedTuple):
    """What is so just now: the configuration, the prices, and whether this keeper does the jobs."""

    snapshot: Callable[[], Snapshot]
    metering: Meter
    leads: Callable[[], Awaitable[bool]]


def _spending_jobs(
    home: Path, settings: Settings, current: _Current, alerts: SqliteAlerts, clock: Clock
) -> list[Job]:
    watching = alert_jobs(
        home,
        settings,
        Spending(current.snapshot, is_free(current.metering, current.snapshot)),
        alerts,
        clock,
        Http1Transport(max_body=MOST_ANSWER),
        current.leads,
    )
    prices = listed(current.snapshot, lambda: current.metering.prices)
    reconciling = reconciliation(home, settings, prices, clock, Http1Transport())
    return [*watching, Job("reconcile", LOOK_S, _if(current.leads, reconciling.step))]


def _push_jobs(home: Path, settings: Settings, current: _Current, clock: Clock) -> list[Job]:
    if settings.stripe is None:
        return []
    found = books(home, wiring.control(home), outbox(home))
    pushing = push(found, settings.stripe, clock, Http1Transport(max_body=MOST_ANSWER))
    return [Job("stripe", PUSH_LOOK_S, _if(current.leads, pushing.step))]


def _lose(settings: Settings, following: Follower, metering: Meter, clock: Clock) -> Lose:
    sample = Sampler(settings.telemetry.sampling)
    return Lose(metering, _provider(following), wiring.environment(), clock, sample)


def _provider(following: Follower) -> Callable[[str], Provider | None]:
    def find(name: str) -> Provider | None:
        return following.current.providers.get(name)

    return find


class Parts(NamedTuple):
    """What the console shows the inside of."""

    recorder: Recorder
    hooks: Sequence[Webhook]
    metering: Meter
    clock: Clock
    counting: Counting
    spool: Spool
    exporters: Sequence[Exporter]
    claims: Claims
    store: KeeperStore


def _console(home: Path, settings: Settings, parts: Parts) -> Console:
    recorder, hooks, metering, clock, counting, spool, exporters, claims, recording_into = parts
    store = control_store(home)
    reading = wiring.records(home)
    token = settings.gateway.admin_key
    return Console(
        records=reading,
        audit=Audit(store, reading, clock),
        rollups=reading,
        control=wiring.control(home),
        switches=wiring.switches(home),
        registry=registry(home),
        keyring=wiring.keyring(home),
        accounts=store,
        acknowledgements=living(home, store),
        clock=clock,
        entropy=os.urandom,
        session_key=digest(wiring.site_key(home), b"console sessions", "sha256"),
        parse_filter=wiring.parse_filter,
        saved=reading,
        saving=recording_into,
        user_hash=wiring.user_hash(home),
        health=lambda: _lags(recorder),
        ailing=lambda: read_ailing(home),
        redis_up=lambda: read_redis_up(home),
        webhooks=lambda: [it.backlog for it in hooks],
        alerts=alert_store(home),
        spend=Spend(reading),
        spent=spent(home),
        price=lambda provider, target: metering.prices.list_price(provider, target, clock.now_us()),
        desk=Desk(home / "evals"),
        reports=kept(home),
        book=lambda adjustment_id, by: accept(
            home, adjustment_id, reason=by.reason, author=by.author, source=by.source
        ),
        evaluations=StoredEvaluations(home),
        erasures=erasures(home),
        admin_token_sha256=_hashed(token) if token else None,
        secure_cookies=(settings.gateway.public_url or "").startswith("https:"),
        drifts=kept(home).drifts,
        meter_events=no_events if settings.stripe is None else outbox(home).events,
        routes=alert_routes(settings, Http1Transport(max_body=MOST_ANSWER)),
        site=wiring.environment(),
        reconciled_to=kept(home).reconciled_to,
        repaired=lambda: counting.repaired,
        rehydrate=lambda stored: rehydrate(stored, ASKED, spool),
        flow=lambda: _flow(recorder, exporters, clock),
        max_tenants=settings.telemetry.max_tenants,
        unclaimed=lambda: claims.dropped,
    )


def _flow(recorder: Recorder, exporters: Sequence[Exporter], clock: Clock) -> Flow:
    return Flow(
        waits_s=recorder.waits_s(clock.now_us()),
        torn=recorder.torn,
        aside=recorder.aside,
        exports={it.name: (it.waits_s(), it.counts) for it in exporters},
    )


def _lags(recorder: Recorder) -> list[Lag]:
    running = recorder.running()
    waiting = recorder.waiting()
    return [Lag(worker, waiting[worker], running[worker]) for worker in waiting]


def _hashed(reference: str) -> str:
    return sha256(resolve(reference, os.environ).reveal().encode()).hexdigest()


def _rehydrators(
    home: Path, settings: Settings, spool: Spool, clock: Clock
) -> Sequence[Rehydrator]:
    """Make who has exported what was dropped, if anything is."""
    policy = settings.telemetry.sampling
    if not (settings.telemetry.exporters and policy.drops):
        return ()
    return (Rehydrator(home, wiring.records(home), spool, clock, below=policy.below),)


async def _sweep(home: Path, readers: Sequence[Needed]) -> None:
    while True:
        await asyncio.to_thread(sweep, home / "spool", readers)
        await asyncio.sleep(SWEEP_S)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SettingsInvalid(
            f"'{path.parent}' belongs to somebody else; remove it, or choose a shorter --home"
        )
    # Only our own user may reach it, wherever it lies.
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    return listener


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
    )
