import sys
from collections.abc import Generator
from contextlib import closing

import pytest
from tests.chdb import Engine
from tests.telemetry.shapes import TS_US

from trimtab.store.base.reading import RecordFilter
from trimtab.store.clickhouse.search import found, written
from trimtab.store.clickhouse.session import Archive
from trimtab.store.terms import words_of

ROW = ("tenant_id", "ts_us", "request_id", "words")


@pytest.fixture
def archive(chdb: Engine) -> Generator[Archive]:
    with closing(Archive(chdb.database())) as archive:
        yield archive


def put(archive: Archive, request_id: str, asked: str, answered: str = "") -> None:
    text = written(words_of(asked), words_of(answered))
    row = ("acme", TS_US, request_id, text)
    archive.use(lambda it: it.insert(it.block("search", ROW, [row])), "")


def ids(archive: Archive, *phrases: str) -> list[str]:
    made, values = found(RecordFilter(phrases=tuple(map(words_of, phrases))))
    sql = f"SELECT request_id FROM search WHERE {made} ORDER BY request_id"  # noqa: S608 -- ours
    return [it for (it,) in archive.use(lambda to: to.execute(sql, values).fetchall(), "")]


def test_a_phrase_stands_in_what_was_asked_or_in_the_answer_and_spans_no_two(
    archive: Archive,
) -> None:
    put(archive, "r_1", "the refund window", "is open")
    put(archive, "r_2", "window", "refund")
    put(archive, "r_3", "refunds windowed")

    assert ids(archive, "refund window") == ["r_1"]
    assert ids(archive, "window is") == []
    assert ids(archive, "refund", "window") == ["r_1", "r_2"]
    assert ids(archive, "is open", "the refund") == ["r_1"]


def test_every_word_is_a_token_of_the_index_whatever_its_script(archive: Archive) -> None:
    letters = (chr(it) for it in range(sys.maxunicode + 1) if not 0xD800 <= it < 0xE000)
    words = [word for letter in letters for word in words_of(letter)]

    sql = "SELECT tokens(?, 'splitByNonAlpha')"
    text = written(words, ())
    ((split,),) = archive.use(lambda it: it.execute(sql, (text,)).fetchall(), "")

    assert list(split) == words


def test_words_are_looked_up_in_their_index(archive: Archive) -> None:
    put(archive, "r_1", "the refund window")
    made, values = found(RecordFilter(tenant_id="acme", phrases=(("refund", "window"),)))
    inner = made.partition("(")[2].removesuffix(")")

    plan = archive.use(lambda it: it.execute(f"EXPLAIN indexes=1 {inner}", values).fetchall(), "")

    assert "Name: by_words" in "\n".join(line for (line,) in plan)
