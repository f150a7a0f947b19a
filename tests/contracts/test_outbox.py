"""What every store of meter events must do."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from trimtab.domain.billing import EventState, MeterEvent, Pushed
from trimtab.domain.errors import TryLater
from trimtab.store.outbox import MemoryOutbox, Outbox
from trimtab.store.sqlite.outbox import SqliteOutbox

IMPLEMENTATIONS: Mapping[str, Callable[[Path], Outbox]] = {
    "memory": lambda _: MemoryOutbox(),
    "sqlite": SqliteOutbox,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    made = IMPLEMENTATIONS[request.param](tmp_path)
    yield made
    if isinstance(made, SqliteOutbox):
        made.close()


def event(n: int = 1, cents: int = 25) -> MeterEvent:
    return MeterEvent(
        id=f"e{n}",
        tenant_id="acme",
        month="2026-11",
        customer="cus_1",
        cents=cents,
        made_us=n,
        due_us=n,
    )


def pushed(cents: int, month: str = "2026-11", tenant: str = "acme") -> Pushed:
    return Pushed(tenant_id=tenant, month=month, cents=cents)


async def test_an_empty_outbox_has_nothing(outbox: Outbox) -> None:
    assert (await outbox.pushed(), await outbox.events()) == ((), ())
    assert not await outbox.taken("e1")
    await outbox.hold(event())
    assert await outbox.events() == ()


async def test_a_tenant_begins_once(outbox: Outbox) -> None:
    for tenant, month in (("acme", "2026-10"), ("acme", "2026-09"), ("globex", "2026-11")):
        await outbox.begin(tenant, month)

    assert await outbox.pushed() == (pushed(0, "2026-10"), pushed(0, "2026-11", "globex"))


async def test_an_event_counts_to_its_month_and_stays_counted_when_it_has_arrived(
    outbox: Outbox,
) -> None:
    assert await outbox.put(event(1), pushed_cents=0)
    assert await outbox.put(event(2, 5), pushed_cents=25)

    assert await outbox.taken("e1")

    assert await outbox.events() == (event(2, 5),)
    assert await outbox.pushed() == (pushed(30),)
    assert not await outbox.taken("e1")


async def test_who_knows_less_than_was_pushed_puts_nothing(outbox: Outbox) -> None:
    await outbox.put(event(1), pushed_cents=0)

    assert not await outbox.put(event(2), pushed_cents=0)

    assert await outbox.events() == (event(1),)
    assert await outbox.pushed() == (pushed(25),)


async def test_where_an_event_stands_is_kept(outbox: Outbox) -> None:
    await outbox.put(event(2), pushed_cents=0)
    await outbox.put(event(1), pushed_cents=25)
    held = replace(
        event(2),
        customer="cus_2",
        due_us=99,
        tries=3,
        error="answer 500",
        doubt_us=7,
        state=EventState.UNSURE,
    )

    await outbox.hold(held)

    assert await outbox.events() == (event(1), held)


async def test_it_outlives_its_process(tmp_path: Path) -> None:
    first = SqliteOutbox(tmp_path)
    await first.put(event(), pushed_cents=0)
    # Nothing is closed: that is what a kill leaves.
    second = SqliteOutbox(tmp_path)

    assert await second.events() == (event(),)
    first.close()
    second.close()


async def test_a_disk_that_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "records.db").mkdir()

    with pytest.raises(TryLater, match="see that the disk is there"):
        await SqliteOutbox(tmp_path).events()
