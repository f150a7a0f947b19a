import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trimtab.store.schema import SchemaTooNew
from trimtab.store.sqlite.connect import migrate, open_reader, open_writer, transaction

DATABASES = ("records", "content", "control")
NEWEST = {"records": 12, "content": 2, "control": 5}


@pytest.mark.parametrize("database", DATABASES)
def test_opening_twice_migrates_once(tmp_path: Path, database: str) -> None:
    path = tmp_path / "not" / "there" / "a.db"
    open_writer(path, database).close()

    with closing(open_writer(path, database)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("user_version", "journal_mode", "synchronous")
        }

    assert pragmas == {"user_version": NEWEST[database], "journal_mode": "wal", "synchronous": 2}


@pytest.mark.parametrize("database", DATABASES)
def test_a_file_of_a_newer_program_is_refused(tmp_path: Path, database: str) -> None:
    path = tmp_path / "a.db"
    with closing(open_writer(path, database)) as connection:
        connection.execute("PRAGMA user_version=99")

        known = f"schema 99, this program knows {NEWEST[database]}; upgrade"
        with pytest.raises(SchemaTooNew, match=known):
            migrate(connection, database)


def test_a_reader_reads_what_is_committed_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(open_writer(path, "records")) as writer, closing(open_reader(path)) as reader:
        with transaction(writer):
            writer.execute("INSERT INTO spool_position VALUES ('w1', 1, 64)")
            assert reader.execute("SELECT * FROM spool_position").fetchall() == []
        assert reader.execute("SELECT * FROM spool_position").fetchall() == [("w1", 1, 64)]

        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM spool_position")


def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_reader(tmp_path / "records.db")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, sqlite3.IntegrityError])
def test_a_transaction_that_fails_leaves_nothing(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    with closing(open_writer(tmp_path / "records.db", "records")) as connection:
        with pytest.raises(failure):
            _fail(connection, failure)

        assert not connection.in_transaction
        assert connection.execute("SELECT * FROM spool_position").fetchall() == []


def _fail(connection: sqlite3.Connection, failure: type[BaseException]) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO spool_position VALUES ('w1', 1, 64)")
        raise failure


def test_a_migration_that_fails_half_way_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE attempt (in_the_way TEXT)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        open_writer(path, "records").close()

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE attempt")
    with closing(open_writer(path, "records")) as connection:
        assert connection.execute("SELECT count(*) FROM request").fetchone() == (0,)
