import asyncio
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.cli.test_rehydrate import book
from tests.records import finish
from tests.store.test_migrations import as_of, fill

from trimtab.store.schema import migrations, newest
from trimtab.store.sqlite.connect import open_writer


def files(home: Path) -> dict[str, str]:
    return {str(it): sha256(it.read_bytes()).hexdigest() for it in home.rglob("*") if it.is_file()}


def test_databases_of_this_program_are_current(company: Terminal) -> None:
    book(company, finish(1))

    told = company.json("migrate", "--check")

    assert [(it["database"], it["state"]) for it in told] == [
        ("control", "current"),
        ("records", "current"),
    ]


@pytest.mark.parametrize("database", ["control", "records", "alerts"])
def test_what_a_start_would_migrate_is_the_answer_no_and_stays(
    terminal: Terminal, database: str
) -> None:
    home = terminal.home / ".trimtab"
    path = asyncio.run(fill(home, database))
    earlier = len(migrations(database, 0)) - 1
    as_of(path, database, earlier)
    before = files(home)

    told = terminal.run("migrate", "--check", code=1).stdout

    assert "pending" in told
    assert files(home) == before
    open_writer(path, database).close()
    assert "pending" not in terminal.run("migrate", "--check").stdout


def test_a_migration_that_only_the_log_of_a_database_has_counts(terminal: Terminal) -> None:
    home = terminal.home / ".trimtab"
    path = asyncio.run(fill(home, "records"))
    with closing(open_writer(path, "records")) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("PRAGMA user_version=99")

        (told,) = terminal.json("migrate", "--check", code=1)

    assert (told["seen"], told["known"], told["state"]) == (99, newest("records"), "too new")


def test_old_days_of_content_are_read_as_they_are(terminal: Terminal) -> None:
    as_of(asyncio.run(fill(terminal.home / ".trimtab", "content")), "content", 1)

    told = terminal.run("migrate", "--check").stdout

    assert "1 day " in told
    assert "kept as it is" in told


def test_what_is_no_database_could_not_be_told_of(terminal: Terminal) -> None:
    (terminal.home / ".trimtab").mkdir()
    (terminal.home / ".trimtab" / "records.db").write_text("version https://git-lfs")

    assert "is no database" in terminal.run("migrate", "--check", code=4).stderr


def test_it_only_looks_and_says_when_there_is_nothing(terminal: Terminal) -> None:
    assert "when Trimtab starts" in terminal.run("migrate", code=2).stderr
    assert terminal.run("migrate", "--check").stdout == "there are no databases yet\n"
