"""What looks wrong although no amount does yet: loops, budgets that will not last, odd lines."""

from collections.abc import Sequence
from itertools import pairwise

from trimtab.cost.baseline import QUARTER, Terms
from trimtab.domain.budget import Span

LEAST_CALLS = 50
LEAST_EQUAL = 45
"""Fewer are no loop, however few calls there are beside them."""
LOOP_US = 300_000_000
GROWING_CALLS = 10

_EQUAL_TENTHS = 9
_TENTHS = 10
_HUNDREDTH = 100
_ODD_PER = 1_000


def repeats(calls: int, equal: int, cost_nano: int, terms: Terms) -> bool:
    """Whether calls of five minutes are a loop: 50 or more, nine of ten with the same body.

    A hundredth of the floor keeps out what asks if we are well: that much every five minutes is
    less than three times the floor a day.
    """
    is_same = equal * _TENTHS > _EQUAL_TENTHS * calls
    return calls >= LEAST_CALLS and is_same and cost_nano * _HUNDREDTH > terms.floor_nano


def grows(tokens: Sequence[int], cost_nano: int, terms: Terms) -> bool:
    """Whether calls that follow each other read more and more, ten times in a row, up to the last.

    Every conversation does that: it is a runaway once the calls cost what an hour may.
    """
    last = tokens[-GROWING_CALLS:]
    is_growing = len(last) == GROWING_CALLS and all(one < two for one, two in pairwise(last))
    return is_growing and cost_nano * QUARTER > terms.floor_nano


def empty_at_us(
    span: Span, size: int, spent: int, pace: tuple[int, int], now_us: int
) -> int | None:
    """Tell when a budget will be empty, if that is before the end of its span.

    Args:
        span: The running one.
        size: What may be spent in it, in nano-USD.
        spent: What was.
        pace: Nano-USD spent lately, and in how many microseconds.
        now_us: When it is asked.
    """
    left = size - spent
    if left <= 0:
        return now_us
    nano, lately_us = pace
    # Compared by multiplying: no rounding, and a pace of nothing lasts for ever.
    if left * lately_us >= nano * (span.ends_us - now_us):
        return None
    return now_us + left * lately_us // nano


def is_often(odd: int, lines: int) -> bool:
    """Whether contradicting counts are more than the one in a thousand that providers get wrong."""
    return odd * _ODD_PER > lines
