import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.records import finish
from tests.telemetry.shapes import TS_US
from tests.telemetry.spooled import Spooled

from trimtab.cli import search
from trimtab.cli.output import author
from trimtab.store.base.reading import SavedFilter
from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.recording import SqliteRecording


@pytest.fixture
def home(terminal: Terminal) -> Path:
    at = terminal.home / ".trimtab"
    made = [
        finish(1, tenant_id="acme", status="error", error_code="rate_limited"),
        finish(2, tenant_id="acme", ts_us=TS_US - 1),
        finish(3, tenant_id="globex", ts_us=TS_US - 2),
    ]

    async def fill() -> None:
        with closing(SqliteRecording(at)) as store:
            await store.commit(Batch(finishes=tuple(made)))
            await store.save(SavedFilter(owner="", name="bad", text="status:error"))
            await store.save(SavedFilter(owner=author(), name="ours", text="tenant:acme"))
            await store.save(SavedFilter(owner="eve", name="hers", text="tenant:acme"))

    asyncio.run(fill())
    return at


def ids(text: str) -> list[str]:
    return [json.loads(line)["request_id"] for line in text.splitlines()]


@pytest.mark.usefixtures("home")
def test_what_fits_is_listed_with_status_and_cost(terminal: Terminal) -> None:
    (line,) = terminal.run("search", "tenant:acme status:error").stdout.splitlines()

    assert line.startswith("2026-04-25 18:42:11  r_01KQ2Z61CT")
    assert "error     acme/search" in line
    assert line.endswith("$0.009414  rate_limited")


@pytest.mark.usefixtures("home")
def test_pages_are_walked_up_to_the_limit(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 1)

    assert len(ids(terminal.run("search", "--json").stdout)) == 3
    assert len(ids(terminal.run("search", "--json", "--limit", "2").stdout)) == 2


@pytest.mark.usefixtures("home")
def test_nothing_that_fits_is_a_no(terminal: Terminal) -> None:
    told = terminal.run("search", "tenant:acme", "--since", "2026-04-26", code=1)

    assert (told.stdout, told.stderr) == ("", "nothing fits\n")
    assert "did you mean 'tenant'" in terminal.run("search", "tenat:acme", code=2).stderr


@pytest.mark.usefixtures("home")
def test_a_saved_filter_is_named_and_narrowed(terminal: Terminal) -> None:
    assert len(ids(terminal.run("search", "--saved", "bad", "--json").stdout)) == 1
    assert len(ids(terminal.run("search", "--saved", "ours", "--json").stdout)) == 2
    one = terminal.run("search", "--saved", "ours", "status:ok", "--json").stdout
    assert ids(one) == [finish(2).record.request_id]
    assert "no filter 'hers' is saved" in terminal.run("search", "--saved", "hers", code=2).stderr


def test_requests_are_followed_as_they_end_without_a_store(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Spooled(terminal.home / ".trimtab")
    worker.finish(finish(1))
    looks = 0

    async def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            worker.finish(finish(2, status="error"), finish(3))
        else:
            raise KeyboardInterrupt

    # Of this module alone: simulators of other tests sleep in threads of this process.
    monkeypatch.setattr(search, "sleep", sleep)

    assert ids(terminal.run("tail", "status:error", "--json").stdout) == [
        finish(2).record.request_id
    ]
    assert not (terminal.home / ".trimtab" / "records.db").exists()


@pytest.mark.parametrize("word", ["refund", "label:bad", "score:<1"])
def test_what_only_the_store_knows_is_not_followed(terminal: Terminal, word: str) -> None:
    assert "`trimtab search` can" in terminal.run("tail", word, code=2).stderr


@pytest.mark.usefixtures("home")
def test_a_request_that_is_not_stored_is_shown_from_the_spool(terminal: Terminal) -> None:
    worker = Spooled(terminal.home / ".trimtab", "w2")
    worker.finish(finish(9))
    one = finish(9).record.request_id

    told = terminal.run("trace", one)

    assert told.stdout.startswith(one)
    assert told.stderr == "not stored yet; this is from the spool of worker 'w2'\n"
    assert terminal.json("trace", one)["request_id"] == one


def test_without_a_store_the_spool_is_asked(terminal: Terminal) -> None:
    missing = terminal.run("trace", "r_01KQ2Z61CT", code=4)
    assert "nothing is recorded" in missing.stderr

    Spooled(terminal.home / ".trimtab").finish(finish(9))

    assert terminal.run("trace", finish(9).record.request_id).stdout


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("request_id", "hint"),
    [
        ("r_01KQ2Z61ZZ", "see that the id is whole"),
        ("r_01BX5ZZKBKACTAV9WEVGEMMVRZ", "is of 2017-10-24 01:29:36Z, and nothing of then is kept"),
        ("r_01ZZZZZZZZACTAV9WEVGEMMVRZ", "see that this is the host"),
    ],
)
def test_an_unknown_id_gives_the_nearest_hint(
    terminal: Terminal, request_id: str, hint: str
) -> None:
    assert hint in terminal.run("trace", request_id, code=2).stderr
