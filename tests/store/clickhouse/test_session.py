from contextlib import closing

import pytest
from tests.chdb import Engine

from trimtab.domain.errors import TryLater
from trimtab.store.base.recording import Unstorable
from trimtab.store.clickhouse import session as module
from trimtab.store.clickhouse.address import Way
from trimtab.store.clickhouse.session import Archive, Session
from trimtab.store.relational.dialect import Values

WILD = "it's \\ \0 \n {p0:String} ? :name %s Sümpfe"


def asked(archive: Archive, sql: str, values: Values = ()) -> list[tuple[object, ...]]:
    return archive.use(lambda it: it.execute(sql, values).fetchall(), "look")


def test_a_value_is_never_read_as_words(chdb: Engine) -> None:
    with closing(Archive(chdb.database())) as archive:
        assert asked(archive, "SELECT ?, ?, ?", (WILD, -5, None)) == [(WILD, -5, None)]
        assert asked(archive, "SELECT :b, :a, :b", {"a": 1, "b": WILD}) == [(WILD, 1, WILD)]
        assert asked(archive, "SELECT ?", (["a'", "b"],)) == [(["a'", "b"],)]
        wild, plain = [WILD, "{plain:Array(String)}"], ["it's"]
        lists = {"wild": wild, "plain": plain, "n": 1}
        assert asked(archive, "SELECT :wild, :plain, :n", lists) == [(wild, plain, 1)]


def test_a_cursor_gives_its_rows_one_by_one_or_all_that_are_left(chdb: Engine) -> None:
    with closing(Archive(chdb.database())) as archive:
        found = archive.use(lambda it: it.execute("SELECT number FROM numbers(4)"), "look")

    assert found.rowcount == 4
    assert found.fetchone() == (0,)
    assert next(iter(found)) == (1,)
    assert found.fetchall() == [(2,), (3,)]
    assert found.fetchone() is None


def test_a_query_that_takes_too_long_is_given_up_and_the_next_one_answered(
    chdb: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.READ, "max_execution_time", 1)
    with closing(Archive(chdb.database())) as archive:
        with pytest.raises(TryLater, match=r"'chdb/t[0-9]+' cannot be used \(.*TIMEOUT.*\); look"):
            asked(archive, "SELECT sum(sleepEachRow(1)) FROM numbers(3)")

        assert asked(archive, "SELECT 1") == [(1,)]


def test_a_database_that_is_away_is_told_and_found_again(chdb: Engine) -> None:
    way = chdb.database()
    names = iter(("nowhere", way.place.strip("'").removeprefix("chdb/")))
    with closing(Archive(Way(lambda: chdb.open(next(names)), way.place))) as archive:
        with pytest.raises(TryLater, match=r"cannot be used \(.*\); look"):
            asked(archive, "SELECT 1")

        assert asked(archive, "SELECT 1") == [(1,)]


def test_a_newer_schema_is_refused(chdb: Engine) -> None:
    way = chdb.database()
    with closing(Archive(way)) as archive:
        archive.use(lambda it: it.tell("INSERT INTO schema_version SELECT 999"), "look")

    with closing(Archive(way)) as archive, pytest.raises(TryLater, match="upgrade trimtab"):
        asked(archive, "SELECT 1")


def test_two_who_make_the_tables_at_once_make_them_once(chdb: Engine) -> None:
    way = chdb.database()
    with closing(Archive(way)) as archive:
        archive.use(lambda it: it.tell("TRUNCATE TABLE schema_version"), "look")

    with closing(Archive(way)) as archive:
        assert asked(archive, "SELECT max(number), count() FROM schema_version") == [(2, 2)]


def test_the_same_block_is_stored_once_and_at_once(chdb: Engine) -> None:
    def twice(session: Session) -> None:
        block = session.block("attempt_of_test", ("id", "n"), [("a", 1), ("b", 2)])
        session.insert(block)
        session.insert(block)

    with closing(Archive(chdb.database())) as archive:
        archive.use(
            lambda it: it.tell(
                "CREATE TABLE attempt_of_test (id String, n Int64) ENGINE = MergeTree ORDER BY id"
                " SETTINGS non_replicated_deduplication_window = 10"
            ),
            "look",
        )
        archive.use(twice, "look")

        assert asked(archive, "SELECT count() FROM attempt_of_test") == [(2,)]


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, "no number", None])
def test_a_value_that_fits_no_column_is_told_before_anything_is_sent(
    chdb: Engine, value: object
) -> None:
    with closing(Archive(chdb.database())) as archive:
        with pytest.raises(Unstorable, match="table 'request_detail' has no place for a value"):
            archive.use(
                lambda it: it.block("request_detail", ("request_id", "ts_us"), [("a", value)]),
                "look",
            )

        assert asked(archive, "SELECT count() FROM request_detail") == [(0,)]
