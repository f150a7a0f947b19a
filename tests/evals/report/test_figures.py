import pytest

from trimtab.evals.report.figures import amount, chance, duration, interval, share, signed, usd
from trimtab.stats.estimate import Interval


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.912, ".912"), (1.0, "1.000"), (-0.025, "-.025"), (-1.5, "-1.500"), (-0.0001, ".000")],
)
def test_a_share_has_no_zero_before_its_point(value: float, expected: str) -> None:
    assert share(value) == expected


def test_what_is_not_known_is_a_dash() -> None:
    assert [share(None), amount(None), chance(None), interval(None)] == ["-"] * 4


def test_zero_has_no_sign() -> None:
    assert [signed(it) for it in (".005", "-.005", ".000", "1.2")] == [
        "+.005",
        "-.005",
        ".000",
        "+1.2",
    ]


def test_a_chance_is_never_nothing() -> None:
    assert (chance(0.0004), chance(0.04), chance(1.0)) == ("<.001", ".040", "1.000")


def test_an_interval_has_the_form_of_its_metric() -> None:
    assert interval(Interval(-0.049, 0.003), sign=True) == "[-.049,+.003]"
    assert interval(Interval(1.25, 1.5), lower=True) == "[1.25,1.5]"


@pytest.mark.parametrize(
    ("nano", "expected"),
    [(0, "$0.00"), (410_000_000, "$0.41"), (4_100_000, "$0.0041"), (12_000_000_000, "$12.00")],
)
def test_an_amount_is_written_to_the_cent_or_finer(nano: int, expected: str) -> None:
    assert usd(nano) == expected


@pytest.mark.parametrize(
    ("us", "expected"),
    [(900_000, "1 s"), (192_000_000, "3 min 12 s"), (7_500_000_000, "2 h 5 min")],
)
def test_a_span_of_time_is_written_in_its_units(us: int, expected: str) -> None:
    assert duration(us) == expected
