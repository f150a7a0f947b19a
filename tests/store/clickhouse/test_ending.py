"""What ClickHouse alone must do when something ends: two stores, and parts that are rewritten."""

import asyncio
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from tests.chdb import Engine
from tests.contracts.test_erasing import (
    NOW_US,
    OF_ACME,
    SHARED,
    Stores,
    content,
    put,
    said,
    strike,
    tell,
    told,
)
from tests.postgres import Server
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US, attempt

from trimtab.domain.annotation import Annotation
from trimtab.domain.errors import TryLater
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.clickhouse import ending
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.postgres.session import Session as Postgres
from trimtab.store.relational.finding import Going
from trimtab.store.relational.recording import Wording

DAY = TS_US - TS_US % DAY_US
CAKE = RecordFilter(phrases=(("cake",),))


class Killed(Exception):
    """Somebody killed it."""


class Site(NamedTuple):
    url: str
    way: Way
    stores: Stores

    def asked(self, sql: str) -> list[tuple[object, ...]]:
        with closing(Archive(self.way)) as archive:
            return archive.use(lambda it: it.execute(sql).fetchall(), "")


@pytest.fixture
def site(postgres: Server, chdb: Engine) -> Generator[Site]:
    url, way = postgres.database(), chdb.database()
    writer = ClickHouseRecording(url, "one", Archive(way), is_keeper=True)
    reader = ClickHouseReading(url, "one", tenant_key, Archive(way))
    with closing(writer), closing(reader):
        yield Site(url, way, Stores(writer, reader))


async def test_after_erasing_no_file_has_what_was_said(site: Site, chdb: Engine) -> None:
    fields = {
        "user_hash": "quittenmus-user",
        "conversation_id": "quittenmus-conversation",
        "tags": '{"a":"quittenmus-tag"}',
        "tracestate": "quittenmus-state",
        "extra": '{"b":"quittenmus-extra"}',
    }
    made, blobs = said(1, b"quittenmus", **fields)
    tried = attempt(1, raw_reason="quittenmus-reason")
    note = Annotation(
        annotation_id="n_1",
        request_id=made.record.request_id,
        tenant_id="acme",
        ts_us=TS_US,
        kind="label",
        name="seen",
        label="quittenmus-label",
        source="user",
    )
    await put(site.stores, (replace(made, attempts=(tried,)), blobs), said(2, b"pflaumenmus"))
    await site.stores.writer.commit(Batch(annotations=(note,)))
    await tell(site.stores, told("one", b"quittenmus", body=b"quittenmus-body"))
    await site.stores.writer.index(lambda _: True, limit=10)

    def left() -> set[str]:
        files = (it for it in chdb.directory.rglob("*") if it.is_file())
        return {it.name for it in files if b"quittenmus" in it.read_bytes()}

    assert left()

    await strike(site.stores, OF_ACME)
    await site.stores.writer.shred()

    assert left() == set()
    assert [it.content_state for it in await site.stores.reader.page(RecordFilter())] == [
        "erased",
        "erased",
    ]


class KilledBetween(ClickHouseRecording):
    """Dies when Postgres has forgotten and ClickHouse has not."""

    def scrub(self, connection: Postgres, going: Going) -> int:  # noqa: ARG002 -- nobody lives
        raise Killed


class KilledBehind(ClickHouseRecording):
    """Dies when ClickHouse was told, and nobody was told that it was."""

    def scrub(self, connection: Postgres, going: Going) -> int:
        super().scrub(connection, going)
        raise Killed


@pytest.mark.parametrize("kind", [KilledBetween, KilledBehind])
async def test_killed_between_the_two_the_next_step_finishes(
    site: Site, kind: type[ClickHouseRecording]
) -> None:
    made = said(1, b"cake", user_hash="u1", conversation_id="c1")
    await put(site.stores, made)
    store = kind(site.url, "two", Archive(site.way), is_keeper=True)
    with closing(store), pytest.raises(Killed):
        await strike(Stores(store, site.stores.reader), OF_ACME)

    await strike(site.stores, OF_ACME)

    assert await content(site.stores, made[0]) is None
    found = await site.stores.reader.find(made[0].record.request_id)
    assert found is not None
    assert (found.record.content_state, found.record.user_hash) == ("erased", None)
    assert [it.conversation_id for it in found.lines] == [None]


async def test_what_was_erased_can_be_said_again(site: Site) -> None:
    first, again = said(1, b"cake"), said(2, b"cake", ts_us=TS_US + 5)
    await put(site.stores, first)
    await strike(site.stores, replace(OF_ACME, until_us=TS_US + 4))

    await put(site.stores, again)

    assert SHARED in (await content(site.stores, again[0]) or b"")


class Overtaken(ClickHouseRecording):
    """Makes words findable that another host erases meanwhile."""

    others: Stores

    def put_words(self, connection: Postgres, wordings: Sequence[Wording]) -> None:
        asyncio.run(strike(self.others, OF_ACME))
        super().put_words(connection, wordings)


async def test_words_that_are_erased_while_they_are_read_are_not_found(site: Site) -> None:
    await put(site.stores, said(1, b"cake"))
    with closing(Overtaken(site.url, "two", Archive(site.way), is_keeper=True)) as store:
        store.others = site.stores
        await store.index(lambda _: True, limit=10)
    assert site.asked("SELECT count() FROM search") == [(0,)]


async def test_a_day_that_ends_is_dropped_and_what_is_kept_for_a_case_is_read_from_its_copy(
    site: Site,
) -> None:
    kept, gone = said(1, b"kept"), said(2, b"gone")
    await put(site.stores, kept, gone)
    writer = site.stores.writer
    await writer.hold("CASE-12", [kept[0].record], author="dana", until_us=None)

    while await writer.expire_content(DAY, None, limit=10):
        pass

    assert site.asked("SELECT count() FROM content") == [(0,)]
    assert SHARED in (await content(site.stores, kept[0]) or b"")
    assert await content(site.stores, gone[0]) is None
    await writer.release("CASE-12", now_us=NOW_US)
    assert await content(site.stores, kept[0]) is None


async def test_a_day_without_holds_ends_as_a_whole_and_with_its_parts(site: Site) -> None:
    await put(site.stores, said(1, b"one"), said(2, b"two"))
    assert await site.stores.writer.expire("record", NOW_US, limit=1) == 2
    for table in ("request", "request_detail", "attempt"):
        # The names are ours.
        assert site.asked(f"SELECT count() FROM {table}") == [(0,)]  # noqa: S608


async def test_annotations_end_but_for_those_of_what_is_kept(site: Site) -> None:
    made = [finish(1), finish(2)]
    notes = tuple(
        Annotation(
            annotation_id=f"n_{n}",
            request_id=it.record.request_id,
            tenant_id="acme",
            ts_us=TS_US,
            kind="feedback",
            name="thumbs",
            source="user",
        )
        for n, it in enumerate(made)
    )
    writer = site.stores.writer
    await writer.commit(Batch(finishes=tuple(made), annotations=notes))
    await writer.hold("CASE-12", [made[0].record], author="dana", until_us=None)
    assert await writer.expire("annotation", TS_US, limit=10) == 0
    assert await writer.expire("annotation", TS_US + 1, limit=10) == 1
    assert await writer.expire("annotation", TS_US + 1, limit=10) == 0
    assert await site.stores.reader.annotations(made[0].record.request_id) == notes[:1]


async def test_what_clickhouse_cannot_finish_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "FINISH_S", 0.2)
    await put(site.stores, said(1, b"one"))
    with closing(Archive(site.way)) as archive:
        sql = "ALTER TABLE request UPDATE extra = toString(sleepEachRow(3)) WHERE 1"
        archive.use(lambda it: it.tell(sql), "")
        with pytest.raises(TryLater, match=r"has not finished 1 mutations .* goes on with them;"):
            await site.stores.writer.erase(OF_ACME, now_us=NOW_US)
    monkeypatch.undo()
    await strike(site.stores, OF_ACME)
