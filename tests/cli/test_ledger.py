import asyncio
import json
import sqlite3

from tests.cli.conftest import Terminal
from tests.records import finish

from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.recording import SqliteRecording


def book(terminal: Terminal) -> None:
    store = SqliteRecording(terminal.home / ".trimtab")
    asyncio.run(store.commit(Batch(finishes=(finish(1, day_local="2026-04-25"),))))
    store.close()


def test_sums_that_are_right_are_said_to_be(terminal: Terminal) -> None:
    book(terminal)

    assert terminal.run("ledger", "verify").stdout == "all sums are what the lines add up to\n"


def test_sums_that_differ_are_named_and_the_answer_is_no(terminal: Terminal) -> None:
    book(terminal)
    with sqlite3.connect(terminal.home / ".trimtab" / "records.db") as connection:
        connection.execute("UPDATE rollup_day SET cost_nano = 7 WHERE cost_nano > 0")

    told = terminal.run("ledger", "verify", code=1)
    (found,) = json.loads(terminal.run("ledger", "verify", "--json", code=1).stdout)["differences"]

    assert "rollup_day  2026-04-25" in told.stdout
    assert (found["table"], found["column"], found["kept"]) == ("rollup_day", "cost_nano", 7)
    assert terminal.run("ledger", "verify", "--from", "2026-05-01").stdout


def test_a_day_that_is_none_is_refused(terminal: Terminal) -> None:
    assert "write it as 2026-10-01" in terminal.run("ledger", "verify", "--to", "x", code=2).stderr
