from pathlib import Path

from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import Blob
from trimtab.domain.retention import Retention
from trimtab.jobs.retention import Retain
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.store.memory.erasing import MemoryKeeper
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock

TEXT = Blob(b"r" * 32, "raw", b"text")


async def test_content_of_a_tenant_ends_when_it_says_so_and_records_when_the_site_does() -> None:
    store = MemoryKeeper(tenant_key)
    blobs = tuple(StoredBlob(tenant, TS_US, TEXT) for tenant in ("acme", "globex"))
    await store.commit(Batch(finishes=(finish(1),), blobs=blobs))
    days = {"acme": 3, "globex": 90}
    clock = FrozenClock(TS_US + 10 * DAY_US)
    done = await Retain(store, Retention(records=20), days.__getitem__, clock).step()
    assert (done["record"], done["content"]) == (0, 1)
    assert [tenant for _, tenant in await store.content_of()] == ["globex"]
    clock = FrozenClock(TS_US + 22 * DAY_US)
    assert (await Retain(store, Retention(records=20), days.__getitem__, clock).step())["record"]


async def test_a_day_that_nobody_needs_goes_with_its_file(tmp_path: Path) -> None:
    store = SqliteRecording(tmp_path)
    await store.commit(Batch(blobs=(StoredBlob("acme", TS_US, TEXT),)))
    assert list((tmp_path / "content").glob("2*.db"))
    clock = FrozenClock(TS_US + 100 * DAY_US)
    await Retain(store, Retention(), lambda _: 90, clock).step()
    assert list((tmp_path / "content").glob("2*")) == []
    store.close()
