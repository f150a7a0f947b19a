"""Verdicts as they are written down."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.evals.runs import even

from trimtab.domain.errors import InvalidRequest
from trimtab.evals.decided import Decided, DecidedLine, Span
from trimtab.evals.shelf import SHA256, Shelf, content_hash

RUN = even(3, run_id="ev_01A")
CONTENT = content_hash(RUN)
LINE = DecidedLine(name="f[de]", metric="f", slice="de", n=3, level=Span(0.1, 0.9))
DECIDED = Decided(verdict="PASS", report=SHA256 + CONTENT, lines=(LINE,))


def test_a_decision_is_read_as_it_was_put(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)

    shelf.decide(RUN.run_id, DECIDED)

    assert shelf.decided(RUN.run_id, CONTENT) == DECIDED
    assert DECIDED.metrics == ()


def test_a_decision_on_another_content_is_none(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.decide(RUN.run_id, DECIDED)

    assert shelf.decided(RUN.run_id, "f" * 64) is None


def test_a_decision_is_no_run_on_the_shelf(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.put(RUN)

    Shelf(tmp_path).decide(RUN.run_id, DECIDED)

    assert [it.run_id for it in shelf.cards()] == [RUN.run_id]


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff", b'{"verdict": 1}'])
def test_what_cannot_be_read_is_none(tmp_path: Path, damage: bytes) -> None:
    shelf = Shelf(tmp_path)
    shelf.decide(RUN.run_id, DECIDED)
    (tmp_path / "evals" / "ev_01A.decision").write_bytes(damage)

    assert shelf.decided(RUN.run_id, CONTENT) is None


@pytest.mark.parametrize("name", ["../ev_1", "ev_/x", "x", ""])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path)

    with pytest.raises(InvalidRequest):
        shelf.decide(name, DECIDED)
    assert shelf.decided(name, CONTENT) is None


def test_a_floor_within_noise_is_said_so() -> None:
    line = replace(LINE, reason="floor", within_noise=True)

    assert line.said == "floor, within noise"
