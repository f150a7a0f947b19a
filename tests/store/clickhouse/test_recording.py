from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from random import Random
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from tests.chdb import Engine
from tests.contracts.test_records import ALWAYS, TOO_MUCH, annotation
from tests.postgres import Server
from tests.records import chance_finish, finish, tenant_key
from tests.telemetry.shapes import TS_US, attempt

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.errors import TryLater
from trimtab.domain.record import Blob, Finish
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import (
    Batch,
    Move,
    PositionMoved,
    SpoolPosition,
    StoredBlob,
    Unstorable,
)
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.postgres.session import Session as Postgres
from trimtab.store.tally import Tally

AT = SpoolPosition(worker_id="gateway-1", segment=1, offset=640)
COST = 9_414_000
BLOB = StoredBlob("acme", TS_US, Blob(b"r" * 32, "raw", b"\x90"))
BATCH = Batch(
    finishes=(finish(1), finish(2)),
    annotations=(annotation(finish(1)),),
    blobs=(BLOB,),
    moves=(Move(AT, None),),
)


class Crashing(ClickHouseRecording):
    """One that is killed between ClickHouse and the commit in Postgres, once."""

    crashes = True

    def keep(
        self,
        connection: Postgres,
        fresh: Sequence[Finish],
        annotations: Sequence[Annotation],
        spans: Sequence[AppSpan],
    ) -> None:
        super().keep(connection, fresh, annotations, spans)
        if self.crashes:
            self.crashes = False
            connection.close()


class Site(NamedTuple):
    """A Postgres and a ClickHouse, and how they are read."""

    url: str
    way: Way
    reader: ClickHouseReading

    def asked(self, sql: str) -> list[tuple[object, ...]]:
        with closing(Archive(self.way)) as archive:
            return archive.use(lambda it: it.execute(sql).fetchall(), "")

    async def stored(self) -> tuple[int, int, int]:
        """Count records as lists have them and as sums have them, and give their cost."""
        rows = await self.reader.costs(group_by=(), **ALWAYS)
        page = await self.reader.page(RecordFilter(), limit=1000)
        return len(page), sum(row.n for row in rows), sum(row.cost_nano for row in rows)


@pytest.fixture
def site(postgres: Server, chdb: Engine) -> Generator[Site]:
    url, way = postgres.database(), chdb.database()
    with closing(ClickHouseReading(url, "one", tenant_key, Archive(way))) as reader:
        yield Site(url, way, reader)


@contextmanager
def keeper(
    site: Site,
    host: str = "one",
    way: Way | None = None,
    kind: type[ClickHouseRecording] = ClickHouseRecording,
) -> Generator[ClickHouseRecording]:
    with closing(kind(site.url, host, Archive(way or site.way), is_keeper=True)) as store:
        yield store


async def test_t23_killed_between_clickhouse_and_postgres_everything_is_stored_once(
    site: Site,
) -> None:
    with keeper(site, kind=Crashing) as store, pytest.raises(TryLater):
        await store.commit(BATCH)
    # Nobody was told that it is stored: Postgres knows nothing of it.
    assert await site.reader.positions() == ()
    assert (await site.stored())[1:] == (0, 0)

    with keeper(site) as store:
        assert await store.commit(BATCH) == 2

    assert await site.stored() == (2, 2, 2 * COST)
    assert await site.reader.positions() == (AT,)
    found = await site.reader.find(finish(1).record.request_id)
    assert found is not None
    assert (len(found.attempts), len(found.lines)) == (1, 1)
    assert await site.reader.annotations(found.record.request_id) == BATCH.annotations


async def test_a_score_that_is_told_again_after_a_kill_is_counted_once(site: Site) -> None:
    score = annotation(finish(1))
    batch = Batch(finishes=(finish(1),), annotations=(score,))
    with keeper(site, kind=Crashing) as store, pytest.raises(TryLater):
        await store.commit(batch)
    assert await site.reader.tallies() == {}

    with keeper(site) as store:
        await store.commit(batch)
        await store.commit(Batch(annotations=(score,)))

    tallies = await site.reader.tallies()
    assert [it.n for cell, it in tallies.items() if cell.tally is Tally.SCORES] == [1]


async def test_what_is_said_before_its_request_comes_is_kept_once_though_killed_between(
    site: Site,
) -> None:
    said = annotation(finish(1), tenant_id=finish(1).record.tenant_id)
    with keeper(site) as store:
        await store.commit(Batch(claims=(said,)))
    with keeper(site) as store:
        await store.commit(Batch(finishes=(finish(1),)))
    with keeper(site, kind=Crashing) as store, pytest.raises(TryLater):
        await store.settle_claims(before_us=0)

    with keeper(site) as store:
        assert await store.settle_claims(before_us=0) == (0, 0)
        assert await store.do(_claims) == 0

    assert await site.reader.annotations(said.request_id) == (said,)


def _claims(session: Postgres) -> object:
    return session.execute("SELECT count(*) FROM annotation_claim").fetchall()[0][0]


async def test_a_batch_that_is_cut_anew_after_a_kill_is_stored_once(site: Site) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    made = tuple(chance_finish(Random(seed)) for seed in range(20))  # noqa: S311
    with keeper(site, kind=Crashing) as store, pytest.raises(TryLater):
        await store.commit(Batch(finishes=made))

    with keeper(site) as store:
        for since in range(0, 20, 7):
            await store.commit(Batch(finishes=made[since : since + 7]))

    for it in made:
        found = await site.reader.find(it.record.request_id)
        assert found is not None
        assert (found.record, found.attempts, found.lines) == (it.record, it.attempts, it.lines)
    assert (await site.stored())[0] == 20
    ((rows,),) = site.asked("SELECT count() FROM attempt FINAL")
    assert rows == sum(len(it.attempts) for it in made)


async def test_what_a_kill_left_behind_gives_way_to_what_is_stored_then(site: Site) -> None:
    lost = finish(1, status="lost")
    with keeper(site, kind=Crashing) as store, pytest.raises(TryLater):
        await store.commit(Batch(finishes=(lost,)))

    with keeper(site) as store:
        assert await store.commit(Batch(finishes=(finish(1),))) == 1

    found = await site.reader.find(lost.record.request_id)
    assert found is not None
    assert found.record == finish(1).record
    assert await site.reader.page(RecordFilter(status="lost")) == ()


async def test_while_clickhouse_is_away_nothing_is_stored_and_later_everything(
    site: Site, chdb: Engine
) -> None:
    away = Way(lambda: chdb.open("nowhere"), "'ch.example.com/trimtab'")
    with keeper(site, way=away) as store:
        for batch in (BATCH, Batch(finishes=(finish(1),), moves=BATCH.moves)):
            with pytest.raises(TryLater, match=r"archive of records 'ch.example.com/trimtab' .*;"):
                await store.commit(batch)
    assert await site.stored() == (0, 0, 0)

    with keeper(site) as store:
        assert await store.commit(BATCH) == 2

    assert await site.stored() == (2, 2, 2 * COST)


async def test_what_adds_up_is_in_postgres_alone_and_single_requests_are_not(site: Site) -> None:
    with keeper(site) as store:
        await store.commit(BATCH)
        await store.do(_only_what_adds_up)

    (tables,) = zip(*site.asked("SHOW TABLES"), strict=True)
    assert set(tables) == {
        *("annotation", "attempt", "content", "request", "request_detail", "search", "span"),
        *("schema_version", "site", "going"),
    }


def _only_what_adds_up(session: Postgres) -> None:
    kept = ("request", "request_detail", "attempt", "annotation", "span", "content", "search")
    for table, n in (*((name, 0) for name in kept), ("ledger", 2), ("settled", 3)):
        # The names are ours.
        found = session.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        assert found.fetchone() == (n,)


POISON: Mapping[str, Batch] = {
    "attempt": Batch(
        finishes=(replace(finish(2), attempts=(attempt(1, output_tokens=TOO_MUCH),)),)
    ),
    "annotation": Batch(annotations=(annotation(finish(2), ts_us=TOO_MUCH),)),
}


@pytest.mark.parametrize("poison", POISON)
async def test_what_is_refused_leaves_no_row_in_any_table(site: Site, poison: str) -> None:
    batch = POISON[poison]
    with keeper(site) as store, pytest.raises(Unstorable):
        await store.commit(
            Batch(
                finishes=(finish(1), *batch.finishes),
                annotations=(annotation(finish(1)), *batch.annotations),
            )
        )

    for table in ("request", "request_detail", "attempt", "annotation"):
        # The names are ours.
        assert site.asked(f"SELECT count() FROM {table}") == [(0,)]  # noqa: S608


async def test_a_keeper_whose_spool_was_moved_on_by_another_leaves_nothing(site: Site) -> None:
    with keeper(site) as store:
        await store.commit(Batch(moves=(Move(AT, None),)))
        with pytest.raises(PositionMoved):
            await store.commit(BATCH)

    assert site.asked("SELECT count() FROM request") == [(0,)]


async def test_requests_that_are_told_again_are_known_for_a_week(site: Site) -> None:
    with keeper(site) as store:
        await store.commit(Batch(finishes=(finish(1), finish(2))))
        sql = "UPDATE settled SET settled_at = now() - INTERVAL '8 days' WHERE request_id = ?"
        await store.do(lambda it: it.execute(sql, (finish(1).record.request_id,)))
        assert await store.commit(Batch(finishes=(finish(1),))) == 0

        await store.commit(Batch())

        known = await store.do(lambda it: it.execute("SELECT request_id FROM settled").fetchall())
    assert known == [(finish(2).record.request_id,)]
    # What ended is told by the same list.
    asked = [finish(n).record.request_id for n in (1, 2)]
    assert await site.reader.ended(asked) == {asked[1]}


async def test_a_clickhouse_is_of_one_site(site: Site, postgres: Server) -> None:
    other = site._replace(url=postgres.database())
    with keeper(site) as store, keeper(other) as theirs:
        assert await store.is_of("ours")
        assert await store.is_of("ours")
        assert not await theirs.is_of("theirs")
        assert not await store.is_of("theirs")


async def test_the_first_host_decides_where_single_requests_are(
    site: Site, postgres: Server
) -> None:
    plain = postgres.database()
    with (
        keeper(site) as store,
        keeper(site._replace(url=plain)) as late,
        closing(PostgresRecording(plain, "one", is_keeper=False)) as first,
        closing(PostgresRecording(site.url, "two", is_keeper=False)) as other,
    ):
        assert await store.keeps_as_others()
        assert not await other.keeps_as_others()
        assert await first.keeps_as_others()
        assert not await late.keeps_as_others()
