"""Judges against people: what others recorded, and the rules by which a judge is refused."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace as change
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace
from tests.evals.labelled import (
    JUDGE,
    NOW_US,
    PROMPTS,
    label,
    labels_of,
    run_of,
    values,
)
from tests.recorded import gradings, halueval, ragchecker
from tests.services import recorded

from trimtab.domain.errors import NotFound
from trimtab.evals.calibrate import Agreement, Drawing, Ratings, calibrate, ceiling, refusals
from trimtab.evals.calibration import GOOD_US, Calibration, Figure
from trimtab.evals.labels import Label
from trimtab.evals.metrics.base import Score, failed, scored
from trimtab.evals.result import JudgeSeen, Run
from trimtab.evals.scale import SCALES, Kind
from trimtab.stats.estimate import FloatArray

DIGITS = 5.1e-7  # six are printed
FEW_DRAWS = 400


def one(
    run: Run, labels: Sequence[Label], metric: str = "faithfulness", draws: int = FEW_DRAWS
) -> Calibration:
    (only,) = calibrate(run, labels, {metric: PROMPTS[metric]}, NOW_US, draws)
    return only


def ends(found: Figure, low: float, high: float, digits: float = DIGITS) -> None:
    assert (found.low, found.high) == pytest.approx((low, high), abs=digits)


@cache
def rag(name: str) -> Calibration:
    """RAGChecker: which of two answers is better, -2 .. 2, by two people; a judge's difference."""
    found = ragchecker(name)
    # by rank, for rounding must not make or part ties
    ranks = np.unique(found.judge, return_inverse=True)[1]
    run = run_of(values(ranks / ranks.max()))
    labels = labels_of((found.first + 2) / 4, (found.second + 2) / 4)
    return one(run, labels, draws=4000)


def test_ragcheckers_judge_is_valid_overall() -> None:
    made = rag("overall")

    assert (made.kind, made.statistic, made.n, made.labels) == (
        Kind.CONTINUOUS,
        "Spearman",
        280,
        560,
    )
    assert made.agreement.value == pytest.approx(0.608960, abs=DIGITS)
    ends(made.agreement, 0.53, 0.68, digits=0.01)
    assert (made.refused, made.wide, made.raters, made.unmatched) == ((), False, ("ana", "mia"), 0)
    assert made.humans is not None
    assert made.humans.agreement.value == pytest.approx(0.688910, abs=DIGITS)
    assert (made.humans.statistic, made.humans.n, made.humans.fleiss) == ("Spearman", 280, None)


def test_ragcheckers_judge_is_refused_for_correctness() -> None:
    made = rag("correctness")

    assert made.agreement.value == pytest.approx(0.469432, abs=DIGITS)
    ends(made.agreement, 0.38, 0.55, digits=0.01)
    (why,) = made.refused
    assert why.startswith("the lower end of Spearman, 0.37")
    assert "is under 0.50; " in why


def test_a_judge_that_always_says_no_agrees_often_and_is_refused() -> None:
    human, _ = halueval()
    run = run_of([scored(0, label="answers")] * len(human), "refuses")

    made = one(run, labels_of(human.astype(float).tolist(), metric="refuses"), "refuses")

    assert made.raw == pytest.approx(0.819170, abs=DIGITS)
    assert made.agreement.value == 0
    assert made.ac1 == pytest.approx(0.783572, abs=DIGITS)
    assert made.spearman is None
    assert made.confusion == ((3692, 0), (815, 0))
    (why,) = made.refused
    assert why.startswith("the lower end of kappa, 0.000, is under 0.40; ")


def test_a_judge_that_looks_for_a_digit_is_refused_twice() -> None:
    human, digit = halueval()
    run = run_of([scored(1, label=("answers", "refuses")[int(it)]) for it in digit], "refuses")

    made = one(run, labels_of(human.astype(float).tolist(), metric="refuses"), "refuses")

    assert made.confusion == ((2037, 1655), (426, 389))
    assert made.kappa.value == pytest.approx(0.018289, abs=DIGITS)
    ends(made.kappa, -0.005575, 0.042152)
    ends(made.agreement, -0.005575, 0.042152, digits=0.01)
    assert made.raw == pytest.approx(0.538274, abs=DIGITS)
    assert made.ac1 == pytest.approx(0.185454, abs=DIGITS)
    assert ["lower end of kappa" in it for it in made.refused] == [True, False]
    assert made.refused[1].startswith("raw agreement, 0.538, is under 0.60; ")


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [("mt_bench", 0.835478, 0.875886), ("vicuna", 0.798524, 0.803694)],
)
def test_one_grading_is_held_against_the_others(name: str, first: float, second: float) -> None:
    one_to_five = (gradings(name).T - 1) / 4
    run = run_of(values(one_to_five[0]), "rubric", options={"rubric": "5 is good", "scale": 5})

    for other, expected in ((1, first), (2, second)):
        made = one(run, labels_of(one_to_five[other], metric="rubric"), "rubric")
        assert made.agreement.value == pytest.approx(expected, abs=DIGITS)
        assert made.kappa.value == made.agreement.value
        assert (made.statistic, made.refused, made.humans) == ("quadratic kappa", (), None)
    both = one(run, labels_of(*one_to_five[1:], metric="rubric"), "rubric")
    assert both.humans is not None
    apart = {"mt_bench": 0.841071, "vicuna": 0.819664}[name]
    assert both.humans.agreement.value == pytest.approx(apart, abs=DIGITS)
    assert both.labels == 640


def test_three_raters_with_gaps_have_a_ceiling_of_their_own() -> None:
    human = xsum()
    several = ~np.isnan(human)
    complete = human[several.sum(1) == 3]

    alpha = ceiling(rated(human), SCALES["refuses"]({}), Drawing(1, FEW_DRAWS))
    kappa = ceiling(rated(complete), SCALES["refuses"]({}), Drawing(1, FEW_DRAWS))

    assert alpha is not None
    assert kappa is not None
    assert alpha.statistic == "Krippendorff alpha"
    assert alpha.agreement.value == pytest.approx(0.773606, abs=DIGITS)
    assert alpha.fleiss is None
    assert kappa.fleiss == pytest.approx(0.774363, abs=DIGITS)
    assert kappa.n == 1848


def xsum() -> FloatArray:
    """Three answers yes (1) or no (0) to each item; NaN is a gap."""
    rows = defaultdict[tuple[str, str], list[float]](list)
    file = recorded("evals") / "xsum" / "factuality_annotations_xsum_summaries.csv"
    numbers = {"yes": 1.0, "no": 0.0, "NULL": np.nan}
    with file.open(newline="") as lines:
        for row in csv.DictReader(lines):
            rows[row["bbcid"], row["system"]].append(numbers[row["is_factual"]])
    most = max(map(len, rows.values()))
    return np.array([it + [np.nan] * (most - len(it)) for it in rows.values()])


def rated(human: FloatArray) -> Ratings:
    count = np.arange(len(human))
    names = tuple(f"r{it}" for it in range(human.shape[1]))
    return Ratings(names, human, np.zeros(len(human)), count, count)


GOOD = [1.0, 0.0] * 40
NEARLY = [1 - it if at % 16 == 0 else it for at, it in enumerate(GOOD)]


def refusing(said: Sequence[float]) -> list[Score]:
    return [scored(1, label=("answers", "refuses")[int(it)]) for it in said]


@pytest.mark.parametrize(("n", "refused", "wide"), [(49, 1, False), (50, 0, True), (80, 0, True)])
def test_fifty_cases_are_the_least(n: int, refused: int, wide: bool) -> None:  # noqa: FBT001
    run = run_of(refusing(NEARLY), "refuses")

    made = one(run, labels_of(GOOD[:n], metric="refuses"), "refuses")

    assert (made.n, len(made.refused), made.wide) == (n, refused, wide)
    if refused:
        assert made.refused == ("49 cases are labelled, and 50 are the least; label 1 more",)


def test_from_two_hundred_on_it_is_not_wide() -> None:
    run = run_of(refusing(NEARLY * 3), "refuses")

    wide = [
        one(run, labels_of((GOOD * 3)[:n], metric="refuses"), "refuses").wide for n in (199, 200)
    ]

    assert wide == [True, False]


def test_two_raters_of_an_answer_are_one_case() -> None:
    run = run_of(refusing(NEARLY), "refuses")

    made = one(run, labels_of(GOOD[:30], GOOD[:30], metric="refuses"), "refuses")

    assert (made.n, made.labels) == (30, 60)
    assert made.refused[0].startswith("30 cases are labelled")


def test_both_raters_of_a_case_are_drawn_together() -> None:
    run = run_of(refusing(NEARLY), "refuses")

    alone = one(run, labels_of(GOOD, metric="refuses"), "refuses", draws=4000)
    twice = one(run, labels_of(GOOD, GOOD, metric="refuses"), "refuses", draws=4000)

    # a second rater who says the same adds nothing; the analytic interval believes it does
    assert width(twice.agreement) == pytest.approx(width(alone.agreement), rel=0.1)
    assert width(twice.kappa) == pytest.approx(width(alone.kappa) / 2**0.5, rel=0.1)


def test_cases_of_a_group_are_drawn_together() -> None:
    groups = [f"doc-{at // 16}" for at in range(80)]
    worse = [1 - it if 16 <= at < 32 else it for at, it in enumerate(GOOD)]
    labels = labels_of(GOOD, metric="refuses")

    alone = one(run_of(refusing(worse), "refuses"), labels, "refuses")
    grouped = one(run_of(refusing(worse), "refuses", groups=groups), labels, "refuses")

    assert width(grouped.agreement) > 1.5 * width(alone.agreement)
    assert grouped.n == 80


def width(found: Figure) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_a_judge_that_says_what_people_say_is_valid() -> None:
    for metric, scores in (("refuses", refusing(GOOD)), ("faithfulness", values(GOOD))):
        made = one(run_of(scores, metric), labels_of(GOOD, metric=metric), metric)
        ends(made.agreement, 1, 1)
        assert (made.raw, made.refused) == (1, ())


def test_of_one_class_only_nothing_can_be_said() -> None:
    run = run_of(refusing([0.0] * 80), "refuses")

    made = one(run, labels_of([0.0] * 80, metric="refuses"), "refuses")

    assert (made.raw, made.agreement.value, made.agreement.low) == (1, None, None)
    (why,) = made.refused
    assert why.startswith("kappa has no interval (both raters use one and the same class); ")


def test_raw_agreement_is_asked_for_where_labels_are_nominal() -> None:
    # three quarters of the answers are refusals by either, and they agree on 55% of all
    human = [1.0] * 60 + [0.0] * 40
    judge = [1.0] * 35 + [0.0] * 25 + [1.0] * 20 + [0.0] * 20

    made = one(run_of(refusing(judge), "refuses"), labels_of(human, metric="refuses"), "refuses")

    assert made.raw == pytest.approx(0.55)
    assert any(it.startswith("raw agreement, 0.550, is under 0.60") for it in made.refused)


def test_the_lower_end_decides_and_not_the_figure() -> None:
    human = GOOD[:60]
    judge = [1 - it if at % 4 == 0 else it for at, it in enumerate(human)]

    made = one(run_of(refusing(judge), "refuses"), labels_of(human, metric="refuses"), "refuses")

    assert made.agreement.value == pytest.approx(0.5)
    (why,) = made.refused
    assert why.startswith("the lower end of kappa, 0.2")


def test_a_lower_end_just_under_the_bar_does_not_look_like_it() -> None:
    nearly = Figure(value=0.6, low=0.39999, high=0.8)
    found = Agreement(
        labels=90, agreement=nearly, kappa=nearly, raw=0.9, ac1=0.9, spearman=0.6, confusion=()
    )

    (why,) = refusals(90, Kind.NOMINAL, found)

    assert why.startswith("the lower end of kappa, 0.399, is under 0.40; ")
    assert refusals(90, Kind.NOMINAL, change(found, agreement=Figure(value=0.6, low=0.4))) == ()


def test_without_labels_it_is_refused_and_says_so() -> None:
    made = one(run_of(values(GOOD)), [])

    assert (made.n, made.labels, made.raters, made.raw, made.humans) == (0, 0, (), None, None)
    assert made.refused[0] == "0 cases are labelled, and 50 are the least; label 50 more"


def test_labels_meet_scores_on_case_answer_and_metric() -> None:
    run = run_of([*values(GOOD), failed("judge_truncated", "cut")])
    stray = [
        label(0, 0, rater="tom", answer_hash="0" * 64),
        label(80, 1, rater="tom"),
        label(999, 1, rater="tom"),
        label(1, 1, rater="tom", metric="rubric"),
    ]

    made = one(run, [*labels_of(GOOD), *stray])

    assert (made.n, made.labels, made.unmatched, made.raters) == (80, 80, 3, ("ana",))


def test_the_last_label_counts_and_a_withdrawn_one_does_not() -> None:
    run = run_of(values(GOOD))
    withdrawn = label(1, None)

    made = one(run, [label(0, 0), *labels_of(GOOD), withdrawn])

    assert (made.n, made.unmatched) == (79, 0)
    assert made.confusion == ((39, 0), (0, 40))


def test_it_is_bound_to_what_it_was_made_with() -> None:
    made = one(run_of(values(GOOD)), labels_of(GOOD))

    assert made.bound.resolved == JUDGE.resolved
    assert made.bound.prompts == {it: JUDGE.prompts[it] for it in PROMPTS["faithfulness"]}
    assert made.bound.version == "1"
    assert (made.at_us, made.until_us) == (NOW_US, NOW_US + GOOD_US)
    assert made == one(run_of(values(GOOD)), labels_of(GOOD)[::-1])
    assert made.id.startswith("cal_")
    assert made.id != one(run_of(values(GOOD)), labels_of(GOOD[:70])).id


def test_a_run_that_does_not_say_who_judged_is_refused() -> None:
    unknown = JudgeSeen(model="judge", prompts={"judge-faithfulness-split": "a"})

    made = one(replace(run_of(values(GOOD)), judge=unknown), labels_of(GOOD))

    assert made.refused == (
        "nobody knows which model has judged; run the suite again",
        "nobody knows which prompt 'judge-faithfulness-verify' has judged; run the suite again",
    )


def test_a_metric_without_a_judge_is_not_calibrated() -> None:
    with pytest.raises(NotFound, match="no judge decides 'exact_match'"):
        calibrate(run_of(values(GOOD)), [], {"exact_match": ()}, NOW_US)


def test_two_halves_are_told_beside_what_is_continuous() -> None:
    human = [1.0, 0.75, 0.5, 0.25, 0.0] * 20
    judge = [0.9, 0.8, 0.4, 0.3, 0.1] * 20

    made = one(run_of(values(judge)), labels_of(human))

    assert made.agreement.value == pytest.approx(1)
    assert made.confusion == ((40, 0), (20, 40))
    assert made.raw == pytest.approx(0.8)
