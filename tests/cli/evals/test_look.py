from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.evals.runs import even, name_of, run, samples, worse

from trimtab.evals.result import Arm
from trimtab.evals.shelf import Shelf

BEFORE = replace(worse(40, 1), run_id="ev_1")
AFTER = replace(worse(40, 6), run_id="ev_2")


def fill(terminal: Terminal) -> None:
    for it in (BEFORE, AFTER):
        Shelf(terminal.home / ".trimtab").put(it)


def test_runs_are_listed_newest_first(terminal: Terminal) -> None:
    empty = terminal.run("evals", "list")
    fill(terminal)

    listed = terminal.run("evals", "list")

    assert "make one with `trimtab evals run`" in empty.stdout
    assert [it.split()[0] for it in listed.stdout.splitlines()] == ["run", "ev_2", "ev_1"]
    assert "rag-answer@3.3.0" in listed.stdout
    assert len(terminal.json("evals", "list", "-n", "1")["runs"]) == 1
    assert terminal.json("evals", "list", "--suite", "other")["runs"] == []


def test_a_run_is_shown_with_its_verdict(terminal: Terminal) -> None:
    fill(terminal)

    assert "VERDICT FAIL" in terminal.run("evals", "show", "ev_2").stdout
    assert terminal.json("evals", "show", "ev_2")["decision"]["verdict"] == "FAIL"


def test_a_case_is_shown_with_its_answers_and_scores(terminal: Terminal) -> None:
    fill(terminal)

    shown = terminal.run("evals", "show", "ev_2", name_of(0)).stdout

    assert shown.splitlines() == [
        "q-0000",
        'asked     {"question":"What of 0?"}',
        "expected  Yes",
        "",
        "--- baseline  sample 0  r_baseline_0",
        "baseline says 0",
        "exact_match 1: because",
        "",
        "--- candidate  sample 0  r_candidate_0",
        "candidate says 0",
        "exact_match 0: because",
    ]
    told = terminal.json("evals", "show", "ev_2", name_of(0))["cases"]
    assert [it["case"]["id"] for it in told] == [name_of(0)]
    assert len(told[0]["samples"]) == 2


def test_the_reasons_of_a_judge_are_shown_alone(terminal: Terminal) -> None:
    fill(terminal)

    one = terminal.run("evals", "show", "ev_2", name_of(1), "--judge", "exact_match").stdout
    every = terminal.run("evals", "show", "ev_2", "--judge", "exact_match").stdout

    assert "candidate says" not in one
    assert one.count("because") == 2
    assert every.count("because") == 80


def test_errors_are_shown_and_answers_cannot_steer_the_terminal(terminal: Terminal) -> None:
    made = run({"exact_match": ["judge_refused"]})
    (first,) = made.samples
    bad = samples(Arm.CANDIDATE, {"exact_match": [1.0]}, index=1, text="\x1b]0;owned\x07")
    lost = replace(first, index=2, error="provider_timeout", error_detail="after 30 s")
    Shelf(terminal.home / ".trimtab").put(replace(made, samples=(first, *bad, lost)))

    shown = terminal.run("evals", "show", made.run_id, name_of(0)).stdout

    assert "exact_match error judge_refused: there is no verdict: judge_refused" in shown
    assert "error provider_timeout: after 30 s" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_what_is_not_there_is_told(terminal: Terminal) -> None:
    fill(terminal)

    metric = terminal.run("evals", "show", "ev_2", "--judge", "bleu", code=2)
    case = terminal.run("evals", "show", "ev_2", "q-none", code=2)
    gone = terminal.run("evals", "show", "ev_3", code=2)

    assert "has no metric 'bleu'; it has exact_match" in metric.stderr
    assert "has no case 'q-none'" in case.stderr
    assert "there is no run 'ev_3'; `trimtab evals list` lists them" in gone.stderr


def test_two_runs_are_compared_test_by_test_and_case_by_case(terminal: Terminal) -> None:
    fill(terminal)

    done = terminal.run("evals", "compare", "ev_1", "ev_2", "-n", "2").stdout

    assert "baseline rag-answer@3.3.0 (production, answers of ev_1)" not in done
    assert "baseline rag-answer@3.3.0 (answers of ev_1)" in done
    assert "5/0" in done
    assert done.splitlines()[-4:] == [
        "case    metric       before  after  delta",
        "q-0001  exact_match    1.00    .00  -1.00",
        "q-0002  exact_match    1.00    .00  -1.00",
        "3 more; -n shows them",
    ]
    told = terminal.json("evals", "compare", "ev_1", "ev_2")
    assert len(told["cases"]) == 5
    assert told["unpaired"] == []
    same = terminal.run("evals", "compare", "ev_1", "ev_1").stdout
    assert "no case differs in any metric" in same


def test_a_comparison_of_other_suites_is_refused(terminal: Terminal) -> None:
    fill(terminal)
    Shelf(terminal.home / ".trimtab").put(replace(even(3), run_id="ev_3", metrics={"x": "1"}))

    refused = terminal.run("evals", "compare", "ev_1", "ev_3", code=2)

    assert "have no metric in common" in refused.stderr
