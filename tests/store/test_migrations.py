"""Databases of every earlier schema, filled and migrated: they say what one that is new says."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.changes import draft
from tests.contracts.test_alerts import alert, notice
from tests.contracts.test_records import Stores, everything, opened
from tests.postgres import Server
from tests.records import finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.recording import Batch, Move, SpoolPosition, StoredBlob
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.schema import migrations
from trimtab.store.sqlite.alerts import SqliteAlerts
from trimtab.store.sqlite.connect import open_writer
from trimtab.store.sqlite.content import ContentWriter
from trimtab.store.sqlite.control import SqliteControl
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock

Rows = Mapping[str, list[tuple[object, ...]]]
"""What tables hold, in the order of their columns."""

TALLIES = 4
FILES = ("records", "control", "alerts", "content")
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
_PG_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_PG_COLUMNS = """
SELECT quote_ident(column_name) FROM information_schema.columns
WHERE table_name = '{table}' AND is_generated = 'NEVER'
"""
_PG_SCHEMA = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
"""


def earlier(*databases: str) -> Iterator[tuple[str, int]]:
    """Name every schema before the newest."""
    for database in databases:
        yield from ((database, number) for number, _ in migrations(database, 0)[:-1])


def batch(*seeds: int) -> Batch:
    at = SpoolPosition(worker_id="w1", segment=1, offset=seeds[-1])
    return Batch(
        finishes=tuple(finish(it, prompt_name="p", experiment="e") for it in seeds),
        opened=(opened(99),),
        moves=(Move(at, None),),
    )


async def fill(home: Path, database: str) -> Path:
    """Let the stores of today fill a database; gives the file."""
    match database:
        case "records":
            with closing(SqliteRecording(home)) as store:
                await store.positions()
                await store.commit(batch(1, 2, 3))
            return home / "records.db"
        case "control":
            log = SqliteControl(home / "control.db")
            await log.append([draft(), draft("chat-small")], ts_us=7, change_ids=["c1", "c2"])
            return home / "control.db"
        case "alerts":
            with closing(SqliteAlerts(home / "alerts.db")) as alerts:
                await alerts.save([alert(1), alert(2, resolved_us=5)], [notice()])
            return home / "alerts.db"
        case _:
            captured = ContentCapture(tenant_key).capture("acme", TS_US, b'{"messages": []}')
            with closing(ContentWriter(home / "content")) as content:
                content.put(StoredBlob("acme", TS_US, it) for it in captured.blobs)
            [path] = (home / "content").rglob("*.db")
            return path


def as_of(path: Path, database: str, number: int) -> Rows:
    """Put what a file holds into one of an earlier schema, which takes its place."""
    old = path.with_suffix(".old")
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        for step, script in migrations(database, 0)[:number]:
            connection.executescript(f"{script}; PRAGMA user_version={step}")
        connection.execute("ATTACH ? AS new", (str(path),))
        for table in _tables(connection):
            names = ", ".join(_columns(connection, table))
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM new.{table}")  # noqa: S608 -- ours
        held = _held(connection)
    for stale in path.parent.glob(f"{path.name}*"):
        stale.unlink()
    old.rename(path)
    return held


def _tables(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute(_TABLES).fetchall()]


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]


def _held(connection: sqlite3.Connection, like: Rows | None = None) -> Rows:
    """Read tables, or those columns of them that came first."""
    held: dict[str, list[tuple[object, ...]]] = {}
    for table in _tables(connection) if like is None else like:
        names = ", ".join(_columns(connection, table))
        rows = connection.execute(f"SELECT {names} FROM {table} ORDER BY {names}").fetchall()  # noqa: S608 -- ours
        width = len(like[table][0]) if like and like[table] else None
        held[table] = [row[:width] for row in rows]
    return held


def _schema(connection: sqlite3.Connection) -> set[str]:
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {re.sub(r"\s+", " ", sql) for (sql,) in found}


@pytest.mark.parametrize(("database", "number"), [*earlier(*FILES)])
async def test_a_file_of_an_earlier_schema_keeps_all_and_becomes_as_a_new_one(
    tmp_path: Path, database: str, number: int
) -> None:
    path = await fill(tmp_path, database)
    held = as_of(path, database, number)
    assert any(held.values())

    with (
        closing(open_writer(path, database)) as migrated,
        closing(open_writer(tmp_path / "new.db", database)) as new,
    ):
        assert _held(migrated, held) == held
        assert _schema(migrated) == _schema(new)
        assert migrated.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _lasting(told: tuple[object, ...]) -> tuple[object, ...]:
    """Leave out the tallies of Prometheus: they begin with the schema that has them."""
    return (*told[:TALLIES], *told[TALLIES + 1 :])


@pytest.mark.parametrize("number", [number for _, number in earlier("records")])
async def test_records_of_an_earlier_schema_give_the_same_answers(
    tmp_path: Path, number: int
) -> None:
    path = await fill(tmp_path, "records")

    async def answers() -> tuple[object, ...]:
        writer = SqliteRecording(tmp_path)
        reader = SqliteReading(tmp_path, tenant_key, FrozenClock())
        with closing(writer), closing(reader):
            return await writer.positions(), *_lasting(await everything(Stores(writer, reader)))

    before = await answers()
    as_of(path, "records", number)

    assert await answers() == before
    with closing(SqliteRecording(tmp_path)) as store:
        moved = SpoolPosition(worker_id="w1", segment=1, offset=3)
        further = Move(SpoolPosition(worker_id="w1", segment=1, offset=9), moved)
        await store.commit(Batch(finishes=(finish(4),), moves=(further,)))
    assert await answers() != before


@pytest.mark.parametrize("number", [number for _, number in earlier("postgres_records")])
async def test_records_of_an_earlier_schema_of_postgres_give_the_same_answers(
    postgres: Server, number: int
) -> None:
    new, old = postgres.database(), postgres.database()
    before = await _answers(new, batch(1, 2, 3))
    with psycopg.connect(new) as source, psycopg.connect(old) as target:
        for _, script in migrations("postgres_records", 0)[:number]:
            target.execute(script.encode())
        target.execute("CREATE TABLE schema_version (database TEXT PRIMARY KEY, number INTEGER)")
        target.execute("INSERT INTO schema_version VALUES ('postgres_records', %s)", (number,))
        for table in _all(target, _PG_TABLES):
            if table != "schema_version":
                _copy(source, target, table)

    assert await _answers(old) == before
    with psycopg.connect(new) as one, psycopg.connect(old) as other:
        assert set(_all(one, _PG_SCHEMA)) - _OF_VERSIONS == set(_all(other, _PG_SCHEMA)) - (
            _OF_VERSIONS
        )


_OF_VERSIONS = {f"schema_version.number integer {it}" for it in ("YES", "NO")}


def _all(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> list[str]:
    return [str(name) for (name,) in connection.execute(sql.encode()).fetchall()]


def _copy(
    source: psycopg.Connection[tuple[object, ...]],
    target: psycopg.Connection[tuple[object, ...]],
    table: str,
) -> None:
    names = ", ".join(_all(target, _PG_COLUMNS.format(table=table)))
    with (
        source.cursor().copy(f"COPY {table} ({names}) TO STDOUT".encode()) as read,
        target.cursor().copy(f"COPY {table} ({names}) FROM STDIN".encode()) as written,
    ):
        for data in read:
            written.write(data)


async def _answers(url: str, *batches: Batch) -> tuple[object, ...]:
    writer = PostgresRecording(url, "host-1", is_keeper=True)
    reader = PostgresReading(url, "host-1", tenant_key)
    with closing(writer), closing(reader):
        await writer.positions()
        for it in batches:
            await writer.commit(it)
        return await writer.positions(), *_lasting(await everything(Stores(writer, reader)))
