"""How scores are written and drawn."""

import pytest
from tests.console.evaluating import line, valid

from trimtab.console.scores import HALF, WIDTH, chance, score, shown, signed_score, span
from trimtab.console.text import DASH
from trimtab.evals.decided import Span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH),
        (0.912, ".912"),
        (1.0, "1.000"),
        (-0.025, "-.025"),
        (-0.0001, ".000"),
        (0, ".000"),
    ],
)
def test_a_share_is_written_without_its_zero(value: float | None, text: str) -> None:
    assert score(value) == text


def test_what_has_a_unit_is_written_in_four_digits() -> None:
    assert score(1234.56, lower=True) == "1235"
    assert signed_score(0.25, lower=True) == "+0.25"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.005, "+.005"), (-0.025, "-.025"), (0.0, ".000"), (None, DASH)],
)
def test_a_difference_has_a_sign(value: float | None, text: str) -> None:
    assert signed_score(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0004, "< .001"), (0.04, ".040"), (1.0, "1.000")])
def test_a_small_chance_is_not_written_as_none(value: float, text: str) -> None:
    assert chance(value) == text


def test_an_interval_has_two_ends() -> None:
    assert span(Span(-0.049, 0.003), sign=True) == "[-.049, +.003]"


def test_differences_are_drawn_on_one_scale_that_holds_every_interval() -> None:
    bad = line(0.9, delta=-0.1, interval=Span(-0.15, -0.05), verdict="FAIL")

    (one, two), scale = shown([bad, valid()])

    assert scale == 0.2
    assert one.whisker is not None
    assert two.whisker is not None
    assert one.whisker.at == pytest.approx(WIDTH / 2 - HALF / 2)
    assert one.whisker.low < one.whisker.at < one.whisker.high < WIDTH / 2
    assert two.whisker.at == WIDTH / 2
    assert (one.whisker.tone, two.whisker.tone) == ("bad", "good")


def test_an_interval_beyond_the_scale_ends_at_its_edge() -> None:
    (one,), scale = shown([line(0.5, delta=0.0, interval=Span(-3.0, 3.0))])

    assert scale == 1.0
    assert one.whisker is not None
    assert one.whisker.low >= 0
    assert one.whisker.high <= WIDTH


@pytest.mark.parametrize("members", [{"lower": True}, {"interval": None}, {"delta": None}], ids=str)
def test_without_a_difference_of_shares_there_is_no_picture(members: dict[str, object]) -> None:
    (one,), _ = shown([line(0.9, **members)])

    assert one.whisker is None


def test_what_was_not_judged_has_no_colour_of_a_verdict() -> None:
    (one,), _ = shown([line(0.9, verdict="")])

    assert one.whisker is not None
    assert one.whisker.tone == "accent"


def test_what_only_informs_is_quiet() -> None:
    (one,), _ = shown([line(0.9, verdict="FAIL", blocking=False)])

    assert one.whisker is not None
    assert one.whisker.tone == "quiet"
