import asyncio
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from random import Random
from sqlite3 import connect as sqlite_connect

import psycopg
import pytest
from msgspec.structs import replace
from tests.contracts.test_records import ALWAYS
from tests.postgres import Server, running_server
from tests.records import begin, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.domain.record import Blob, Finish
from trimtab.store.base.recording import (
    Batch,
    Move,
    OpenRequest,
    SpoolPosition,
    StoredBlob,
    Unstorable,
)
from trimtab.store.postgres import recording as module
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.sqlite.connect import migrate

AT = SpoolPosition(worker_id="gateway-1", segment=1, offset=640)
COST = 9_414_000
TABLES = (
    *("request", "request_detail", "attempt", "ledger", "spool_position", "open_request"),
    *("rollup_hour", "rollup_day", "rollup_day_local", "rollup_minute"),
)
BLOB = StoredBlob("acme", TS_US, Blob(b"r" * 32, "raw", b"\x90"))


@pytest.fixture(scope="module")
def mortal() -> Generator[Server]:
    """A Postgres that tests may harm; each leaves it running."""
    with running_server() as server:
        yield server


@contextmanager
def hosts(url: str, *names: str) -> Generator[list[PostgresRecording]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(PostgresRecording(url, name, is_keeper=True)))
            for name in names
        ]


async def put(store: PostgresRecording, *finishes: Finish) -> int:
    return await store.commit(Batch(finishes=finishes))


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


async def sessions_end(url: str, left: int) -> None:
    """Wait until the server has seen that connections are closed."""
    sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
    for _ in range(500):
        if len(rows(url, f"{sql} AND pid <> pg_backend_pid()")) <= left:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("connections that were closed are still there")


def columns(url: str, table: str) -> list[tuple[object, ...]]:
    """Name and obligation of the columns of a table, in order."""
    sql = (
        "SELECT column_name, is_nullable = 'NO' FROM information_schema.columns"
        " WHERE table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position"
    )
    with psycopg.connect(url) as connection:
        return connection.execute(sql, (table,)).fetchall()


async def test_tables_have_the_columns_of_sqlite_in_the_same_order(postgres: Server) -> None:
    url = postgres.database()
    with hosts(url, "one") as (store,):
        await store.positions()
    with closing(sqlite_connect(":memory:", isolation_level=None)) as sqlite:
        migrate(sqlite, "records")
        for table in TABLES:
            found = sqlite.execute(
                "SELECT name, [notnull] OR pk FROM pragma_table_info(?)", (table,)
            )
            ours = [(name, bool(needed)) for name, needed in found]

            assert columns(url, table) == ours, table


async def test_workers_of_two_hosts_have_one_name_and_places_of_their_own(
    postgres: Server,
) -> None:
    further = replace(AT, offset=1280)
    running = OpenRequest(worker_id="gateway-1", begin=begin(7))
    with hosts(postgres.database(), "one", "other") as (one, other):
        await one.commit(Batch(opened=(running,), moves=(Move(AT, None),)))
        await other.commit(Batch(moves=(Move(AT, None),)))
        await other.commit(Batch(moves=(Move(further, AT),)))

        assert (await one.positions(), await other.positions()) == ((AT,), (further,))
        assert (await one.opened(), await other.opened()) == ((running,), ())


async def test_a_second_keeper_of_one_host_waits_until_the_first_is_gone(
    postgres: Server,
) -> None:
    url = postgres.database()
    with hosts(url, "one", "one") as (first, second):
        await first.commit(Batch(moves=(Move(AT, None),)))

        with pytest.raises(TryLater, match="another keeper writes as host 'one'"):
            await second.positions()

        first.close()
        await sessions_end(url, 0)
        assert await second.positions() == (AT,)


async def test_who_only_adds_to_the_ledger_needs_not_be_alone(postgres: Server) -> None:
    url = postgres.database()
    with (
        hosts(url, "one") as (keeper,),
        closing(PostgresRecording(url, "one", is_keeper=False)) as command,
    ):
        await keeper.positions()

        assert await command.adjust([]) == 0


async def test_hosts_that_write_at_once_lose_nothing_and_never_wait_in_a_circle(
    postgres: Server,
) -> None:
    url, names = postgres.database(), ("one", "other", "third")
    tenants = [f"tenant-{number}" for number in range(20)]

    async def write(store: PostgresRecording, host: int) -> None:
        for batch in range(10):
            # Each host meets the tenants in another order.
            order = tenants if host % 2 else tenants[::-1]
            made = [
                finish(host * 10_000 + batch * 100 + number, tenant_id=tenant)
                for number, tenant in enumerate(order)
            ]
            shared = tuple(
                StoredBlob(it, TS_US, Blob(bytes([batch]) * 32, "raw", b"\x90")) for it in order
            )
            await store.commit(Batch(finishes=tuple(made), blobs=shared))

    with hosts(url, *names) as stores, closing(PostgresReading(url, "one", tenant_key)) as reader:
        async with asyncio.TaskGroup() as group:
            for number, store in enumerate(stores):
                group.create_task(write(store, number))
        (sums,) = await reader.costs(group_by=(), **ALWAYS)

    assert (sums.n, sums.cost_nano) == (600, 600 * COST)
    assert rows(url, "SELECT count(*) FROM content") == [(200,)]


async def test_hosts_that_bring_the_same_content_never_wait_in_a_circle(postgres: Server) -> None:
    url = postgres.database()
    with hosts(url, "one", "other", "third") as stores:
        for turn in range(5):
            blobs = [
                StoredBlob("acme", TS_US, Blob(number.to_bytes(32), "raw", b"\x90"))
                for number in range(turn * 3000, turn * 3000 + 3000)
            ]
            orders = (blobs, blobs[::-1], blobs[1500:] + blobs[:1500])
            async with asyncio.TaskGroup() as group:
                for store, order in zip(stores, orders, strict=True):
                    group.create_task(store.commit(Batch(blobs=tuple(order))))

    assert rows(url, "SELECT count(*) FROM content") == [(15_000,)]


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger SET cost_nano = 0", "DELETE FROM ledger", "TRUNCATE ledger"]
)
async def test_the_database_itself_refuses_to_rewrite_the_ledger(
    postgres: Server, statement: str
) -> None:
    url = postgres.database()
    with hosts(url, "one") as (store,):
        await put(store, finish(1))

    with pytest.raises(psycopg.errors.RaiseException, match="insert-only"):
        rows(url, statement)


async def test_a_line_knows_its_request(postgres: Server) -> None:
    url = postgres.database()
    with hosts(url, "one") as (store,):
        await put(store, finish(1))

    assert rows(url, "SELECT request_id FROM ledger") == [(finish(1).record.request_id,)]


async def test_a_line_of_another_request_is_poison(postgres: Server) -> None:
    thief = replace(finish(2), lines=finish(1).lines)
    with hosts(postgres.database(), "one") as (store,):
        with pytest.raises(Unstorable, match="ledger_pkey"):
            await put(store, finish(1), thief)

        assert await put(store, finish(1)) == 1


async def test_a_number_that_grows_too_large_by_adding_is_poison(postgres: Server) -> None:
    large = (1 << 63) - 1
    with hosts(postgres.database(), "one") as (store,):
        await put(store, finish(1, cost_nano=large))

        with pytest.raises(Unstorable):
            await put(store, finish(2, cost_nano=large))
        with pytest.raises(Unstorable):
            await put(store, finish(3, cost_nano=large), finish(4, cost_nano=large))


async def test_an_id_of_a_provider_may_be_longer_than_a_page(postgres: Server) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    long = Random(7).randbytes(9000).hex()  # noqa: S311
    with hosts(postgres.database(), "one") as (store,):
        assert await put(store, finish(1, response_id=long, conversation_id=long)) == 1


async def test_a_right_that_was_taken_away_is_waited_for_and_is_no_poison(
    postgres: Server,
) -> None:
    url = postgres.database()
    with hosts(url, "one") as (store,):
        await store.positions()
        rows(url, "ALTER TABLE ledger RENAME TO elsewhere")
        with pytest.raises(TryLater, match="cannot be used"):
            await put(store, finish(1))

        rows(url, "ALTER TABLE elsewhere RENAME TO ledger")

        assert await put(store, finish(1)) == 1


async def test_records_wait_while_postgres_is_away_and_are_stored_once(mortal: Server) -> None:
    url = mortal.database()
    with hosts(url, "one") as (store,):
        await store.commit(Batch(finishes=(finish(1),), moves=(Move(AT, None),)))
        mortal.kill()
        with pytest.raises(TryLater, match=r"record store '127.0.0.1/t\d+' .*; see that Postgres"):
            await put(store, finish(2))

        mortal.start()

        assert await put(store, finish(2), finish(1)) == 1
        assert await store.positions() == (AT,)


async def test_a_postgres_that_says_nothing_is_given_up(
    mortal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    with hosts(mortal.database(), "one") as (store,):
        await store.positions()
        mortal.pause()
        try:
            with pytest.raises(TryLater, match=r"no answer in 0.3 s"):
                await put(store, finish(1))
        finally:
            mortal.go_on()


async def test_a_database_that_has_no_room_for_every_text_is_refused(postgres: Server) -> None:
    options = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    with (
        hosts(postgres.database(options), "one") as (store,),
        pytest.raises(TryLater, match="the database is LATIN1, it must be UTF8"),
    ):
        await store.positions()


def test_a_url_that_is_none_is_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsInvalid, match=r"`gateway.records` leads to is no") as refused:
        PostgresRecording("mysql://user:hunter2@db/trimtab", "one", is_keeper=True)

    assert "hunter2" not in str(refused.value)


async def test_one_keeper_leads_and_another_takes_over_when_it_is_gone(postgres: Server) -> None:
    url = postgres.database()
    with hosts(url, "one", "other") as (one, other):
        assert [await it.leads() for it in (one, other, one, other)] == [True, False, True, False]

        one.close()
        await sessions_end(url, 1)

        assert await other.leads()
        assert not await one.leads()
