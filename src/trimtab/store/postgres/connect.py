"""Opening Postgres, and bringing its schema up to date.

All migrations that are missing run in one transaction under an advisory lock, so of two processes
that start at once one migrates and the other finds it done.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.store.schema import migrations
from trimtab.store.statements import statements

CONNECT_S = 3
SILENCE_S = 5
PATIENCE_S = 5.0
LOCK = int.from_bytes(b"trimtab", "big")

Row = tuple[Any, ...]

_SQL = {name: sql.encode() for name, sql in statements("postgres/schema").items()}


async def open_database(url: str, database: str) -> AsyncConnection[Row]:
    """Connect, in autocommit mode, the schema migrated. What the URL leaves out, libpq looks up.

    Raises:
        SchemaTooNew: the schema is newer than this program.
        psycopg.Error: it is away, or does not let us in.
    """
    connection: AsyncConnection[Row] = await AsyncConnection.connect(
        impatient(url),
        autocommit=True,
        # A statement that is prepared on one server connection is unknown behind a pooler's next.
        prepare_threshold=None,
    )
    try:
        async with patient(connection):
            await migrate(connection, database)
    except BaseException:
        await connection.close()
        raise
    return connection


def impatient(url: str) -> str:
    """Say in a URL how long a server may be silent, and who we are. Raises `psycopg.Error`."""
    return make_conninfo(
        url,
        application_name="trimtab",
        connect_timeout=CONNECT_S,
        tcp_user_timeout=SILENCE_S * 1000,
        keepalives_idle=SILENCE_S,
    )


@asynccontextmanager
async def patient(connection: AsyncConnection[Row]) -> AsyncGenerator[None]:
    """Hang up on a server that is there and does not answer.

    A timeout would cancel the call, and that asks the server and waits for its answer.

    Raises:
        TimeoutError: it did not answer in `PATIENCE_S`.
    """
    timer = asyncio.get_running_loop().call_later(PATIENCE_S, hang_up, connection.fileno())
    try:
        yield
    except psycopg.Error as exc:
        if asyncio.get_running_loop().time() >= timer.when():
            raise TimeoutError(f"no answer in {PATIENCE_S:g} s") from exc
        raise
    finally:
        timer.cancel()


def hang_up(line: int) -> None:
    """End a connection, by the number of its file, for whoever waits for its answer."""
    with suppress(OSError), socket.socket(fileno=os.dup(line)) as ours:
        ours.shutdown(socket.SHUT_RDWR)


def place_of(url: str, setting: str) -> str:
    """Name a database in messages: where it is, and nothing secret.

    Raises:
        SettingsInvalid: libpq does not understand what the setting leads to. It is not repeated.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        raise SettingsInvalid(
            f"what `{setting}` leads to is no Postgres URL; write it as"
            " postgres://trimtab@db.example.com/trimtab"
        ) from None
    return f"'{parts.get('host', 'localhost')}/{parts.get('dbname', parts.get('user', ''))}'"


def version_of(url: str, database: str, setting: str) -> tuple[str, int]:
    """Tell where a database is, and its schema; nothing is written. To be called in a thread.

    Raises:
        SettingsInvalid: libpq does not understand what the setting leads to.
        TryLater: it is away, or does not let us in.
    """
    place = place_of(url, setting)
    try:
        return place, asyncio.run(_version(url, database))
    except (psycopg.Error, OSError) as exc:
        why = str(exc).partition("\n")[0]
        raise TryLater(
            f"the database {place} cannot be used ({why}); see that Postgres runs, can be reached"
            " from here and lets us in"
        ) from exc


async def _version(url: str, database: str) -> int:
    connecting = AsyncConnection.connect(impatient(url), autocommit=True)
    async with await connecting as connection, patient(connection):
        return await _seen(connection, database)


async def migrate(connection: AsyncConnection[Row], database: str) -> None:
    """Run the migrations that the database has not seen.

    Raises:
        SchemaTooNew: it has seen migrations that this program does not have.
    """
    if not migrations(database, await _seen(connection, database)):
        return
    async with connection.transaction():
        await connection.execute(_SQL["alone"], (LOCK,))
        await connection.execute(_SQL["make_versions"])
        for number, script in migrations(database, await _seen(connection, database)):
            # The scripts are files of this package.
            await connection.execute(script.encode())
            await connection.execute(_SQL["see"], (database, number))


async def _seen(connection: AsyncConnection[Row], database: str) -> int:
    if not await one(connection, _SQL["has_versions"]):
        return 0
    seen: int = await one(connection, _SQL["seen"], database)
    return seen


async def one(connection: AsyncConnection[Row], statement: bytes, *values: object) -> Any:  # noqa: ANN401 -- a column
    """Read the one value of the one row that a statement gives."""
    cursor = await connection.execute(statement, values)
    row = await cursor.fetchone()
    return None if row is None else row[0]
