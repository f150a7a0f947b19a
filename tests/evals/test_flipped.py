from trimtab.evals.flipped import flipped
from trimtab.evals.metrics.base import Parts, failed, scored
from trimtab.evals.metrics.table import make_metric

METRICS = {it: make_metric(it, {}, Parts()) for it in ("exact_match", "token_f1", "latency_s")}


def test_an_outcome_that_differs_in_either_direction_is_asked_again() -> None:
    yes, no = {"exact_match": scored(1)}, {"exact_match": scored(0)}

    assert flipped(METRICS, yes, no)
    assert flipped(METRICS, no, yes)
    assert not flipped(METRICS, yes, yes)


def test_scores_differ_by_more_than_a_quarter() -> None:
    assert flipped(METRICS, {"token_f1": scored(0.5)}, {"token_f1": scored(0.2)})
    assert not flipped(METRICS, {"token_f1": scored(0.5)}, {"token_f1": scored(0.25)})


def test_times_and_errors_are_no_reason() -> None:
    assert not flipped(METRICS, {"latency_s": scored(9)}, {"latency_s": scored(1)})
    assert not flipped(METRICS, {"exact_match": failed("x", "y")}, {"exact_match": scored(0)})
    assert not flipped(METRICS, {}, {"exact_match": scored(0)})
