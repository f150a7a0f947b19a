"""The job over a ledger in memory and a provider that answers as it is told to."""

import logging
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cost.reconcile.books import DAY, PRICES, Cell, bill, ledger
from tests.records import tenant_key

from trimtab.control.changes import Control
from trimtab.cost.provider_bills.pages import Desk, Fetch, FetchIncomplete, Span
from trimtab.cost.reconcile.kept import Kept
from trimtab.cost.reconcile.report import Class, Report
from trimtab.cost.reconcile.statement import Ownership, Statement
from trimtab.domain.adjustment import UNATTRIBUTED
from trimtab.domain.change import Source
from trimtab.domain.errors import InvalidRequest, NotFound, SettingsInvalid, TryLater
from trimtab.jobs.reconcile import Acceptance, Billing, Reconciliation
from trimtab.store.base.ledger import Billed
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.store.memory.records import MemoryRecords
from trimtab.testing import FrozenClock, ScriptedProvider, seeded_entropy

FOUR_O_CLOCK = datetime(2026, 11, 23, 4, tzinfo=UTC)
HOUR_S = 3600.0
CELL = Cell()


class World:
    """Our books, a provider, and what it was asked. State: all of that."""

    def __init__(self, directory: Path) -> None:
        self.clock = FrozenClock(round(FOUR_O_CLOCK.timestamp() * 1e6))
        self.kept = Kept(directory / "reconcile")
        self.rows: list[Billed] = ledger([CELL])
        self.statement = bill([CELL])
        self.spans: list[tuple[str, str]] = []
        self.summed: list[str] = []
        self.away = False

    async def billed(self, *, since_us: int, until_us: int) -> tuple[Billed, ...]:
        if self.away:
            raise TryLater("the disk is away; wait")
        hour = datetime.fromtimestamp(since_us / 1e6, UTC)
        assert until_us - since_us == 3_600_000_000
        self.summed.append(f"{hour:%Y-%m-%dT%H}")
        # What a day holds is there at noon.
        return tuple(row for row in self.rows if hour.hour == 12 and row.day == f"{hour:%Y-%m-%d}")

    async def read(self, _fetch: Fetch, span: Span) -> Statement:
        self.spans.append((_day(span.start_s), _day(span.end_s)))
        if self.statement.incomplete:
            raise FetchIncomplete(self.statement.incomplete)
        return self.statement

    def job(self) -> Reconciliation:
        desk = Desk(provider="p", url="https://p.example.com", admin_key="k")
        return Reconciliation(
            self,
            [Billing(desk, (), self.read, Ownership())],
            self.kept,
            transport=ScriptedProvider(),
            clock=self.clock,
            prices=lambda _provider, _model, _at_us: PRICES,
        )

    async def night(self) -> Collection[str]:
        """Tell which days a look compares; the job is a new one, as after a restart."""
        return [day for report in await self.job().step() for day in report.days]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _day(instant_s: int) -> str:
    return datetime.fromtimestamp(instant_s, UTC).date().isoformat()


async def test_a_day_is_compared_with_its_neighbours_beside_it(world: World) -> None:
    report = await world.job().compare(["2026-11-20"])

    assert world.spans == [("2026-11-19", "2026-11-22")]
    assert len(world.summed) == len(set(world.summed)) == 3 * 24
    assert (world.summed[0], world.summed[-1]) == ("2026-11-19T00", "2026-11-21T23")
    assert (report.days, report.findings) == (("2026-11-20",), ())


async def test_nothing_is_asked_of_days_to_come(world: World) -> None:
    await world.job().compare([DAY])

    assert world.spans == [("2026-11-21", "2026-11-24")]


async def test_every_night_four_days_are_compared_once(world: World) -> None:
    assert await world.night() == ["2026-11-16", "2026-11-20", "2026-11-21", DAY]
    assert await world.night() == []

    world.clock.advance(22.9 * HOUR_S)
    assert await world.night() == []
    world.clock.advance(0.2 * HOUR_S)
    assert await world.night() == ["2026-11-17", "2026-11-21", DAY, "2026-11-23"]


async def test_a_night_begins_three_hours_after_midnight(world: World) -> None:
    world.clock.advance(-1.1 * HOUR_S)

    assert await world.night() == []


async def test_what_could_not_be_fetched_is_tried_again_after_an_hour(world: World) -> None:
    world.statement = replace(world.statement, incomplete="the pages are cut off")
    assert len(await world.night()) == 4
    world.statement = bill([CELL])

    world.clock.advance(0.9 * HOUR_S)
    assert await world.night() == []
    world.clock.advance(0.1 * HOUR_S)
    assert len(await world.night()) == 4
    assert await world.night() == []


async def test_a_report_that_was_kept_is_not_made_again_after_a_kill(world: World) -> None:
    await world.job().compare([DAY])

    assert await world.night() == ["2026-11-16", "2026-11-20", "2026-11-21"]


async def test_a_ledger_that_is_away_is_waited_for(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.away = True
    with caplog.at_level(logging.WARNING, "trimtab"):
        assert await world.night() == []
    world.away = False

    assert "the bill of 'p' could not be compared: the disk is away" in caplog.text
    assert len(await world.night()) == 4


async def test_what_needs_a_person_is_said_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.statement = bill([CELL.times(2)])

    with caplog.at_level(logging.WARNING, "trimtab"):
        await world.night()

    assert f"bill of 'p' on {DAY}: missing_ours gpt-5: " in caplog.text


async def test_only_the_provider_that_is_asked_for_is_compared(world: World) -> None:
    report = await world.job().compare([DAY], ["another"])

    assert (report.providers, world.spans) == ((), [])


async def test_the_last_drift_of_a_provider_is_known(world: World) -> None:
    world.statement = bill([CELL.times(1.25)])
    await world.job().compare([DAY])
    await world.job().compare(["2026-11-20"])
    assert world.kept.drifts() == {"p": 0.2}

    world.statement = replace(world.statement, incomplete="cut")
    await world.job().compare([DAY])
    assert world.kept.drifts() == {}


class Site:
    """Who may accept what was found. State: the stores."""

    def __init__(self, world: World) -> None:
        self.records = MemoryRecords(tenant_key)
        self.log = MemoryChangeLog()
        self.control = Control(self.log, world.clock, seeded_entropy())
        self.acceptance = Acceptance(world.kept, self.control, self.records)
        self.world = world

    async def find(self) -> Report:
        """Compare what is booked here with the bill."""
        self.world.rows = [
            *ledger([CELL]),
            *await self.records.billed(since_us=0, until_us=1 << 60),
        ]
        return await self.world.job().compare([DAY])

    async def accept(self, adjustment_id: str, reason: str = "a script of ours") -> bool:
        _, change = await self.acceptance.accept(
            adjustment_id, reason=reason, author="ana", source=Source.CLI
        )
        return change is not None


async def test_what_is_accepted_is_booked_once_and_then_matches(world: World) -> None:
    site = Site(world)
    world.statement = bill([CELL.times(1.5)])
    (proposed,) = (await site.find()).adjustments()

    assert await site.accept(proposed.id)
    assert not await site.accept(proposed.id)

    (booked,) = await site.records.billed(since_us=0, until_us=1 << 60)
    assert (booked.day, booked.n, booked.cost_nano) == (DAY, 1, proposed.cost_nano)
    (row,) = await site.records.costs(group_by=("tenant_id",), since_us=0, until_us=1 << 60)
    assert (row.group, row.cost_nano) == ((UNATTRIBUTED,), proposed.cost_nano)
    again = await site.find()
    assert [(it.kind, it.difference_nano) for it in again.findings] == [(Class.MATCH, 0)]
    (change,) = await site.control.history(limit=10)
    assert (str(change.pointer), change.author, change.reason) == (
        *(f"adjustment/{proposed.id}", "ana", "a script of ours"),
    )
    with pytest.raises(SettingsInvalid, match="trimtab reconcile"):
        await site.control.undo(change.seq, reason="no", author="ana", source=Source.CLI)


async def test_a_booking_that_was_cut_off_is_finished_by_accepting_it_again(world: World) -> None:
    site = Site(world)
    world.statement = bill([CELL.times(1.5)])
    (proposed,) = (await site.find()).adjustments()
    assert await site.accept(proposed.id)
    site.records = MemoryRecords(tenant_key)
    site.acceptance = Acceptance(world.kept, site.control, site.records)

    assert not await site.accept(proposed.id)

    assert len(await site.records.billed(since_us=0, until_us=1 << 60)) == 1


@pytest.mark.parametrize("reason", ["", "  "])
async def test_nothing_is_booked_without_a_reason(world: World, reason: str) -> None:
    site = Site(world)
    world.statement = bill([CELL.times(1.5)])
    (proposed,) = (await site.find()).adjustments()

    with pytest.raises(InvalidRequest, match="reason is missing"):
        await site.accept(proposed.id, reason)

    assert await site.records.billed(since_us=0, until_us=1 << 60) == ()
    assert await site.log.head() == 0


async def test_nothing_is_booked_that_was_not_proposed(world: World) -> None:
    with pytest.raises(NotFound, match="'adj_0'"):
        await Site(world).accept("adj_0")
