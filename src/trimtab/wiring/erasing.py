"""Builds what orders erasures, and what the keeper carries them out and ends things with."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.record import Finish
from trimtab.jobs.erasing import LOOK_S, Erasing
from trimtab.jobs.retention import EVERY_S, Retain
from trimtab.jobs.schedule import Job
from trimtab.settings import Settings
from trimtab.store.base import KeeperStore
from trimtab.telemetry.log_file import LogFile
from trimtab.telemetry.recorder import Recorder
from trimtab.wiring.erasures import erasures
from trimtab.wiring.membership import control_store, living

_IN_REDIS = "answers to idempotency keys lie sealed in the Redis for up to ten minutes"

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """What ends things in a keeper."""

    home: Path
    settings: Settings
    store: KeeperStore
    recorder: Recorder
    lines: LogFile
    current: Callable[[], Snapshot]
    clock: Clock = field(default_factory=wiring.SystemClock)

    def erasing(self) -> Erasing:
        """Make what carries erasures out on this host."""
        acks = living(self.home, control_store(self.home))

        async def acknowledged() -> Iterable[int]:
            return [it.config_seq for it in await acks.acknowledgements()]

        return Erasing(
            self.home,
            erasures(self.home, self.store),
            self.store,
            self.clock,
            acknowledged=acknowledged,
            passed=lambda places: self.recorder.passed(places) and self.lines.passed(places),
            exporters=[it.name for it in self.settings.exporters],
            remarks=[] if self.settings.gateway.redis is None else [_IN_REDIS],
        )

    def retaining(self) -> Retain:
        """Make what ends what is old enough."""
        site = self.settings.retention

        def content_days(tenant_id: str) -> int:
            tenant = self.current().tenants.get(TenantId(tenant_id))
            own = None if tenant is None else tenant.content_days
            return site.content if own is None else own

        return Retain(self.store, site, content_days, self.clock)

    async def begin(self, if_leading: Callable[[Step], Step]) -> list[Job]:
        """Erase what a restored backup brought back, and give the jobs.

        Every host carries erasures out, on its own files, too.
        """
        erasing, retaining = self.erasing(), self.retaining()
        with suppress(TryLater):
            await erasing.restore()
        judge = self.recorder.stored

        def stored(finishes: Sequence[Finish]) -> None:
            judge(finishes)
            erasing.offer(finishes)

        self.recorder.stored = stored

        async def end() -> None:
            await self.store.release(None, now_us=self.clock.now_us())
            await retaining.step()

        return [Job("erase", LOOK_S, erasing.step), Job("retain", EVERY_S, if_leading(end))]
