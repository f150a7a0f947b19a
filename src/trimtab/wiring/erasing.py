"""Builds what the keeper carries erasures out with, and ends things by."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.record import Finish
from trimtab.jobs.erasing import LOOK_S, Erasing
from trimtab.jobs.retention import EVERY_S, Retain
from trimtab.jobs.schedule import Job, Schedule
from trimtab.wiring.erasures import erasures
from trimtab.wiring.keeper_parts import Parts
from trimtab.wiring.membership import control_store, living

_IN_REDIS = "answers to idempotency keys lie sealed in the Redis for up to ten minutes"


async def ending(parts: Parts) -> Schedule:
    """Erase what a restored backup brought back, and give what ends things from then on.

    Every host carries erasures out, on its own files, too.
    """
    erasing, retain = _erasing(parts), _retain(parts)
    with suppress(TryLater):
        await erasing.restore()
    judge = parts.recorder.stored

    def stored(finishes: Sequence[Finish]) -> None:
        judge(finishes)
        erasing.offer(finishes)

    parts.recorder.stored = stored

    async def end() -> None:
        if await parts.leads():
            await parts.store.release(None, now_us=parts.clock.now_us())
            await retain.step()

    return Schedule([Job("erase", LOOK_S, erasing.step), Job("retain", EVERY_S, end)])


def _erasing(parts: Parts) -> Erasing:
    acks = living(parts.home, control_store(parts.home))
    recorder, lines, settings = parts.recorder, parts.lines, parts.settings

    async def acknowledged() -> Iterable[int]:
        return [it.config_seq for it in await acks.acknowledgements()]

    return Erasing(
        parts.home,
        erasures(parts.home, parts.store),
        parts.store,
        parts.clock,
        acknowledged=acknowledged,
        passed=lambda places: recorder.passed(places) and lines.passed(places),
        exporters=[it.name for it in settings.telemetry.exporters],
        remarks=[] if settings.gateway.redis is None else [_IN_REDIS],
    )


def _retain(parts: Parts) -> Retain:
    site = parts.settings.retention

    def content_days(tenant_id: str) -> int:
        tenant = parts.snapshot().tenants.get(TenantId(tenant_id))
        own = None if tenant is None else tenant.content_days
        return site.content if own is None else own

    return Retain(parts.store, site, content_days, parts.clock)
