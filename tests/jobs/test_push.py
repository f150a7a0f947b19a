import random
from collections import defaultdict, deque
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from tests.records import finish, line_of, tenant_key

from trimtab.control.changes import Control
from trimtab.cost.bill.due import due
from trimtab.domain.billing import EventState, MeterEvent, Plan, months
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.record import LedgerLine
from trimtab.domain.tenant import Tenant, Tier
from trimtab.jobs.push import (
    MARGIN_US,
    SURE_US,
    Balance,
    Books,
    Invoices,
    Month,
    Push,
    balance,
    passed_on,
)
from trimtab.jobs.stripe import Outcome, Told
from trimtab.store.base.recording import Batch
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.outbox import MemoryOutbox
from trimtab.testing import FrozenClock, seeded_entropy

HOUR_US = 3_600_000_000
NOVEMBER = "2026-11"
TAKEN = Told(Outcome.TAKEN, "answer 200")
LIMITED = Told(Outcome.LATER, "answer 429", wait_s=90)
BROKEN = Told(Outcome.LATER, "answer 500", may_have_arrived=True)
REFUSED = Told(Outcome.REFUSED, "answer 400: No such customer")


class Killed(BaseException):
    """The keeper is killed at once."""


class Desk:
    """Takes an identifier once. State: sums, dates and tries; what it answers next.

    An answer with `arrives` is given although the event was taken.
    """

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.sums: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.answers: deque[tuple[Told | Killed, bool]] = deque()
        self.told: list[MeterEvent] = []

    async def tell(self, event: MeterEvent, ts_s: int) -> Told:
        self.told.append(event)
        answer, arrives = self.answers.popleft() if self.answers else (TAKEN, True)
        if arrives and event.id not in self.known:
            self.known.add(event.id)
            month = f"{datetime.fromtimestamp(ts_s, UTC):%Y-%m}"
            self.sums[event.customer, month] += event.cents
        if isinstance(answer, Killed):
            raise answer
        return answer

    @property
    def total(self) -> int:
        return sum(self.sums.values())


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


class Shop:
    """Tenants, their ledger, and what passes it on. A new `push` is a keeper that was killed."""

    def __init__(self, now: str = "2026-11-10T12:00") -> None:
        self.clock = FrozenClock(us(now))
        self.records = MemoryRecords(tenant_key)
        self.control = Control(MemoryChangeLog(), self.clock, seeded_entropy())
        self.outbox = MemoryOutbox()
        self.desk = Desk()
        self.lines = 0
        self.restart()

    @property
    def books(self) -> Books:
        return Books(self.control, self.records, self.outbox)

    def restart(self, grace_s: float = 24 * 3600) -> None:
        self.push = Push(
            self.books,
            self.desk,
            self.clock,
            random.Random(7),  # noqa: S311
            invoices=Invoices(round(grace_s * 1e6)),
            every_s=3600,
        )

    async def move(self, kind: PointerKind, name: str, value: object) -> None:
        await self.control.move(
            Pointer(kind, name), value, reason="a test", author="t", source=Source.CLI
        )

    async def tenant(
        self,
        name: str = "acme",
        customer: str | None = "",
        *,
        markup: int = 200_000,
        zone: str = "UTC",
    ) -> None:
        tenant = Tenant(
            id=TenantId(name),
            tier="smb",
            timezone=zone,
            plan=Plan(markup=markup),
            stripe_customer=f"cus_{name}" if customer == "" else customer,
        )
        await self.move(PointerKind.TIER, "smb", Tier(name="smb"))
        await self.move(PointerKind.TENANT, name, tenant)

    def line(self, usd: float, day: str, tenant: str = "acme", kind: str = "charge") -> LedgerLine:
        self.lines += 1
        made = finish(self.lines, tenant_id=tenant, ts_us=us(day))
        line = line_of(made.record, day_local=day[:10])
        nano = round(usd * 1e9)
        return replace(line, line_id=f"l{self.lines:06d}/1/{kind}/0", kind=kind, cost_nano=nano)

    async def books_line(self, usd: float, day: str = "2026-11-10", tenant: str = "acme") -> None:
        line = self.line(usd, day, tenant)
        if usd < 0:
            await self.records.adjust([replace(line, kind="adjustment")])
            return
        made = finish(self.lines, tenant_id=tenant, ts_us=line.ts_us)
        record = replace(made.record, request_id=line.line_id[:7])
        await self.records.commit(Batch(finishes=(replace(made, record=record, lines=(line,)),)))

    async def passes(self, hours: float = 0) -> None:
        self.clock.advance(hours * 3600)
        await self.push.step()

    async def bill(self, month: str = NOVEMBER, tenant: str = "acme") -> int:
        state = await self.control.state()
        known = state[Pointer(PointerKind.TENANT, tenant)].value
        return (await due(state, self.records, known, month)).total_cents


async def test_what_a_bill_came_to_is_passed_on_in_cents() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1.234)

    await shop.passes()

    assert shop.desk.sums == {("cus_acme", NOVEMBER): 148}
    assert await shop.bill() == 148
    assert await shop.outbox.events() == ()


async def test_only_what_came_since_is_passed_on_next() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1)
    await shop.passes()
    await shop.passes(1)
    await shop.books_line(2)
    await shop.passes(0.5)

    assert [it.cents for it in shop.desk.told] == [120]
    await shop.passes(0.5)

    assert [it.cents for it in shop.desk.told] == [120, 240]
    assert len({it.id for it in shop.desk.told}) == 2


async def test_less_than_a_cent_waits_until_it_is_one() -> None:
    shop = Shop()
    await shop.tenant()
    for _ in range(4):
        await shop.books_line(0.002)
        await shop.passes(1)

    assert shop.desk.total == await shop.bill() == 1


async def test_who_has_no_customer_there_is_not_passed_on() -> None:
    shop = Shop()
    await shop.tenant(customer=None)
    await shop.books_line(1)

    await shop.passes()

    assert (shop.desk.told, await shop.outbox.pushed()) == ([], ())
    assert passed_on(await shop.control.state()) == []


async def test_an_adjustment_below_nothing_comes_off_what_is_next() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(2)
    await shop.passes()
    await shop.books_line(-1)
    await shop.passes(1)
    assert shop.desk.total == 240
    await shop.books_line(0.5)
    await shop.passes(1)
    assert shop.desk.total == 240

    await shop.books_line(1)
    await shop.passes(1)

    assert shop.desk.total == await shop.bill() == 300


async def test_a_credit_is_taken_over_into_the_next_month() -> None:
    shop = Shop("2026-11-30T12:00")
    await shop.tenant()
    await shop.books_line(2, "2026-11-30")
    await shop.passes()
    await shop.books_line(-1, "2026-11-30")
    await shop.passes(36)
    await shop.books_line(3, "2026-12-02")

    await shop.passes(24)

    assert shop.desk.sums == {("cus_acme", NOVEMBER): 240, ("cus_acme", "2026-12"): 240}
    assert shop.desk.total == await shop.bill() + await shop.bill("2026-12")


async def test_a_late_line_is_on_the_invoice_of_its_month_while_that_is_open() -> None:
    shop = Shop("2026-11-30T22:00")
    await shop.tenant()
    await shop.passes()
    await shop.books_line(1, "2026-11-30")

    await shop.passes(12)

    assert shop.desk.sums == {("cus_acme", NOVEMBER): 120}


async def test_a_line_that_is_later_is_on_the_next_invoice() -> None:
    shop = Shop("2026-11-30T22:00")
    await shop.tenant()
    await shop.passes()
    await shop.passes(48)
    await shop.books_line(1, "2026-11-30")
    await shop.books_line(2, "2026-12-02")

    await shop.passes(1)

    assert shop.desk.sums == {("cus_acme", "2026-12"): 360}


async def test_what_came_of_a_closed_month_is_passed_on_with_the_next() -> None:
    shop = Shop("2026-11-30T12:00")
    await shop.tenant()
    await shop.books_line(1, "2026-11-30")
    await shop.passes()
    shop.clock.advance(48 * 3600)
    state = await shop.control.state()
    known = state[Pointer(PointerKind.TENANT, "acme")].value
    made = await due(state, shop.records, known, NOVEMBER)
    await shop.move(PointerKind.BILL, f"acme:{NOVEMBER}", made.closing())
    await shop.books_line(0.5, "2026-11-30")

    await shop.passes(1)

    assert await shop.bill() == 120
    assert await shop.bill("2026-12") == 60
    assert shop.desk.sums == {("cus_acme", NOVEMBER): 120, ("cus_acme", "2026-12"): 60}


async def test_a_plan_that_moved_is_that_of_the_whole_month() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1)
    await shop.passes()

    await shop.tenant(markup=500_000)
    await shop.passes(1)

    assert [it.cents for it in shop.desk.told] == [120, 30]


@pytest.mark.parametrize(
    ("zone", "now", "later_h"),
    [
        pytest.param("Pacific/Auckland", "2026-11-30T12:00", 13, id="ahead"),
        pytest.param("Pacific/Honolulu", "2026-11-30T12:00", 23, id="behind"),
    ],
)
async def test_a_month_of_another_zone_is_on_the_invoice_of_its_name(
    zone: str, now: str, later_h: float
) -> None:
    shop = Shop(now)
    await shop.tenant(zone=zone)
    month = "2026-12" if zone.endswith("Auckland") else NOVEMBER
    await shop.books_line(1, "2026-12-01" if month == "2026-12" else "2026-11-30")

    await shop.passes()
    await shop.passes(later_h)

    assert shop.desk.sums == {("cus_acme", month): 120}


async def test_what_fails_is_sent_again_later_and_later_with_the_same_identifier() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1)
    shop.desk.answers.extend([(LIMITED, False), (BROKEN, True)])

    await shop.passes()
    (held,) = await shop.outbox.events()
    assert (held.tries, held.error, held.doubt_us) == (1, "answer 429", None)
    assert held.due_us - shop.clock.now_us() == 90_000_000
    await shop.passes(60 / 3600)
    assert len(shop.desk.told) == 1
    await shop.passes(30 / 3600)
    (held,) = await shop.outbox.events()
    assert (held.error, held.doubt_us) == ("answer 500", shop.clock.now_us())
    await shop.passes(0.01)

    assert len({it.id for it in shop.desk.told}) == 1
    assert (shop.desk.total, await shop.outbox.events()) == (120, ())


async def test_a_refusal_is_kept_with_its_reason_and_goes_to_the_customer_it_is_moved_to() -> None:
    shop = Shop()
    await shop.tenant(customer="cus_typo")
    await shop.books_line(1)
    shop.desk.answers.append((REFUSED, False))
    await shop.passes()
    await shop.passes(5)

    (event,) = await shop.outbox.events()
    assert (event.state, event.error) == (EventState.REFUSED, "answer 400: No such customer")
    assert len(shop.desk.told) == 1

    await shop.tenant(customer="cus_right")
    await shop.outbox.hold(replace(event, state=EventState.WAITING))
    await shop.passes()

    assert shop.desk.sums == {("cus_right", NOVEMBER): 120}


async def test_what_may_have_arrived_stays_with_the_customer_it_was_sent_for() -> None:
    shop = Shop()
    await shop.tenant(customer="cus_old")
    await shop.books_line(1)
    shop.desk.answers.append((BROKEN, False))
    await shop.passes()

    await shop.tenant(customer="cus_new")
    await shop.passes(0.01)

    assert shop.desk.sums == {("cus_old", NOVEMBER): 120}


async def test_a_refusal_holds_up_nobody_else() -> None:
    shop = Shop()
    for name in ("acme", "globex"):
        await shop.tenant(name)
        await shop.books_line(1, tenant=name)
    shop.desk.answers.append((REFUSED, False))

    await shop.passes()

    assert shop.desk.sums == {("cus_globex", NOVEMBER): 120}


async def test_what_may_have_arrived_a_day_ago_is_not_sent_again() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1)
    shop.desk.answers.append((Killed(), True))
    with pytest.raises(Killed):
        await shop.passes()
    # Stripe has forgotten the identifier.
    shop.desk.known.clear()
    shop.restart()

    await shop.passes(SURE_US / HOUR_US + 0.01)

    (event,) = await shop.outbox.events()
    assert event.state is EventState.UNSURE
    assert shop.desk.total == 120


async def test_what_surely_never_arrived_is_sent_however_long_it_takes() -> None:
    shop = Shop()
    await shop.tenant()
    await shop.books_line(1)
    shop.desk.answers.extend([(LIMITED, False)] * 30)
    for _ in range(40):
        await shop.passes(2)

    assert shop.desk.total == 120


def test_nothing_is_put_on_an_invoice_that_is_nearly_final() -> None:
    invoices = Invoices(HOUR_US)
    end_us = us("2026-12-01T00:00")

    assert not invoices.is_open(NOVEMBER, us("2026-10-31T23:59"))
    assert invoices.is_open(NOVEMBER, end_us + HOUR_US - MARGIN_US - 1)
    assert not invoices.is_open(NOVEMBER, end_us + HOUR_US - MARGIN_US)
    assert invoices.stamp_s(NOVEMBER, end_us) == end_us // 1_000_000 - 1
    assert invoices.stamp_s(NOVEMBER, end_us + HOUR_US) == (end_us + HOUR_US) // 1_000_000


def test_a_balance_never_passes_on_less_than_nothing() -> None:
    now_us = us("2026-12-10T00:00")
    found = [Month("2026-10", 90, 100), Month(NOVEMBER, 50, 45), Month("2026-12", 30, 10)]

    assert balance(found, Invoices(HOUR_US), now_us) == Balance(((found[2], 15),), 0)
    assert balance(found[:2], Invoices(HOUR_US), now_us) == Balance((), -5)


def test_months_are_named_over_the_end_of_a_year() -> None:
    assert months("2026-11", "2027-02") == ("2026-11", "2026-12", "2027-01", "2027-02")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_sum_there_is_the_sum_of_the_bills(seed: int) -> None:
    """Lines, late lines, adjustments, faults and kills by chance, over a month's end."""
    chance = random.Random(seed)  # noqa: S311
    shop = Shop("2026-11-27T00:00")
    await shop.tenant()
    faults = [
        (LIMITED, False),
        (BROKEN, False),
        (BROKEN, True),
        (Killed(), False),
        (Killed(), True),
    ]
    for _ in range(60):
        day = f"{datetime.fromtimestamp(shop.clock.now_us() / 1e6, UTC):%Y-%m-%d}"
        late = chance.random() < 0.2
        usd = chance.uniform(-0.4, 1)
        await shop.books_line(usd, "2026-11-27" if late else day)
        shop.desk.answers = deque(chance.choices(faults, k=chance.random() < 0.4))
        try:
            await shop.passes(chance.uniform(0.1, 4))
        except Killed:
            shop.restart()
    shop.desk.answers.clear()
    await shop.books_line(40, "2026-12-01")
    for _ in range(3):
        await shop.passes(2)

    assert await shop.outbox.events() == ()
    assert shop.desk.total == await shop.bill() + await shop.bill("2026-12") > 4000
