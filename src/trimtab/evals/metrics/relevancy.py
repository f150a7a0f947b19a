"""`answer_relevancy`: whether the answer is one to the question that was asked.

After Es et al. 2023 (arXiv 2309.15217): questions are made from the answer alone, and compared with
the one that was asked; an answer that commits to nothing answers none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, Question, ask_all
from trimtab.evals.metrics.base import (
    NO_EMBEDDER,
    About,
    Answer,
    Embedder,
    Need,
    Parts,
    Score,
    attempted,
    options,
    scored,
)
from trimtab.evals.metrics.vectors import likeness

PROMPT = "judge-answer-questions"
NEEDS = frozenset({Need.JUDGE, Need.EMBEDDER})
SAME = "the answer commits to nothing"


class Made(Struct, frozen=True):
    """A question that the answer would be one to."""

    question: str
    noncommittal: bool


class Questions(Struct, frozen=True):
    """As many as were asked for."""

    questions: tuple[Made, ...]


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """How many questions are made, and whether one call makes them all."""

    n: Annotated[int, Meta(ge=1, le=10)] = 3
    one_call: bool = True


@dataclass(frozen=True, slots=True)
class AnswerRelevancy:
    """Mean cosine of the question and those made; 0 if all say that nothing was answered."""

    options: Options
    embedder: Embedder | None

    @property
    def about(self) -> About:
        """See `Metric.about`. The embedding model is part of the version."""
        model = self.embedder.model if self.embedder else ""
        return About(name="answer_relevancy", version=f"1+{model}", needs=NEEDS, prompts=(PROMPT,))

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        if self.embedder is None:
            return NO_EMBEDDER
        if not answer.text.strip():
            return scored(0, SAME)
        calls, each = (1, self.options.n) if self.options.one_call else (self.options.n, 1)
        asked = [_question(answer.text, each, sample) for sample in range(calls)]
        answers = await ask_all(judge, asked)
        made = [it for answer in answers for it in answer.questions]
        if all(it.noncommittal for it in made):
            return scored(0, SAME)
        questions = [it.question for it in made]
        cosines = await likeness(self.embedder, case.question, questions)
        return scored(sum(cosines) / len(cosines), "; ".join(questions))


def answer_relevancy(given: Mapping[str, object], parts: Parts) -> AnswerRelevancy:
    """Make the metric."""
    return AnswerRelevancy(options(given, Options), parts.embedder)


def _question(text: str, count: int, sample: int) -> Question[Questions]:
    return Question(
        step="answer_relevancy/questions",
        prompt=PROMPT,
        variables={"answer": text, "count": count},
        candidate=("answer",),
        verdict=Questions,
        check=partial(_check, count),
        sample_index=sample,
    )


def _check(count: int, said: Questions) -> str | None:
    if len(said.questions) != count:
        return f"give exactly {count} questions"
    if not all(it.question.strip() for it in said.questions):
        return "give no empty question"
    return None
