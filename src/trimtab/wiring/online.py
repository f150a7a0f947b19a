"""Builds the judge of live traffic, and keeps it going in the keeper."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.domain.annotation import Annotated
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid, TrimtabError, TryLater
from trimtab.domain.ids import TenantId, ulid
from trimtab.domain.record import RequestRecord
from trimtab.domain.tenant import EVALS, JudgePolicy
from trimtab.evals.cache import Forgetful
from trimtab.evals.manifest import make_metrics
from trimtab.evals.online import RUN, Scorer, suite_of
from trimtab.evals.sampling import Sampler
from trimtab.evals.suite import JudgeSetting
from trimtab.jobs.online import DayPurse, Online, PaidFrom
from trimtab.jobs.verdicts import AUTHOR, Bench
from trimtab.pipeline.content import ContentCapture
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import OnlineSettings, Settings
from trimtab.store.base.limits import Spending
from trimtab.store.rollup import DAY_US
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.spool import Spool
from trimtab.wiring.encryption import Sealing, sealing
from trimtab.wiring.eval_gateway import HttpGateway, key_for
from trimtab.wiring.judging import judge_for
from trimtab.wiring.spent import spent
from trimtab.wiring.start import announced

FEATURE = "online-judge"
"""The feature that its calls are of: what they cost is found in the ledger by it."""

FRESH_S = 20 * 3600.0
AWAY_S = 5.0
POLL_S = 0.5
MOST_BEHIND = 4 << 20

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """The online judge of a keeper.

    Attributes:
        file: The settings; prompts of judges may lie beside them.
    """

    home: Path
    file: str
    settings: OnlineSettings
    online: Online
    current: Callable[[], Snapshot]
    clock: Clock
    sealing: Sealing | None

    async def run(self) -> None:
        """Judge for ever. What stands in the way is logged once, and tried again."""
        told = ""
        while True:
            while not self.online.waits:  # noqa: ASYNC110 -- there may be nothing for hours
                await asyncio.sleep(POLL_S)
            try:
                async with self._bench() as bench, asyncio.timeout(FRESH_S):
                    await self._judge(bench)
            except TimeoutError:
                # The key is old, and what is configured may be another.
                continue
            except (TrimtabError, OSError) as exc:
                if str(exc) != told:
                    log.warning("the online judge waits: %s", exc)
                told = str(exc)
                await asyncio.sleep(AWAY_S)

    async def _judge(self, bench: Bench) -> None:
        while True:
            wait_s = AWAY_S
            try:
                wait_s = await self.online.step(bench.judged)
            except (TrimtabError, OSError) as exc:
                log.warning("the online judge waits: %s", exc)
            await asyncio.sleep(wait_s)

    @asynccontextmanager
    async def _bench(self) -> AsyncGenerator[Bench]:
        """Open what is judged with, under a key that is good for a day."""
        url = announced(self.home)
        if url is None:
            raise TryLater("no gateway is there to ask a judge through; start `trimtab up`")
        it = self.settings
        judge = JudgeSetting(model=it.model, max_tokens=it.max_tokens, embeddings=it.embeddings)
        suite = suite_of(self.file, judge, it.metrics)
        transport = Http1Transport()
        seal_of = self.sealing.of if self.sealing else None
        try:
            # Other hosts, and a keeper that was killed, have keys of their own.
            name = f"{RUN}-{ulid(self.clock.now_us() // 1000, os.urandom)}"
            async with key_for(self.home, name, AUTHOR) as key:
                gateway = HttpGateway(transport, url, key, FEATURE)
                paid = PaidFrom(gateway, self.online.purse)
                cache = Forgetful(self.home, self.clock)
                panel = judge_for(paid, suite, RUN, self.current(), cache)
                if panel is None:
                    raise SettingsInvalid("'evals.online.judge' names no model; name one")
                yield Bench(
                    audit=wiring.audit(self.home),
                    prompts=lambda: self.current().prompts,
                    scorer=Scorer(suite, make_metrics(suite, panel.embedder), panel),
                    capture=ContentCapture(wiring.tenant_keys(self.home), seal_of),
                    clock=self.clock,
                )
        finally:
            transport.close()


async def judging_jobs(
    home: Path,
    settings: Settings,
    spool: Spool,
    recorder: Recorder,
    current: Callable[[], Snapshot],
) -> Sequence[Coroutine[object, object, None]]:
    """Give what judges live traffic for ever, if the settings want that."""
    wanted, clock = settings.online, wiring.SystemClock()
    if wanted is None:
        return ()
    in_ledger = spent(home)

    async def already(day_us: int) -> int:
        of = Spending(tenant_id=EVALS, feature=FEATURE, since_us=day_us, until_us=day_us + DAY_US)
        return (await in_ledger(of)).spent

    online = Online(
        sampler=await _sampler(home, wanted, clock),
        purse=DayPurse(wanted.most_nano, already, clock),
        allows=lambda record: _allows(current(), record),
        is_behind=lambda: is_behind(recorder),
        write=lambda it: _write(spool, it),
    )
    recorder.stored = online.offer
    seals = sealing(home, settings, current)
    judging = Judging(
        home=home,
        file=str(settings.file),
        settings=wanted,
        online=online,
        current=current,
        clock=clock,
        sealing=seals,
    )
    return (judging.run(), *(() if seals is None else (seals.run(),)))


def is_behind(recorder: Recorder) -> bool:
    """Whether the recorder has more to do than it can."""
    return not recorder.is_recording or sum(recorder.waiting().values()) > MOST_BEHIND


async def _sampler(home: Path, wanted: OnlineSettings, clock: Clock) -> Sampler:
    sampler = Sampler(wanted.rate, wanted.at_least)
    now_us = clock.now_us()
    day_us = now_us - now_us % DAY_US
    # Of a store that is not there yet, or away, a stratum may get its first ones twice.
    with suppress(TryLater):
        sampler.know(day_us, await wiring.records(home).judged(since_us=day_us))
    return sampler


def _allows(snapshot: Snapshot, record: RequestRecord) -> bool:
    """Whether a tenant lets its traffic be judged; of one that is gone nobody knows."""
    tenant = snapshot.tenants.get(TenantId(record.tenant_id))
    tier = None if tenant is None else snapshot.tiers.get(tenant.tier)
    if tenant is None or tier is None:
        return False
    return (tenant.judge or tier.judge) is not JudgePolicy.NEVER


def _write(spool: Spool, annotated: Annotated) -> None:
    spool.append(Kind.ANNOTATION, msgspec.msgpack.encode(annotated))
