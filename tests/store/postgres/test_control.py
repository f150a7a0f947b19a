import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.changes import draft
from tests.postgres import Server, running_server

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.store.base.control import Acknowledgement
from trimtab.store.postgres import connect
from trimtab.store.postgres import control as module
from trimtab.store.postgres.control import PostgresControl

ACK = Acknowledgement(worker_id="w1", config_seq=1, ts_us=1)


@pytest.fixture(scope="module")
def mortal() -> Generator[Server]:
    """A Postgres that tests may harm; each leaves it running."""
    with running_server() as server:
        yield server


@asynccontextmanager
async def opened(*urls: str) -> AsyncGenerator[list[PostgresControl]]:
    controls = [PostgresControl(url) for url in urls]
    try:
        yield controls
    finally:
        for control in controls:
            await control.close()


async def test_writers_on_two_connections_make_one_chain(postgres: Server) -> None:
    url = postgres.database()
    async with opened(url, url) as controls:
        async with asyncio.TaskGroup() as group:
            for number in range(40):
                writer = controls[number % 2]
                named = [f"c_{number}"]
                group.create_task(writer.append([draft(str(number))], ts_us=1, change_ids=named))
        changes = await controls[0].changes(after=0)

    assert [change.seq for change in changes] == list(range(1, 41))
    assert len({change.prev_hash for change in changes}) == 40


async def test_hears_of_a_change_at_once_and_of_one_made_meanwhile(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 30.0)
    url = postgres.database()
    async with opened(url, url) as (ours, theirs):
        await ours.head()
        waiting = asyncio.create_task(ours.moved())
        await asyncio.sleep(0.05)
        await theirs.append([draft()], ts_us=1, change_ids=["c_1"])
        async with asyncio.timeout(2.0):
            await waiting
        assert await ours.head() == 1

        await theirs.append([draft("other")], ts_us=1, change_ids=["c_2"])
        assert await ours.head() == 2
        async with asyncio.timeout(2.0):
            await ours.moved()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(b"UPDATE change SET reason = 'another'", id="update"),
        pytest.param(b"DELETE FROM change", id="delete"),
        pytest.param(b"TRUNCATE change", id="truncate"),
        pytest.param(
            b"INSERT INTO change SELECT 9, 'c_9', ts_us, kind, name, before, after, author, source,"
            b" reason, prev_hash, hash FROM change",
            id="gap",
        ),
    ],
)
async def test_the_database_itself_refuses_to_rewrite_the_log(
    postgres: Server, statement: bytes
) -> None:
    url = postgres.database()
    async with opened(url) as (log,):
        await log.append([draft()], ts_us=1, change_ids=["c_1"])

        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.RaiseException):
            connection.execute(statement)


async def test_says_where_the_store_is_that_cannot_be_used(postgres: Server) -> None:
    async with opened(postgres.url("nowhere")) as (log,):
        with pytest.raises(TryLater, match=r"control store '127.0.0.1/nowhere' .* see that Post"):
            await log.head()


def test_a_url_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsInvalid, match="is no Postgres URL") as refused:
        PostgresControl("mysql://user:hunter2@db/trimtab")

    assert "hunter2" not in str(refused.value)


async def test_comes_back_by_itself_when_postgres_does(mortal: Server) -> None:
    async with opened(mortal.database()) as (log,):
        await log.append([draft()], ts_us=1, change_ids=["c_1"])
        mortal.kill()
        with pytest.raises(TryLater):
            await log.head()
        await log.moved()
        with pytest.raises(TryLater):
            await log.append([draft("other")], ts_us=1, change_ids=["c_2"])

        mortal.start()

        assert await log.head() == 1


async def test_a_postgres_that_says_nothing_is_given_up(
    mortal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "PATIENCE_S", 0.2)
    async with opened(mortal.database()) as (log,):
        await log.head()
        mortal.pause()
        try:
            with pytest.raises(TryLater, match=r"no answer in 0.2 s"):
                await log.head()
        finally:
            mortal.go_on()


async def test_a_worker_counts_as_long_as_its_session_lives(postgres: Server) -> None:
    url = postgres.database()
    async with opened(url, url) as (ours, theirs):
        await theirs.acknowledge(ACK)
        assert await ours.acknowledgements() == (ACK,)

        await theirs.close()
        assert await _eventually_none(ours)

        # A new session says again what the one before said.
        await theirs.head()
        assert await ours.acknowledgements() == (ACK,)


async def test_the_first_host_says_which_site_a_store_is_of(postgres: Server) -> None:
    async with opened(postgres.database()) as (store,):
        said = [await store.is_of("ours"), await store.is_of("theirs"), await store.is_of("ours")]

    assert said == [True, False, True]


async def test_a_call_that_is_cancelled_leaves_a_store_that_works(postgres: Server) -> None:
    async with opened(postgres.database()) as (log,):
        await log.head()
        for _ in range(5):
            task = asyncio.create_task(log.append([draft()], ts_us=1, change_ids=["c_1"]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        assert await log.head() in (0, 1)


async def _eventually_none(store: PostgresControl) -> bool:
    for _ in range(100):
        if not await store.acknowledgements():
            return True
        await asyncio.sleep(0.02)
    return False
