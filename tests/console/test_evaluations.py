"""Stored runs of evaluations for the console."""

import asyncio
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from msgspec.structs import replace
from tests.evals.runs import even, worse

from trimtab.console.evaluations import REMEMBERED, Evaluations
from trimtab.evals.decided import Decided
from trimtab.evals.shelf import SHA256, Shelf

BEFORE, AFTER = even(12, run_id="ev_01A"), worse(12, 4, run_id="ev_01B")


def lacking(module: str) -> Any:  # noqa: ANN401 -- as `resolve_name` has it
    def load(_: str) -> Any:  # noqa: ANN401
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    return load


class Counted:
    """Decides at once, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, _: str) -> Any:  # noqa: ANN401 -- what is loaded
        return self.decide

    def decide(self, _run: object, _standings: object) -> Decided:
        self.times += 1
        return Decided(verdict="PASS")


def test_a_decision_is_of_the_run_as_it_is_stored(tmp_path: Path) -> None:
    card = Shelf(tmp_path).put(AFTER)
    decided = Decided(verdict="FAIL", report=SHA256 + card.content)
    Shelf(tmp_path).decide(AFTER.run_id, decided)
    evaluations = Evaluations(Shelf(tmp_path))

    assert evaluations.shelf.decided(card.run_id, card.content) == decided
    assert evaluations.shelf.decided(card.run_id, "0" * 64) is None
    assert [it.run_id for it in evaluations.shelf.cards()] == ["ev_01B"]
    assert evaluations.shelf.read(evaluations.shelf.find("ev_01").run_id) == AFTER


async def test_two_runs_are_paired_and_figured(tmp_path: Path) -> None:
    evaluations = Evaluations(Shelf(tmp_path))

    paired = evaluations.paired(BEFORE, AFTER)
    assert paired is not None
    figured = await evaluations.figured(paired)

    assert figured is not None
    assert figured.lines[0].first == 3
    assert figured.lines[0].p is not None
    assert (figured.verdict, figured.lines[0].verdict, figured.lines[0].reason) == ("", "", "")


async def test_figures_are_computed_once_even_if_many_ask(tmp_path: Path) -> None:
    counted = Counted()
    evaluations = Evaluations(Shelf(tmp_path), counted)

    await asyncio.gather(*(evaluations.figured(AFTER) for _ in range(5)))
    await evaluations.figured(replace(AFTER, run_id="ev_other"))
    assert counted.times == 1

    for at in range(REMEMBERED):
        await evaluations.figured(replace(AFTER, suite=f"s{at}"))
    await evaluations.figured(AFTER)
    assert counted.times == REMEMBERED + 2


@pytest.mark.parametrize("module", ["numpy", "scipy.special"])
async def test_without_statistics_there_is_nothing_and_no_crash(
    tmp_path: Path, module: str
) -> None:
    evaluations = Evaluations(Shelf(tmp_path), lacking(module))

    assert evaluations.paired(BEFORE, AFTER) is None
    assert await evaluations.figured(AFTER) is None


def test_another_module_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModuleNotFoundError):
        Evaluations(Shelf(tmp_path), lacking("msgspec")).paired(BEFORE, AFTER)


def test_what_is_loaded_by_name_is_there() -> None:
    assert callable(resolve_name("trimtab.evals.deciding:decide"))
    assert callable(resolve_name("trimtab.evals.versus:side_by_side"))
