"""What every reader of content must do with what is sealed."""

import os
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import pytest
from msgspec import Raw
from tests.chdb import Engine
from tests.postgres import Server
from tests.records import DAY_US, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.control import content_keys
from trimtab.control.content_keys import Sealing
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.record import Blob
from trimtab.pipeline.content import Captured, ContentCapture
from trimtab.store.base.reading import ContentReader
from trimtab.store.base.recording import Batch, RecordWriter, StoredBlob
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive
from trimtab.store.content import Unseal, Unsealing
from trimtab.store.memory.control import MemoryContentKeys
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.sealing import MasterKey
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock

ASKED = msgspec.json.encode(
    {"messages": [{"role": "user", "content": f"{name} " * 100} for name in ("one", "two")]}
)
SHORT = b'{"messages": [{"role": "user", "content": "planted"}]}'


class Keys:
    """The keys of two tenants, the master key that is used now, and what seals."""

    def __init__(self) -> None:
        self.store = MemoryContentKeys()
        self.master = MasterKey(b"m" * 32, os.urandom)
        self.sealing = Sealing(self.store, self.master, os.urandom, lambda: ("acme", "globex"))

    async def __call__(self, tenant_id: str) -> Unseal | None:
        return await content_keys.unsealer(self.store, self.master, tenant_id)


class Stores(NamedTuple):
    """A store as the keeper writes it and as others read it."""

    writer: RecordWriter
    reader: ContentReader
    keys: Keys
    captures: ContentCapture

    async def put(self, *captured: Captured, tenant_id: str = "acme") -> None:
        blobs = tuple(StoredBlob(tenant_id, TS_US, it) for one in captured for it in one.blobs)
        await self.writer.commit(Batch(blobs=blobs))

    async def read(self, ref: bytes, tenant_id: str = "acme") -> bytes | None:
        return await self.reader.content(tenant_id, TS_US, ref)


class Made(Protocol):
    """Opens a store."""

    def __call__(
        self, home: Path, request: pytest.FixtureRequest, keys: Unsealing, /
    ) -> AbstractContextManager[tuple[RecordWriter, ContentReader]]: ...


@contextmanager
def memory(
    _home: Path, _request: pytest.FixtureRequest, keys: Unsealing
) -> Generator[tuple[RecordWriter, ContentReader]]:
    records = MemoryRecords(tenant_key)
    records.unsealer = keys
    yield records, records


@contextmanager
def sqlite(
    home: Path, _request: pytest.FixtureRequest, keys: Unsealing
) -> Generator[tuple[RecordWriter, ContentReader]]:
    writer = SqliteRecording(home)
    reader = SqliteReading(home, tenant_key, FrozenClock())
    reader.unsealer = keys
    with closing(writer), closing(reader):
        yield writer, reader


@contextmanager
def postgres(
    _home: Path, request: pytest.FixtureRequest, keys: Unsealing
) -> Generator[tuple[RecordWriter, ContentReader]]:
    server: Server = request.getfixturevalue("postgres")
    url = server.database()
    writer = PostgresRecording(url, "host-1", is_keeper=True)
    reader = PostgresReading(url, "host-1", tenant_key)
    reader.unsealer = keys
    with closing(writer), closing(reader):
        yield writer, reader


@contextmanager
def clickhouse(
    _home: Path, request: pytest.FixtureRequest, keys: Unsealing
) -> Generator[tuple[RecordWriter, ContentReader]]:
    server: Server = request.getfixturevalue("postgres")
    url = server.database()
    engine: Engine = request.getfixturevalue("chdb")
    way = engine.database()
    writer = ClickHouseRecording(url, "host-1", Archive(way), is_keeper=True)
    reader = ClickHouseReading(url, "host-1", tenant_key, Archive(way))
    reader.unsealer = keys
    with closing(writer), closing(reader):
        yield writer, reader


IMPLEMENTATIONS: Mapping[str, Made] = {
    "memory": memory,
    "sqlite": sqlite,
    "postgres": postgres,
    "clickhouse": clickhouse,
}


@pytest.fixture(params=IMPLEMENTATIONS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Stores]:
    keys = Keys()
    with IMPLEMENTATIONS[request.param](tmp_path, request, keys) as (writer, reader):
        yield Stores(writer, reader, keys, ContentCapture(tenant_key, keys.sealing.of))


@pytest.fixture
async def sealed(stores: Stores) -> Stores:
    await stores.writer.positions()
    await stores.keys.sealing.look()
    return stores


def cut(capture: ContentCapture, data: bytes, tenant_id: str = "acme") -> Captured:
    messages = msgspec.json.decode(data, type=dict[str, Raw])["messages"]
    return capture.capture(tenant_id, TS_US, data, messages)


@pytest.mark.parametrize("data", [ASKED, SHORT], ids=["long", "short"])
async def test_what_is_sealed_is_read_and_nothing_of_it_is_stored_in_clear(
    sealed: Stores, data: bytes
) -> None:
    captured = cut(sealed.captures, data)
    *pieces, manifest = captured.blobs
    await sealed.put(captured)

    assert await sealed.read(captured.ref) == data
    assert await sealed.reader.content("acme", TS_US + DAY_US, captured.ref) is None
    assert await sealed.read(captured.ref, "globex") is None
    assert {it.codec for it in pieces} <= {"raw+a256gcm", "zstd+a256gcm"}
    # It names pieces and holds none.
    assert manifest.codec in ("raw", "zstd")
    assert not any(word in it.data for it in captured.blobs for word in (b"planted", b"one one"))


async def test_an_empty_content_is_a_content(sealed: Stores) -> None:
    captured = sealed.captures.capture("acme", TS_US, b"")
    await sealed.put(captured)

    assert await sealed.read(captured.ref) == b""


async def test_what_was_stored_before_and_after_sealing_is_read_beside_it(sealed: Stores) -> None:
    plain, sealing = ContentCapture(tenant_key), sealed.captures
    one, two, three = cut(plain, SHORT), cut(sealing, ASKED), cut(plain, ASKED)
    await sealed.put(one, two, three)
    other = cut(sealing, SHORT)
    await sealed.put(other)

    assert one.ref == other.ref
    assert two.ref == three.ref
    assert await sealed.read(one.ref) == SHORT
    assert await sealed.read(two.ref) == ASKED


async def test_a_sealed_piece_in_anothers_place_is_not_shown(sealed: Stores) -> None:
    one, two = cut(sealed.captures, ASKED), cut(sealed.captures, SHORT)
    (first, *others), (planted, *_) = one.blobs, two.blobs
    moved = Blob(first.ref, planted.codec, planted.data)
    await sealed.put(Captured(one.ref, (moved, *others)))

    assert await sealed.read(one.ref) is None


async def test_content_goes_with_its_key_and_that_of_others_stays(sealed: Stores) -> None:
    ours, theirs = cut(sealed.captures, ASKED), cut(sealed.captures, ASKED, "globex")
    await sealed.put(ours)
    await sealed.put(theirs, tenant_id="globex")
    assert await sealed.read(ours.ref) == ASKED

    await sealed.keys.store.destroy_content_key("acme")

    assert await sealed.read(ours.ref) is None
    assert await sealed.read(theirs.ref, "globex") == ASKED
    # A fresh key opens what is said from now on, also what was said before.
    await sealed.keys.sealing.look()
    again, later = cut(sealed.captures, ASKED), cut(sealed.captures, SHORT)
    assert len(again.blobs) == len(ours.blobs)
    await sealed.put(later)
    assert await sealed.read(later.ref) == SHORT
    assert await sealed.read(ours.ref) is None
    await sealed.put(again)
    assert await sealed.read(ours.ref) == ASKED


async def test_a_wrong_master_key_is_told_and_loses_nothing(sealed: Stores) -> None:
    captured = cut(sealed.captures, ASKED)
    await sealed.put(captured)
    right, sealed.keys.master = sealed.keys.master, MasterKey(b"w" * 32, os.urandom)

    with pytest.raises(SettingsInvalid, match="does not open the content key of tenant 'acme'"):
        await sealed.read(captured.ref)

    sealed.keys.master = right
    assert await sealed.read(captured.ref) == ASKED


async def test_without_its_key_nothing_of_a_tenant_is_cut(stores: Stores) -> None:
    captured = cut(stores.captures, ASKED)

    assert captured.blobs == ()
    assert not stores.captures.keeps("acme")
    await stores.keys.sealing.look()
    assert stores.captures.keeps("acme")
    assert len(cut(stores.captures, ASKED).blobs) > 3


async def test_where_no_master_key_is_what_is_sealed_is_not_shown(tmp_path: Path) -> None:
    keys = Keys()
    await keys.sealing.look()
    captured = cut(ContentCapture(tenant_key, keys.sealing.of), ASKED)
    blobs = tuple(StoredBlob("acme", TS_US, it) for it in captured.blobs)
    writer, reader = SqliteRecording(tmp_path), SqliteReading(tmp_path, tenant_key, FrozenClock())
    with closing(writer), closing(reader):
        await writer.commit(Batch(blobs=blobs))

        assert await reader.content("acme", TS_US, captured.ref) is None
