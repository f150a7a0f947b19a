"""A judgement as it is written down."""

import msgspec
from tests.evals.runs import run, tagged, worse

from trimtab.evals.case import Kind
from trimtab.evals.decided import Decided
from trimtab.evals.deciding import decide, decided_of
from trimtab.evals.judgement import judged
from trimtab.evals.shelf import SHA256, content_hash


def test_everything_that_was_decided_is_kept() -> None:
    made = worse(40, 12, metrics={"exact_match": {"floor": 0.9}})
    judgement = judged(made, {})

    decided = decided_of(judgement)

    row, line = judgement.lines[0].row, decided.lines[0]
    assert (decided.verdict, decided.reason, decided.because) == ("FAIL", "floor", "exact_match")
    assert decided.report == SHA256 + content_hash(made)
    assert (line.delta, line.p, line.p_holm, line.mde) == (row.delta, row.p, row.p_holm, row.mde)
    assert (line.first, line.second, line.floor, line.lower) == (12, 0, 0.9, False)
    assert row.interval is not None
    assert line.interval is not None
    assert (line.interval.low, line.interval.high) == (row.interval.low, row.interval.high)
    assert (line.verdict, line.blocking) == ("FAIL", True)


def test_it_is_the_same_after_it_was_written() -> None:
    decided = decide(tagged(worse(20, 4), {"de": range(10)}), {})

    assert msgspec.json.decode(msgspec.json.encode(decided), type=Decided) == decided
    assert [it.slice for it in decided.lines] == ["", "de"]


def test_errors_are_named() -> None:
    decided = decide(run({"exact_match": [1.0, "judge_refused", 1.0]}), {})

    assert decided.lines[0].failed == ("q-0001",)
    assert decided.lines[0].errors == 1


def test_what_has_a_unit_is_lower() -> None:
    latency = {"latency": {"metric": "latency_s", "max": 3.0}}

    line = decide(run({"latency": [1.0, 2.0, 1.5]}, metrics=latency), {}).lines[0]

    assert (line.lower, line.floor, line.candidate) == (True, 3.0, 1.5)


def test_the_most_attacks_are_a_ceiling() -> None:
    made = run(
        {"refuses": [1.0] * 20 + [0.0]}, kind=Kind.ADVERSARIAL, gate={"max_attack_rate": 0.5}
    )

    line = decide(made, {}).lines[0]

    assert (line.lower, line.floor) == (True, 0.5)
