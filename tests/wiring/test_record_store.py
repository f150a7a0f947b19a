import asyncio
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.chdb import Engine
from tests.postgres import Server
from tests.records import finish, tenant_key

from trimtab.domain.errors import SettingsInvalid
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch, Move, SpoolPosition
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock
from trimtab.wiring import archive as archived
from trimtab.wiring import record_store as module
from trimtab.wiring.record_store import check_drivers, join_records, reading, recording

AT = SpoolPosition(worker_id="gateway-1", segment=1, offset=640)


def record(home: Path) -> None:
    """Record a request as the keeper of a state directory."""

    async def commit() -> None:
        with closing(recording(home, is_keeper=True)) as store:
            await store.commit(Batch(finishes=(finish(1),), moves=(Move(AT, None),)))

    asyncio.run(commit())


def host_of(home: Path) -> str:
    place = (home / module.FILE).read_text()
    return place.partition('"host":"')[2].partition('"')[0]


def test_a_state_directory_records_in_itself_until_its_file_says_otherwise(tmp_path: Path) -> None:
    join_records(tmp_path, None, "proof")

    assert isinstance(recording(tmp_path, is_keeper=True), SqliteRecording)
    assert isinstance(reading(tmp_path, tenant_key, FrozenClock()), SqliteReading)


def test_a_directory_remembers_the_store_by_reference_and_its_name_there(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_RECORDS", postgres.database())
    join_records(tmp_path, "env:TRIMTAB_RECORDS", "proof")
    host = host_of(tmp_path)

    join_records(tmp_path, "env:TRIMTAB_RECORDS", "proof")

    assert host_of(tmp_path) == host
    assert "postgres://" not in (tmp_path / module.FILE).read_text()
    assert isinstance(recording(tmp_path, is_keeper=True), PostgresRecording)
    assert isinstance(reading(tmp_path, tenant_key, FrozenClock()), PostgresReading)


def test_two_directories_never_have_one_name(tmp_path: Path, postgres: Server) -> None:
    url = postgres.database()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        join_records(tmp_path / name, url, "proof")

    assert host_of(tmp_path / "one") != host_of(tmp_path / "other")


def test_a_store_that_is_away_is_not_needed_by_a_directory_that_knows_it(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_RECORDS", postgres.url("nowhere"))
    with pytest.raises(SettingsInvalid, match=r"must be there .* store '127.0.0.1/nowhere'"):
        join_records(tmp_path, "env:TRIMTAB_RECORDS", "proof")
    assert not (tmp_path / module.FILE).exists()
    monkeypatch.setenv("TRIMTAB_RECORDS", postgres.database())
    join_records(tmp_path, "env:TRIMTAB_RECORDS", "proof")
    monkeypatch.setenv("TRIMTAB_RECORDS", postgres.url("nowhere"))

    join_records(tmp_path, "env:TRIMTAB_RECORDS", "proof")


def test_a_host_of_another_site_is_refused(tmp_path: Path, postgres: Server) -> None:
    url = postgres.database()
    join_records(tmp_path, url, "ours")
    (tmp_path / "other").mkdir()

    with pytest.raises(SettingsInvalid, match="copy theirs to this host"):
        join_records(tmp_path / "other", url, "theirs")

    assert not (tmp_path / "other" / module.FILE).exists()


def test_what_was_recorded_here_is_not_left_behind_unnoticed(
    tmp_path: Path, postgres: Server
) -> None:
    record(tmp_path)

    with pytest.raises(SettingsInvalid, match=r"records.db' holds does not move .* from zero"):
        join_records(tmp_path, postgres.database(), "proof")

    (tmp_path / "records.db").rename(tmp_path / "elsewhere.db")
    join_records(tmp_path, postgres.database(), "proof")


def test_a_file_of_records_without_any_holds_nobody_back(tmp_path: Path, postgres: Server) -> None:
    (tmp_path / "records.db").touch()

    join_records(tmp_path, postgres.database(), "proof")


def test_a_file_without_a_store_does_not_take_a_host_back(tmp_path: Path, postgres: Server) -> None:
    join_records(tmp_path, postgres.database(), "proof")

    with pytest.raises(SettingsInvalid, match="does not name any more"):
        join_records(tmp_path, None, "")


def test_another_store_must_know_how_far_a_host_was(tmp_path: Path, postgres: Server) -> None:
    first = postgres.database()
    join_records(tmp_path, first, "proof")
    record(tmp_path)
    host = host_of(tmp_path)

    with pytest.raises(SettingsInvalid, match="in which this host never recorded"):
        join_records(tmp_path, postgres.database(), "proof")

    assert (host_of(tmp_path), first in (tmp_path / module.FILE).read_text()) == (host, True)
    join_records(tmp_path, f"{first}?application_name=same", "proof")
    assert host_of(tmp_path) == host


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / module.FILE).write_text("no json")

    with pytest.raises(SettingsInvalid, match=r"record-store.json' is damaged"):
        recording(tmp_path, is_keeper=True)


@pytest.fixture
def archive(chdb: Engine, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a ClickHouse; the embedded engine answers in its place."""
    way = chdb.database()

    def way_to(_url: str) -> Way:
        return way

    monkeypatch.setattr(archived, "way_to", way_to)
    return "clickhouse://ch.example.com/trimtab"


def test_single_requests_are_in_a_clickhouse_and_the_directory_remembers_it(
    tmp_path: Path, postgres: Server, archive: str
) -> None:
    join_records(tmp_path, postgres.database(), "proof", archive)

    record(tmp_path)

    assert isinstance(recording(tmp_path, is_keeper=False), ClickHouseRecording)
    with closing(reading(tmp_path, tenant_key, FrozenClock())) as reader:
        assert isinstance(reader, ClickHouseReading)
        assert len(asyncio.run(reader.page(RecordFilter()))) == 1


def test_hosts_of_one_store_have_single_requests_in_one_place(
    tmp_path: Path, postgres: Server, archive: str
) -> None:
    url = postgres.database()
    join_records(tmp_path, url, "proof", archive)

    with pytest.raises(SettingsInvalid, match=r"let 'gateway.archive' say what it says there"):
        join_records(tmp_path, url, "proof")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(SettingsInvalid, match=r"let 'gateway.archive' say what it says there"):
        join_records(other, url, "proof")
    join_records(other, url, "proof", archive)


def test_a_clickhouse_of_another_site_is_refused(
    tmp_path: Path, postgres: Server, archive: str
) -> None:
    join_records(tmp_path, postgres.database(), "ours", archive)
    (tmp_path / "other").mkdir()

    with pytest.raises(SettingsInvalid, match="copy theirs to this host"):
        join_records(tmp_path / "other", postgres.database(), "theirs", archive)


@pytest.mark.parametrize(
    ("module_name", "extra"), [("psycopg", "postgres"), ("clickhouse_connect", "clickhouse")]
)
def test_drivers_of_what_a_file_names_are_insisted_on(
    monkeypatch: pytest.MonkeyPatch, module_name: str, extra: str
) -> None:
    check_drivers("postgres://db/t", "clickhouse://ch/t")
    monkeypatch.setitem(sys.modules, module_name, None)

    check_drivers(None, None)
    with pytest.raises(SettingsInvalid, match=rf"not installed; .*'trimtab\[{extra}\]'"):
        check_drivers("postgres://db/t", "clickhouse://ch/t")


def test_a_driver_that_is_not_there_is_told(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    join_records(tmp_path, postgres.database(), "proof")
    monkeypatch.setattr(module, "RECORDING", "trimtab.no_such_driver:Recording")

    with pytest.raises(SettingsInvalid, match=r"pip install 'trimtab\[postgres\]'"):
        recording(tmp_path, is_keeper=True)
