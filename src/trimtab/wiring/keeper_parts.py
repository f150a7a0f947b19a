"""What a keeper is made of, and holds for as long as it runs."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import stdout

from trimtab import wiring
from trimtab.control.propagate import Follower
from trimtab.control.snapshot import Snapshot
from trimtab.cost.meter import Meter
from trimtab.domain.clock import Clock
from trimtab.domain.model import Provider
from trimtab.jobs.claims import Claims
from trimtab.pipeline.lost import Lose
from trimtab.providers.http1 import Http1Transport
from trimtab.registry.webhooks import Webhook
from trimtab.settings import Settings
from trimtab.store.base.keeper import KeeperStore
from trimtab.store.sqlite.alerts import SqliteAlerts
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.log_file import LogFile
from trimtab.telemetry.pressure import Ladder, Room
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.rehydrate import Rehydrator
from trimtab.telemetry.release import Releaser
from trimtab.telemetry.sampling import Sampler
from trimtab.telemetry.spool import Claim, Spool
from trimtab.wiring.alerts import alert_store
from trimtab.wiring.counters import Counting
from trimtab.wiring.exporting import exporting, releasing, words_of
from trimtab.wiring.following import follower, meter
from trimtab.wiring.membership import control_store
from trimtab.wiring.pricing import keep_shipped
from trimtab.wiring.record_store import recording
from trimtab.wiring.webhooks import webhooks

LEAD_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one keeper.

    Attributes:
        named: Has exported what was dropped, if anything is.
        releasing: Has exported what applications told, if there are exporters of traces.
    """

    home: Path
    settings: Settings
    clock: Clock
    spool: Spool
    following: Follower
    metering: Meter
    store: KeeperStore
    recorder: Recorder
    lines: LogFile
    hooks: Sequence[Webhook]
    alerts: SqliteAlerts
    claims: Claims
    counting: Counting
    exporters: Sequence[Exporter]
    named: Sequence[Rehydrator]
    releasing: Sequence[Releaser]
    ladder: Ladder
    room: Room

    def snapshot(self) -> Snapshot:
        """Give the configuration as it is now."""
        return self.following.current

    async def leads(self) -> bool:
        """Tell whether this keeper is the one of all that does what is done once."""
        return await _leads(self.recorder, self.store)

    def close(self) -> None:
        """Let go of files and connections."""
        for it in (self.spool, self.store, self.alerts):
            it.close()


async def keeper_parts(home: Path, settings: Settings, claimed: Claim) -> Parts:
    """Make the parts of a keeper.

    Raises:
        TrimtabError: it cannot start; why.
    """
    clock = wiring.SystemClock()
    ladder = Ladder(claimed.worker_id, clock)
    room = Room(claimed.directory, ladder)
    spool = Spool(claimed, clock, room.make)
    following = follower(home, clock, spool.worker_id)
    metering = meter(following)
    await following.start()
    keep_shipped(home)
    store = recording(home, is_keeper=True)
    sampler = Sampler(settings.telemetry.sampling)
    lose = Lose(metering, _provider(following), wiring.environment(), clock, sampler)
    recorder = Recorder(home, store, spool, lose)
    words = words_of(home, settings.gateway, lambda: following.current, recorder.recorded)
    return Parts(
        home=home,
        settings=settings,
        clock=clock,
        spool=spool,
        following=following,
        metering=metering,
        store=store,
        recorder=recorder,
        lines=LogFile(home, clock, copy=stdout.buffer if settings.log_to_stdout else None),
        hooks=webhooks(
            home, settings, control_store(home), lambda: following.current, clock, Http1Transport()
        ),
        alerts=alert_store(home),
        claims=Claims(store, clock),
        counting=Counting(
            home,
            settings.gateway,
            lambda: following.current,
            clock,
            lambda: _leads(recorder, store),
        ),
        exporters=exporting(home, settings, clock, words),
        named=_rehydrators(home, settings, spool, clock),
        releasing=releasing(home, settings, spool, clock, sampler, recorder.recorded),
        ladder=ladder,
        room=room,
    )


async def _leads(recorder: Recorder, store: KeeperStore) -> bool:
    # At the very first start the recorder is just making the store.
    while not recorder.is_recording:  # noqa: ASYNC110 -- it is there at once, or away
        await asyncio.sleep(LEAD_POLL_S)
    return await store.leads()


def _provider(following: Follower) -> Callable[[str], Provider | None]:
    def find(name: str) -> Provider | None:
        return following.current.providers.get(name)

    return find


def _rehydrators(
    home: Path, settings: Settings, spool: Spool, clock: Clock
) -> Sequence[Rehydrator]:
    """Make who has exported what was dropped, if anything is."""
    policy = settings.telemetry.sampling
    if not (settings.telemetry.exporters and policy.drops):
        return ()
    return (Rehydrator(home, wiring.records(home), spool, clock, below=policy.below),)
