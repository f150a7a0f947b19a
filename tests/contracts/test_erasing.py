"""What every implementation of erasing, of legal hold and of retention must do."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from msgspec import Raw
from msgspec.structs import replace
from tests.chdb import Engine
from tests.postgres import Server
from tests.records import DAY_US, begin, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.ids import request_id
from trimtab.domain.record import Blob, Finish
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.ending import Eraser, HoldStore, RetentionStore, SpanKey
from trimtab.store.base.ledger import LineReader
from trimtab.store.base.reading import ContentReader, RecordFilter, RecordReader, SearchIndex
from trimtab.store.base.recording import Batch, OpenRequest, RecordWriter, StoredBlob
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.memory.erasing import MemoryKeeper
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock, seeded_entropy

NOW_US = TS_US + 10 * DAY_US
SHARED = b"a system prompt " * 40
OF_ACME = Erasure(scope=ErasureScope(tenant_id="acme"), until_us=NOW_US)


class Reader(RecordReader, ContentReader, LineReader, Protocol):
    """All that is read."""


class Writer(RecordWriter, SearchIndex, Eraser, HoldStore, RetentionStore, Protocol):
    """All that is written."""


class Stores(NamedTuple):
    writer: Writer
    reader: Reader


@contextmanager
def clickhouse(_home: Path, request: pytest.FixtureRequest) -> Generator[Stores]:
    server: Server = request.getfixturevalue("postgres")
    engine: Engine = request.getfixturevalue("chdb")
    url, way = server.database(), engine.database()
    writer = ClickHouseRecording(url, "host-1", Archive(way), is_keeper=True)
    reader = ClickHouseReading(url, "host-1", tenant_key, Archive(way))
    with closing(writer), closing(reader):
        yield Stores(writer, reader)


@contextmanager
def memory(_home: Path, _request: pytest.FixtureRequest) -> Generator[Stores]:
    records = MemoryKeeper(tenant_key)
    yield Stores(records, records)


@contextmanager
def sqlite(home: Path, _request: pytest.FixtureRequest) -> Generator[Stores]:
    writer, reader = SqliteRecording(home), SqliteReading(home, tenant_key, FrozenClock())
    with closing(writer), closing(reader):
        yield Stores(writer, reader)


@contextmanager
def postgres(_home: Path, request: pytest.FixtureRequest) -> Generator[Stores]:
    server: Server = request.getfixturevalue("postgres")
    url = server.database()
    writer = PostgresRecording(url, "host-1", is_keeper=True)
    reader = PostgresReading(url, "host-1", tenant_key)
    with closing(writer), closing(reader):
        yield Stores(writer, reader)


IMPLEMENTATIONS: Mapping[
    str, Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Stores]]
] = {"memory": memory, "sqlite": sqlite, "postgres": postgres, "clickhouse": clickhouse}


@pytest.fixture(params=IMPLEMENTATIONS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stores]:
    with IMPLEMENTATIONS[request.param](tmp_path, request) as opened:
        assert await opened.writer.positions() == ()
        yield opened


def said(seed: int, text: bytes, **fields: object) -> tuple[Finish, tuple[StoredBlob, ...]]:
    """Make an outcome whose input is a text of its own behind one that many share."""
    made = finish(seed, day_local="", tenant_id="acme", **fields)
    record = made.record
    capture = ContentCapture(tenant_key)
    texts = b", ".join(
        b'{"role": "user", "content": "%b"}' % it for it in (SHARED, b" ".join([text] * 100))
    )
    body = b'{"messages": [' + texts + b"]}"
    captured = capture.capture(
        record.tenant_id, record.ts_us, body, Raw(body[len(b'{"messages": ') : -1])
    )
    kept = replace(record, input_ref=captured.ref, output_ref=None, content_state="full")
    blobs = tuple(StoredBlob(record.tenant_id, record.ts_us, it) for it in captured.blobs)
    return replace(made, record=kept), blobs


async def put(stores: Stores, *made: tuple[Finish, tuple[StoredBlob, ...]]) -> None:
    finishes = tuple(it for it, _ in made)
    blobs = tuple(blob for _, those in made for blob in those)
    await stores.writer.commit(Batch(finishes=finishes, blobs=blobs))


async def strike(stores: Stores, erasure: Erasure, *, limit: int = 1_000) -> dict[str, int]:
    deleted: dict[str, int] = {}
    after = None
    while True:
        step = await stores.writer.erase(erasure, now_us=NOW_US, after=after, limit=limit)
        for name, n in step.deleted.items():
            deleted[name] = deleted.get(name, 0) + n
        after = step.place
        if after is None:
            return deleted


async def content(stores: Stores, made: Finish) -> bytes | None:
    record = made.record
    assert record.input_ref is not None
    return await stores.reader.content(record.tenant_id, record.ts_us, record.input_ref)


async def test_a_tenant_goes_and_its_figures_stay(stores: Stores) -> None:
    one, two = said(1, b"one", user_hash="u1", conversation_id="c1"), said(2, b"two")
    other = replace(finish(3).record, tenant_id="globex")
    await put(stores, one, two, (replace(finish(3), record=other), ()))

    deleted = await strike(stores, OF_ACME, limit=1)

    assert deleted["records_scrubbed"] == 2
    # One manifest and one text each, and what both share.
    assert deleted["blobs"] == 5
    assert await content(stores, one[0]) is None
    found = await stores.reader.find(one[0].record.request_id)
    assert found is not None
    record = found.record
    assert (record.content_state, record.user_hash, record.conversation_id, record.input_ref) == (
        "erased",
        None,
        None,
        None,
    )
    assert record.cost_nano == one[0].record.cost_nano
    assert [it.cost_nano for it in found.lines] == [it.cost_nano for it in one[0].lines]
    assert [it.conversation_id for it in found.lines] == [None]
    left = await stores.reader.find(other.request_id)
    assert left is not None
    assert left.record == other
    assert await strike(stores, OF_ACME) == {}


async def test_what_survivors_use_stays(stores: Stores) -> None:
    mine, theirs = said(1, b"mine", user_hash="u1"), said(2, b"theirs", user_hash="u2")
    nobodys = said(3, b"nobodys", user_hash=None)
    await put(stores, mine, theirs, nobodys)
    scope = ErasureScope(tenant_id="acme", user_hash="u1")
    deleted = await strike(stores, Erasure(scope=scope, until_us=NOW_US))
    assert deleted["records_scrubbed"] == 1
    assert await content(stores, mine[0]) is None
    assert SHARED in (await content(stores, theirs[0]) or b"")
    assert SHARED in (await content(stores, nobodys[0]) or b"")


async def test_what_a_running_request_asked_stays(stores: Stores) -> None:
    mine, running = said(1, b"mine", user_hash="u1"), said(2, b"running")
    record = running[0].record
    asked = begin(2, tenant_id="acme", ts_us=record.ts_us, input_ref=record.input_ref)
    opened = OpenRequest(worker_id="w1", begin=asked)
    await put(stores, mine)
    await stores.writer.commit(Batch(blobs=running[1], opened=(opened,)))
    await strike(stores, Erasure(scope=ErasureScope(user_hash="u1"), until_us=NOW_US))
    assert SHARED in (await content(stores, running[0]) or b"")


async def test_what_came_after_stays(stores: Stores) -> None:
    before, after = said(1, b"before"), said(2, b"after", ts_us=TS_US + 5)
    await put(stores, before, after)
    await strike(stores, replace(OF_ACME, until_us=TS_US + 4))
    assert await content(stores, before[0]) is None
    assert SHARED in (await content(stores, after[0]) or b"")


async def test_replays_and_judgements_of_a_request_go_too(stores: Stores) -> None:
    asked = said(1, b"asked")
    record = asked[0].record
    judged = finish(
        2, tenant_id="trimtab-eval", origin="judge", origin_request_id=record.request_id
    )
    again = finish(
        3, tenant_id="globex", origin="replay", origin_request_id=judged.record.request_id
    )
    await put(stores, asked, (judged, ()), (again, ()))
    await strike(stores, OF_ACME)
    ids = {it.record.request_id for it in (asked[0], judged, again)}
    assert await stores.writer.erased(ids | {"r_unknown"}) == ids


async def test_what_was_said_of_a_request_goes_too(stores: Stores) -> None:
    asked, text = said(1, b"asked"), ContentCapture(tenant_key).capture("acme", TS_US, b"secret")
    record = asked[0].record
    note = Annotation(
        annotation_id="n_1",
        request_id=record.request_id,
        tenant_id="acme",
        ts_us=record.ts_us,
        kind="feedback",
        name="thumbs",
        text_ref=text.ref,
        source="user",
    )
    blobs = tuple(StoredBlob("acme", record.ts_us, it) for it in text.blobs)
    await put(stores, asked)
    await stores.writer.commit(Batch(annotations=(note,), blobs=blobs))
    assert (await strike(stores, OF_ACME))["annotations"] == 1
    assert await stores.reader.annotations(record.request_id) == ()
    assert await stores.reader.content("acme", record.ts_us, text.ref) is None


def told(
    name: str, text: bytes, *, received_us: int = TS_US, **fields: object
) -> tuple[AppSpan, tuple[StoredBlob, ...]]:
    """Make a span of an application that carries a text."""
    captured = ContentCapture(tenant_key).capture("acme", received_us, text * 100)
    span = AppSpan(
        tenant_id="acme",
        trace_id="f" * 32,
        span_id=name,
        received_us=received_us,
        ts_us=received_us,
        end_us=received_us,
        name=name,
        content_ref=captured.ref,
    )
    blobs = tuple(StoredBlob("acme", received_us, it) for it in captured.blobs)
    return replace(span, **fields), blobs


async def tell(stores: Stores, *made: tuple[AppSpan, tuple[StoredBlob, ...]]) -> None:
    blobs = tuple(blob for _, those in made for blob in those)
    await stores.writer.commit(Batch(spans=tuple(it for it, _ in made), blobs=blobs))


async def left_of(
    stores: Stores, *made: tuple[AppSpan, tuple[StoredBlob, ...]]
) -> list[tuple[bool, bool]]:
    """Tell of each span whether it is there, and whether what it carries is."""
    found: list[tuple[bool, bool]] = []
    for span, _ in made:
        key = SpanKey(span.tenant_id, span.trace_id, span.span_id)
        assert span.content_ref is not None
        text = await stores.reader.content("acme", span.received_us, span.content_ref)
        found.append((key in await stores.writer.told([key]), text is not None))
    return found


GONE, THERE = (False, False), (True, True)


@pytest.mark.parametrize("limit", [1, 1_000])
async def test_what_a_tenant_told_of_its_work_goes(stores: Stores, limit: int) -> None:
    spans = [told("one", b"one"), told("two", b"two", received_us=TS_US + 5 * DAY_US)]
    later = told("later", b"later", received_us=NOW_US + 1)
    await put(stores, said(1, b"asked"))
    await tell(stores, *spans, later)
    deleted = await strike(stores, OF_ACME, limit=limit)
    assert (deleted["spans"], deleted["records_scrubbed"]) == (2, 1)
    assert await left_of(stores, *spans, later) == [GONE, GONE, THERE]


async def test_what_was_told_around_a_request_goes_with_it(stores: Stores) -> None:
    mine = said(1, b"mine", user_hash="u1", response_id="answer-1")
    theirs = said(2, b"theirs", user_hash="u2")
    record = mine[0].record
    around = [
        told("within", b"within", trace_id=record.trace_id),
        told("named", b"named", trace_id="a" * 32, request_id=record.request_id),
        told("beside", b"beside", trace_id="a" * 32, received_us=TS_US + DAY_US),
        told("answered", b"answered", trace_id="b" * 32, response_id="answer-1"),
    ]
    other = told("other", b"other", trace_id=theirs[0].record.trace_id)
    await put(stores, mine, theirs)
    await tell(stores, *around, other)
    scope = ErasureScope(tenant_id="acme", user_hash="u1")
    assert (await strike(stores, Erasure(scope=scope, until_us=NOW_US)))["spans"] == 4
    assert await left_of(stores, *around, other) == [*([GONE] * 4), THERE]
    assert SHARED in (await content(stores, theirs[0]) or b"")


async def test_what_a_surviving_span_says_alike_stays(stores: Stores) -> None:
    mine, theirs = (
        said(1, b"mine", user_hash="u1", trace_id="a" * 32),
        told("one", b"the same", trace_id="b" * 32),
    )
    alike = told("two", b"the same", trace_id="a" * 32)
    await put(stores, mine)
    await tell(stores, theirs, alike)
    await strike(stores, Erasure(scope=ErasureScope(user_hash="u1"), until_us=NOW_US))
    assert await left_of(stores, theirs) == [THERE]
    assert (await left_of(stores, alike))[0][0] is False


async def test_what_was_told_around_what_is_kept_for_a_case_stays(stores: Stores) -> None:
    kept = said(1, b"kept", trace_id="a" * 32)
    around, other = told("around", b"around", trace_id="a" * 32), told("other", b"other")
    await put(stores, kept)
    await tell(stores, around, other)
    await stores.writer.hold("CASE-12", [kept[0].record], author="dana", until_us=None)
    assert (await strike(stores, OF_ACME))["spans"] == 1
    assert await left_of(stores, around, other) == [THERE, GONE]


async def test_what_was_told_ends_by_itself(stores: Stores) -> None:
    old, new = told("old", b"old"), told("new", b"new", received_us=NOW_US)
    await tell(stores, old, new)
    assert await stores.writer.expire("span", NOW_US, limit=10) == 1
    assert await stores.writer.expire("span", NOW_US, limit=10) == 0
    assert await left_of(stores, old, new) == [(False, True), THERE]


async def test_what_nobody_claims_yet_goes_with_its_tenant(stores: Stores) -> None:
    never = finish(7).record.request_id
    text = ContentCapture(tenant_key).capture("acme", TS_US, b"secret" * 100)
    claim = Annotation(
        annotation_id="n_1",
        request_id=never,
        tenant_id="acme",
        ts_us=TS_US + DAY_US,
        kind="feedback",
        name="thumbs",
        text_ref=text.ref,
        source="user",
    )
    blobs = tuple(StoredBlob("acme", TS_US, it) for it in text.blobs)
    await stores.writer.commit(Batch(claims=(claim,), blobs=blobs))
    await put(stores, said(1, b"asked"))
    assert (await strike(stores, OF_ACME))["annotations"] == 1
    assert await stores.reader.content("acme", TS_US, text.ref) is None
    assert await stores.writer.settle_claims(before_us=NOW_US) == (0, 0)


async def test_nobody_is_found_by_words_that_were_erased(stores: Stores) -> None:
    mine, theirs = said(1, b"cake", user_hash="u1"), said(2, b"cake", user_hash="u2")
    late = said(3, b"cake", user_hash="u1")
    await put(stores, mine, theirs)
    await stores.writer.index(lambda _: True, limit=10)
    await put(stores, late)
    where = RecordFilter(phrases=(("cake",),))
    assert len(await stores.reader.page(where)) == 2
    scope = ErasureScope(tenant_id="acme", user_hash="u1")
    deleted = await strike(stores, Erasure(scope=scope, until_us=NOW_US))
    assert deleted["words"] == 1
    await stores.writer.index(lambda _: True, limit=10)
    found = await stores.reader.page(where)
    assert [it.request_id for it in found] == [theirs[0].record.request_id]


async def test_words_end_with_their_content(stores: Stores) -> None:
    asked = said(1, b"cake")
    await put(stores, asked)
    await stores.writer.index(lambda _: True, limit=10)
    theirs = Blob(b"r" * 32, "raw", b"text")
    await stores.writer.commit(Batch(blobs=(StoredBlob("globex", TS_US, theirs),)))
    assert len(await stores.reader.page(RecordFilter(phrases=(("cake",),)))) == 1
    while await stores.writer.expire_content(TS_US - TS_US % DAY_US, "acme", limit=2):
        pass
    assert await stores.reader.page(RecordFilter(phrases=(("cake",),))) == ()


async def test_what_is_kept_for_a_case_stays_until_it_is_let_go(stores: Stores) -> None:
    kept, gone = said(1, b"kept"), said(2, b"gone")
    await put(stores, kept, gone)
    record = kept[0].record
    await stores.writer.hold("CASE-12", [record], author="dana", until_us=None)
    assert await stores.writer.holds(record.request_id, now_us=NOW_US) == (("CASE-12", "dana"),)
    assert await stores.writer.count(OF_ACME, now_us=NOW_US) == (2, 1)
    assert (await strike(stores, OF_ACME))["records_scrubbed"] == 1
    await stores.writer.carry_out("e_1", done_us=NOW_US, held=1)
    await stores.writer.carry_out("e_2", done_us=NOW_US, held=0)
    assert SHARED in (await content(stores, kept[0]) or b"")
    assert await stores.writer.carried_out() == {"e_1", "e_2"}

    assert await stores.writer.release("CASE-12", now_us=NOW_US) == 1

    assert await stores.writer.carried_out() == {"e_2"}
    assert (await strike(stores, OF_ACME))["records_scrubbed"] == 1
    assert await content(stores, kept[0]) is None


async def test_a_hold_ends_by_itself(stores: Stores) -> None:
    kept = said(1, b"kept")
    await put(stores, kept)
    await stores.writer.hold("CASE-12", [kept[0].record], author="dana", until_us=NOW_US)
    assert await stores.writer.holds(kept[0].record.request_id, now_us=NOW_US - 1) != ()
    assert await stores.writer.holds(kept[0].record.request_id, now_us=NOW_US) == ()
    assert await stores.writer.release(None, now_us=NOW_US - 1) == 0
    assert await stores.writer.release(None, now_us=NOW_US) == 1


async def test_old_records_end_and_their_lines_stay(stores: Stores) -> None:
    later = request_id(NOW_US, seeded_entropy(3))
    old, kept = said(1, b"old"), said(2, b"kept")
    new = said(3, b"new", ts_us=NOW_US, request_id=later)
    await put(stores, old, kept, new)
    await stores.writer.hold("CASE-12", [kept[0].record], author="dana", until_us=None)
    assert await stores.writer.expire("record", NOW_US, limit=10) == 1
    assert await stores.writer.expire("record", NOW_US, limit=10) == 0
    assert await stores.reader.find(old[0].record.request_id) is None
    assert await stores.reader.find(kept[0].record.request_id) is not None
    assert await stores.reader.find(new[0].record.request_id) is not None
    lines = await stores.reader.ledger(tenant_id="acme", since_us=0, until_us=1 << 62)
    assert len(lines) == 3


async def test_content_ends_by_tenant_and_day(stores: Stores) -> None:
    ours = said(1, b"ours")
    theirs = Blob(b"r" * 32, "raw", b"text")
    await put(stores, ours)
    await stores.writer.commit(Batch(blobs=(StoredBlob("globex", TS_US, theirs),)))
    day_us = TS_US - TS_US % DAY_US
    assert await stores.writer.content_of() == ((day_us, "acme"), (day_us, "globex"))
    while await stores.writer.expire_content(day_us, "acme", limit=2):
        pass
    assert await content(stores, ours[0]) is None
    assert await stores.writer.content_of() == ((day_us, "globex"),)
    while await stores.writer.expire_content(day_us, None, limit=2):
        pass
    assert await stores.writer.content_of() == ()
