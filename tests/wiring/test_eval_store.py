import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.evals.suites import written
from tests.evals.test_reuse import stored

from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.domain.ids import ulid
from trimtab.evals.journal import Head, Journal
from trimtab.evals.result import Subject
from trimtab.evals.reuse import GOOD_FOR_US
from trimtab.wiring import SystemClock
from trimtab.wiring.eval_store import begun, read_stored, store, stored_runs


def run_id(late_us: int = 0) -> str:
    return "ev_" + ulid((SystemClock().now_us() - late_us) // 1000, os.urandom)


def test_runs_of_the_week_are_given_the_newest_first(tmp_path: Path) -> None:
    old, middle, new = (run_id(it) for it in (GOOD_FOR_US + 10**9, GOOD_FOR_US - 10**9, 0))
    for it in (middle, old, new):
        store(tmp_path, replace(stored(), run_id=it))
    (tmp_path / "evals" / f"{run_id()}.json").write_text("no run")

    assert [it.run_id for it in stored_runs(tmp_path)] == [new, middle]
    assert read_stored(tmp_path, old).run_id == old


@pytest.mark.parametrize("name", ["ev_nothing", "../evals/x", ""])
def test_a_run_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound, match="there is no run"):
        read_stored(tmp_path, name)
    with pytest.raises(NotFound, match="there is no run"):
        begun(tmp_path, name)


async def test_a_run_that_ended_early_is_found_with_its_suite(tmp_path: Path) -> None:
    path = written(tmp_path)
    head = Head(run_id="ev_1", file=str(path), suite_hash="h", candidate=Subject(name="a"))
    journal = Journal(tmp_path / "evals", "ev_1")
    journal.append(head)

    with pytest.raises(SettingsInvalid, match="going on elsewhere"):
        begun(tmp_path, "ev_1")
    journal.close()
    suite, found = begun(tmp_path, "ev_1")

    assert (suite.name, found) == ("rag-golden", head)


async def test_one_that_died_before_its_first_line_is_run_anew(tmp_path: Path) -> None:
    Journal(tmp_path / "evals", "ev_1").close()

    with pytest.raises(NotFound, match="run its suite anew"):
        begun(tmp_path, "ev_1")
