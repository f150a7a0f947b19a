"""What was published stays: attacks by SQL, past the program. The numbers are the suite's."""

# ruff: noqa: S608 -- statements made of our own words

import base64
import hashlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import msgspec
import psycopg
import pytest
from tests.e2e.conftest import STOP_S, Stack, eventually
from tests.e2e.prompting import (
    CHANGED,
    FREE,
    NAME,
    ask,
    greeting,
    promote,
    publish,
    served,
    written,
)
from tests.e2e.test_several_hosts import Host, make_host
from tests.postgres import Server

from trimtab.domain.change import chain_hash
from trimtab.domain.prompt import digest
from trimtab.store.change_row import change_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PUBLICATION = "kind = 'prompt' AND name = 'greeting@1.0.0'"


class Attacked(NamedTuple):
    """A gateway by itself, a key, and SQL on its control store, past the program."""

    host: Host
    key: str
    store: str | None

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as somebody who may write to the store."""
        if self.store is None:
            with closing(sqlite3.connect(self.host.home / "control.db", timeout=10)) as file, file:
                return file.execute(text, values).fetchall()
        with psycopg.connect(self.store) as connection:
            cursor = connection.execute(text.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def without_triggers(self) -> Generator[None]:
        """Take away what refuses, and put it back."""
        if self.store is not None:
            self.sql("ALTER TABLE change DISABLE TRIGGER USER")
            yield
            self.sql("ALTER TABLE change ENABLE TRIGGER USER")
            return
        made = self.sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        for name, _ in made:
            self.sql(f"DROP TRIGGER {name}")
        yield
        for _, text in made:
            self.sql(text)

    @contextmanager
    def rewritten(self, **columns: bytes | str) -> Generator[None]:
        """Write over the publication of 1.0.0, and undo it at the end."""
        [before] = self.sql(f"SELECT {', '.join(columns)} FROM change WHERE {PUBLICATION}")
        to = ", ".join(f"{it} = ?" for it in columns)
        with self.without_triggers():
            self.sql(f"UPDATE change SET {to} WHERE {PUBLICATION}", *columns.values())
        try:
            yield
        finally:
            with self.without_triggers():
                self.sql(f"UPDATE change SET {to} WHERE {PUBLICATION}", *before)

    @contextmanager
    def as_before(self, seq: int) -> Generator[None]:
        """Have the store be its own backup: what came later is gone; bring it back at the end."""
        later = self.sql("SELECT * FROM change WHERE seq > ? ORDER BY seq", seq)
        with self.without_triggers():
            self.sql("DELETE FROM change WHERE seq > ?", seq)
        try:
            yield
        finally:
            with self.without_triggers():
                self.sql("DELETE FROM change WHERE seq > ?", seq)
                for row in later:
                    self.sql(f"INSERT INTO change VALUES ({', '.join('?' * len(row))})", *row)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Attacked]:
    store: str | None = None
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        store = server.database()
    host = make_host(tmp_path_factory.mktemp("attacked") / "one", store)
    with (host.home / "trimtab.yaml").open("a") as file:
        file.write(FREE)
    try:
        host.start()
        publish(host, greeting("1.0.0"), greeting("1.1.0"))
        promote(host, "1.0.0")
        yield Attacked(host, host.key(), store)
    finally:
        host.stop()


def test_a09_a10_the_store_itself_refuses_to_change_a_version(attacked: Attacked) -> None:
    before = served(attacked.host, attacked.key)
    rows = attacked.sql("SELECT * FROM change ORDER BY seq")
    statements = [
        f"UPDATE change SET after = before WHERE {PUBLICATION}",
        f"UPDATE change SET name = 'greeting@9.9.9' WHERE {PUBLICATION}",
        f"DELETE FROM change WHERE {PUBLICATION}",
        "DELETE FROM change",
    ]
    again = "change_id, ts_us, kind, name, before, after, author, source, reason, prev_hash, hash"
    instead = "WHERE seq = 1 ON CONFLICT (change_id) DO UPDATE SET after = NULL"
    newest = "(SELECT max(seq) + 1 FROM change)"
    if attacked.store is None:
        statements += [
            f"REPLACE INTO change SELECT {newest}, {again} FROM change WHERE {PUBLICATION}",
            f"UPDATE OR REPLACE change SET seq = 1 WHERE {PUBLICATION}",
        ]
    else:
        statements += [
            "TRUNCATE change",
            "TRUNCATE change CASCADE",
            f"INSERT INTO change SELECT {newest}, {again} FROM change {instead}",
        ]

    for statement in statements:
        with pytest.raises(
            (sqlite3.IntegrityError, psycopg.errors.RaiseException), match="append-only"
        ):
            attacked.sql(statement)

    assert attacked.sql("SELECT * FROM change ORDER BY seq") == rows
    assert served(attacked.host, attacked.key) == before


def test_a11_a12_a_version_that_was_written_over_is_found_and_never_served(
    attacked: Attacked,
) -> None:
    host, key = attacked.host, attacked.key
    before = served(host, key)

    for columns in _forgeries(attacked):
        with attacked.rewritten(**columns):
            for command in ("prompts", "changes"):
                verdict = host.run(command, "verify", check=False)
                assert verdict.returncode == 1
                assert "is not what was written, or does not follow" in (
                    verdict.stdout + verdict.stderr
                )
            assert served(host, key) == before


def _forgeries(attacked: Attacked) -> Sequence[Mapping[str, bytes | str]]:
    """Change a text; its hash, too; and the hash of the row, as well."""
    [row] = attacked.sql(f"SELECT * FROM change WHERE {PUBLICATION}")
    change = change_of(row)
    assert change.after is not None
    value = json.loads(change.after)
    content = value["content"].replace("Say hello", CHANGED)
    texts = value | {"content": content}, value | {"content": content, "hash": digest(content)}
    text, text_and_hash = (json.dumps(it, separators=(",", ":")).encode() for it in texts)
    whole = msgspec.structs.replace(change, after=text_and_hash)
    return (
        {"after": text},
        {"after": text_and_hash},
        {"after": text_and_hash, "hash": chain_hash(whole)},
    )


def test_a11_a12_a_worker_starts_with_its_verified_copy_and_follows_moves_from_there(
    attacked: Attacked,
) -> None:
    host, key = attacked.host, attacked.key
    before, told = served(host, key), len(host.log())

    with attacked.rewritten(**_forgeries(attacked)[-1]):
        host.kill()
        host.start()
        restarted, said = served(host, key), host.log()[told:]
        promote(host, "1.1.0")
        eventually(lambda: served(host, key).version == "1.1.0", "it still follows moves")

    promote(host, "1.0.0")
    eventually(lambda: served(host, key) == before, "it is as before")
    assert restarted == before
    assert "does not continue the log as known; look at `trimtab changes verify`" in said


def test_a11_a_worker_without_a_copy_does_not_start_on_a_log_that_was_written_over(
    attacked: Attacked,
) -> None:
    host = attacked.host
    [(value,)] = attacked.sql(f"SELECT after FROM change WHERE {PUBLICATION}")
    copies = host.home / "last-good"
    host.kill()
    copies.rename(host.home / "away")

    with attacked.rewritten(after=bytes(value).replace(b"Say hello", CHANGED.encode())):
        host.launch()
        assert host.process is not None
        status = host.process.wait(STOP_S)
        locked = host.run("prompts", "lock", check=False)
        rendered = host.run("prompts", "render", NAME, "--var", "who=Ada", check=False)

    (host.home / "away").rename(copies)
    host.start()
    assert status != 0
    assert (locked.returncode, rendered.returncode) == (2, 2)
    assert CHANGED not in rendered.stdout
    assert served(host, attacked.key).version == "1.0.0"


@pytest.mark.parametrize("attacked", ["sqlite"], indirect=True)
@pytest.mark.parametrize("sealed", [False, True], ids=["as it was sealed", "sealed again"])
def test_a13_a_copy_on_a_workers_disk_that_was_edited_is_not_served(
    attacked: Attacked, *, sealed: bool
) -> None:
    host, key = attacked.host, attacked.key
    store, away = host.home / "control.db", host.home / "control.away"
    [copy] = (host.home / "last-good").glob("gateway-*.json")
    host.stop()
    good = copy.read_bytes()
    seal, _, body = good.partition(b"\n")
    entries = json.loads(body)
    for change in entries["changes"]:
        after = base64.b64decode(change["after"])
        change["after"] = base64.b64encode(after.replace(b"Say hello", CHANGED.encode())).decode()
    edited = json.dumps(entries, separators=(",", ":")).encode()
    seal = hashlib.sha256(edited).hexdigest().encode() if sealed else seal
    copy.write_bytes(seal + b"\n" + edited)
    store.rename(away)

    try:
        host.launch()
        assert host.process is not None
        if sealed:
            eventually(host.ready, "it starts with its copy")
            corrupt = ask(host, key, NAME, "versions", "1.0.0")
            assert (corrupt.status, corrupt.json["error"]["code"]) == (500, "version_corrupt")
            assert CHANGED.encode() not in corrupt.body
        else:
            assert host.process.wait(STOP_S) != 0
    finally:
        host.stop()
        away.rename(store)
        copy.write_bytes(good)
        host.start()

    assert served(host, key).version == "1.0.0"


def test_a15_of_two_processes_that_publish_one_number_one_is_told_that_it_is_taken(
    attacked: Attacked,
) -> None:
    host = attacked.host
    files = [
        written(host.home, greeting("1.0.0", f"Text {n} for $who.", "raced"), f"raced-{n}")
        for n in range(3)
    ]

    racing = [_publishing(host, file) for file in files]
    said = [process.communicate(timeout=30)[1] for process in racing]

    assert sorted(process.returncode for process in racing) == [0, 2, 2]
    lost = [it for it, process in zip(said, racing, strict=True) if process.returncode]
    assert all("'raced@1.0.0' is published with hash" in it for it in lost)
    [(published,)] = attacked.sql("SELECT count(*) FROM change WHERE name = 'raced@1.0.0'")
    assert published == 1


def test_a16_a_store_restored_from_an_older_backup_is_not_followed(attacked: Attacked) -> None:
    host, key = attacked.host, attacked.key
    [(backup,)] = attacked.sql("SELECT max(seq) FROM change")
    promote(host, "1.1.0")
    eventually(lambda: served(host, key).version == "1.1.0", "the move is served")
    now, told = served(host, key), len(host.log())

    with attacked.as_before(backup):
        eventually(lambda: "control_store" in host.readiness(), "it says that something is wrong")
        said = host.log()[told:]
        # Another change takes the number of the one that is gone; then the log is longer again.
        for label in ("staging", "canary"):
            other = promote(host, "1.0.0", label)
            assert other > backup
            eventually_still(lambda: "control_store" in host.readiness())
        refused = ask(host, key, NAME, "labels", "staging").status, served(host, key)

    eventually(lambda: "control_store" not in host.readiness(), "the right store is back")
    promote(host, "1.0.0")
    eventually(lambda: served(host, key).version == "1.0.0", "moves are followed again")
    assert f"ends at {backup} and was at {backup + 1} before" in said
    assert refused == (404, now)


def eventually_still(claim: Callable[[], bool]) -> None:
    """See that a claim holds while a worker looks at the store several times."""
    for _ in range(8):
        assert claim()
        time.sleep(0.1)


def _publishing(site: Stack, file: str) -> subprocess.Popen[str]:
    # Our own interpreter and our own command.
    return subprocess.Popen(
        [sys.executable, "-m", "trimtab", "prompts", "publish", file],
        env=site.environ,
        cwd=site.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
