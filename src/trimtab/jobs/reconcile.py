"""Every night the ledger is held against what providers tell about the days before.

Young days are looked at again, for providers' rows come late. What was compared is known from the
reports that are kept, so the job may be killed at any time and costs nothing when run twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from trimtab.control.changes import Control
from trimtab.cost.provider_bills.pages import Desk, Fetch, FetchIncomplete, Sleep, Span
from trimtab.cost.reconcile.compare import Prices, compare
from trimtab.cost.reconcile.kept import Kept
from trimtab.cost.reconcile.report import Report
from trimtab.cost.reconcile.statement import Ownership, Statement
from trimtab.domain.adjustment import Adjustment, line_of
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.clock import Clock
from trimtab.domain.errors import NotFound, TrimtabError
from trimtab.domain.transport import Transport
from trimtab.store.base.ledger import Billed, LedgerReader, LedgerWriter
from trimtab.store.rollup import DAY_US, HOUR_US, midnight_us

DAYS_BACK = (1, 2, 3, 7)
AFTER = timedelta(hours=3)
"""How long after midnight UTC providers are asked."""

RETRY = timedelta(hours=1)
LOOK_S = 300.0


log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Billing:
    """How one provider's bill is read.

    Attributes:
        headers: What shows the admin key.
        read: Reads usage and costs of some days.
        owned: Which of its accounts are ours.
    """

    desk: Desk
    headers: Sequence[tuple[str, str]]
    read: Callable[[Fetch, Span], Awaitable[Statement]]
    owned: Ownership


@dataclass(slots=True)
class Reconciliation:
    """Fetches, compares and keeps. It holds nothing that a restart would lose.

    Attributes:
        ledger: Our side.
        billings: Their side, one for each provider.
        prices: Tells what was listed.
        sleep: Waits between tries.
    """

    ledger: LedgerReader
    billings: Sequence[Billing]
    kept: Kept
    transport: Transport
    clock: Clock
    prices: Prices
    sleep: Sleep = asyncio.sleep

    @property
    def providers(self) -> tuple[str, ...]:
        """The providers whose bills can be read."""
        return tuple(it.desk.provider for it in self.billings)

    async def compare(self, days: Collection[str], providers: Collection[str] = ()) -> Report:
        """Compare days, of all providers or of some, and keep the report.

        Raises:
            TryLater: the ledger cannot be read. OSError: the report cannot be kept.
        """
        asked = [it for it in self.billings if not providers or it.desk.provider in providers]
        statements = [await self._fetch(it, days) for it in asked]
        report = compare(
            await self._ours(days),
            statements,
            {it.desk.provider: it.owned for it in asked},
            days,
            now_us=self.clock.now_us(),
            prices=self.prices,
        )
        await asyncio.to_thread(self.kept.put, report)
        return report

    async def step(self) -> tuple[Report, ...]:
        """Compare what is due now."""
        reports: list[Report] = []
        for billing in self.billings:
            provider = billing.desk.provider
            days = self._due(provider)
            if not days:
                continue
            try:
                report = await self.compare(days, (provider,))
            except (TrimtabError, OSError) as exc:
                log.warning("the bill of '%s' could not be compared: %s", provider, exc)
                continue
            for finding in report.findings:
                if finding.kind.needs_action or not report.is_complete:
                    log.warning(
                        "bill of '%s' on %s: %s %s: %s",
                        provider,
                        finding.day,
                        finding.kind,
                        finding.model,
                        finding.evidence,
                    )
            reports.append(report)
        return tuple(reports)

    def _due(self, provider: str) -> list[str]:
        now = self._now()
        tonight = datetime.combine(now.date(), datetime.min.time(), UTC) + AFTER
        if now < tonight:
            return []
        days = [(now.date() - timedelta(days=back)).isoformat() for back in DAYS_BACK]
        return [day for day in days if self._is_due(self.kept.find(day, provider), now, tonight)]

    def _is_due(self, report: Report | None, now: datetime, tonight: datetime) -> bool:
        if report is None:
            return True
        compared = datetime.fromtimestamp(report.compared_us / 1e6, UTC)
        return compared < tonight or (not report.is_complete and compared <= now - RETRY)

    async def _fetch(self, billing: Billing, days: Collection[str]) -> Statement:
        now_s = self.clock.now_us() // 1_000_000
        first = date.fromisoformat(min(days)) - timedelta(days=1)
        last = min(date.fromisoformat(max(days)) + timedelta(days=1), self._now().date())
        start_s, end_s = (
            midnight_us(str(it)) // 1_000_000 for it in (first, last + timedelta(days=1))
        )
        span = Span(start_s, end_s, now_s)
        fetch = Fetch(billing.desk, self.transport, billing.headers, self.sleep)
        try:
            return await billing.read(fetch, span)
        except FetchIncomplete as exc:
            return Statement(provider=billing.desk.provider, incomplete=str(exc))

    async def _ours(self, days: Collection[str]) -> list[Billed]:
        """Sum up days and their neighbours, by the hour: a long query would be given up."""
        wanted = {
            date.fromisoformat(day) + timedelta(days=step) for day in days for step in (-1, 0, 1)
        }
        rows: list[Billed] = []
        for day in sorted(wanted):
            start_us = midnight_us(str(day))
            for since_us in range(start_us, start_us + DAY_US, HOUR_US):
                rows += await self.ledger.billed(since_us=since_us, until_us=since_us + HOUR_US)
        return rows

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_us() // 1_000_000, UTC)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Books what a person accepts: first who and why, then the line, so that both are there."""

    kept: Kept
    control: Control
    ledger: LedgerWriter

    async def accept(
        self, adjustment_id: str, *, reason: str, author: str, source: Source
    ) -> tuple[Adjustment, Change | None]:
        """Book a proposal; the change is `None` if that was done before.

        Raises:
            NotFound: nothing is proposed under that id.
            InvalidRequest: the reason is missing.
            TryLater: a store is away; accept it again.
        """
        pointer = Pointer(PointerKind.ADJUSTMENT, adjustment_id)
        known = (await self.control.state()).get(pointer)
        proposed: Adjustment | None = (
            await asyncio.to_thread(self.kept.proposal, adjustment_id)
            if known is None
            else known.value
        )
        if proposed is None:
            raise NotFound(
                f"nothing is proposed as '{adjustment_id}'; run `trimtab reconcile` for its day"
            )
        change = await self.control.move(
            pointer, proposed, reason=reason, author=author, source=source
        )
        made = change or (await self.control.state())[pointer].change
        await self.ledger.adjust([line_of(proposed, midnight_us(proposed.day), made.seq)])
        return proposed, change
