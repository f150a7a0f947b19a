import asyncio

import pytest
from psycopg import AsyncConnection, Error
from tests.postgres import Server

from trimtab.store.postgres.connect import open_database
from trimtab.store.schema import SchemaTooNew

DATABASE = "postgres_control"


async def test_opening_twice_migrates_once(postgres: Server) -> None:
    url = postgres.database()
    await (await open_database(url, DATABASE)).close()

    connection = await open_database(url, DATABASE)

    cursor = await connection.execute("SELECT database, number FROM schema_version")
    assert await cursor.fetchall() == [(DATABASE, 5)]
    await connection.close()


async def test_t35_of_many_that_migrate_at_once_one_does_and_all_go_on(postgres: Server) -> None:
    url = postgres.database()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(open_database(url, DATABASE)) for _ in range(8)]

    for task in tasks:
        cursor = await task.result().execute("SELECT count(*) FROM change")
        assert await cursor.fetchone() == (0,)
        await task.result().close()


async def test_t35_a_database_of_a_newer_program_is_refused(postgres: Server) -> None:
    url = postgres.database()
    connection = await open_database(url, DATABASE)
    await connection.execute("UPDATE schema_version SET number = 99")
    await connection.close()

    with pytest.raises(SchemaTooNew, match="schema 99, this program knows 5; upgrade"):
        await open_database(url, DATABASE)


async def test_a_migration_that_fails_half_way_is_begun_anew(postgres: Server) -> None:
    url = postgres.database()
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        # The last table of the script.
        await connection.execute("CREATE TABLE site (in_the_way TEXT)")
        with pytest.raises(Error, match="already exists"):
            await open_database(url, DATABASE)
        await connection.execute("DROP TABLE site")

    connection = await open_database(url, DATABASE)

    cursor = await connection.execute("SELECT count(*) FROM change")
    assert await cursor.fetchone() == (0,)
    await connection.close()
