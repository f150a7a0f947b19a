"""Amounts in the tables are whole USD."""

from collections.abc import Sequence

import pytest

from trimtab.cost.baseline import (
    Excess,
    Part,
    Past,
    Terms,
    explain,
    is_3x,
    is_fast,
    is_spike,
    median,
    rate,
)
from trimtab.domain.money import NANO_PER_USD as USD

TERMS = Terms()
WORKDAYS = [10, 10, 10, 10, 10, 2, 2] * 4
"""Monday to Sunday, four times: the day judged is a Monday, and 7.71 is usual."""


def past(
    days: Sequence[float], *, flagged: Sequence[int] = (), typical: float | None = None
) -> Past:
    return Past(
        [round(day * USD) for day in days],
        [at in flagged for at in range(len(days))],
        None if typical is None else round(typical * USD),
    )


@pytest.mark.parametrize(
    ("day", "days", "found"),
    [
        pytest.param(30, [10] * 28, False, id="three times is not more than three times"),
        pytest.param(30.000000001, [10] * 28, True, id="a nano more is"),
        pytest.param(0, [0] * 28, False, id="nothing after nothing"),
        pytest.param(5, [0] * 28, False, id="the floor after nothing"),
        pytest.param(5.000000001, [0] * 28, True, id="more than the floor after nothing"),
        pytest.param(0.04, [0.01] * 28, True, id="cents count: it wakes nobody"),
        pytest.param(31, [0] * 27 + [280], True, id="the mean of 28 days, one of them dear"),
    ],
)
def test_3x_compares_with_the_mean_of_28_days(
    day: float, days: Sequence[float], *, found: bool
) -> None:
    assert (is_3x(round(day * USD), past(days), TERMS) is not None) is found


@pytest.mark.parametrize(
    ("day", "days", "found"),
    [
        pytest.param(31, [10] * 28, True, id="more than three times all that there was"),
        pytest.param(30, [10] * 28, False, id="three times"),
        pytest.param(25, WORKDAYS, False, id="3x of the mean, not of the weekday"),
        pytest.param(31, WORKDAYS, True, id="3x of the weekday"),
        pytest.param(31, [*[10] * 27, 31], False, id="as dear as the dearest"),
        pytest.param(31, [*[10] * 27, 10.5], True, id="dearer than the dearest"),
        pytest.param(7, [2] * 28, False, id="an excess of the floor"),
        pytest.param(7.01, [2] * 28, True, id="an excess above the floor"),
        pytest.param(5, [0] * 28, False, id="the floor after nothing"),
        pytest.param(5.01, [0] * 28, True, id="more than the floor after nothing"),
    ],
)
def test_a_spike_is_more_than_its_month_its_weekday_the_dearest_day_and_the_floor(
    day: float, days: Sequence[float], *, found: bool
) -> None:
    assert (is_spike(round(day * USD), past(days), TERMS) is not None) is found


def test_a_spike_says_what_was_usual_for_its_weekday() -> None:
    assert is_spike(31 * USD, past(WORKDAYS), TERMS) == Excess(31 * USD, 10 * USD)


def test_a_flagged_day_is_no_measure_of_what_is_usual() -> None:
    days = [*[10] * 27, 300]

    assert past(days).usual() == (27 * 10 + 300) * USD // 28
    assert past(days, flagged=[27]).usual() == 10 * USD


def test_a_flagged_weekday_is_no_measure_either() -> None:
    days = [10] * 21 + [300] + [10] * 6

    assert past(days).usual_weekday() == (10 + 10 + 10 + 300) * USD // 4
    assert past(days, flagged=[21]).usual_weekday() == 10 * USD


def test_a_new_level_is_a_spike_once_not_for_a_month() -> None:
    days, flagged, spikes = [10.0] * 28, list[int](), 0
    for _ in range(28):
        if is_spike(40 * USD, past(days[-28:], flagged=flagged), TERMS):
            spikes += 1
            flagged = [*flagged, 28]
        days.append(40.0)
        flagged = [at - 1 for at in flagged if at]

    assert spikes == 1


@pytest.mark.parametrize(
    ("days", "usual"),
    [
        pytest.param([], 8, id="no day: the tier's"),
        pytest.param([100] * 6, 8, id="six days: the tier's"),
        pytest.param([100] * 7, (100 * 7 + 8 * 21) / 28, id="a week: a quarter its own"),
        pytest.param([100] * 14, 54, id="two weeks: half its own"),
        pytest.param([100] * 27, (100 * 27 + 8) / 28, id="27 days: nearly all its own"),
        pytest.param([100] * 28, 100, id="four weeks: its own"),
    ],
)
def test_what_is_usual_is_the_tiers_until_there_are_days_of_its_own(
    days: Sequence[float], usual: float
) -> None:
    assert past(days, typical=8).usual() == round(usual * USD)


def test_a_tenant_all_of_whose_days_are_flagged_is_measured_by_its_tier() -> None:
    assert past([50] * 28, flagged=range(28), typical=8).usual() == 8 * USD


def test_nothing_is_judged_while_nobody_knows_what_is_usual() -> None:
    new = past([10] * 6)

    assert new.usual() is None
    assert new.usual_hour([1, 1]) is None
    assert is_3x(1000 * USD, new, TERMS) is None
    assert is_spike(1000 * USD, new, TERMS) is None
    assert not is_fast(1000 * USD, None, TERMS)


def test_own_days_count_alone_if_the_tier_says_nothing() -> None:
    assert past([10] * 7).usual() == 10 * USD


@pytest.mark.parametrize(
    ("same", "known", "usual"),
    [
        pytest.param([1, 9, 2, 4], 28, 3, id="the median of four weeks"),
        pytest.param([1, 9, 2], 28, 2, id="the median of three"),
        pytest.param([], 28, 0.5, id="none: a day of the tier by 24"),
        pytest.param([9], 6, 0.5, id="less than a week: the tier's"),
        pytest.param([9, 9], 14, 4.75, id="two weeks: half its own"),
    ],
)
def test_what_an_hour_usually_costs(same: Sequence[int], known: int, usual: float) -> None:
    found = past([0] * known, typical=12).usual_hour([it * USD for it in same])

    assert found == round(usual * USD)


@pytest.mark.parametrize(
    ("hour", "usual", "fast"),
    [
        pytest.param(3, 1, False, id="three times"),
        pytest.param(3.01, 1, True, id="more"),
        pytest.param(1.25, 0, False, id="a quarter of the floor"),
        pytest.param(1.26, 0, True, id="more than that after nothing"),
        pytest.param(1.2, 0.1, False, id="twelve times, and cheap"),
    ],
)
def test_an_hour_is_fast_beside_the_same_hour_and_above_a_quarter_of_the_floor(
    hour: float, usual: float, *, fast: bool
) -> None:
    assert is_fast(round(hour * USD), round(usual * USD), TERMS) is fast


@pytest.mark.parametrize(
    ("hours", "monthly", "found"),
    [
        pytest.param([(1, 1), (9, 1), (9, 1)], None, (18, 2), id="two running, one still running"),
        pytest.param([(9, 1), (8, 1), (0, 1)], None, (17, 2), id="two running, then quiet"),
        pytest.param([(9, 1), (1, 1), (9, 1)], None, None, id="two, not running"),
        pytest.param([(1, 1), (1, 1), (9, 1)], None, None, id="one alone"),
        pytest.param([(1, 1), (9, 9), (1, 1)], 36, None, id="a quarter of the month"),
        pytest.param([(1, 1), (9, 9), (1, 1)], 35, (9, 9), id="more than a quarter in one hour"),
    ],
)
def test_the_rate_is_two_fast_hours_running_or_one_of_a_quarter_of_the_month(
    hours: Sequence[tuple[int, int]], monthly: int | None, found: tuple[int, int] | None
) -> None:
    amounts = [Excess(actual * USD, usual * USD) for actual, usual in hours]

    judged = rate(amounts, TERMS, None if monthly is None else monthly * USD)

    assert judged == (None if found is None else Excess(found[0] * USD, found[1] * USD))


def test_factor_and_floor_are_terms() -> None:
    day = past([10] * 28)

    assert is_spike(21 * USD, day, Terms(factor_pct=200)) is not None
    assert is_spike(20 * USD, day, Terms(factor_pct=200)) is None
    assert is_spike(31 * USD, day, Terms(floor_nano=21 * USD)) is None


def test_the_part_that_explains_most_is_the_one_that_grew_most_not_the_largest() -> None:
    now = {("search", "chat"): 110, ("bot", "chat"): 60, ("bot", "small"): 5}
    usual = {("search", "chat"): 100, ("bot", "chat"): 10, ("bot", "small"): 9}

    assert explain(now, usual) == Part("bot", "chat", 83)


def test_nothing_explains_what_is_no_more_than_usual() -> None:
    assert explain({("search", "chat"): 1}, {("search", "chat"): 1}) is None


def test_the_median_of_nothing_is_nothing() -> None:
    assert median([]) == 0
