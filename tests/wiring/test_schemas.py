import asyncio
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.chdb import Engine
from tests.postgres import Server

from trimtab.domain.errors import TryLater
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.session import Session
from trimtab.store.schema import newest
from trimtab.wiring import archive as archived
from trimtab.wiring.membership import join
from trimtab.wiring.record_store import join_records, recording
from trimtab.wiring.schemas import Schema, State, schemas


def standing(home: Path) -> list[tuple[str, int, State]]:
    return [(it.database, it.seen, it.state) for it in schemas(home)]


def test_stores_of_several_hosts_are_told_of_where_they_are(
    tmp_path: Path, postgres: Server
) -> None:
    url = postgres.database()
    join(tmp_path, url, "proof")
    join_records(tmp_path, url, "proof")
    with closing(recording(tmp_path, is_keeper=True)) as store:
        asyncio.run(store.positions())
    names = "postgres_control", "postgres_records"

    assert standing(tmp_path) == [(it, newest(it), State.CURRENT) for it in names]
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE schema_version SET number = number - 1")
        connection.execute("CREATE TABLE kept AS SELECT * FROM schema_version")
    assert standing(tmp_path) == [(it, newest(it) - 1, State.PENDING) for it in names]
    with psycopg.connect(url) as connection:
        moved = "SELECT count(*) FROM schema_version JOIN kept USING (database, number)"
        assert connection.execute(moved).fetchone() == (2,)


def test_an_empty_store_is_to_be_migrated_and_stays_empty(
    tmp_path: Path, postgres: Server, chdb: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    way, url = chdb.database(), postgres.database()

    def to(_url: str) -> Way:
        return way

    monkeypatch.setattr(archived, "way_to", to)
    place = f'{{"store":"{url}","host":"one","archive":"clickhouse://ch/t"}}'
    (tmp_path / "record-store.json").write_text(place)
    names = "postgres_records", "clickhouse_records"

    assert standing(tmp_path) == [(it, 0, State.PENDING) for it in names]
    assert standing(tmp_path) == [(it, 0, State.PENDING) for it in names]
    Session(way.connect()).close()
    with closing(recording(tmp_path, is_keeper=True)) as store:
        asyncio.run(store.positions())
    assert [it.state for it in schemas(tmp_path)] == [State.CURRENT, State.CURRENT]


def test_a_store_that_is_away_cannot_be_told_of(tmp_path: Path) -> None:
    (tmp_path / "control-store.json").write_text(
        '{"store":"postgres://nobody:secret@127.0.0.1:1/none","host":"one"}'
    )

    with pytest.raises(TryLater, match=r"'127\.0\.0\.1/none' cannot be used") as told:
        list(schemas(tmp_path))
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("database", "seen", "state"),
    [("records", 2, "current"), ("records", 1, "pending"), ("records", 3, "too new")],
)
def test_a_database_is_compared_with_what_the_program_has(
    database: str, seen: int, state: str
) -> None:
    assert Schema(database, "-", seen, 2).state == state
