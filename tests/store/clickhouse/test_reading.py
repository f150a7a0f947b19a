from collections.abc import AsyncGenerator
from contextlib import closing
from typing import Any

import pytest
from tests.chdb import Engine
from tests.postgres import Server
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import TryLater
from trimtab.domain.ids import request_id
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.testing import seeded_entropy

DAYS = (0, 0, 1, 3, 40, 41, 300)


@pytest.fixture
async def reading(postgres: Server, chdb: Engine) -> AsyncGenerator[ClickHouseReading]:
    """Read requests of several days, the newest first, each with an id of its own."""
    url, way = postgres.database(), chdb.database()
    made: list[Any] = []
    for number, ago in enumerate(DAYS):
        ts_us = TS_US - ago * DAY_US - number
        name = request_id(ts_us, seeded_entropy(number))
        made.append(finish(number, request_id=name, ts_us=ts_us, feature=f"f{number % 2}"))
    with closing(ClickHouseRecording(url, "one", Archive(way), is_keeper=True)) as store:
        assert await store.commit(Batch(finishes=tuple(made))) == len(DAYS)
    with closing(ClickHouseReading(url, "one", tenant_key, Archive(way))) as reading:
        yield reading


async def ago(reading: ClickHouseReading, where: RecordFilter, **asked: Any) -> list[int]:  # noqa: ANN401 -- of many kinds
    page = await reading.page(where, **asked)
    return [(TS_US - it.ts_us) // DAY_US for it in page]


async def test_a_page_goes_back_over_days_without_any_until_it_is_full(
    reading: ClickHouseReading,
) -> None:
    assert await ago(reading, RecordFilter()) == list(DAYS)
    assert await ago(reading, RecordFilter(), limit=4) == [0, 0, 1, 3]
    assert await ago(reading, RecordFilter(feature="f1")) == [0, 3, 41]
    assert await ago(reading, RecordFilter(feature="none")) == []


async def test_a_page_keeps_to_its_span_and_its_cursor(reading: ClickHouseReading) -> None:
    span = RecordFilter(since_us=TS_US - 40 * DAY_US - 4, until_us=TS_US - DAY_US)

    assert await ago(reading, span) == [1, 3, 40]
    whole = await reading.page(RecordFilter())
    for last in whole:
        rest = await reading.page(RecordFilter(), after=Cursor(last.ts_us, last.request_id))
        assert rest == whole[whole.index(last) + 1 :]


async def test_a_record_is_found_by_its_id_on_any_day(reading: ClickHouseReading) -> None:
    for record in await reading.page(RecordFilter()):
        for name in (record.request_id, record.request_id[:14]):
            found = await reading.find(name)
            assert found is not None
            assert found.record == record


async def test_an_id_reads_one_day_and_asks_its_index(reading: ClickHouseReading) -> None:
    (record, *_) = await reading.page(RecordFilter())
    sql = reading.dialect.records()["find"]
    at_us = record.ts_us - record.ts_us % 1000
    asked = {
        "first": record.request_id,
        "behind": record.request_id + "\x7f",
        "since_us": at_us,
        "until_us": at_us + 1000,
    }

    rows = await reading.kept(lambda it: it.execute(f"EXPLAIN indexes=1 {sql}", asked).fetchall())

    plan = "\n".join(row[0] for row in rows)
    assert "Parts: 1/6" in plan
    assert "by_id" in plan


async def test_a_clickhouse_that_is_away_is_told_and_what_adds_up_is_there(
    postgres: Server, chdb: Engine
) -> None:
    away = Way(lambda: chdb.open("nowhere"), "'ch.example.com/trimtab'")
    with closing(
        ClickHouseReading(postgres.database(), "one", tenant_key, Archive(away))
    ) as reading:
        with pytest.raises(TryLater, match=r"of records 'ch.example.com/trimtab' .*; narrow"):
            await reading.page(RecordFilter())

        assert await reading.costs(group_by=(), since_us=0, until_us=1 << 60) == ()
