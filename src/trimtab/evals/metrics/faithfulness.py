"""`faithfulness`: which share of the answer's claims its contexts support.

After Es et al. 2023 (arXiv 2309.15217), in two calls: one that splits the answer into claims, and
one that verifies all of them.
"""

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, Question, Verdicts, numbered, one_to_one
from trimtab.evals.metrics.base import (
    NO_CONTEXTS,
    About,
    Answer,
    Need,
    Score,
    attempted,
    contexts,
    not_applicable,
    scored,
)

SPLIT, VERIFY = "judge-faithfulness-split", "judge-faithfulness-verify"
NO_CLAIMS = not_applicable("the answer claims nothing")


class Claims(Struct, frozen=True):
    """What an answer says, one statement each."""

    claims: tuple[str, ...]


class Support(Struct, frozen=True):
    """Whether the contexts say so."""

    index: int
    reason: str
    supported: bool


class Faithfulness(Struct, frozen=True, forbid_unknown_fields=True):
    """Supported claims of all claims."""

    about = About(
        name="faithfulness", needs=frozenset({Need.CONTEXTS, Need.JUDGE}), prompts=(SPLIT, VERIFY)
    )

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        known = contexts(case, answer)
        if known is None:
            return NO_CONTEXTS
        if not answer.text.strip():
            return NO_CLAIMS
        split = Question(
            step="faithfulness/split",
            prompt=SPLIT,
            variables={"question": case.question, "answer": answer.text},
            candidate=("answer",),
            verdict=Claims,
        )
        claims = (await judge.ask(split)).claims
        if not claims:
            return NO_CLAIMS
        if not known:
            return scored(0, "nothing was retrieved that could support it")
        verify = Question(
            step="faithfulness/verify",
            prompt=VERIFY,
            variables={"contexts": numbered(known), "claims": numbered(claims)},
            candidate=("claims",),
            verdict=Verdicts[Support],
            check=one_to_one(len(claims)),
        )
        verdicts = (await judge.ask(verify)).verdicts
        wrong = [f"{claims[it.index - 1]!r}: {it.reason}" for it in verdicts if not it.supported]
        return scored(1 - len(wrong) / len(claims), "; ".join(wrong))
