"""Many processes move one label at once: one line of moves, and nobody is told a lie."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.e2e.conftest import eventually
from tests.e2e.prompt_mover import PLACE, UNSURE, VERSIONS
from tests.e2e.prompting import FREE, NAME, ask, greeting, promote, publish, served
from tests.e2e.test_several_hosts import Host, make_host
from tests.postgres import Server

from trimtab.domain.prompt import Label

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SECONDS = 3.0
PROCESSES, TASKS = 4, 16
LONGEST_S = 60.0


class Raced(NamedTuple):
    """What the processes of a race told, and the moves the log has since."""

    accepted: Sequence[int]
    upon: Mapping[int, int]
    read: Sequence[tuple[int, str]]
    refused: Counter[str]
    log: Sequence[Mapping[str, Any]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def host(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Host]:
    """A gateway, and eight versions of a prompt."""
    store: str | None = None
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        store = server.database()
    made = make_host(tmp_path_factory.mktemp("flips") / "one", store)
    with (made.home / "trimtab.yaml").open("a") as file:
        file.write(FREE)
    try:
        made.start()
        publish(made, *map(greeting, (*VERSIONS, UNSURE)))
        promote(made, VERSIONS[0])
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def key(host: Host) -> str:
    return host.key()


def test_c1_moves_of_many_make_one_line_and_losers_are_told(host: Host, key: str) -> None:
    raced = _race(host, *["flip"] * PROCESSES, tasks=TASKS, key=key)

    moves = [it for it in raced.log if it["pointer"] == f"label/{PLACE}"]
    went = {it["seq"]: _version(it["after"]) for it in moves}
    assert sorted(raced.accepted) == sorted(went)
    for before, after in pairwise(moves):
        assert after["before"] == before["after"]
        assert raced.upon[after["seq"]] == before["seq"]
        assert after["after"] != after["before"]
    assert set(raced.refused) == {"change_conflict"}
    first = min(raced.read)
    assert all(went.get(seq, first[1]) == version for seq, version in raced.read)
    last = max(raced.accepted)
    assert served(host, key).version == went[last]
    assert ask(host, key, NAME, "labels", "production").json["seq"] == last


def test_c2_no_label_ever_rests_on_what_was_yanked(host: Host, key: str) -> None:
    raced = _race(host, "promote", "yank", "rollback", "promote", tasks=2, key=key)

    at, yanked = "", set[str]()
    for change in raced.log:
        if change["pointer"] == f"label/{PLACE}":
            at = _version(change["after"])
        elif change["pointer"].startswith("yank/"):
            ref = change["pointer"].removeprefix("yank/")
            (yanked.add if change["after"] else yanked.discard)(ref)
        assert f"{NAME}@{at}" not in yanked, change
    kinds = Counter(it["pointer"].partition("/")[0] for it in raced.log)
    assert min(kinds["label"], kinds["yank"]) > 0
    assert set(raced.refused) <= {
        *("in_use", "version_blocked", "change_conflict", "invalid_request", "settings_invalid"),
        "nothing_to_roll_back_to",
    }


def _race(host: Host, *does: str, tasks: int, key: str) -> Raced:
    """Run a process for each of some things to do, all at once, and read the label meanwhile."""
    since = host.json("changes", "list", "--limit", "1")["changes"][0]["seq"]
    racers = [_mover(host.home, it, tasks) for it in does]
    for racer in racers:
        assert racer.stdin is not None
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    seen = list(_read_while(racers, host, key))
    told = [json.loads(racer.communicate(timeout=LONGEST_S)[0]) for racer in racers]
    log = host.json("changes", "list", "--limit", "10000")["changes"][::-1]
    newest = log[-1]["seq"]
    eventually(lambda: host.readiness()["config_seq"] == newest, "the worker has caught up")
    return Raced(
        accepted=[seq for it in told for seq in it["accepted"]],
        upon={int(seq): upon for it in told for seq, upon in it["upon"].items()},
        read=[*seen, *((seq, version) for it in told for seq, version in it["read"])],
        refused=sum((Counter[str](it["refused"]) for it in told), Counter[str]()),
        log=[it for it in log if it["seq"] > since],
    )


def _read_while(
    racers: Sequence[subprocess.Popen[str]], host: Host, key: str
) -> Iterator[tuple[int, str]]:
    while any(racer.poll() is None for racer in racers):
        told = ask(host, key, NAME, "labels", "production").json
        yield told["seq"], told["version"]


def _mover(home: Path, does: str, tasks: int) -> subprocess.Popen[str]:
    # Our own interpreter and our own module.
    return subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.prompt_mover", home, does, str(tasks), str(SECONDS)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _version(value: object) -> str:
    return msgspec.convert(value, type=Label).version
