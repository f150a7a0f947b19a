import numpy as np
import pytest
from tests.stats import references

from trimtab.stats.agreement import confusion
from trimtab.stats.classification import f1, macro_f1, precision, recall


def test_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    classes = 50
    for _ in range(references.INPUTS // classes):
        true = rng.integers(0, classes, 200)
        guessed = np.where(rng.random(200) < 0.6, true, rng.integers(0, classes, 200))

        table = confusion(true, guessed, classes)

        for score, expected in zip(
            (precision, recall, f1), references.scores(true, guessed, classes), strict=True
        ):
            found = [score(table, label).value or 0.0 for label in range(classes)]
            assert found == pytest.approx(expected, abs=1e-9)
        macro = references.macro_f1(true, guessed)
        assert macro_f1(table).value == pytest.approx(macro, abs=1e-9)


def test_macro_f1_is_over_classes_that_occur_or_were_predicted() -> None:
    table = np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])

    assert f1(table, 1).value == 0
    assert f1(table, 2).reason == "the class neither occurs nor was predicted"
    assert macro_f1(table).value == pytest.approx((6 / 7 + 0) / 2)


def test_what_never_occurs_or_is_never_predicted_has_no_score() -> None:
    table = np.array([[0, 0], [5, 0]])

    assert precision(table, 1).reason == "the class was never predicted"
    assert recall(table, 1).value == 0
    assert recall(table, 0).reason == "the class never occurs"
    assert macro_f1(np.zeros((2, 2), np.int64)).reason == "no cases"
