import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.changes import draft

from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import Source
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.store.base.control import Acknowledgement
from trimtab.store.sqlite.control import SqliteControl

RACER = """
import asyncio, sys
from pathlib import Path
from trimtab.domain.change import Draft, Pointer, PointerKind, Source
from trimtab.domain.errors import ChangeConflict
from trimtab.store.sqlite.control import SqliteControl

async def main():
    log = SqliteControl(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    won = 0
    for number in range(300):
        pointer = Pointer(PointerKind.MODEL, str(number))
        draft = Draft(pointer=pointer, after=b"1", author=sys.argv[2], source=Source.CLI,
                      reason="race", expected_seq=0)
        try:
            await log.append([draft], ts_us=1, change_ids=[f"{sys.argv[2]}{number}"])
            won += 1
        except ChangeConflict:
            pass
    print(won)

asyncio.run(main())
"""


async def test_writers_in_two_processes_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    racers = [_racer(path, name) for name in ("a", "b")]
    for racer in racers:
        assert racer.stdin is not None
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(racer.communicate()[0]) for racer in racers]

    log = SqliteControl(path)
    changes = await log.changes(after=0)
    log.close()
    assert sum(won) == 300
    assert [change.seq for change in changes] == list(range(1, 301))
    assert len({change.prev_hash for change in changes}) == 300


def _racer(path: Path, name: str) -> subprocess.Popen[str]:
    # Our own interpreter and our own script.
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", RACER, str(path), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_sees_what_another_connection_appends(tmp_path: Path) -> None:
    ours, theirs = SqliteControl(tmp_path / "c.db"), SqliteControl(tmp_path / "c.db")
    seen = [await ours.head()]

    await theirs.append([draft()], ts_us=1, change_ids=["c_1"])
    seen.append(await ours.head())
    await ours.append([draft("other")], ts_us=1, change_ids=["c_2"])
    seen.append(await ours.head())

    assert seen == [0, 1, 2]
    assert await theirs.head() == 2
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE change SET reason = 'another'", id="update"),
        pytest.param("DELETE FROM change", id="delete"),
        pytest.param(
            "INSERT INTO change SELECT 9, 'c_9', ts_us, kind, name, before, after, author, source,"
            " reason, prev_hash, hash FROM change",
            id="gap",
        ),
    ],
)
async def test_the_file_itself_refuses_to_rewrite_the_log(tmp_path: Path, statement: str) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.append([draft()], ts_us=1, change_ids=["c_1"])
    log.close()

    connection = sqlite3.connect(tmp_path / "c.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


async def test_says_what_is_wrong_when_the_file_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    log = SqliteControl(path)

    with pytest.raises(TryLater, match=r"control store .* cannot be used"):
        await log.head()


async def test_comes_back_by_itself_when_the_disk_does(tmp_path: Path) -> None:
    place = tmp_path / "mount"
    place.write_text("in the way")
    log = SqliteControl(place / "c.db")
    with pytest.raises(TryLater):
        await log.head()

    place.unlink()

    assert await log.head() == 0
    await log.acknowledge(Acknowledgement(worker_id="w1", config_seq=0, ts_us=1))
    log.close()


async def test_opens_the_file_again_after_a_failure(tmp_path: Path) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.append([draft()], ts_us=1, change_ids=["c_1"])
    # What a disk that went away and came back leaves behind.
    connection = log._connection  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    assert connection is not None
    connection.close()

    with pytest.raises(TryLater):
        await log.head()

    assert await log.head() == 1
    log.close()


async def test_refuses_a_file_of_a_newer_program(tmp_path: Path) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.head()
    log.close()
    connection = sqlite3.connect(tmp_path / "c.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(SettingsInvalid, match="upgrade trimtab"):
        await log.head()


async def test_says_so_when_a_change_is_of_an_unknown_kind(tmp_path: Path) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.append([draft()], ts_us=1, change_ids=["c_1"])
    log.close()
    connection = sqlite3.connect(tmp_path / "c.db")
    connection.executescript("DROP TRIGGER change_is_final; UPDATE change SET kind = 'tomorrow'")
    connection.close()

    with pytest.raises(SettingsInvalid, match="change 1 is of a kind"):
        await log.changes(after=0)
    log.close()


async def test_a_file_put_in_the_place_of_ours_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    ours = SqliteControl(path)
    await ours.append([draft()], ts_us=1, change_ids=["c_1"])
    assert await ours.head() == 1

    other = SqliteControl(tmp_path / "backup.db")
    other.close()
    await SqliteControl(tmp_path / "backup.db").head()
    (tmp_path / "backup.db").replace(path)

    assert await ours.head() == 0


async def test_no_row_of_the_audit_is_changed_or_deleted(tmp_path: Path) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.note(Reading(ts_us=1, author="ana", source=Source.CLI, what=Protected.KEYS))
    log.close()

    with closing(sqlite3.connect(tmp_path / "c.db")) as connection:
        for sql in ("UPDATE reading SET author = 'bob'", "DELETE FROM reading"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(sql)


async def test_no_row_is_replaced(tmp_path: Path) -> None:
    log = SqliteControl(tmp_path / "c.db")
    await log.append([draft()], ts_us=1, change_ids=["c_1"])
    await log.note(Reading(ts_us=1, author="ana", source=Source.CLI, what=Protected.KEYS))
    log.close()

    with closing(sqlite3.connect(tmp_path / "c.db")) as connection:
        connection.execute("CREATE TEMP TABLE made AS SELECT * FROM change")
        connection.execute("CREATE TEMP TABLE told AS SELECT * FROM reading")
        for change, sql in (
            ("seq = 2", "REPLACE INTO change SELECT * FROM made"),
            ("seq = 1, change_id = 'c_2'", "REPLACE INTO change SELECT * FROM made"),
            ("seq = 1", "REPLACE INTO reading SELECT * FROM told"),
        ):
            connection.execute(f"UPDATE made SET {change}")  # noqa: S608 -- from right above
            with pytest.raises(sqlite3.IntegrityError, match=r"append-only|no gaps"):
                connection.execute(sql)


async def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    log = SqliteControl(path)
    await log.append([draft()], ts_us=1, change_ids=["c_1"])
    path.rename(tmp_path / "moved")

    with pytest.raises(TryLater, match="was there before and is gone"):
        await log.head()
    with pytest.raises(TryLater, match="was there before and is gone"):
        await SqliteControl(path, was_there=True).head()
    assert not path.exists()
    (tmp_path / "moved").rename(path)
    assert await log.head() == 1
