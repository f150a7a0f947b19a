"""`token_f1`: how many words the answer shares with the accepted text that is most like it.

The formula is that of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250).
"""

from collections import Counter

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import NO_EXPECTED, About, Answer, Need, Score, scored
from trimtab.evals.metrics.words import Flags


class TokenF1(Flags, frozen=True):
    """Compares bags of words, loosely unless told otherwise."""

    casefold: bool = True
    strip_punctuation: bool = True
    strip_articles: bool = True

    about = About(name="token_f1", needs=frozenset({Need.EXPECTED}))

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        if not case.accepted:
            return NO_EXPECTED
        said = self.plain(answer.text).split()
        return scored(max(_f1(said, self.plain(it).split()) for it in case.accepted))


def _f1(said: list[str], accepted: list[str]) -> float:
    if not said or not accepted:
        return float(said == accepted)
    shared = (Counter(said) & Counter(accepted)).total()
    return 2 * shared / (len(said) + len(accepted))
