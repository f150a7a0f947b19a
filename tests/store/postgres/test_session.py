import asyncio
from collections.abc import Generator
from contextlib import closing

import pytest
from tests.postgres import Server

from trimtab.domain.errors import TryLater
from trimtab.store.postgres.session import Line, Session

TEXTS = ["", "\0", "\0\0", "\0a", "\1", "\1\1", "\1\0", "\1\2", "\0\1", "\2", "a", "a\0", "ä", "z"]


@pytest.fixture
def session(postgres: Server) -> Generator[Session]:
    with closing(Session(postgres.database())) as session:
        yield session


def test_every_text_comes_back_as_it_was_and_in_its_place(session: Session) -> None:
    session.execute('CREATE TABLE t (said TEXT COLLATE "C")')
    session.executemany("INSERT INTO t VALUES (?)", [(it,) for it in TEXTS[::2]])
    session.copy("t", ["said"], [(it,) for it in TEXTS[1::2]])

    found = [said for (said,) in session.execute("SELECT said FROM t ORDER BY said")]

    assert found == sorted(TEXTS)
    for it in TEXTS:
        assert session.execute("SELECT said FROM t WHERE said = ?", (it,)).fetchall() == [(it,)]
        assert session.execute("SELECT unnest(CAST(? AS TEXT[]))", ([it],)).fetchall() == [(it,)]


def test_parameters_are_as_sqlite_has_them(session: Session) -> None:
    sql = "-- Is it so? :no 50%\nSELECT CAST(? AS TEXT) || '%', CAST(? AS BIGINT) % 3;"
    assert session.execute(sql, ("a", 5)).fetchall() == [("a%", 2)]

    named = "SELECT CAST(:one AS BIGINT), CAST(:other AS TEXT), CAST(:one AS BIGINT) + 1"
    assert session.execute(named, {"one": 1, "other": "b"}).fetchall() == [(1, "b", 2)]


def test_sums_are_whole_numbers(session: Session) -> None:
    [(total,)] = session.execute("SELECT sum(CAST(x AS BIGINT)) FROM generate_series(1, 4) AS x")

    assert (total, type(total)) == (10, int)


async def test_what_fails_is_told_with_the_remedy_and_tried_anew(postgres: Server) -> None:
    prepared: list[Session] = []
    with closing(Line(postgres.database(), patience_s=5.0, prepare=prepared.append)) as line:
        for number in (1, 2):
            with pytest.raises(TryLater, match=r"cannot be used \(.*\); eat fruit") as refused:
                await line.do(lambda it: it.execute("SELECT no_such_thing"), "eat fruit")
            assert "\n" not in str(refused.value)
            assert len(prepared) == number


async def test_many_may_ask_at_once(postgres: Server) -> None:
    with closing(Line(postgres.database(), patience_s=5.0)) as line:

        async def ask(number: int) -> int:
            [(told,)] = await line.do(
                lambda it: it.execute("SELECT CAST(? AS BIGINT)", (number,)).fetchall(), "wait"
            )
            return int(told)

        assert await asyncio.gather(*map(ask, range(20))) == list(range(20))


async def test_what_takes_too_long_is_hung_up_on(postgres: Server) -> None:
    with closing(Line(postgres.database(), patience_s=2)) as line:
        with pytest.raises(TryLater, match=r"no answer in 2 s"):
            await line.do(lambda it: it.execute("SELECT pg_sleep(30)"), "wait")

        assert await line.do(lambda it: it.execute("SELECT 1").fetchall(), "wait") == [(1,)]
