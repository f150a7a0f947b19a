from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.evals.runs import even, worse

from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.evals.result import Spent, Stop, write_run
from trimtab.evals.shelf import Shelf, content_hash

RUN = even(3)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path)
    made.put(replace(RUN, run_id="ev_01A"))
    made.put(replace(worse(3, 1), run_id="ev_02A"))
    made.put(replace(RUN, run_id="ev_02B", spent=Spent(ended_us=7)))
    return made


def test_a_run_is_read_as_it_was_put(shelf: Shelf) -> None:
    assert shelf.read("ev_01A") == replace(RUN, run_id="ev_01A")


def test_runs_are_listed_newest_first(shelf: Shelf) -> None:
    assert [it.run_id for it in shelf.cards()] == ["ev_02B", "ev_02A", "ev_01A"]
    assert list(Shelf(Path("nowhere")).cards()) == []


def test_a_card_tells_what_a_list_shows(shelf: Shelf) -> None:
    shelf.put(replace(RUN, stopped=Stop.BUDGET))
    card = shelf.find(RUN.run_id)

    assert (card.suite, card.candidate, card.baseline) == (
        "rag-golden",
        "rag-answer@3.3.0",
        "rag-answer@3.2.0",
    )
    assert (card.prompt, card.cases, card.spent_nano) == ("rag-answer", 3, 1_610_000_000)
    assert (card.stopped, card.verdict) == ("budget", "")


@pytest.mark.parametrize("text", ["ev_01A", "ev_01"])
def test_a_run_is_found_by_its_id_or_the_beginning_of_it(shelf: Shelf, text: str) -> None:
    assert shelf.find(text).run_id == "ev_01A"


def test_an_id_that_others_begin_with_is_found(shelf: Shelf) -> None:
    shelf.put(replace(RUN, run_id="ev_01AB"))

    assert shelf.find("ev_01A").run_id == "ev_01A"


def test_a_run_is_found_by_its_content_the_newest_of_the_same(shelf: Shelf) -> None:
    content = content_hash(RUN)

    for text in (content, content[:12], f"sha256:{content}"):
        assert shelf.find(text).run_id == "ev_02B"


def test_what_is_not_one_run_is_told(shelf: Shelf) -> None:
    with pytest.raises(InvalidRequest, match="2 runs begin with 'ev_02'"):
        shelf.find("ev_02")
    for text in ("ev_9", "", "../control", "0" * 64):
        with pytest.raises(NotFound, match="there is no run"):
            shelf.find(text)
        with pytest.raises(NotFound, match="there is no run"):
            shelf.read(text)


def test_an_id_that_leads_elsewhere_is_not_stored(shelf: Shelf) -> None:
    with pytest.raises(InvalidRequest, match="no id of a run"):
        shelf.put(replace(RUN, run_id="../ev_1"))


def test_the_verdict_is_on_the_card_and_not_in_the_document(shelf: Shelf) -> None:
    run = shelf.read("ev_01A")

    shelf.judged(run, "FAIL", "floor")
    shelf.judged(replace(run, run_id="ev_away"), "PASS", "")

    assert (shelf.find("ev_01A").verdict, shelf.find("ev_01A").reason) == ("FAIL", "floor")
    assert shelf.read("ev_01A") == run
    with pytest.raises(NotFound):
        shelf.find("ev_away")


def test_a_card_that_is_gone_or_broken_is_made_anew(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.find("ev_01A")
    (tmp_path / "evals/ev_01A.card").unlink()
    (tmp_path / "evals/ev_02A.card").write_text("{")

    assert shelf.find("ev_01A") == before
    assert shelf.find("ev_02A").cases == 3


def test_other_files_are_no_runs(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "evals/ev_03.json").write_text("{}")
    (tmp_path / "evals/ev_01A.jsonl").write_text("")

    assert [it.run_id for it in shelf.cards()] == ["ev_02B", "ev_02A", "ev_01A"]


def test_a_list_reads_cards_only(shelf: Shelf, tmp_path: Path) -> None:
    for path in (tmp_path / "evals").glob("*.json"):
        path.write_text("not read")

    assert len(list(shelf.cards())) == 3


def test_the_same_answers_have_the_same_hash_whatever_they_took() -> None:
    later = replace(
        RUN,
        run_id="ev_9",
        spent=Spent(started_us=1),
        samples=tuple(
            replace(it, request_id="r_2", latency_s=9.0, cost_nano=1) for it in RUN.samples
        ),
    )

    assert content_hash(RUN) == content_hash(later)
    assert content_hash(RUN) != content_hash(replace(RUN, suite_hash="f"))
    first, *rest = RUN.samples
    other = (replace(first, text="else"), *rest)
    assert content_hash(RUN) != content_hash(replace(RUN, samples=other))
    assert write_run(replace(RUN, spent=Spent())) == write_run(replace(even(3), spent=Spent()))
