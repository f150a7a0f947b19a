from collections.abc import Mapping
from contextlib import closing
from functools import partial
from random import Random

import pytest
from tests.chdb import Engine
from tests.postgres import Server
from tests.records import chance_finish, tenant_key

from trimtab.domain.errors import SettingsInvalid
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.clickhouse.address import way_to
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive

SECRET = "hunter2"  # noqa: S105 -- nobody's


@pytest.mark.parametrize(
    ("url", "interface", "port", "user", "password"),
    [
        ("clickhouse://ch.example.com/trimtab", "http", 8123, None, ""),
        ("clickhouses://ch.example.com/trimtab", "https", 8443, None, ""),
        ("clickhouses://a%40b:p%2Fw@ch.example.com:9440/trimtab", "https", 9440, "a@b", "p/w"),
    ],
)
def test_a_url_says_how_a_database_is_called(
    url: str, interface: str, port: int, user: str | None, password: str
) -> None:
    way = way_to(url)

    assert isinstance(way.connect, partial)
    asked: Mapping[str, object] = way.connect.keywords  # pyright: ignore[reportUnknownMemberType] -- of a partial of any kind
    assert (asked["interface"], asked["port"]) == (interface, port)
    assert (asked["host"], asked["database"]) == ("ch.example.com", "trimtab")
    assert (asked["username"], asked["password"]) == (user, password)
    assert way.place == "'ch.example.com/trimtab'"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{SECRET}@db/trimtab",
        f"clickhouse://u:{SECRET}@db",
        f"clickhouse://u:{SECRET}@db/",
        f"clickhouse:///{SECRET}",
        f"clickhouse://u:{SECRET}@db:99999999/trimtab",
        f"clickhouse://[{SECRET}/trimtab",
    ],
)
def test_what_is_no_url_of_a_database_is_told_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="is no ClickHouse URL; write it as") as told:
        way_to(url)

    assert SECRET not in str(told.value)


async def test_a_server_is_told_the_same_as_the_engine_in_this_process(
    chdb: Engine, postgres: Server
) -> None:
    url = postgres.database()
    with chdb.serving() as (address, asked):
        way = way_to(address)
        store = ClickHouseRecording(url, "one", Archive(way), is_keeper=True)
        reader = ClickHouseReading(url, "one", tenant_key, Archive(way))
        with closing(store), closing(reader):
            # Repeatable on purpose: nothing made of it is a secret.
            made = [chance_finish(Random(seed)) for seed in range(5)]  # noqa: S311
            assert await store.commit(Batch(finishes=tuple(made))) == 5
            for it in made:
                found = await reader.find(it.record.request_id)
                assert found is not None
                assert (found.record, found.attempts) == (it.record, it.attempts)
            assert len(await reader.page(RecordFilter(status="it's \\"))) == 0
            assert len(await reader.page(RecordFilter())) == 5

    assert any(it.get("max_execution_time") == "5" for it in asked)
