"""`context_precision` and `context_recall`: whether what was retrieved is what was needed.

After Es et al. 2023 (arXiv 2309.15217) and what ragas made of it; precision is average precision.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge, Question, Verdicts, ask_all, numbered, one_to_one
from trimtab.evals.metrics.base import (
    NO_CONTEXTS,
    NO_EXPECTED,
    About,
    Answer,
    Need,
    Score,
    attempted,
    contexts,
    scored,
)

USEFUL, ATTRIBUTED = "judge-context-useful", "judge-context-attributed"
NEEDS = frozenset({Need.EXPECTED, Need.CONTEXTS, Need.JUDGE})
NOTHING = scored(0, "nothing was retrieved")

_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[\u3002\uff01\uff1f])|\s*\n\s*")


class Useful(Struct, frozen=True):
    """Whether a text helps to give the expected answer."""

    index: int
    reason: str
    useful: bool


class Attributed(Struct, frozen=True):
    """Whether the texts support a sentence."""

    index: int
    reason: str
    attributed: bool


class ContextPrecision(Struct, frozen=True, forbid_unknown_fields=True):
    """Average precision of the texts in their order.

    Attributes:
        per_chunk: Whether each text is judged in a call of its own.
    """

    per_chunk: bool = False

    about = About(name="context_precision", needs=NEEDS, prompts=(USEFUL,))

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        known = contexts(case, answer) or ()
        if (missing := _missing(case, answer)) is not None:
            return missing
        parts = [[it] for it in known] if self.per_chunk else [known]
        asked = [_precision(case, it) for it in parts]
        answers = await ask_all(judge, asked)
        verdicts = [it.useful for answer in answers for it in answer.verdicts]
        useless = [str(number) for number, useful in enumerate(verdicts, 1) if not useful]
        return scored(
            average_precision(verdicts), f"useless: {', '.join(useless)}" if useless else ""
        )


class ContextRecall(Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of the expected text that the texts support, of all."""

    about = About(name="context_recall", needs=NEEDS, prompts=(ATTRIBUTED,))

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        known = contexts(case, answer) or ()
        if (missing := _missing(case, answer)) is not None:
            return missing
        claims = sentences(case.accepted[0])
        question = Question(
            step="context_recall/attribute",
            prompt=ATTRIBUTED,
            variables={
                "question": case.question,
                "contexts": numbered(known),
                "sentences": numbered(claims),
            },
            candidate=(),
            verdict=Verdicts[Attributed],
            check=one_to_one(len(claims)),
        )
        verdicts = (await judge.ask(question)).verdicts
        wrong = [f"{claims[it.index - 1]!r}: {it.reason}" for it in verdicts if not it.attributed]
        return scored(1 - len(wrong) / len(claims), "; ".join(wrong))


def average_precision(verdicts: Sequence[bool]) -> float:
    """Give sum(P@i * v_i) / sum(v_i) over useful ones; 0 if none is."""
    found, total = 0, 0.0
    for place, useful in enumerate(verdicts, 1):
        if useful:
            found += 1
            total += found / place
    return total / found if found else 0.0


def sentences(text: str) -> list[str]:
    """Split a text at the ends of sentences and lines."""
    return [it for it in map(str.strip, _SENTENCE.split(text)) if it]


def _missing(case: Case, answer: Answer) -> Score | None:
    """Give the score of what no judge need be asked about."""
    known = contexts(case, answer)
    if not case.accepted or not sentences(case.accepted[0]):
        return NO_EXPECTED
    if known is None:
        return NO_CONTEXTS
    return None if known else NOTHING


def _precision(case: Case, known: Sequence[str]) -> Question[Verdicts[Useful]]:
    return Question(
        step="context_precision/useful",
        prompt=USEFUL,
        variables={
            "question": case.question,
            "expected": case.accepted[0],
            "contexts": numbered(known),
        },
        candidate=(),
        verdict=Verdicts[Useful],
        check=one_to_one(len(known)),
    )
