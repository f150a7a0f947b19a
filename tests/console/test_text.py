"""How figures read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.console.text import (
    DASH,
    byte_size,
    clock_time,
    count,
    duration,
    instant,
    instant_exact,
    list_price,
    share,
    usd,
    usd_about,
    usd_exact,
)

AT_US = 1_777_142_531_482_013


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (None, "unknown"),
        (0, "$0"),
        (1, "$0.000000001"),
        (9_414_000, "$0.009414"),
        (310_000, "$0.0003100"),
        (41_200_000_000, "$41.20"),
        (999_999_999, "$1.0000"),
        (1_234_567_890_000, "$1,234.57"),
        (-9_414_000, "-$0.009414"),
    ],
)
def test_money_shows_what_is_known(nano: int | None, shown: str) -> None:
    assert usd(nano) == shown


@pytest.mark.parametrize(
    ("nano", "shown"),
    [
        (0, "≈ $0"),
        (714_213_803_059, "≈ $714"),
        (1_239_900_000_000, "≈ $1,240"),
        (53_864_000_000, "≈ $53.9"),
        (999_999_999, "≈ $1"),
        (-12_345, "≈ -$0.0000123"),
        (7, "≈ $0.000000007"),
    ],
)
def test_a_guess_has_three_digits(nano: int, shown: str) -> None:
    assert usd_about(nano) == shown


def test_an_estimate_is_marked_and_shorter() -> None:
    assert usd(9_414_000, estimated=True) == "≈ $0.0094"


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_the_exact_amount_reads_back_as_itself(nano: int) -> None:
    text = usd_exact(nano).replace("$", "").replace(",", "")

    assert round(float(text) * 1e9) == pytest.approx(nano, rel=1e-15)
    assert text.replace(".", "").lstrip("-").lstrip("0") == str(abs(nano)).lstrip("0")


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (None, DASH),
        (0, "0.00 ms"),
        (412, "0.41 ms"),
        (3_140, "3.1 ms"),
        (412_000, "412 ms"),
        (999_400, "999 ms"),
        (999_600, "1.00 s"),
        (1_240_000, "1.24 s"),
        (59_940_000, "59.9 s"),
        (59_960_000, "1 min 0 s"),
        (125_000_000, "2 min 5 s"),
    ],
)
def test_a_duration_has_its_best_unit(us: int | None, shown: str) -> None:
    assert duration(us) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, DASH),
        (0, 9, "0 %"),
        (1, 10_000, "< 0.1 %"),
        (1, 8, "12.5 %"),
        (8, 8, "100 %"),
    ],
)
def test_a_share_says_when_it_is_tiny_and_when_there_is_no_whole(
    part: int, whole: int, shown: str
) -> None:
    assert share(part, whole) == shown


def test_a_time_names_its_zone() -> None:
    assert instant(AT_US) == "2026-04-25 18:42:11 UTC"
    assert instant_exact(AT_US) == "2026-04-25T18:42:11.482013Z"


def test_a_column_shows_the_day_only_when_it_is_another() -> None:
    assert clock_time(AT_US, AT_US) == "18:42:11"
    assert clock_time(AT_US - 86_400_000_000, AT_US) == "24 Apr 18:42:11"


def test_counts_and_sizes_are_grouped() -> None:
    assert count(4123) == "4,123"
    assert count(None) == DASH
    assert byte_size(18_432) == "18.0 KiB"
    assert byte_size(7) == "7 B"


@pytest.mark.parametrize(
    ("nano", "written"),
    [(3_000_000_000, "$3"), (75_000_000, "$0.075"), (-2_850_000_000, "-$2.85"), (0, "$0")],
)
def test_a_list_price_has_the_digits_it_has(nano: int, written: str) -> None:
    assert list_price(nano) == written
    assert list_price(None) == "unknown"
