"""`exact_match`: the answer is one of the accepted texts."""

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import NO_EXPECTED, About, Answer, Need, Score, scored
from trimtab.evals.metrics.words import Flags


class ExactMatch(Flags, frozen=True):
    """Compares whole texts, white space collapsed."""

    about = About(name="exact_match", needs=frozenset({Need.EXPECTED}))

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        if not case.accepted:
            return NO_EXPECTED
        said = self.plain(answer.text)
        return scored(said in map(self.plain, case.accepted))
