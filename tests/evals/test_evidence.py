from msgspec.structs import replace
from tests.evals.runs import CANDIDATE, STARTED_US, VALID, even, run, worse

from trimtab.domain.prompt import Evidence
from trimtab.evals.deciding import evidence_of
from trimtab.evals.judgement import judged
from trimtab.evals.result import Run, Spent
from trimtab.evals.shelf import content_hash
from trimtab.evals.terms import Standings

ENDED_US = STARTED_US + 192_000_000
NOW_US = ENDED_US + 86_400_000_000


def given(made: Run, standings: Standings | None = None) -> Evidence | None:
    return evidence_of(judged(made, standings or {}), NOW_US)


def test_a_pass_and_a_fail_are_evidence_of_the_content_they_are_about() -> None:
    passed, failed = given(even()), given(worse())

    assert passed == Evidence(
        hash="c" * 64,
        passed=True,
        ts_us=ENDED_US,
        datasets=("rag-golden",),
        judge_valid=True,
        report=f"sha256:{content_hash(even())}",
    )
    assert failed is not None
    assert not failed.passed


def test_what_is_inconclusive_or_no_prompt_is_no_evidence() -> None:
    assert given(even(30)) is None
    assert given(even(candidate=replace(CANDIDATE, prompt_hash=None))) is None


def test_to_judge_an_old_run_again_makes_it_no_younger() -> None:
    later, unknown = (replace(even(), spent=it) for it in (Spent(ended_us=NOW_US + 9), Spent()))

    for made in (later, unknown):
        evidence = given(made)
        assert evidence is not None
        assert evidence.ts_us == NOW_US


def test_a_judge_that_does_not_agree_with_people_is_told() -> None:
    made = run(
        {"exact_match": [0.0] * 300, "faithfulness": [1.0] * 300},
        metrics={"exact_match": {"floor": 0.5}, "faithfulness": {}},
    )

    unknown, valid = given(made), given(made, {"faithfulness": VALID})

    assert unknown is not None
    assert valid is not None
    assert (unknown.judge_valid, valid.judge_valid) == (False, True)
