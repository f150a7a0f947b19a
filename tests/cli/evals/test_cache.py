"""`trimtab evals cache`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from tests.evals.test_cache import KEY, entry, file_of, opened

from trimtab.cli import program
from trimtab.domain.clock import Clock
from trimtab.wiring import SystemClock

CLOCK: Clock = SystemClock()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["evals", "cache", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cache = opened(tmp_path)
    cache.put(entry())
    cache.put(entry(replace(KEY, sample_index=1), cost_nano=None, at="2026-02-01T00:00:00Z"))
    cache.put(entry(replace(KEY, judge_model="sim/other")))
    return tmp_path


def test_what_is_remembered_is_counted_by_judge_and_step(folder: Path) -> None:
    told = run("stats", "--folder", str(folder), "--json")

    document = json.loads(told.output)
    assert (document["signed"], document["unusable"]) == (False, {})
    assert document["bytes"] == sum(it.stat().st_size for it in folder.rglob("*.json"))
    assert document["entries"][0] == {
        "judge_model": "sim/judge-2026-01-15",
        "step": "rubric/grade",
        "entries": 2,
        "cost_nano": 410_000,
        "oldest": "2026-01-01T00:00:00Z",
        "newest": "2026-02-01T00:00:00Z",
    }
    assert document["entries"][1]["judge_model"] == "sim/other"


def test_people_get_a_table_and_whether_it_is_trusted(folder: Path) -> None:
    told = run("stats", "--folder", str(folder)).output

    row = told.splitlines()[1].split()
    assert row[:4] == ["sim/judge-2026-01-15", "rubric/grade", "2", "0.00041"]
    assert "unsigned: TRIMTAB_CACHE_KEY is not set" in told


def test_an_empty_folder_says_what_fills_it(tmp_path: Path) -> None:
    told = run("stats", "--folder", str(tmp_path))

    assert (told.exit_code, "nothing is remembered yet" in told.output) == (0, True)


def test_a_good_folder_is_verified(folder: Path) -> None:
    told = run("verify", "--folder", str(folder))

    assert (told.exit_code, told.output.startswith("3 of 3 entries can be used")) == (0, True)


def test_with_a_key_what_is_unsigned_is_named_and_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE_KEY", "0123456789abcdef")

    told = run("verify", "--folder", str(folder))
    counted = run("stats", "--folder", str(folder))

    assert told.exit_code == 1
    assert told.output.count(": unsigned\n") == 3
    assert "0 of 3 entries can be used, signed" in told.output
    assert "signed; not used: 3 unsigned" in counted.output


def test_garbage_is_named_for_programs(folder: Path) -> None:
    path = file_of(folder)
    path.write_text("{")

    told = run("verify", "--folder", str(folder), "--json")

    assert told.exit_code == 1
    assert json.loads(told.output)["unusable"] == [{"path": str(path), "flaw": "unreadable"}]


def test_what_is_old_is_removed(folder: Path) -> None:
    days = (CLOCK.now_us() // 1_000_000 - 1_768_435_200) // 86_400  # since 2026-01-15

    told = run("gc", "--folder", str(folder), "--days", str(days))

    assert told.output.startswith("removed 2 files, ")
    assert len(list(folder.rglob("*.json"))) == 1
    assert run("gc", "--folder", str(folder)).exit_code == 0


def test_a_key_that_is_too_short_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE_KEY", "short")

    told = run("stats", "--folder", str(folder))

    assert told.exit_code != 0
    assert "TRIMTAB_CACHE_KEY" in f"{told.output}{told.exception}"
