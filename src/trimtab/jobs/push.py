"""Passes bills on: what they have come to and nobody was told of yet becomes a meter event.

An event is the difference between what bills come to and what was ever made into events, in cents,
so it is right whatever became of the ledger meanwhile: a late line, an adjustment, a plan that
moved, a keeper that was killed. Less than nothing is never sent; it is taken off what comes next.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from trimtab.control.changes import Control
from trimtab.control.snapshot import State
from trimtab.cost.bill.due import due
from trimtab.domain.backoff import backoff_s
from trimtab.domain.billing import EventState, MeterEvent, months
from trimtab.domain.change import Pointer, PointerKind
from trimtab.domain.clock import Clock
from trimtab.domain.errors import TrimtabError
from trimtab.domain.tenant import Tenant
from trimtab.jobs.history import today
from trimtab.jobs.stripe import MeterDesk, Outcome, Told
from trimtab.store.base.ledger import LineReader
from trimtab.store.outbox import Outbox
from trimtab.store.rollup import month_us

LOOK_S = 1.0
MOST_BACKOFF_S = 3600.0
SURE_US = 23 * 3_600_000_000
"""An event that may have arrived is sent again for so long; Stripe knows it for a day."""

MARGIN_US = 300_000_000
"""How long before an invoice is final nothing more is put on it."""

RETRY_US = 60_000_000
AT_ONCE = 8

_SECOND_US = 1_000_000

log = logging.getLogger("trimtab")


class Month(NamedTuple):
    """What the bill of a month comes to now, and how much of it was made into events."""

    month: str
    cents: int
    pushed: int


class Account(NamedTuple):
    """A tenant whose bills are passed on, and its months since that began."""

    tenant: Tenant
    months: tuple[Month, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """What tenants owe, and what was passed on of that."""

    control: Control
    ledger: LineReader
    outbox: Outbox

    async def account(self, state: State, tenant: Tenant, now_us: int) -> Account:
        """Look up the months of a tenant since it is passed on.

        Raises:
            TryLater: the ledger or the outbox cannot be read.
        """
        pushed = {
            it.month: it.cents for it in await self.outbox.pushed() if it.tenant_id == tenant.id
        }
        last = local_month(tenant, now_us)
        found: list[Month] = []
        for month in months(min(pushed), max(last, *pushed)) if pushed else ():
            bill = await due(state, self.ledger, tenant, month, with_late=month >= last)
            found.append(Month(month, bill.total_cents, pushed.get(month, 0)))
        return Account(tenant, tuple(found))


def local_month(tenant: Tenant, now_us: int) -> str:
    """Name the month that it is where a tenant lives."""
    return f"{today(tenant.timezone, now_us):%Y-%m}"


def passed_on(state: State) -> list[Tenant]:
    """Name the tenants whose bills are passed on, in order."""
    tenants = [it.value for pointer, it in state.items() if pointer.kind is PointerKind.TENANT]
    billed = [it for it in tenants if isinstance(it, Tenant) and it.stripe_customer]
    return sorted(billed, key=lambda it: it.id)


class Invoices(NamedTuple):
    """When something may still be put on the invoice of a month, which is one of UTC.

    Attributes:
        grace_us: How long after its month an invoice becomes final.
    """

    grace_us: int

    def is_open(self, month: str, now_us: int) -> bool:
        """Whether an event that is made now can be on the invoice of that month."""
        return month_us(month) <= now_us < _end_us(month) + self.grace_us - MARGIN_US

    def stamp_s(self, month: str, now_us: int) -> int:
        """Date an event: into its month while that is open, else now."""
        is_late = now_us >= _end_us(month)
        at_us = _end_us(month) - 1 if is_late and self.is_open(month, now_us) else now_us
        return at_us // _SECOND_US


class Balance(NamedTuple):
    """What is to be passed on now, by month, and what is left; below nothing it is a credit."""

    owed: tuple[tuple[Month, int], ...]
    rest: int


def balance(found: Iterable[Month], invoices: Invoices, now_us: int) -> Balance:
    """Find what is owed. What cannot be on the invoice of its own month is on the next."""
    owed: list[tuple[Month, int]] = []
    rest = 0
    for month in found:
        rest += month.cents - month.pushed
        if rest > 0 and invoices.is_open(month.month, now_us):
            owed.append((month, rest))
            rest = 0
    return Balance(tuple(owed), rest)


@dataclass(slots=True)
class Push:
    """Makes events of what is owed, and tells them. State: when it makes more, what failed last.

    Attributes:
        desk: Who is told.
        chance: Spreads tries.
        invoices: When they become final.
        every_s: How often events are made; the first at once.
    """

    books: Books
    desk: MeterDesk
    clock: Clock
    chance: random.Random
    invoices: Invoices
    every_s: float
    _not_before_us: int = 0
    _failing: str | None = None

    async def step(self) -> None:
        """Make events if it is time for that, and tell those that are due.

        Raises:
            TrimtabError: a store is away. What was not made is made next time.
        """
        state = await self.books.control.state()
        now_us, every_us = self.clock.now_us(), round(self.every_s * 1e6)
        try:
            if now_us >= self._not_before_us:
                self._not_before_us = now_us + min(RETRY_US, every_us)
                await self._make(state)
                self._not_before_us = now_us - now_us % every_us + every_us
        finally:
            await self._tell(state)

    async def _make(self, state: State) -> None:
        failed: TrimtabError | None = None
        for tenant in passed_on(state):
            try:
                await self._make_of(state, tenant)
            except TrimtabError as exc:
                failed = exc
        if failed is not None:
            raise failed

    async def _make_of(self, state: State, tenant: Tenant) -> None:
        now_us = self.clock.now_us()
        await self.books.outbox.begin(tenant.id, local_month(tenant, now_us))
        account = await self.books.account(state, tenant, now_us)
        for month, cents in balance(account.months, self.invoices, now_us).owed:
            event = MeterEvent(
                id=f"{tenant.id}:{month.month}:{now_us}",
                tenant_id=tenant.id,
                month=month.month,
                customer=tenant.stripe_customer or "",
                cents=cents,
                made_us=now_us,
                due_us=now_us,
            )
            await self.books.outbox.put(event, pushed_cents=month.pushed)

    async def _tell(self, state: State) -> None:
        """Tell all that is due; of one customer one at a time, as Stripe asks."""
        now_us = self.clock.now_us()
        due_now: defaultdict[str, list[MeterEvent]] = defaultdict(list)
        for event in await self.books.outbox.events():
            if event.state is EventState.WAITING and event.due_us <= now_us:
                addressed = _addressed(event, state)
                due_now[addressed.customer].append(addressed)
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._tell_all(it, gate) for it in due_now.values()))

    async def _tell_all(self, events: Sequence[MeterEvent], gate: asyncio.Semaphore) -> None:
        async with gate:
            for event in events:
                await self._tell_one(event)

    async def _tell_one(self, event: MeterEvent) -> None:
        now_us = self.clock.now_us()
        if event.doubt_us is not None and now_us - event.doubt_us > SURE_US:
            log.error(
                "meter event '%s' may have arrived a day ago, so it is not sent again; look for it"
                " in Stripe, and see `trimtab bills outbox`",
                event.id,
            )
            await self.books.outbox.hold(replace(event, state=EventState.UNSURE))
            return
        doubt_us = now_us if event.doubt_us is None else event.doubt_us
        # Before it is sent: who is killed now does not know whether it has arrived.
        await self.books.outbox.hold(replace(event, tries=event.tries + 1, doubt_us=doubt_us))
        told = await self.desk.tell(event, self.invoices.stamp_s(event.month, now_us))
        if told.outcome is Outcome.TAKEN:
            await self.books.outbox.taken(event.id)
            self._is_well()
        else:
            held = replace(event, tries=event.tries + 1, error=told.said)
            if told.may_have_arrived:
                held = replace(held, doubt_us=doubt_us)
            await self.books.outbox.hold(self._held(held, told))

    def _held(self, event: MeterEvent, told: Told) -> MeterEvent:
        if told.outcome is Outcome.REFUSED:
            log.error(
                "meter event '%s' was refused: %s; put it right and run `trimtab bills outbox"
                " --retry`",
                event.id,
                told.said,
            )
            return replace(event, state=EventState.REFUSED)
        if self._failing != told.said:
            log.warning("meter events are sent again later: %s", told.said)
        self._failing = told.said
        waits_s = backoff_s(event.tries - 1, MOST_BACKOFF_S, self.chance)
        waits_s = max(waits_s, min(told.wait_s or 0.0, MOST_BACKOFF_S))
        return replace(event, due_us=self.clock.now_us() + round(waits_s * 1e6))

    def _is_well(self) -> None:
        if self._failing is not None:
            log.warning("meter events are taken again")
        self._failing = None


def _addressed(event: MeterEvent, state: State) -> MeterEvent:
    """Send what surely has not arrived to who pays now."""
    known = state.get(Pointer(PointerKind.TENANT, event.tenant_id))
    tenant = None if known is None else known.value
    if event.doubt_us is not None or not isinstance(tenant, Tenant) or not tenant.stripe_customer:
        return event
    return replace(event, customer=tenant.stripe_customer)


def _end_us(month: str) -> int:
    year, number = int(month[:4]), int(month[5:])
    return month_us(f"{year + number // 12:04d}-{number % 12 + 1:02d}")
