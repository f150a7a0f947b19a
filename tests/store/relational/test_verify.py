import sqlite3
from datetime import date
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from tests.records import DAY_US, chance_finish, finish, line_of, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import Finish, LedgerLine
from trimtab.store.base.recording import Batch
from trimtab.store.relational.verify import Difference, days_kept, verify
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock

DAY = date(2026, 4, 25)


async def stored(
    home: Path, *finishes: Finish, adjustments: tuple[LedgerLine, ...] = ()
) -> SqliteReading:
    store = SqliteRecording(home)
    await store.commit(Batch(finishes=finishes))
    await store.adjust(adjustments)
    store.close()
    return SqliteReading(home, tenant_key, FrozenClock())


async def differences(reading: SqliteReading) -> list[Difference]:
    kept = await days_kept(reading)
    assert kept is not None
    found = await verify(reading, *kept)
    reading.close()
    return found


def spoil(home: Path, sql: str) -> None:
    connection = sqlite3.connect(home / "records.db")
    with connection:
        connection.execute(sql)
    connection.close()


async def test_sums_as_they_are_kept_are_those_of_the_lines(tmp_path: Path) -> None:
    late = finish(1, day_local="2026-04-26")
    lines = (line_of(late.record, 2, day_local="2026-04-26", ts_us=TS_US + 86_400_000_000),)
    made = line_of(finish(2).record, day_local="2026-04-25", kind="adjustment", cost_nano=-5)
    reading = await stored(
        tmp_path,
        replace(late, lines=(*late.lines, *lines)),
        finish(2, day_local="2026-04-24"),
        adjustments=(
            replace(made, line_id="adj_1/0/adjustment/0"),
            # Less than nothing, and of nobody else.
            replace(made, line_id="adj_2/0/adjustment/0", tenant_id="trimtab-unattributed"),
        ),
    )

    assert await differences(reading) == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_was_stored_is_summed_up_right(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    made = [chance_finish(chance) for _ in range(30)]
    spans = {it.record.ts_us // 86_400_000_000 for it in made}
    reading = await stored(tmp_path, *made)

    for day in sorted(spans):
        on = date.fromordinal(date(1970, 1, 1).toordinal() + day)
        found = await verify(reading, on, on)
        assert [it for it in found if it.table != "rollup_day_local"] == []
    reading.close()


@pytest.mark.parametrize("table", ["rollup_hour", "rollup_day", "rollup_day_local"])
async def test_a_sum_that_is_off_is_named(tmp_path: Path, table: str) -> None:
    made = finish(1, day_local=str(DAY))
    reading = await stored(tmp_path, made)
    spoil(tmp_path, f"UPDATE {table} SET cost_nano = cost_nano + 1 WHERE cost_nano > 0")  # noqa: S608

    (found,) = await differences(reading)

    assert (found.table, found.since[:10], found.column) == (table, str(DAY), "cost_nano")
    assert found.group.tenant_id == made.record.tenant_id
    assert (found.of_lines, found.kept) == (made.lines[0].cost_nano, found.of_lines + 1)


async def test_a_line_without_sums_is_named(tmp_path: Path) -> None:
    reading = await stored(tmp_path, finish(1, day_local=str(DAY)))
    spoil(tmp_path, "DELETE FROM rollup_day")

    found = await differences(reading)

    assert {(it.table, it.kept) for it in found} == {("rollup_day", 0)}
    assert {"cost_nano", "input_tokens"} <= {it.column for it in found}


async def test_an_empty_store_has_no_days(tmp_path: Path) -> None:
    reading = await stored(tmp_path)

    assert await days_kept(reading) is None
    reading.close()


async def test_what_has_ended_is_not_compared(tmp_path: Path) -> None:
    reading = await stored(tmp_path, finish(1))
    store = SqliteRecording(tmp_path)
    assert await store.expire("record", TS_US + 10 * DAY_US, limit=10) == 1
    store.close()
    assert await differences(reading) == []
    # It is not that the record is not missed: without the mark it is.
    spoil(tmp_path, "DELETE FROM whole_since")
    assert await differences(SqliteReading(tmp_path, tenant_key, FrozenClock())) != []
