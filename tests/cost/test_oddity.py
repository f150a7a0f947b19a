from collections.abc import Sequence

import pytest

from trimtab.cost.baseline import Terms
from trimtab.cost.oddity import empty_at_us, grows, is_often, repeats
from trimtab.domain.budget import Span
from trimtab.domain.money import NANO_PER_USD as USD

TERMS = Terms()
CENT = USD // 100
DAY = Span("day:2026-11-23", 0, 24)
"""One whose clock counts hours."""


@pytest.mark.parametrize(
    ("calls", "equal", "cents", "loop"),
    [
        pytest.param(50, 46, 6, True, id="fifty, more than nine of ten the same"),
        pytest.param(49, 49, 6, False, id="one too few"),
        pytest.param(50, 45, 6, False, id="nine of ten"),
        pytest.param(1000, 901, 6, True, id="many, just more than nine of ten"),
        pytest.param(60, 60, 5, False, id="as cheap as asking whether we are well"),
    ],
)
def test_equal_calls_are_a_loop(calls: int, equal: int, cents: int, *, loop: bool) -> None:
    assert repeats(calls, equal, cents * CENT, TERMS) is loop


@pytest.mark.parametrize(
    ("tokens", "cents", "runaway"),
    [
        pytest.param(range(10), 126, True, id="ten that grow"),
        pytest.param(range(9), 126, False, id="nine"),
        pytest.param([*range(5), *range(10)], 126, True, id="the last ten count"),
        pytest.param([*range(10), 9], 126, False, id="the last did not grow"),
        pytest.param([*range(10)], 125, False, id="a conversation that costs what any may"),
    ],
)
def test_calls_that_read_more_and_more_run_away(
    tokens: Sequence[int], cents: int, *, runaway: bool
) -> None:
    assert grows(list(tokens), cents * CENT, TERMS) is runaway


@pytest.mark.parametrize(
    ("spent", "pace", "empty"),
    [
        pytest.param(50, (10, 2), 22, id="before the end"),
        pytest.param(40, (10, 2), None, id="exactly at the end"),
        pytest.param(41, (10, 2), 23, id="just before"),
        pytest.param(99, (0, 2), None, id="nobody spends"),
        pytest.param(100, (0, 2), 12, id="empty already"),
        pytest.param(130, (10, 2), 12, id="in debt"),
    ],
)
def test_a_budget_is_told_to_be_empty_before_its_end(
    spent: int, pace: tuple[int, int], empty: int | None
) -> None:
    assert empty_at_us(DAY, 100, spent, pace, 12) == empty


@pytest.mark.parametrize(("odd", "often"), [(0, False), (1, False), (2, True)])
def test_one_in_a_thousand_is_not_often(odd: int, *, often: bool) -> None:
    assert is_often(odd, 1000) is often
