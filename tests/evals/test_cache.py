"""Remembered verdicts: whole, of their key, signed, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from trimtab.evals.cache import Cache, Entry, Flaw, Key, Said
from trimtab.testing import FrozenClock

SECRET = b"0123456789abcdef"
DAY_S = 86_400.0

KEY = Key(
    judge_model="sim/judge-2026-01-15",
    judge_prompt_hash="a" * 64,
    candidate_output_hash="b" * 64,
    step="rubric/grade",
    params={"temperature": 0.0, "max_tokens": 2048, "schema": "c" * 64},
)


def entry(key: Key = KEY, **members: Any) -> Entry:  # noqa: ANN401
    whole = Entry(
        key=key,
        response=Said(text='{ "score": 5 }', model="judge-2026-01-15", request_id="r_1"),
        parsed=Raw(b'{"score":5}'),
        usage=Raw(b'{ "prompt_tokens": 9 }'),
        cost_nano=410_000,
        at="2026-01-01T00:00:00Z",
    )
    return replace(whole, **members)


def opened(folder: Path, secret: bytes = b"") -> Cache:
    return Cache(folder, FrozenClock(), secret)


def file_of(folder: Path) -> Path:
    return next((folder / "v1").glob("??/*.json"))


def test_an_entry_is_a_file_named_by_the_hash_of_its_key(tmp_path: Path) -> None:
    opened(tmp_path, SECRET).put(entry())

    path = file_of(tmp_path)
    assert path.relative_to(tmp_path / "v1").as_posix() == f"{KEY.name[:2]}/{KEY.name[2:]}.json"
    members = json.loads(path.read_bytes())
    assert list(members) == ["key", "response", "parsed", "usage", "cost_nano", "at", "mac"]
    assert (members["parsed"], members["cost_nano"]) == ({"score": 5}, 410_000)


def test_the_name_of_a_key_stays() -> None:
    # RFC 8785 of the key, then SHA-256: with another name all that was paid for is lost.
    assert KEY.name[:16] == "6770fc91d6b68354"


@pytest.mark.parametrize("secret", [b"", SECRET])
def test_what_is_kept_is_found(secret: bytes, tmp_path: Path) -> None:
    opened(tmp_path, secret).put(entry())

    found = opened(tmp_path, secret).get(KEY)

    assert found is not None
    assert bytes(found.parsed) == b'{"score":5}'


def test_what_is_not_there_is_no_flaw(tmp_path: Path) -> None:
    cache = opened(tmp_path)

    assert cache.get(KEY) is None
    assert cache.refused.total() == 0


def _edited(**members: Any) -> Callable[[Path], None]:  # noqa: ANN401
    def edit(path: Path) -> None:
        path.write_bytes(json.dumps(json.loads(path.read_bytes()) | members).encode())

    return edit


def _written(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


OTHER = msgspec.to_builtins(replace(KEY, step="rubric/other"))


@pytest.mark.parametrize(
    ("damage", "flaw"),
    [
        pytest.param(_edited(parsed={"score": 4}), Flaw.TAMPERED, id="another verdict"),
        pytest.param(_edited(at="2027-01-01T00:00:00Z"), Flaw.TAMPERED, id="another day"),
        pytest.param(_edited(key=OTHER), Flaw.TAMPERED, id="another key"),
        pytest.param(_edited(mac="0" * 64), Flaw.TAMPERED, id="made up"),
        pytest.param(_edited(mac="ä"), Flaw.TAMPERED, id="no hex"),
        pytest.param(_edited(mac=""), Flaw.UNSIGNED, id="unsigned"),
        pytest.param(_edited(mac=None), Flaw.UNREADABLE, id="null"),
        pytest.param(_edited(more=1), Flaw.UNREADABLE, id="unknown member"),
        pytest.param(_edited(parsed={"score": 4}, mac=""), Flaw.UNSIGNED, id="without mac"),
        pytest.param(_written(b"\0\xff{"), Flaw.UNREADABLE, id="garbage"),
        pytest.param(_written(b"[" * 10**5), Flaw.UNREADABLE, id="deep"),
        pytest.param(_written(b""), Flaw.UNREADABLE, id="empty"),
        pytest.param(_torn, Flaw.UNREADABLE, id="torn"),
        pytest.param(_pipe, Flaw.UNREADABLE, id="a pipe that nobody writes to"),
        pytest.param(_directory, Flaw.UNREADABLE, id="a directory"),
    ],
)
def test_what_was_tampered_with_is_ignored_and_counted(
    damage: Callable[[Path], object], flaw: Flaw, tmp_path: Path
) -> None:
    opened(tmp_path, SECRET).put(entry())
    damage(file_of(tmp_path))
    cache = opened(tmp_path, SECRET)

    assert cache.get(KEY) is None
    assert dict(cache.refused) == {flaw: 1}
    assert [it for _, it in cache.entries()] == [flaw]


@pytest.mark.parametrize("secret", [b"", SECRET])
def test_an_entry_under_the_name_of_another_is_ignored(secret: bytes, tmp_path: Path) -> None:
    cache = opened(tmp_path, secret)
    bad = replace(KEY, candidate_output_hash="d" * 64)
    cache.put(entry(bad))
    good = tmp_path / "v1" / KEY.name[:2] / f"{KEY.name[2:]}.json"
    good.parent.mkdir(exist_ok=True)
    file_of(tmp_path).rename(good)

    assert cache.get(KEY) is None
    assert dict(cache.refused) == {Flaw.MISPLACED: 1}
    assert [it for _, it in cache.entries()] == [Flaw.MISPLACED]


def test_what_others_signed_is_not_ours(tmp_path: Path) -> None:
    opened(tmp_path, b"fedcba9876543210").put(entry())
    cache = opened(tmp_path, SECRET)

    assert cache.get(KEY) is None
    assert dict(cache.refused) == {Flaw.TAMPERED: 1}


def test_an_entry_that_is_no_good_is_written_anew(tmp_path: Path) -> None:
    opened(tmp_path).put(entry())
    cache = opened(tmp_path, SECRET)
    assert cache.get(KEY) is None

    cache.put(entry())

    assert cache.get(KEY) is not None


def test_a_key_that_cannot_be_written_exactly_is_misplaced(tmp_path: Path) -> None:
    cache = opened(tmp_path)
    cache.put(entry())
    _edited(key=OTHER | {"sample_index": 2**60})(file_of(tmp_path))

    assert [it for _, it in cache.entries()] == [Flaw.MISPLACED]


def test_a_folder_that_cannot_be_written_loses_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "v1").write_text("in the way")
    cache = opened(tmp_path)

    cache.put(entry())

    assert cache.unwritten == 1
    assert cache.moved("judge", "sim/a") is None


def test_a_name_that_leads_elsewhere_is_told_once(tmp_path: Path) -> None:
    cache = opened(tmp_path)

    told = [cache.moved("judge", it) for it in ("sim/a", "sim/a", "sim/b", "sim/b")]

    assert told == [None, None, "sim/a", None]
    assert list(cache.entries()) == []


def test_old_and_useless_files_are_removed(tmp_path: Path) -> None:
    clock = FrozenClock()
    cache = Cache(tmp_path, clock)
    now = cache.now()
    ages = {"new": now, "old": "2025-10-02T23:59:59Z", "edge": "2025-10-03T00:00:00Z"}
    for step, at in ages.items():
        cache.put(entry(replace(KEY, step=step), at=at))
    garbage = tmp_path / "v1" / "00" / "a.json"
    garbage.parent.mkdir(exist_ok=True)
    garbage.write_text("{")
    for name, age_s in ((".a.new", 7200), (".b.new", 60)):
        left = garbage.with_name(name)
        left.write_text("half")
        at_s = clock.now_us() / 1e6 - age_s
        os.utime(left, (at_s, at_s))

    count, size = cache.gc(90)

    assert now == "2026-01-01T00:00:00Z"
    assert count == 3
    assert size > 5
    kept = {it.key.step for _, it in cache.entries() if isinstance(it, Entry)}
    assert kept == {"new", "edge"}
    assert [it.name for it in tmp_path.rglob(".*.new")] == [".b.new"]


WRITER = """
import sys
from pathlib import Path
from msgspec.structs import replace
from tests.evals.test_cache import KEY, SECRET, entry, opened

cache = opened(Path(sys.argv[1]), SECRET)
print("ready", flush=True)
at = 0
while at < int(sys.argv[2]):
    cache.put(entry(replace(KEY, sample_index=at % 20)))
    at += 1
"""


def _writer(folder: Path, times: int) -> subprocess.Popen[bytes]:
    writer = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", WRITER, str(folder), str(times)],
        stdout=subprocess.PIPE,
        env={**_environment(), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    return writer


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath}


def _all_good(folder: Path) -> int:
    found = [it for _, it in opened(folder, SECRET).entries()]
    assert all(isinstance(it, Entry) for it in found)
    return len(found)


def test_two_processes_that_write_the_same_leave_it_whole(tmp_path: Path) -> None:
    writers = [_writer(tmp_path, 500) for _ in range(2)]
    while any(it.poll() is None for it in writers):
        _all_good(tmp_path)

    for writer in writers:
        with writer:
            assert writer.wait() == 0
    assert _all_good(tmp_path) == 20
    assert list(tmp_path.rglob("*.new")) == []


def test_a_kill_at_any_time_leaves_nothing_torn(tmp_path: Path) -> None:
    with _writer(tmp_path, 10**9) as writer:
        for _ in range(50):
            _all_good(tmp_path)
            time.sleep(0.002)
        writer.send_signal(signal.SIGKILL)

    assert writer.returncode == -signal.SIGKILL
    assert _all_good(tmp_path) == 20
