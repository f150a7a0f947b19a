"""`numeric`: the number in the answer is close enough to the expected one."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import NO_EXPECTED, About, Answer, Need, Score, failed, scored

# Neither inside a word nor a part of a longer number, as of a date or a version.
_NUMBER = re.compile(
    r"(?<![\w.,])[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,40})(?:\.[0-9]{1,40})?"
    r"(?:[eE][-+]?[0-9]{1,3})?(?![\w]|[.,][0-9])"
)


class Take(StrEnum):
    """Which of the numbers in an answer counts."""

    ONLY = "only"
    FIRST = "first"
    LAST = "last"


class Numeric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Compares numbers, exactly but for the larger of two tolerances.

    Attributes:
        abs: How far apart they may be.
        rel: The same, as a share of the expected number.
        take: With `only`, an answer with several numbers is wrong.
    """

    abs: Annotated[float, Meta(ge=0)] = 0.0
    rel: Annotated[float, Meta(ge=0)] = 0.0
    take: Take = Take.ONLY

    about = About(name="numeric", needs=frozenset({Need.EXPECTED}))

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        if not case.accepted:
            return NO_EXPECTED
        wanted = [_numbers(it) for it in case.accepted]
        if any(len(it) != 1 for it in wanted):
            return failed("no_number", "what is expected is not one number; write one")
        said = _numbers(answer.text)
        if not said or (self.take is Take.ONLY and len(said) > 1):
            return scored(0, f"has {len(said)} numbers" if said else "has no number")
        number = said[0] if self.take is Take.FIRST else said[-1]
        return scored(any(self._close(number, it[0]) for it in wanted), f"said {number}")

    def _close(self, said: Decimal, wanted: Decimal) -> bool:
        allowed = max(Decimal(str(self.abs)), Decimal(str(self.rel)) * wanted.copy_abs())
        return (said - wanted).copy_abs() <= allowed


def _numbers(text: str) -> list[Decimal]:
    return [Decimal(it[0].replace(",", "")) for it in _NUMBER.finditer(text.replace("\u2212", "-"))]
