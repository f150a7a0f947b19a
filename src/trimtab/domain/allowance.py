"""What answers tell is left of limits."""

from typing import NamedTuple


class Allowance(NamedTuple):
    """How much of a rate is left.

    Attributes:
        what: `requests` or `tokens`.
        reset_s: Seconds until all of it is there again, if nothing is asked.
    """

    what: str
    size: int
    left: int
    reset_s: float


class BudgetLeft(NamedTuple):
    """What is left of a budget: nano-USD, below 0 if it is overdrawn, and when the next begins."""

    nano: int | None
    resets_us: int
