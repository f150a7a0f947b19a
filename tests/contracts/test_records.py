"""What every implementation of the record stores must do."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace
from tests.chdb import Engine
from tests.e2e.fuzzing import FACTOR
from tests.postgres import Server
from tests.records import DAY_US, begin, chance_finish, finish, line_of, tenant_key
from tests.telemetry.shapes import TS_US, attempt

from trimtab.domain.annotation import Annotation, annotation_id, latest
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.record import Blob, Finish, Origin, RequestRecord
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.ledger import CostRow, LedgerReader, LedgerWriter, LineReader
from trimtab.store.base.reading import (
    ContentReader,
    Cursor,
    RecordFilter,
    RecordReader,
    SavedFilterReader,
    SavedFilterWriter,
    SearchIndex,
    Stratum,
    Took,
)
from trimtab.store.base.recording import (
    Batch,
    Move,
    OpenRequest,
    PositionMoved,
    RecordWriter,
    SpoolPosition,
    StoredBlob,
    StoredRecord,
    Unstorable,
)
from trimtab.store.base.sums import PromptRow, RollupReader, Use
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.rollup import HOUR_US, MAX_NAMES, MINUTE_US, OTHER
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.store.tally import Amount, Cell, Exemplar, Tally
from trimtab.testing import FrozenClock

TOO_MUCH = 1 << 63
SECONDS = 0.5 * FACTOR
"""How long readers and a writer meet; `TRIMTAB_FUZZ=1200` is ten minutes."""
MIDNIGHT_US = TS_US - TS_US % DAY_US
ALWAYS: Any = {"since_us": 0, "until_us": 1 << 62}
AT = SpoolPosition(worker_id="w1", segment=1, offset=640)
FURTHER = replace(AT, offset=1280)
ASKED = msgspec.json.encode(
    {"messages": [{"role": "user", "content": f"{name} " * 100} for name in ("one", "two")]}
)


class Reader(
    RecordReader, ContentReader, RollupReader, LedgerReader, LineReader, SavedFilterReader, Protocol
):
    """All nouns, in one object."""


class Writer(RecordWriter, LedgerWriter, SearchIndex, SavedFilterWriter, Protocol):
    """All nouns, in one object."""


class Stores(NamedTuple):
    """A store as the keeper writes it and as others read it."""

    writer: Writer
    reader: Reader


@contextmanager
def memory(_home: Path, _request: pytest.FixtureRequest) -> Generator[Stores]:
    records = MemoryRecords(tenant_key)
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


@contextmanager
def clickhouse(_home: Path, request: pytest.FixtureRequest) -> Generator[Stores]:
    server: Server = request.getfixturevalue("postgres")
    engine: Engine = request.getfixturevalue("chdb")
    url, way = server.database(), engine.database()
    writer = ClickHouseRecording(url, "host-1", Archive(way), is_keeper=True)
    reader = ClickHouseReading(url, "host-1", tenant_key, Archive(way))
    with closing(writer), closing(reader):
        yield Stores(writer, reader)


IMPLEMENTATIONS: Mapping[
    str, Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Stores]]
] = {
    "memory": memory,
    "sqlite": sqlite,
    "postgres": postgres,
    "clickhouse": clickhouse,
}


@pytest.fixture(params=IMPLEMENTATIONS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stores]:
    with IMPLEMENTATIONS[request.param](tmp_path, request) as opened:
        # The keeper starts by asking, and so makes the files.
        assert await opened.writer.positions() == ()
        yield opened


async def put(stores: Stores, *finishes: Finish) -> int:
    return await stores.writer.commit(Batch(finishes=finishes))


def stored(finish: Finish) -> StoredRecord:
    return StoredRecord(
        record=finish.record, detail=finish.detail, attempts=finish.attempts, lines=finish.lines
    )


def opened(seed: int = 7, /, **fields: Any) -> OpenRequest:  # noqa: ANN401 -- of many kinds
    return replace(OpenRequest(worker_id="w1", begin=begin(seed)), **fields)


def ids(records: Sequence[RequestRecord]) -> list[str]:
    return [record.request_id for record in records]


async def everything(stores: Stores) -> tuple[object, ...]:
    """Give all that a store says about records and sums."""
    return (
        await stores.reader.page(RecordFilter(), limit=1000),
        await stores.reader.costs(group_by=("tenant_id", "day", "provider"), **ALWAYS),
        await stores.reader.costs(group_by=("feature", "day"), tenant_id="acme", **ALWAYS),
        await stores.reader.series(**ALWAYS),
        await stores.reader.tallies(),
        await stores.writer.opened(),
    )


async def test_an_empty_store_has_nothing(stores: Stores) -> None:
    assert await stores.writer.opened() == ()
    assert await stores.reader.find("r_01KQ2Z61CTQ3M0N5Z7V2K9B1DF") is None
    assert await stores.reader.page(RecordFilter()) == ()
    assert await stores.reader.content("acme", TS_US, b"r" * 32) is None
    assert await stores.reader.costs(group_by=("day",), **ALWAYS) == ()
    assert await stores.reader.costs(group_by=(), tenant_id="acme", **ALWAYS) == ()
    assert await stores.reader.series(**ALWAYS) == ()


async def test_an_empty_batch_changes_nothing(stores: Stores) -> None:
    assert await stores.writer.commit(Batch()) == 0
    assert await stores.writer.positions() == ()


async def test_gives_back_every_member_of_what_was_committed(stores: Stores) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    finishes = [chance_finish(Random(seed)) for seed in range(200)]  # noqa: S311

    assert await put(stores, *finishes) == 200

    for made in finishes:
        assert await stores.reader.find(made.record.request_id) == stored(made)


async def test_committing_again_adds_nothing(stores: Stores) -> None:
    assert await put(stores, finish(1), finish(2)) == 2
    before = await everything(stores)

    assert await put(stores, finish(2), finish(1)) == 0

    assert await everything(stores) == before


async def test_of_two_outcomes_of_one_request_the_first_counts(stores: Stores) -> None:
    late = finish(1, status="lost", cost_nano=5)

    assert await put(stores, finish(1), late) == 1
    assert await put(stores, late, finish(2)) == 1

    found = await stores.reader.find(late.record.request_id)
    assert found == stored(finish(1))
    (row,) = await stores.reader.costs(group_by=(), **ALWAYS)
    assert (row.n, row.cost_nano) == (2, 2 * 9_414_000)


async def test_t21_a_thousand_answers_of_one_id_are_a_thousand_records(stores: Stores) -> None:
    made = [finish(seed, response_id="msg_1") for seed in range(1000)]

    assert await put(stores, *made) == 1000

    found = await stores.reader.page(RecordFilter(response_id="msg_1"), limit=2000)
    assert len(set(ids(found))) == 1000
    (row,) = await stores.reader.costs(group_by=(), **ALWAYS)
    assert (row.n, row.cost_nano) == (1000, 1000 * 9_414_000)


@pytest.mark.timeout(60 + 10 * SECONDS)
async def test_t22_eight_who_read_and_one_who_writes_never_wait_for_one_another_in_vain(
    stores: Stores,
) -> None:
    written = read = 0
    ends_s = asyncio.get_running_loop().time() + SECONDS

    async def look() -> None:
        nonlocal read
        while asyncio.get_running_loop().time() < ends_s:
            told = written
            page = await stores.reader.page(RecordFilter(), limit=20)
            rows = await stores.reader.costs(group_by=("tenant_id", "day"), **ALWAYS)
            assert len(page) >= min(told, 20)
            assert sum(row.n for row in rows) >= told
            read += 1
            await asyncio.sleep(0)

    async with asyncio.timeout(30 + 2 * SECONDS), asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(look())
        while asyncio.get_running_loop().time() < ends_s:
            written += await put(stores, *(finish(written + n) for n in range(10)))
            await asyncio.sleep(0)

    (row,) = await stores.reader.costs(group_by=(), **ALWAYS)
    assert (row.n, row.cost_nano) == (written, written * 9_414_000)
    assert read >= 8


async def test_a_batch_that_comes_again_after_a_crash_is_refused_whole(stores: Stores) -> None:
    batch = Batch(finishes=(finish(1),), opened=(opened(2),), moves=(Move(AT, None),))
    await stores.writer.commit(batch)
    before = await everything(stores)

    with pytest.raises(PositionMoved, match="w1' was moved"):
        await stores.writer.commit(batch)

    assert await everything(stores) == before


async def test_a_position_moves_only_from_where_it_was(stores: Stores) -> None:
    await stores.writer.commit(Batch(moves=(Move(AT, None),)))
    await stores.writer.commit(Batch(moves=(Move(FURTHER, AT),)))

    for since in (None, AT, replace(FURTHER, segment=2)):
        with pytest.raises(PositionMoved):
            await stores.writer.commit(Batch(moves=(Move(AT, since),)))

    assert await stores.writer.positions() == (FURTHER,)


async def test_the_second_of_two_keepers_stores_nothing(stores: Stores) -> None:
    other = replace(AT, worker_id="w2")
    await stores.writer.commit(Batch(finishes=(finish(1),), moves=(Move(AT, None),)))
    before = await everything(stores)

    with pytest.raises(PositionMoved):
        await stores.writer.commit(
            Batch(
                finishes=(finish(2),),
                opened=(opened(3),),
                moves=(Move(other, None), Move(FURTHER, None)),
            )
        )

    assert await everything(stores) == before
    assert await stores.writer.positions() == (AT,)


async def test_positions_are_listed_by_worker(stores: Stores) -> None:
    for worker in ("w2", "w10", "w1"):
        await stores.writer.commit(Batch(moves=(Move(replace(AT, worker_id=worker), None),)))

    assert [it.worker_id for it in await stores.writer.positions()] == ["w1", "w10", "w2"]


async def test_a_request_is_open_until_it_ends(stores: Stores) -> None:
    await stores.writer.commit(Batch(opened=(opened(1), opened(2))))
    assert set(await stores.writer.opened()) == {opened(1), opened(2)}

    await put(stores, finish(1))
    assert await stores.writer.opened() == (opened(2),)

    await stores.writer.commit(Batch(finishes=(finish(2),), opened=(opened(3),)))
    assert await stores.writer.opened() == (opened(3),)


async def test_an_open_request_is_as_it_was_told_last(stores: Stores) -> None:
    again = OpenRequest(
        worker_id="w2", begin=begin(1, provider="sim-us"), output_tokens=40, lost=True
    )
    await stores.writer.commit(Batch(opened=(opened(1),)))

    await stores.writer.commit(Batch(opened=(again,)))

    assert await stores.writer.opened() == (again,)


async def test_a_request_that_ended_twice_is_not_open(stores: Stores) -> None:
    await put(stores, finish(1))
    await stores.writer.commit(Batch(opened=(opened(1),)))

    assert await put(stores, finish(1)) == 0

    assert await stores.writer.opened() == ()


POISON: Mapping[str, Batch] = {
    "record": Batch(finishes=(finish(2, input_tokens=TOO_MUCH),)),
    "negative": Batch(finishes=(finish(2, hold_nano=-TOO_MUCH - 1),)),
    "attempt": Batch(
        finishes=(replace(finish(2), attempts=(attempt(1, output_tokens=TOO_MUCH),)),)
    ),
    "line": Batch(
        finishes=(replace(finish(2), lines=(line_of(finish(2).record, cost_nano=TOO_MUCH),)),)
    ),
    "open request": Batch(opened=(opened(2, output_tokens=TOO_MUCH),)),
    "local day": Batch(finishes=(finish(2, day_local="tomorrow"),)),
}


@pytest.mark.parametrize("poison", POISON)
async def test_a_batch_with_poison_stores_nothing(stores: Stores, poison: str) -> None:
    await stores.writer.commit(Batch(finishes=(finish(1),), opened=(opened(3),)))
    before = await everything(stores)
    batch = POISON[poison]

    with pytest.raises(Unstorable):
        await stores.writer.commit(
            Batch(
                finishes=(finish(4), *batch.finishes),
                opened=(opened(5), *batch.opened),
                moves=(Move(AT, None),),
            )
        )

    assert await everything(stores) == before
    assert await stores.writer.positions() == ()
    assert await put(stores, finish(4)) == 1


async def test_the_largest_and_smallest_numbers_are_stored(stores: Stores) -> None:
    edge = finish(1, hold_nano=TOO_MUCH - 1, budget_left_nano=-TOO_MUCH)

    await put(stores, edge)

    assert await stores.reader.find(edge.record.request_id) == stored(edge)


async def test_a_record_is_found_by_its_id_or_a_unique_prefix(stores: Stores) -> None:
    near, other = finish(1, request_id="r_01KQ2Z61"), finish(2, request_id="r_01KQ2Z62")
    await put(stores, near, other)

    assert await stores.reader.find("r_01KQ2Z61") == stored(near)
    assert await stores.reader.find("r_01KQ2Z6") is None
    assert await stores.reader.find("r_01KQ2Z7") is None
    assert await stores.reader.find("R_01KQ2Z61") is None
    await put(stores, finish(3, request_id="r_02Z"))
    assert await stores.reader.find("r_02Z") is None


async def test_an_id_that_begins_another_is_found(stores: Stores) -> None:
    short, long = finish(1, request_id="r_01KQ2Z61"), finish(2, request_id="r_01KQ2Z61X")
    await put(stores, long, short, finish(3, request_id="r_01KQ2Z61Y"))

    assert await stores.reader.find("r_01KQ2Z61") == stored(short)
    assert await stores.reader.find("r_01KQ2Z61X") == stored(long)


@pytest.mark.parametrize("wild", ["r_01K%", "r_01K_", "r_01K*", "r_01K\x7f", "' OR 1=1 --"])
async def test_a_prefix_is_no_pattern(stores: Stores, wild: str) -> None:
    await put(stores, finish(1, request_id="r_01KQ2Z61"))

    assert await stores.reader.find(wild) is None


async def test_pages_go_on_behind_a_cursor_over_equal_times(stores: Stores) -> None:
    times = [TS_US, TS_US - 1, *[TS_US - 2] * 5, TS_US - 3]
    finishes = [finish(seed, ts_us=ts_us) for seed, ts_us in enumerate(times)]
    await put(stores, *finishes)

    whole = await stores.reader.page(RecordFilter())
    seen: list[RequestRecord] = []
    cursor = None
    while page := await stores.reader.page(RecordFilter(), after=cursor, limit=2):
        seen += page
        cursor = Cursor(page[-1].ts_us, page[-1].request_id)

    order = sorted([(it.record.ts_us, it.record.request_id) for it in finishes], reverse=True)
    assert [(it.ts_us, it.request_id) for it in whole] == order
    assert tuple(seen) == whole


FILTERS: Mapping[str, tuple[Any, str, Any, Any]] = {
    "tenant_id": ("acme", "tenant_id", "acme", "acme2"),
    "feature": ("search", "feature", "search", "Search"),
    "model_requested": ("chat", "model_requested", "chat", "chat-small"),
    "provider": ("sim", "provider", "sim", "sim-us"),
    "key_id": ("k1", "key_id", "k1", "k2"),
    "status": ("error", "status", "error", "ok"),
    "error_code": ("rate_limited", "error_code", "rate_limited", None),
    "origin": ("shadow", "origin", "shadow", "live"),
    "trace_id": ("ab" * 16, "trace_id", "ab" * 16, "cd" * 16),
    "response_id": ("resp_1", "response_id", "resp_1", None),
    "prompt_name": ("rag-answer", "prompt_name", "rag-answer", None),
    "prompt_version": ("3.2.0", "prompt_version", "3.2.0", "3.3.0"),
    "min_latency_us": (2000, "latency_us", 2000, 1999),
    "since_us": (TS_US, "ts_us", TS_US, TS_US - 1),
    "until_us": (TS_US, "ts_us", TS_US - 1, TS_US),
}
"""What is asked, the member of the record that decides, a value that fits, one that does not."""
IN_SEARCH = {"terms", "said", "phrases"}
"""Members that `test_search` is about."""


@pytest.mark.parametrize("member", sorted({*RecordFilter.__struct_fields__} - IN_SEARCH))
async def test_a_filter_shows_what_fits_and_nothing_else(stores: Stores, member: str) -> None:
    asked, decides, fits, fits_not = FILTERS[member]
    await put(stores, finish(1, **{decides: fits}), finish(2, **{decides: fits_not}))

    found = await stores.reader.page(msgspec.convert({member: asked}, RecordFilter))

    assert ids(found) == [finish(1).record.request_id]


async def test_filters_are_joined_by_and(stores: Stores) -> None:
    await put(
        stores,
        finish(1, tenant_id="acme", status="error"),
        finish(2, tenant_id="acme", status="lost"),
        finish(3, tenant_id="globex", status="error"),
        finish(4, tenant_id="acme", status="ok"),
    )

    async def found(**asked: str) -> list[str]:
        return ids(await stores.reader.page(msgspec.convert(asked, RecordFilter)))

    assert await found(tenant_id="acme", status="error") == [finish(1).record.request_id]
    assert await found(tenant_id="acme", status="ok") == [finish(4).record.request_id]
    assert await found(tenant_id="globex", status="ok") == []


def captured(tenant_id: str = "acme", data: bytes = ASKED) -> tuple[bytes, list[StoredBlob]]:
    """Cut a content as a worker does."""
    messages = msgspec.json.decode(data, type=dict[str, Raw])["messages"]
    ref, blobs = ContentCapture(tenant_key).capture(tenant_id, TS_US, data, messages)
    return ref, [StoredBlob(tenant_id, TS_US, blob) for blob in blobs]


async def test_a_content_is_put_together_from_its_pieces(stores: Stores) -> None:
    ref, blobs = captured()
    assert len(blobs) == 3

    await stores.writer.commit(Batch(blobs=tuple(blobs)))
    await stores.writer.commit(Batch(blobs=tuple(blobs)))

    assert await stores.reader.content("acme", TS_US, ref) == ASKED


async def test_content_is_of_its_tenant_and_its_day(stores: Stores) -> None:
    ref, blobs = captured()
    await stores.writer.commit(Batch(blobs=tuple(blobs)))

    assert await stores.reader.content("globex", TS_US, ref) is None
    assert await stores.reader.content("acme", TS_US + DAY_US, ref) is None
    assert await stores.reader.content("acme", MIDNIGHT_US, ref) == ASKED
    assert await stores.reader.content("acme", MIDNIGHT_US - 1, ref) is None


@pytest.mark.parametrize("gone", range(3))
async def test_a_content_with_a_missing_piece_is_not_there(stores: Stores, gone: int) -> None:
    ref, blobs = captured()
    del blobs[gone]

    await stores.writer.commit(Batch(blobs=tuple(blobs)))

    assert await stores.reader.content("acme", TS_US, ref) is None


@pytest.mark.parametrize(
    ("place", "blob"),
    [
        pytest.param(0, Blob(b"", "raw", b"another text"), id="another text"),
        pytest.param(0, Blob(b"", "zstd", b"no zstd"), id="damaged piece"),
        pytest.param(0, Blob(b"", "lz77", b""), id="unknown codec"),
        pytest.param(2, Blob(b"", "raw", b"\xc1"), id="damaged manifest"),
        pytest.param(2, Blob(b"", "raw", b"\x90"), id="empty manifest"),
    ],
)
async def test_a_content_that_is_not_what_was_sent_is_not_shown(
    stores: Stores, place: int, blob: Blob
) -> None:
    ref, blobs = captured()
    tenant_id, ts_us, whole = blobs[place]
    blobs[place] = StoredBlob(tenant_id, ts_us, replace(blob, ref=whole.ref))

    await stores.writer.commit(Batch(blobs=tuple(blobs)))

    assert await stores.reader.content("acme", TS_US, ref) is None


async def test_an_empty_content_is_a_content(stores: Stores) -> None:
    ref, blobs = ContentCapture(tenant_key).capture("acme", TS_US, b"")
    await stores.writer.commit(Batch(blobs=tuple(StoredBlob("acme", TS_US, it) for it in blobs)))

    assert await stores.reader.content("acme", TS_US, ref) == b""


def row(*group: str, n: int, cost_nano: int) -> CostRow:
    return CostRow(
        group=group,
        n=n,
        n_estimated=0,
        n_unpriced=0,
        input_tokens=4123 * n,
        cached_tokens=3800 * n,
        output_tokens=487 * n,
        cost_nano=cost_nano,
    )


def arm(name: str) -> dict[str, str]:
    return {"experiment": "tone", "arm": name}


async def fill(stores: Stores) -> None:
    """Store four requests of two tenants on two days."""
    at: dict[str, Any] = {"model_requested": "chat", "provider": "sim", "key_id": "k1"}
    late: dict[str, Any] = {"ts_us": MIDNIGHT_US + DAY_US, "tenant_id": "acme"}
    await put(
        stores,
        finish(1, **at, tenant_id="acme", feature="a", cost_nano=10),
        finish(2, **{**at, "model_requested": "chat-small"}, **late, feature="b", cost_nano=30),
        finish(3, **{**at, "key_id": "k2"}, **late, feature="a", cost_nano=15, **arm("a")),
        finish(
            4,
            **{**at, "provider": "sim-us"},
            tenant_id="globex",
            feature="a",
            cost_nano=20,
            **arm("b"),
        ),
        finish(5, **at, tenant_id="acme", feature="a", origin="shadow", cost_nano=1000),
    )


GROUPED: Mapping[str, list[CostRow]] = {
    "tenant_id": [row("acme", n=3, cost_nano=55), row("globex", n=1, cost_nano=20)],
    "feature": [row("a", n=3, cost_nano=45), row("b", n=1, cost_nano=30)],
    "model": [row("chat", n=3, cost_nano=45), row("chat-small", n=1, cost_nano=30)],
    "provider": [row("sim", n=3, cost_nano=55), row("sim-us", n=1, cost_nano=20)],
    "key_id": [row("k1", n=3, cost_nano=60), row("k2", n=1, cost_nano=15)],
    "status": [row("ok", n=4, cost_nano=75)],
    "experiment,arm": [
        row("", "", n=2, cost_nano=40),
        row("tone", "b", n=1, cost_nano=20),
        row("tone", "a", n=1, cost_nano=15),
    ],
    "day": [row("2026-04-26", n=2, cost_nano=45), row("2026-04-25", n=2, cost_nano=30)],
    "day,tenant_id": [
        row("2026-04-26", "acme", n=2, cost_nano=45),
        row("2026-04-25", "globex", n=1, cost_nano=20),
        row("2026-04-25", "acme", n=1, cost_nano=10),
    ],
    "": [row(n=4, cost_nano=75)],
}


@pytest.mark.parametrize("group_by", GROUPED)
async def test_live_cost_is_summed_by_group_dearest_first(stores: Stores, group_by: str) -> None:
    await fill(stores)

    names = [name for name in group_by.split(",") if name]
    rows = await stores.reader.costs(group_by=names, **ALWAYS)

    assert list(rows) == GROUPED[group_by]


async def test_groups_that_cost_the_same_are_in_the_order_of_their_names(stores: Stores) -> None:
    features = ["b", "a", "ä", "", "B"]
    await put(stores, *(finish(n, feature=name, cost_nano=5) for n, name in enumerate(features)))

    rows = await stores.reader.costs(group_by=("feature",), **ALWAYS)

    assert [it.group[0] for it in rows] == ["", "B", "a", "b", "ä"]


async def test_cost_is_of_the_days_asked_for(stores: Stores) -> None:
    await fill(stores)

    async def cost(since_us: int, until_us: int) -> list[int]:
        rows = await stores.reader.costs(since_us=since_us, until_us=until_us, group_by=())
        return [it.cost_nano for it in rows]

    assert await cost(MIDNIGHT_US, MIDNIGHT_US + DAY_US) == [30]
    assert await cost(MIDNIGHT_US + 1, MIDNIGHT_US + DAY_US + 1) == [45]
    assert await cost(MIDNIGHT_US + DAY_US + 1, MIDNIGHT_US + 9 * DAY_US) == []


async def test_a_tenant_s_days_begin_at_its_own_midnight(stores: Stores) -> None:
    await put(
        stores,
        finish(1, tenant_id="acme", day_local="2026-04-24", cost_nano=10),
        finish(2, tenant_id="acme", day_local="2026-04-26", cost_nano=20),
        finish(3, tenant_id="acme", cost_nano=5),
        finish(4, tenant_id="globex", day_local="2026-04-26", cost_nano=40),
    )

    local = await stores.reader.costs(group_by=("day",), tenant_id="acme", **ALWAYS)
    one_day = await stores.reader.costs(
        since_us=MIDNIGHT_US + DAY_US,
        until_us=MIDNIGHT_US + 2 * DAY_US,
        group_by=("tenant_id",),
        tenant_id="acme",
    )
    everybody = await stores.reader.costs(group_by=("day",), **ALWAYS)

    assert list(local) == [
        row("2026-04-26", n=1, cost_nano=20),
        row("2026-04-24", n=1, cost_nano=10),
        row("2026-04-25", n=1, cost_nano=5),
    ]
    assert list(one_day) == [row("acme", n=1, cost_nano=20)]
    assert list(everybody) == [row("2026-04-25", n=4, cost_nano=75)]


async def test_a_cost_that_is_unknown_is_counted_and_never_zero(stores: Stores) -> None:
    await put(
        stores,
        finish(1, cost_nano=None, usage_source="estimated"),
        finish(2, cost_nano=0),
        finish(3, cost_nano=7, usage_source="partial"),
    )

    (found,) = await stores.reader.costs(group_by=(), **ALWAYS)

    assert (found.n, found.n_unpriced, found.n_estimated, found.cost_nano) == (3, 1, 2, 7)


async def test_a_fallback_counts_once_and_is_paid_where_it_was_spent(stores: Stores) -> None:
    made = finish(1, provider="sim", cost_nano=30, attempt_count=2)
    lines = (
        line_of(made.record, 1, provider="sim-us", cost_nano=10),
        line_of(made.record, 2, provider="sim", cost_nano=20),
    )
    await put(stores, replace(made, lines=lines))

    rows = await stores.reader.costs(group_by=("provider",), **ALWAYS)

    assert [(it.group, it.n, it.cost_nano) for it in rows] == [
        (("sim",), 1, 20),
        (("sim-us",), 0, 10),
    ]


@pytest.mark.parametrize(("tenant", "told"), [("acme", 0), ("trimtab-eval", 1)])
async def test_what_is_tried_out_is_paid_by_the_systems_own_tenants(
    stores: Stores, tenant: str, told: int
) -> None:
    await put(stores, finish(1, tenant_id=tenant, origin="eval"))

    rows = await stores.reader.costs(group_by=(), tenant_id=tenant, since_us=0, until_us=2**60)

    assert sum(it.n for it in rows) == told


async def test_live_traffic_is_told_by_minute(stores: Stores) -> None:
    minute_us = TS_US - TS_US % MINUTE_US
    await put(
        stores,
        *(finish(n, latency_us=100_000, cost_nano=2) for n in range(18)),
        finish(18, latency_us=900_000, status="error", cost_nano=None),
        finish(19, latency_us=900_000, status="rejected", cost_nano=0),
        finish(20, ts_us=minute_us + MINUTE_US, status="lost", latency_us=0, cost_nano=5),
        finish(21, ts_us=minute_us + MINUTE_US - 1, origin="shadow"),
    )

    first, second = await stores.reader.series(**ALWAYS)

    assert (first.bucket_us, first.n, first.n_error, first.cost_nano) == (minute_us, 20, 1, 36)
    assert first.p50_us == pytest.approx(100_000, rel=0.045)
    assert first.p95_us == pytest.approx(900_000, rel=0.045)
    assert (second.bucket_us, second.n, second.n_error) == (minute_us + MINUTE_US, 1, 1)


async def test_traffic_can_be_asked_of_one_tenant_and_a_span_of_time(stores: Stores) -> None:
    minute_us = TS_US - TS_US % MINUTE_US
    for number, tenant_id in enumerate(("acme", "globex", "acme")):
        at_us = minute_us + number * MINUTE_US
        await put(stores, finish(number, tenant_id=tenant_id, ts_us=at_us))

    async def minutes(since: int, until: int, tenant_id: str | None = None) -> list[int]:
        points = await stores.reader.series(
            since_us=minute_us + since * MINUTE_US,
            until_us=minute_us + until * MINUTE_US,
            tenant_id=tenant_id,
        )
        return [(point.bucket_us - minute_us) // MINUTE_US for point in points]

    assert await minutes(0, 3) == [0, 1, 2]
    assert await minutes(0, 2) == [0, 1]
    assert await minutes(1, 3, "acme") == [2]
    assert await minutes(0, 3, "nobody") == []


async def test_tells_who_called_what_since_the_hour_of_an_instant(stores: Stores) -> None:
    hour_us = TS_US - TS_US % HOUR_US
    calls: list[dict[str, Any]] = [
        {"ts_us": hour_us, "key_id": "k2"},
        {"ts_us": hour_us + 1, "key_id": "k1", "model_requested": "chat!status:503"},
        {"ts_us": hour_us + 2, "key_id": "k1", "model_requested": "chat"},
        {"ts_us": hour_us - 1, "key_id": "before"},
        {"ts_us": hour_us, "key_id": "refused", "status": "rejected"},
        {"ts_us": hour_us, "key_id": "test", "origin": "eval"},
        {"ts_us": hour_us, "key_id": "lost", "model_kind": ""},
    ]
    for number, fields in enumerate(calls):
        await put(stores, finish(number, **fields))

    assert await stores.reader.used(since_us=hour_us + HOUR_US // 2) == (
        Use("acme-corp", "k1", "chat"),
        Use("acme-corp", "k2", "answers"),
    )


async def test_tells_how_the_newest_attempts_at_a_provider_went(stores: Stores) -> None:
    calls: list[dict[str, Any]] = [
        {"attempt_count": 2},
        {"attempt_count": 1, "refusal": True},
        {"origin": "eval"},
    ]
    for number, fields in enumerate(calls):
        at = 1000 * number
        first = replace(attempt(), provider="p", target="p/one", started_us=at, error_code="e")
        second = replace(first, n=2, target="p/two", started_us=at + 1, dur_us=7, error_code=None)
        attempts = (first, second)[: fields.get("attempt_count", 1)]
        await put(stores, replace(finish(number, **fields), attempts=attempts))
    ask: Any = {"providers": ["p", "other"], "limit": 9}

    found = await stores.reader.tried(since_us=0, **ask)

    assert [(it.target, it.error_code, it.refused) for it in found] == [
        ("p/one", "e", True),
        ("p/two", None, False),
        ("p/one", "e", False),
    ]
    assert found[1].dur_us == 7
    assert await stores.reader.tried(since_us=1, **ask) == found[:2]
    assert await stores.reader.tried(providers=["p"], since_us=0, limit=1) == found[:1]


PROMPTED: Sequence[Mapping[str, Any]] = (
    {"prompt_version": "1.0.0", "latency_us": 10, "cost_nano": 5},
    {"prompt_version": "1.1.0", "latency_us": 20, "cost_nano": 7, "status": "error"},
    {"prompt_version": "1.1.0", "latency_us": 30, "cost_nano": None, "tenant_id": "bolt"},
    {"prompt_version": "1.1.0", "status": "rejected"},
    {"prompt_version": "1.1.0", "origin": "eval"},
    {"prompt_name": "other", "prompt_version": "1.0.0", "cost_nano": 1},
    {"prompt_name": None},
)


def prompt_row(
    *group: str, n: int = 1, n_error: int = 0, unpriced: int = 0, cost: int = 0
) -> PromptRow:
    return PromptRow(group=group, n=n, n_error=n_error, n_unpriced=unpriced, cost_nano=cost)


async def put_prompted(stores: Stores, since_us: int) -> None:
    for number, fields in enumerate(PROMPTED):
        told: dict[str, Any] = {
            "prompt_name": "rag",
            "ts_us": since_us + number,
            "tenant_id": "acme",
            **fields,
        }
        await put(stores, finish(number, **told))


async def test_requests_with_prompts_are_summed_by_version_and_tenant(stores: Stores) -> None:
    hour_us = TS_US - TS_US % HOUR_US
    await put_prompted(stores, hour_us)
    await put(stores, finish(99, prompt_name="rag", prompt_version="0.9.0", ts_us=hour_us - 1))

    async def rows(*group_by: str, name: str | None = None) -> tuple[PromptRow, ...]:
        ask: Any = {"since_us": hour_us + HOUR_US // 2, "name": name}
        return await stores.reader.prompted(group_by=group_by, **ask)

    assert await rows("prompt") == (
        prompt_row("other", cost=1),
        prompt_row("rag", n=3, n_error=1, unpriced=1, cost=12),
    )
    assert await rows("version", name="rag") == (
        prompt_row("1.0.0", cost=5),
        prompt_row("1.1.0", n=2, n_error=1, unpriced=1, cost=7),
    )
    assert [it.group for it in await rows("tenant_id", "version", name="rag")] == [
        ("acme", "1.0.0"),
        ("acme", "1.1.0"),
        ("bolt", "1.1.0"),
    ]
    assert await rows("version", name="nobody") == ()


async def test_tells_how_long_the_newest_requests_with_a_prompt_took(stores: Stores) -> None:
    await put_prompted(stores, TS_US)
    all_of: Any = {"prompt": "rag", "limit": 9}

    found = await stores.reader.took(since_us=0, **all_of)

    assert found == (Took("1.1.0", 30), Took("1.1.0", 20), Took("1.0.0", 10))
    assert await stores.reader.took(since_us=TS_US + 1, **all_of) == found[:2]
    assert await stores.reader.took(prompt="rag", since_us=0, limit=1) == found[:1]


async def test_a_thousand_features_of_a_tenant_have_sums_of_their_own(stores: Stores) -> None:
    names = [f"f{number:04d}" for number in range(MAX_NAMES + 3)]
    made = finish(1, cost_nano=1)
    finishes = [
        replace(
            made,
            record=replace(made.record, request_id=f"r_{name}", feature=name),
            lines=(replace(made.lines[0], line_id=f"r_{name}/1/charge/0", feature=name),),
        )
        for name in names
    ]
    await put(stores, *finishes[:-1])
    await put(stores, finishes[-1], finish(2, tenant_id="globex", feature="other", cost_nano=1))

    rows = await stores.reader.costs(group_by=("tenant_id", "feature"), **ALWAYS)
    found = {it.group: (it.n, it.cost_nano) for it in rows}

    assert len(found) == MAX_NAMES + 2
    assert found["acme-corp", OTHER] == (3, 3)
    assert found["acme-corp", names[MAX_NAMES - 1]] == (1, 1)
    assert found["globex", "other"] == (1, 1)
    kept = await stores.reader.find(f"r_{names[-1]}")
    assert kept is not None
    assert kept.record.feature == names[-1]


_tenants = count()


@given(
    seeds=st.lists(st.integers(0, 1 << 30), min_size=1, max_size=8, unique=True),
    cut=st.integers(0, 8),
    again=st.integers(0, 8),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_sums_lines_and_records_agree_however_batches_are_cut_and_repeated(
    stores: Stores, seeds: list[int], cut: int, again: int
) -> None:
    tenant_id = f"t{next(_tenants)}"
    # Repeatable on purpose: nothing made of it is a secret.
    finishes = [of(chance_finish(Random(seed)), tenant_id) for seed in seeds]  # noqa: S311

    new = await put(stores, *finishes[:cut])
    new += await put(stores, *finishes[max(0, cut - again) :])

    assert new == len(finishes)
    live = [it for it in finishes if it.record.origin == Origin.LIVE]
    records = await stores.reader.page(RecordFilter(tenant_id=tenant_id, origin="live"))
    found = [await stores.reader.find(it.request_id) for it in records]
    lines = [line for it in found if it is not None for line in it.lines]
    rows = await stores.reader.costs(group_by=("day", "provider"), tenant_id=tenant_id, **ALWAYS)
    points = await stores.reader.series(tenant_id=tenant_id, **ALWAYS)

    assert len(records) == len(live) == sum(it.n for it in rows) == sum(it.n for it in points)
    cost = sum(it.record.cost_nano or 0 for it in live)
    assert sum(it.cost_nano or 0 for it in records) == cost
    assert sum(it.cost_nano or 0 for it in lines) == cost
    assert sum(it.cost_nano for it in rows) == cost
    assert sum(it.cost_nano for it in points) == cost
    for member in ("input_tokens", "cached_tokens", "output_tokens"):
        said = sum(getattr(line, member) or 0 for line in lines)
        assert sum(getattr(it, member) for it in rows) == said


CHAT: Any = {"model_requested": "chat", "model_kind": "alias"}


def of(made: Finish, tenant_id: str) -> Finish:
    """Say that a request was another tenant's, of a configured model, under an id of its own."""
    name = f"{made.record.request_id}{tenant_id}"
    return replace(
        made,
        record=replace(made.record, request_id=name, tenant_id=tenant_id, **CHAT),
        lines=tuple(
            replace(line, line_id=f"{name}/{n}/charge/0", tenant_id=tenant_id)
            for n, line in enumerate(made.lines, 1)
        ),
    )


def annotation(of: Finish, /, **fields: Any) -> Annotation:  # noqa: ANN401 -- of many kinds
    """Make what a judge says of a request a second after it began."""
    record = of.record
    ordinary = Annotation(
        annotation_id=annotation_id(record, str(sorted(fields.items()))),
        request_id=record.request_id,
        tenant_id=record.tenant_id,
        ts_us=record.ts_us + 1_000_000,
        kind="evaluation",
        name="faithfulness",
        score=0.5,
        source="judge",
    )
    return replace(ordinary, **fields)


async def annotate(stores: Stores, *annotations: Annotation) -> None:
    assert await stores.writer.commit(Batch(annotations=annotations)) == 0


async def test_gives_back_every_member_of_an_annotation(stores: Stores) -> None:
    bare = annotation(finish(1), kind="label", name="bad_answer", score=None)
    whole = annotation(
        finish(1),
        ts_us=TS_US + 9_000_000,
        label="it's",
        text_ref=b"r" * 32,
        author="sim/large",
        version="1+ab",
        probability=0.01,
    )

    await annotate(stores, whole, bare, annotation(finish(2)))

    assert await stores.reader.annotations(bare.request_id) == (bare, whole)
    assert await stores.reader.annotations("r_unknown") == ()


async def test_an_annotation_is_stored_once_and_never_changed(stores: Stores) -> None:
    first = annotation(finish(1))

    await annotate(stores, first)
    await annotate(stores, replace(first, score=1.0), first)

    assert await stores.reader.annotations(first.request_id) == (first,)


async def test_a_later_annotation_corrects_one_and_both_stay(stores: Stores) -> None:
    first = annotation(finish(1), label="first")
    later = annotation(finish(1), ts_us=first.ts_us + 1, score=1.0)
    other = annotation(finish(1), source="reviewer")

    await annotate(stores, later, first, other)

    found = await stores.reader.annotations(first.request_id)
    assert len(found) == 3
    assert sorted(latest(found), key=lambda it: it.source) == [later, other]


async def test_a_batch_with_poison_stores_no_annotation(stores: Stores) -> None:
    good, poison = annotation(finish(1)), annotation(finish(2), ts_us=TOO_MUCH)

    with pytest.raises(Unstorable):
        await stores.writer.commit(Batch(annotations=(good, poison)))

    assert await stores.reader.annotations(good.request_id) == ()


async def test_counts_the_requests_that_a_judge_scored_by_prompt_and_tier(stores: Stores) -> None:
    made = [
        finish(1, prompt_name="rag", tier="gold"),
        finish(2, prompt_name="rag", tier="gold"),
        finish(3, prompt_name=None, tier="gold"),
        finish(4, prompt_name="rag", tier="free", ts_us=TS_US - 1),
        finish(5, prompt_name="rag", tier="free"),
    ]
    assert await put(stores, *made) == 5
    scored = [annotation(it) for it in made[:4]]
    again = annotation(made[0], name="refuses")
    by_people = annotation(made[4], source="reviewer")

    await annotate(stores, *scored, again, by_people, annotation(made[4], kind="label"))

    judged = await stores.reader.judged(since_us=TS_US)
    assert judged == {Stratum("rag", "gold"): 2, Stratum("", "gold"): 1}


def app_span(number: int, /, **fields: Any) -> AppSpan:  # noqa: ANN401 -- of many kinds
    """Make what an application told of its work."""
    members: dict[str, Any] = {
        "tenant_id": "acme",
        "trace_id": "ab" * 16,
        "span_id": f"{number:016x}",
        "received_us": TS_US,
        "ts_us": TS_US + number,
        "end_us": TS_US + 2 * number,
        "name": "work",
    }
    return AppSpan(**{**members, **fields})


async def outlined(stores: Stores, tenant: str = "acme", limit: int = 100) -> list[str]:
    found = await stores.reader.outline(tenant, "ab" * 16, limit=limit)
    return [it.span_id[-1] for it in found]


async def test_gives_back_every_member_of_a_span(stores: Stores) -> None:
    bare = app_span(1)
    whole = app_span(
        2,
        parent_span_id=bare.span_id,
        kind="client",
        status="error",
        service="rag-api\0",
        view="llm",
        request_id="r_1",
        response_id="resp_1",
        content_ref=b"r" * 32,
        body=b"\x00body",
    )
    await stores.writer.commit(Batch(spans=(whole, bare, app_span(3))))

    found = await stores.reader.spans("acme", bare.trace_id, [whole.span_id, bare.span_id, "none"])

    assert found == (bare, whole)
    outline = await stores.reader.outline("acme", bare.trace_id, limit=2)
    assert outline[1] == SpanOutline(whole.span_id, bare.span_id, whole.ts_us, whole.end_us, "llm")
    assert len(outline) == 2


async def test_a_span_is_stored_once_and_never_changed(stores: Stores) -> None:
    first = app_span(1, name="first")

    await stores.writer.commit(Batch(spans=(first,)))
    await stores.writer.commit(Batch(spans=(replace(first, name="later"), first, app_span(2))))

    assert await stores.reader.spans("acme", first.trace_id, [first.span_id]) == (first,)
    assert await outlined(stores) == ["1", "2"]


async def test_of_two_tenants_with_the_same_ids_each_has_its_own(stores: Stores) -> None:
    ours, theirs = app_span(1, request_id="r_1"), app_span(1, tenant_id="other", response_id="x")

    await stores.writer.commit(Batch(spans=(theirs, ours)))

    assert await stores.reader.spans("acme", ours.trace_id, [ours.span_id]) == (ours,)
    assert await stores.reader.spans("other", ours.trace_id, [ours.span_id]) == (theirs,)
    assert await outlined(stores, "nobody") == []
    assert await stores.reader.told_of("acme", "r_2", "x") is None
    assert await stores.reader.told_of("other", "r_1", None) is None


async def test_finds_the_span_that_names_a_request_or_else_its_answer(stores: Stores) -> None:
    spans = (
        app_span(1, response_id="resp_1"),
        app_span(2, request_id="r_1"),
        app_span(3, request_id="r_1"),
        app_span(4),
    )
    await stores.writer.commit(Batch(spans=spans))
    ask = stores.reader.told_of

    assert await ask("acme", "r_1", "resp_1") == (spans[1].trace_id, spans[1].span_id)
    assert await ask("acme", "r_2", "resp_1") == (spans[0].trace_id, spans[0].span_id)
    assert await ask("acme", "r_2", None) is None


async def test_a_batch_with_poison_stores_no_span(stores: Stores) -> None:
    with pytest.raises(Unstorable):
        await stores.writer.commit(Batch(spans=(app_span(1), app_span(2, ts_us=TOO_MUCH))))

    assert await outlined(stores) == []


async def test_what_is_counted_is_the_sum_of_all_outcomes(stores: Stores) -> None:
    slow = finish(1, latency_us=11_000, trace_kept=False, adjusted_count=20.0)
    slower = finish(2, latency_us=10_240_000)

    await put(stores, slow)
    await put(stores, slower, slow)

    told = await stores.reader.tallies()
    asked = ("chat", "anthropic", "answers")
    shown = Exemplar(slower.record.trace_id, 10_240_000, slower.record.end_us)
    assert told[Cell(Tally.DURATION, (*asked, ""), 1)] == Amount(1, 11_000)
    assert told[Cell(Tally.DURATION, (*asked, ""), 10)] == Amount(1, 10_240_000, shown)
    assert told[Cell(Tally.TOKENS, (*asked, "output"), 5)][:2] == (2, 974)
    assert told[Cell(Tally.ATTEMPTS, ("anthropic-eu/claude-sonnet-4-6", "ok"), 0)] == Amount(2, 0)
    assert told[Cell(Tally.SAMPLED, ("all", "false"), 0)] == Amount(1, 20_000_000)
    assert told[Cell(Tally.REPLAY, ("search", "full"), 0)] == Amount(2, 0)
    assert told[Cell(Tally.OVERHEAD, ("screen_input",), 3)] == Amount(2, 6_200)


async def test_only_traffic_of_users_is_measured(stores: Stores) -> None:
    await put(stores, finish(1, origin="eval"))

    assert {it.tally for it in await stores.reader.tallies()} == {Tally.SAMPLED}


async def test_an_exemplar_stays_until_another_trace_of_its_bucket_is_kept(stores: Stores) -> None:
    first, unkept, last = finish(1), finish(2, trace_kept=False), finish(3)
    cell = Cell(Tally.DURATION, ("chat", "anthropic", "answers", ""), 8)

    async def shown() -> str:
        exemplar = (await stores.reader.tallies())[cell].exemplar
        assert exemplar is not None
        return exemplar.trace_id

    await put(stores, first)
    await put(stores, unkept)
    assert await shown() == first.record.trace_id
    await put(stores, last)
    assert await shown() == last.record.trace_id


async def test_a_score_of_a_judge_is_counted_once_by_what_made_the_answer(stores: Stores) -> None:
    judged = finish(1, prompt_name="rag", prompt_version="3.2.0")
    said = annotation(judged, score=0.91)
    await put(stores, judged)

    await annotate(stores, said, annotation(judged, source="user"))
    await annotate(stores, said, said, annotation(finish(2), score=float("nan")))

    told = {it: of for it, of in (await stores.reader.tallies()).items() if it[0] == Tally.SCORES}
    name = said.name
    assert told == {
        Cell(Tally.SCORES, (name, "rag", "3.2.0"), 18): Amount(1, 910_000),
        Cell(Tally.SCORES, (name, "", ""), 0): Amount(1, 0),
    }


async def test_features_that_callers_think_of_have_no_more_series_than_there_is_room(
    stores: Stores,
) -> None:
    await put(stores, *(finish(n, feature=f"f{n}") for n in range(MAX_NAMES)))
    await put(stores, *(finish(n, feature=f"f{n}") for n in range(MAX_NAMES - 1, MAX_NAMES + 9)))

    told = {
        it.labels[0]: n
        for it, (n, *_) in (await stores.reader.tallies()).items()
        if it.tally == Tally.REPLAY
    }
    assert len(told) == MAX_NAMES + 1
    assert told[OTHER] == 9


@pytest.mark.parametrize("latency_us", [-5, (1 << 63) - 1])
async def test_times_that_cannot_be_keep_sums_within_a_column(
    stores: Stores, latency_us: int
) -> None:
    await put(stores, *(finish(n, latency_us=latency_us) for n in range(20)))

    durations = [of for it, of in (await stores.reader.tallies()).items() if it[0] == "duration"]
    assert [of.n for of in durations] == [20]
    assert 0 <= durations[0].total < 1 << 45


async def test_a_claim_is_stored_if_the_request_is_the_tenants(stores: Stores) -> None:
    mine, theirs = finish(1, tenant_id="acme"), finish(2, tenant_id="globex")
    assert await put(stores, mine, theirs) == 2
    good = annotation(mine, source="user")
    bad = annotation(theirs, source="user", tenant_id="acme")

    assert await stores.writer.commit(Batch(claims=(bad, good, good))) == 0

    assert await stores.reader.annotations(good.request_id) == (good,)
    assert await stores.reader.annotations(bad.request_id) == ()
    assert await stores.writer.settle_claims(before_us=0) == (1, 0)
    assert await stores.writer.settle_claims(before_us=TOO_MUCH - 1) == (0, 0)
    assert await stores.reader.annotations(bad.request_id) == ()


async def test_a_claim_waits_for_its_request(stores: Stores) -> None:
    of = finish(1)
    early = annotation(of, source="user")
    await stores.writer.commit(Batch(claims=(early,)))
    assert await stores.writer.settle_claims(before_us=early.ts_us) == (0, 0)
    assert await put(stores, of) == 1

    assert await stores.writer.settle_claims(before_us=early.ts_us + 1) == (0, 0)

    assert await stores.reader.annotations(early.request_id) == (early,)


async def test_a_claim_whose_request_comes_with_it_is_stored_at_once(stores: Stores) -> None:
    of = finish(1)
    said = annotation(of, source="user")

    assert await stores.writer.commit(Batch(finishes=(of,), claims=(said,))) == 1

    assert await stores.reader.annotations(said.request_id) == (said,)


async def test_a_claim_about_a_request_that_never_comes_is_dropped(stores: Stores) -> None:
    of = finish(1)
    said = annotation(of, source="user")
    await stores.writer.commit(Batch(claims=(said,)))

    assert await stores.writer.settle_claims(before_us=said.ts_us + 1) == (0, 1)
    await put(stores, of)

    assert await stores.writer.settle_claims(before_us=0) == (0, 0)
    assert await stores.reader.annotations(said.request_id) == ()


async def test_a_claim_that_is_made_again_changes_nothing(stores: Stores) -> None:
    of = finish(1)
    said = annotation(of, source="user")
    await put(stores, of)

    for score in (0.5, 1.0):
        await stores.writer.commit(Batch(claims=(replace(said, score=score),)))

    assert await stores.reader.annotations(said.request_id) == (said,)
    assert await stores.writer.settle_claims(before_us=TOO_MUCH - 1) == (0, 0)


async def test_a_batch_with_a_poisonous_claim_stores_nothing(stores: Stores) -> None:
    of = finish(1)

    with pytest.raises(Unstorable):
        await stores.writer.commit(Batch(finishes=(of,), claims=(annotation(of, ts_us=TOO_MUCH),)))

    assert await stores.reader.find(of.record.request_id) is None
