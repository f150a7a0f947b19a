"""`pairwise`: the candidate against the baseline, in both orders.

Judges prefer places (Zheng et al. 2023, arXiv 2306.05685). So an arm wins only if it wins in both.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, Question, ask_all
from trimtab.evals.metrics.base import (
    About,
    Answer,
    Need,
    Score,
    attempted,
    not_applicable,
    scored,
)

PROMPT = "judge-pairwise-better"


class Better(StrEnum):
    """Which place the better answer has."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"


_SWAPPED = {Better.FIRST: Better.SECOND, Better.SECOND: Better.FIRST, Better.TIE: Better.TIE}
_VALUES = {Better.FIRST: 1.0, Better.SECOND: 0.0, Better.TIE: 0.5}


class Game(Struct, frozen=True):
    """A comparison in one order."""

    reason: str
    better: Better


class Pairwise(Struct, frozen=True, forbid_unknown_fields=True):
    """1 for a win of the candidate, 0 for a loss, 0.5 for a tie.

    Attributes:
        rubric: What makes an answer better.
    """

    rubric: str = "The better answer is correct, complete and to the point."

    about = About(name="pairwise", needs=frozenset({Need.JUDGE, Need.BASELINE}), prompts=(PROMPT,))

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`. The label is what was picked with the candidate first, and second."""
        if answer.baseline is None:
            return not_applicable("there is no answer of the baseline")
        orders = ((answer.text, answer.baseline), (answer.baseline, answer.text))
        one, other = await ask_all(
            judge, [self._question(case, *it, order=at) for at, it in enumerate(orders)]
        )
        agreed = one.better if one.better is _SWAPPED[other.better] else Better.TIE
        return scored(
            _VALUES[agreed],
            f"{one.reason}; swapped: {other.reason}",
            label=f"{one.better}/{other.better}",
        )

    def _question(self, case: Case, first: str, second: str, *, order: int) -> Question[Game]:
        return Question(
            step=f"pairwise/{'swapped' if order else 'straight'}",
            prompt=PROMPT,
            variables={
                "question": case.question,
                "first": first,
                "second": second,
                "rubric": self.rubric,
            },
            candidate=("first", "second"),
            verdict=Game,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of many games.

    Attributes:
        swap_consistency: Share of cases whose answer did not change with the order.
        picked_first: Share of single games, ties left out, that the first place won.
    """

    wins: int
    losses: int
    ties: int
    swap_consistency: float | None
    picked_first: float | None


def tally(scores: Iterable[Score]) -> Tally:
    """Count scores of this metric; those without a value are left out."""
    values = list[float]()
    consistent = 0
    picks = list[Better]()
    for it in scores:
        if it.value is not None and it.label is not None:
            one, other = map(Better, it.label.split("/"))
            values.append(it.value)
            consistent += one is _SWAPPED[other]
            picks += (pick for pick in (one, other) if pick is not Better.TIE)
    return Tally(
        wins=values.count(1.0),
        losses=values.count(0.0),
        ties=values.count(0.5),
        swap_consistency=consistent / len(values) if values else None,
        picked_first=picks.count(Better.FIRST) / len(picks) if picks else None,
    )
