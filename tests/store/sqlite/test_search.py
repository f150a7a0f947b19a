"""Words in the files of days: everything comes once, in order, and nothing is walked through."""

import re
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest
from tests.records import DAY_US, finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.base.recording import Batch
from trimtab.store.filter_text import parse
from trimtab.store.relational.dialect import Connection
from trimtab.store.relational.filtering import conditions
from trimtab.store.relational.recording import Wording
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.sqlite.content import ContentReader, day_file
from trimtab.store.sqlite.reading import AMONG, SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.store.sqlite.search import find, put_words
from trimtab.store.statements import statements
from trimtab.testing import FrozenClock

DAY = TS_US - TS_US % DAY_US
WHERE = parse("refund", TS_US)


@pytest.fixture
def day(tmp_path: Path) -> Generator[sqlite3.Connection]:
    with closing(open_writer(day_file(tmp_path, TS_US), "content")) as connection:
        yield connection


def wording(request_id: str, ts_us: int = TS_US, tenant: str = "acme") -> Wording:
    return Wording(request_id, tenant, ts_us, ("a", "refund"), ())


def _last_place(_: bytes) -> int:
    return (1 << 26) - 1


def put(day: sqlite3.Connection, *wordings: Wording) -> None:
    with transaction(day):
        put_words(day, wordings)


def test_all_of_one_instant_come_together(day: sqlite3.Connection) -> None:
    times = [TS_US, TS_US - 1, TS_US - 1, TS_US - 1, TS_US - 1, TS_US - 2]
    made = [wording(f"r_{n}", ts_us) for n, ts_us in enumerate(times)]
    put(day, *made)

    parts = list(find(day, DAY, WHERE, None, 2))

    assert [sorted(it) for it in parts] == [["r_0", "r_1", "r_2", "r_3", "r_4"], ["r_5"]]


def test_who_is_there_already_is_there_once(day: sqlite3.Connection) -> None:
    put(day, wording("r_1"))
    put(day, wording("r_1"), wording("r_2"))

    (found,) = find(day, DAY, WHERE, None, 10)

    assert sorted(found) == ["r_1", "r_2"]


def test_two_whose_places_are_one_both_have_one(
    day: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.store.sqlite.search.crc32", _last_place)
    put(day, wording("r_1"), wording("r_2"), wording("r_3", TS_US - 1))

    (found,) = find(day, DAY, WHERE, None, 10)

    assert sorted(found[:2]) == ["r_1", "r_2"]
    assert found[2:] == ["r_3"]


def test_a_row_goes_by_its_place_and_so_do_its_words(day: sqlite3.Connection) -> None:
    put(day, wording("r_1", tenant="acme"), wording("r_2", tenant="globex"))

    day.execute(
        "DELETE FROM search WHERE rowid IN (SELECT place FROM searched WHERE tenant_id = 'acme')"
    )
    day.execute("DELETE FROM searched WHERE tenant_id = 'acme'")

    assert list(find(day, DAY, WHERE, None, 10)) == [["r_2"]]


@pytest.mark.parametrize(
    ("where", "after", "days"),
    [
        (RecordFilter(), None, [2, 1, 0]),
        (RecordFilter(since_us=DAY + DAY_US), None, [2, 1]),
        (RecordFilter(until_us=DAY + DAY_US), None, [0]),
        (RecordFilter(until_us=DAY + DAY_US + 1), None, [1, 0]),
        (RecordFilter(), Cursor(DAY + DAY_US, "r"), [1, 0]),
        (RecordFilter(), Cursor(DAY + DAY_US - 1, "r"), [0]),
    ],
)
def test_only_days_that_can_hold_it_are_opened_newest_first(
    tmp_path: Path, where: RecordFilter, after: Cursor | None, days: list[int]
) -> None:
    for number in range(3):
        at_us = DAY + number * DAY_US + (after is None)
        path = day_file(tmp_path, at_us)
        with closing(open_writer(path, "content")) as connection:
            put(connection, wording(f"r_{number}", at_us - (after is None)))
    with closing(open_writer(tmp_path / "kept.db", "content")) as connection:
        put(connection, wording("r_kept"))
    asked = RecordFilter(since_us=where.since_us, until_us=where.until_us, phrases=(("refund",),))

    parts = ContentReader(tmp_path).find(asked, after, 10, lambda: False)

    assert [it for part in parts for it in part] == [f"r_{number}" for number in days]


def test_a_day_that_nobody_made_findable_has_nothing(tmp_path: Path) -> None:
    path = day_file(tmp_path, TS_US)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE blob (ref)")

    assert list(ContentReader(tmp_path).find(WHERE, None, 10, lambda: False)) == []


async def test_a_word_is_found_by_its_index_and_a_record_by_its_id(tmp_path: Path) -> None:
    made = [finish(number, request_id=f"r_{number}") for number in range(20)]
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=tuple(made)))
    day = open_writer(day_file(tmp_path / "content", TS_US), "content")
    with closing(day):
        put(day, *(wording(it.record.request_id) for it in made))
    with closing(SqliteReading(tmp_path, tenant_key, FrozenClock())) as reading:
        asked = reading.dialect.records()["page"]

        def explain(connection: Connection) -> list[str]:
            where = parse("refund status:ok", TS_US)
            made, values = conditions(reading.dialect, where, None)
            planned = asked.replace("/*where*/", f"{made} AND {AMONG}")
            rows = connection.execute(f"EXPLAIN QUERY PLAN {planned}", (*values, "[]", 50))
            return [row[3] for row in rows]

        told = await reading.do(explain)
        found = await reading.page(parse("refund status:ok", TS_US))

    assert len(found) == 20
    assert "SEARCH request USING INDEX request_by_id (request_id=?)" in told
    assert not [it for it in told if it.startswith("SCAN") and "json_each" not in it]
    with closing(sqlite3.connect(day_file(tmp_path / "content", TS_US))) as opened:
        asked = "EXPLAIN QUERY PLAN " + statements("sqlite/content")["find"]
        plan = [row[3] for row in opened.execute(asked, ("refund", 0, 1 << 62, 10))]
    assert re.fullmatch(r"SCAN search VIRTUAL TABLE INDEX \d+:M.*", plan[0])
    assert "SEARCH searched USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert not [it for it in plan if "TEMP B-TREE" in it]


async def test_a_rare_failure_is_found_by_a_word_that_most_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.store.sqlite.reading._AT_ONCE", 5)
    of_two_days = [(number, TS_US - number * DAY_US // 50) for number in range(100)]
    made = [
        finish(
            number,
            request_id=f"r_{number}",
            ts_us=ts_us,
            status="error" if number % 7 == 5 else "ok",
        )
        for number, ts_us in of_two_days
    ]
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=tuple(made)))
    for number, ts_us in of_two_days:
        with closing(open_writer(day_file(tmp_path / "content", ts_us), "content")) as connection:
            said = ("a", "refund") if number != 40 else ("no", "word")
            put(connection, Wording(f"r_{number}", "acme", ts_us, said, ()))
    failed = [f"r_{number}" for number in range(5, 100, 7) if number != 40]
    where = parse("refund status:error", TS_US)
    with closing(SqliteReading(tmp_path, tenant_key, FrozenClock())) as reading:
        found: list[str] = []
        after: Cursor | None = None
        while page := await reading.page(where, after=after, limit=6):
            found += [it.request_id for it in page]
            after = Cursor(page[-1].ts_us, page[-1].request_id)
        counted = await reading.facets(where, limit=20)

    assert found == failed
    assert [it.n for it in counted if it.column == "status"] == [len(failed)]


def test_words_of_some_are_looked_up_without_walking_through_any(day: sqlite3.Connection) -> None:
    asked = "EXPLAIN QUERY PLAN " + statements("sqlite/content")["among"]

    plan = [row[3] for row in day.execute(asked, ("[]", "refund"))]

    assert plan[1] == "SEARCH searched USING COVERING INDEX searched_by_request (request_id=?)"
    assert re.fullmatch(r"SCAN search VIRTUAL TABLE INDEX \d+:=M.*", plan[2])
