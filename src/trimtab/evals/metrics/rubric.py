"""`rubric`: the judge rates the answer on a scale whose steps are written down."""

from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, Question
from trimtab.evals.metrics.base import About, Answer, Need, Score, attempted, scored

PROMPT = "judge-rubric-grade"


class Grade(Struct, frozen=True):
    """A step of the scale."""

    reason: str
    score: int


class Rubric(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step s of 1 to k becomes (s - 1) / (k - 1).

    Attributes:
        rubric: What each step means.
        scale: The highest step, k.
        reference: Whether the judge sees what is expected.
    """

    rubric: Annotated[str, Meta(min_length=1)]
    scale: Annotated[int, Meta(ge=2, le=100)] = 5
    reference: bool = True

    about = About(name="rubric", needs=frozenset({Need.JUDGE}), prompts=(PROMPT,))

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        question = Question(
            step="rubric/grade",
            prompt=PROMPT,
            variables={
                "question": case.question,
                "answer": answer.text,
                "expected": list(case.accepted) if self.reference else [],
                "rubric": self.rubric,
                "scale": self.scale,
            },
            candidate=("answer",),
            verdict=Grade,
            check=partial(_check, self.scale),
        )
        grade = await judge.ask(question)
        return scored((grade.score - 1) / (self.scale - 1), grade.reason, label=str(grade.score))


def _check(scale: int, said: Grade) -> str | None:
    return None if 1 <= said.score <= scale else f"give a score of 1 to {scale}"
