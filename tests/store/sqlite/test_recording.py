import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.records import finish
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import TryLater
from trimtab.domain.record import Blob, Detail, Finish
from trimtab.store.base.recording import Batch, Move, SpoolPosition, StoredBlob, Unstorable
from trimtab.store.relational.recording import unpacked
from trimtab.store.rollup import MAX_NAMES, OTHER
from trimtab.store.sqlite.recording import SqliteRecording

AT = SpoolPosition(worker_id="w1", segment=1, offset=640)


@pytest.fixture
def store(tmp_path: Path) -> Generator[SqliteRecording]:
    with closing(SqliteRecording(tmp_path)) as store:
        yield store


async def put(store: SqliteRecording, *finishes: Finish) -> int:
    return await store.commit(Batch(finishes=finishes))


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(home / "records.db")) as connection, connection:
        return connection.execute(sql).fetchall()


def of_feature(number: int) -> Finish:
    made = finish(1, feature=f"f{number}")
    name = f"r_{number}"
    return replace(
        made,
        record=replace(made.record, request_id=name),
        lines=(replace(made.lines[0], line_id=f"{name}/1/charge/0"),),
    )


async def test_the_cap_of_features_outlives_a_restart(
    tmp_path: Path, store: SqliteRecording
) -> None:
    await put(store, *map(of_feature, range(MAX_NAMES)))
    store.close()

    with closing(SqliteRecording(tmp_path)) as again:
        await put(again, of_feature(7000), replace(finish(2), record=finish(2).record))

    sums = "SELECT feature, sum(n) FROM rollup_day WHERE feature IN ('f0', 'f7000', '__other__')"
    assert rows(tmp_path, f"{sums} GROUP BY 1 ORDER BY 1") == [(OTHER, 2), ("f0", 1)]
    assert rows(tmp_path, "SELECT count(DISTINCT feature) FROM rollup_hour") == [(1001,)]


async def test_hours_days_and_local_days_have_the_same_sums(
    tmp_path: Path, store: SqliteRecording
) -> None:
    await put(store, finish(1, day_local="2026-04-26"), finish(2), finish(3, origin="shadow"))

    sums = [
        rows(tmp_path, f"SELECT sum(n), sum(cost_nano), sum(input_tokens) FROM {table}")  # noqa: S608 -- ours
        for table in ("rollup_hour", "rollup_day", "rollup_day_local")
    ]

    assert sums == [[(3, 3 * 9_414_000, 3 * 4123)]] * 3
    buckets = rows(tmp_path, "SELECT DISTINCT bucket_us % 3600000000 FROM rollup_hour")
    assert buckets == [(0,)]


async def test_the_ledger_cannot_be_changed(tmp_path: Path, store: SqliteRecording) -> None:
    await put(store, finish(1))

    with pytest.raises(sqlite3.IntegrityError, match="insert-only"):
        rows(tmp_path, "UPDATE ledger SET cost_nano = 0")


async def test_a_line_knows_its_request(tmp_path: Path, store: SqliteRecording) -> None:
    await put(store, finish(1))

    assert rows(tmp_path, "SELECT request_id FROM ledger") == [(finish(1).record.request_id,)]


async def test_a_line_of_another_request_is_poison(store: SqliteRecording) -> None:
    thief = replace(finish(2), lines=finish(1).lines)

    with pytest.raises(Unstorable, match="line_id"):
        await put(store, finish(1), thief)


async def test_a_number_that_grows_too_large_by_adding_is_poison(store: SqliteRecording) -> None:
    large = (1 << 63) - 1
    await put(store, finish(1, cost_nano=large))

    with pytest.raises(Unstorable):
        await put(store, finish(2, cost_nano=large))
    with pytest.raises(Unstorable):
        await put(store, finish(3, cost_nano=large), finish(4, cost_nano=large))


async def test_large_details_are_compressed_and_small_ones_are_not(
    tmp_path: Path, store: SqliteRecording
) -> None:
    large = Detail(findings=tuple({"kind": "email", "n": number} for number in range(100)))
    await put(store, replace(finish(1), detail=large), replace(finish(2), detail=Detail()))

    found = [
        blob
        for (blob,) in rows(tmp_path, "SELECT detail FROM request_detail ORDER BY length(detail)")
        if isinstance(blob, bytes)
    ]

    assert [unpacked(blob) for blob in found] == [Detail(), large]
    assert found[0] == b"\x80"
    assert len(found[1]) < 800


async def test_content_of_a_batch_that_fails_harms_nothing(store: SqliteRecording) -> None:
    blob = StoredBlob("acme", TS_US, Blob(b"r" * 32, "raw", b"\x90"))
    batch = Batch(finishes=(finish(1, input_tokens=1 << 63),), blobs=(blob,))
    with pytest.raises(Unstorable):
        await store.commit(batch)

    assert await store.commit(Batch(finishes=(finish(1),), blobs=(blob,))) == 1


async def test_a_value_of_the_wrong_kind_is_poison(store: SqliteRecording) -> None:
    # What a worker of another version might write.
    blob = StoredBlob("acme", 1 << 62, Blob(b"r" * 32, "raw", b"\x90"))

    with pytest.raises(Unstorable):
        await store.commit(Batch(blobs=(blob,)))


async def test_an_unusable_file_is_waited_for(tmp_path: Path, store: SqliteRecording) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(TryLater, match=r"record store .* cannot be used"):
        await store.commit(Batch(moves=(Move(AT, None),)))

    path.unlink()

    await store.commit(Batch(moves=(Move(AT, None),)))
    assert await store.positions() == (AT,)


async def test_content_that_cannot_be_written_is_waited_for(
    tmp_path: Path, store: SqliteRecording
) -> None:
    (tmp_path / "content").write_text("in the way")
    blob = StoredBlob("acme", TS_US, Blob(b"r" * 32, "raw", b"\x90"))
    batch = Batch(finishes=(finish(1),), blobs=(blob,))
    with pytest.raises(TryLater):
        await store.commit(batch)
    assert rows(tmp_path, "SELECT count(*) FROM request") == [(0,)]

    (tmp_path / "content").unlink()

    assert await store.commit(batch) == 1


async def test_a_file_of_a_newer_program_is_waited_for(
    tmp_path: Path, store: SqliteRecording
) -> None:
    await store.positions()
    rows(tmp_path, "PRAGMA user_version = 99")
    store.close()

    with pytest.raises(TryLater, match="upgrade trimtab"):
        await store.positions()


async def test_a_full_disk_is_waited_for(tmp_path: Path, store: SqliteRecording) -> None:
    await store.positions()
    # The file may have as many pages as it has: the next one does not fit.
    connection = store._connection  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 1")
    large = [finish(number, tags="x" * 5000) for number in range(20)]

    with pytest.raises(TryLater, match="full"):
        await put(store, *large)

    assert await put(store, *large) == 20
    assert rows(tmp_path, "SELECT count(*) FROM request") == [(20,)]
