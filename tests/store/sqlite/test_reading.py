import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.records import finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import TryLater
from trimtab.domain.record import Blob, Finish
from trimtab.store.base.limits import Spending
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch, InLedger, StoredBlob
from trimtab.store.relational.reading import LONGEST_QUERY_S
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock


class Hurrying(FrozenClock):
    """A clock on which every look takes longer than any query may."""

    def monotonic_s(self) -> float:
        self.advance(LONGEST_QUERY_S + 1)
        return super().monotonic_s()


@pytest.fixture
async def home(tmp_path: Path) -> AsyncGenerator[Path]:
    """A home with five records in it."""
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=tuple(finish(number) for number in range(5))))
        yield tmp_path


async def test_before_anything_is_recorded_it_says_what_to_do(tmp_path: Path) -> None:
    with closing(SqliteReading(tmp_path, tenant_key, FrozenClock())) as reading:
        with pytest.raises(TryLater, match=r"nothing is recorded in .* yet; run `trimtab up`"):
            await reading.page(RecordFilter())
        assert not (tmp_path / "records.db").exists()

        with closing(SqliteRecording(tmp_path)) as store:
            await store.positions()

        assert await reading.page(RecordFilter()) == ()


async def test_reads_what_the_keeper_commits_meanwhile(home: Path) -> None:
    with (
        closing(SqliteReading(home, tenant_key, FrozenClock())) as reading,
        closing(SqliteRecording(home)) as store,
    ):
        assert len(await reading.page(RecordFilter())) == 5

        await store.commit(Batch(finishes=(finish(9),)))

        assert len(await reading.page(RecordFilter())) == 6


async def test_many_may_ask_at_once(home: Path) -> None:
    with closing(SqliteReading(home, tenant_key, FrozenClock())) as reading:
        pages = await asyncio.gather(*(reading.page(RecordFilter()) for _ in range(20)))

    assert {len(page) for page in pages} == {5}


async def test_an_answer_is_found_by_its_id_and_not_among_all_of_its_tenant(tmp_path: Path) -> None:
    one = finish(1).record
    records = [
        replace(one, request_id=f"r_{number}", response_id=f"resp_{number}")
        for number in range(4000)
    ]
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=tuple(Finish(record=it) for it in records)))
    where = RecordFilter(tenant_id=one.tenant_id, response_id="resp_7")

    # A query that looked at every record of the tenant would be given up.
    with closing(SqliteReading(tmp_path, tenant_key, Hurrying())) as reading:
        assert [it.request_id for it in await reading.page(where)] == ["r_7"]


async def test_a_query_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    one = finish(1).record
    records = [replace(one, request_id=f"r_{number}") for number in range(1200)]
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=tuple(Finish(record=it) for it in records)))
    where = RecordFilter(
        feature=one.feature, provider=one.provider, key_id=one.key_id, status="ok", error_code="x"
    )

    with (
        closing(SqliteReading(tmp_path, tenant_key, Hurrying())) as reading,
        pytest.raises(TryLater, match=r"interrupted.*narrow the question"),
    ):
        await reading.page(where)
    with closing(SqliteReading(tmp_path, tenant_key, FrozenClock())) as reading:
        assert await reading.page(where) == ()


async def test_a_file_that_is_no_database_is_told_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with closing(SqliteReading(tmp_path, tenant_key, FrozenClock())) as reading:
        with pytest.raises(TryLater, match="cannot be read"):
            await reading.page(RecordFilter())

        path.unlink()
        with closing(SqliteRecording(tmp_path)) as store:
            await store.commit(Batch(finishes=(finish(1),)))

        assert len(await reading.page(RecordFilter())) == 1


async def test_content_that_is_not_what_was_stored_is_told(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, changed = Blob(b"d" * 32, "zstd", b"no"), Blob(b"c" * 32, "raw", b"\x90")
    with closing(SqliteRecording(home)) as store:
        blobs = tuple(StoredBlob("acme", TS_US, blob) for blob in (damaged, changed))
        await store.commit(Batch(blobs=blobs))

    with closing(SqliteReading(home, tenant_key, FrozenClock())) as reading:
        assert await reading.content("acme", TS_US, damaged.ref) is None
        assert await reading.content("acme", TS_US, changed.ref) is None

    assert f"content '{damaged.ref.hex()}' cannot be read" in caplog.text
    assert f"content '{changed.ref.hex()}' is not what was stored" in caplog.text


COST_NANO = 9_414_000
HOUR_US = 3_600_000_000
HOUR = TS_US - TS_US % HOUR_US


@pytest.mark.parametrize(
    ("of", "lines"),
    [
        (Spending(tenant_id="globex"), 3),
        (Spending(tenant_id="globex", feature="billing"), 2),
        (Spending(tenant_id="globex", user_hash="u1"), 1),
        (Spending(key_id="abcabcabcabc"), 3),
        (Spending(tenant_id="trimtab-eval"), 1),
        (Spending(tenant_id="initech"), 0),
        (Spending(), 10),
    ],
)
@pytest.mark.parametrize("offset_us", [0, -HOUR_US // 2], ids=["whole hours", "half an hour off"])
async def test_sums_up_what_counts_against_a_budget(
    home: Path, of: Spending, lines: int, offset_us: int
) -> None:
    told = [
        {"key_id": "abcabcabcabc"},
        {"feature": "billing", "key_id": "abcabcabcabc"},
        {"feature": "billing", "user_hash": "u1"},
    ]
    finishes = [finish(10 + n, tenant_id="globex", **it) for n, it in enumerate(told)]
    others = (
        finish(20, tenant_id="globex", origin="eval", key_id="abcabcabcabc"),
        finish(22, tenant_id="trimtab-eval", origin="judge"),
        finish(21, tenant_id="globex", ts_us=TS_US - 2 * HOUR_US),
    )
    with (
        closing(SqliteReading(home, tenant_key, FrozenClock())) as reading,
        closing(SqliteRecording(home)) as store,
    ):
        await store.commit(Batch(finishes=(*finishes, *others)))
        since_us = HOUR + offset_us

        found = await reading.spent(
            [replace(of, since_us=since_us, until_us=since_us + 2 * HOUR_US)]
        )

    assert found == InLedger(sums=((lines * COST_NANO, 0),))


async def test_records_of_before_there_were_annotations_have_none(home: Path) -> None:
    with closing(sqlite3.connect(home / "records.db")) as old:
        old.execute("DROP TABLE annotation")

    with closing(SqliteReading(home, tenant_key, FrozenClock())) as reading:
        assert await reading.annotations(finish(1).record.request_id) == ()
