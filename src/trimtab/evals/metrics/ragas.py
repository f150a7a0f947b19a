"""`ragas:*`: the scores of ragas, for those who need its numbers.

It runs in an environment and a process of its own. What it wants to ask a judge or an embedding
model comes back as a question, and is asked like those of our metrics; its prompts are its own, and
do not fence what the candidate says.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct, to_builtins

from trimtab.domain.yaml_tree import Wrong, nearest
from trimtab.evals.case import Case
from trimtab.evals.judging import Fault, Judge, JudgeError, Question
from trimtab.evals.metrics.base import (
    NO_CONTEXTS,
    NO_EMBEDDER,
    NO_EXPECTED,
    About,
    Answer,
    Embedder,
    Heard,
    Need,
    Parts,
    Ragas,
    Score,
    attempted,
    contexts,
    failed,
    scored,
)

PREFIX = "ragas:"
VERSION = "0.4.3"
PROMPT = "judge-ragas"
FAILED = "ragas_failed"
NO_RAGAS = failed("no_ragas", "ragas is not installed here; run `trimtab evals ragas install`")

ROUNDING = 1e-9

Bit = Literal[0, 1]


class Statements(Struct, frozen=True):
    """What an answer says."""

    statements: tuple[str, ...]


class Verified(Struct, frozen=True):
    """Whether a statement follows from the contexts."""

    statement: str
    reason: str
    verdict: Bit


class Verifieds(Struct, frozen=True):
    """One for each statement."""

    statements: tuple[Verified, ...]


class Guessed(Struct, frozen=True):
    """A question that the answer would be one to."""

    question: str
    noncommittal: Bit


class Useful(Struct, frozen=True):
    """Whether a context helps."""

    reason: str
    verdict: Bit


class Attributed(Struct, frozen=True):
    """Whether a sentence is from the contexts."""

    statement: str
    reason: str
    attributed: Bit


class Attributeds(Struct, frozen=True):
    """One for each sentence."""

    classifications: tuple[Attributed, ...]


SHAPES: Mapping[str, type[Struct]] = {
    "StatementGeneratorOutput": Statements,
    "NLIStatementOutput": Verifieds,
    "AnswerRelevanceOutput": Guessed,
    "ContextPrecisionOutput": Useful,
    "ContextRecallOutput": Attributeds,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A metric of ragas.

    Attributes:
        calls: Of the judge, for each answer; of context precision, for each text.
        takes: Names of what it is told.
    """

    calls: int
    needs: frozenset[Need]
    takes: tuple[str, ...]


_QUESTION, _RESPONSE, _CONTEXTS, _REFERENCE = (
    *("user_input", "response", "retrieved_contexts", "reference"),
)
_OF_CONTEXTS = frozenset({Need.JUDGE, Need.CONTEXTS, Need.EXPECTED})
KINDS: Mapping[str, Kind] = {
    "faithfulness": Kind(
        2, frozenset({Need.JUDGE, Need.CONTEXTS}), (_QUESTION, _RESPONSE, _CONTEXTS)
    ),
    "answer_relevancy": Kind(3, frozenset({Need.JUDGE, Need.EMBEDDER}), (_QUESTION, _RESPONSE)),
    "context_precision": Kind(1, _OF_CONTEXTS, (_QUESTION, _CONTEXTS, _REFERENCE)),
    "context_recall": Kind(1, _OF_CONTEXTS, (_QUESTION, _CONTEXTS, _REFERENCE)),
}


@dataclass(frozen=True, slots=True)
class RagasMetric:
    """What ragas scores."""

    name: str
    ragas: Ragas | None
    embedder: Embedder | None

    @property
    def about(self) -> About:
        """See `Metric.about`."""
        kind = KINDS[self.name]
        model = self.embedder.model if self.embedder and Need.EMBEDDER in kind.needs else ""
        return About(
            name=PREFIX + self.name,
            version=f"{VERSION}+{model}",
            needs=kind.needs,
            prompts=(PROMPT,) * kind.calls,
        )

    @attempted
    async def score(self, case: Case, answer: Answer, judge: Judge) -> Score:
        """See `Metric.score`."""
        if self.ragas is None:
            return NO_RAGAS
        return self._missing(case, answer) or await self._score(self.ragas, case, answer, judge)

    def _missing(self, case: Case, answer: Answer) -> Score | None:
        needs = KINDS[self.name].needs
        if Need.EXPECTED in needs and not case.accepted:
            return NO_EXPECTED
        if Need.CONTEXTS in needs and contexts(case, answer) is None:
            return NO_CONTEXTS
        return NO_EMBEDDER if Need.EMBEDDER in needs and self.embedder is None else None

    async def _score(self, ragas: Ragas, case: Case, answer: Answer, judge: Judge) -> Score:
        texts: dict[str, object] = {
            _QUESTION: case.question,
            _RESPONSE: answer.text,
            _CONTEXTS: contexts(case, answer),
            _REFERENCE: next(iter(case.accepted), ""),
        }
        sample = {it: texts[it] for it in KINDS[self.name].takes}
        asking = _Asking(judge, self.embedder, self.name, Counter())
        async with ragas.dialogue() as dialogue:
            await dialogue.tell(metric=self.name, sample=sample)
            while True:
                heard = await dialogue.hear()
                if heard.failed is not None:
                    return failed(FAILED, heard.failed)
                if heard.value is not None:
                    return _scored(heard.value)
                await dialogue.tell(said=await asking.answer(heard))


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks for one score. State: how often a question was asked, for each is another sample."""

    judge: Judge
    embedder: Embedder | None
    name: str
    asked: Counter[str]

    async def answer(self, heard: Heard) -> object:
        """Answer what ragas asks. Raises as `Judge.ask` and `Embedder.embed`."""
        if heard.texts is not None and self.embedder is not None:
            return await self.embedder.embed(heard.texts)
        shape = SHAPES.get(heard.shape)
        if shape is None:
            raise JudgeError(Fault.UNREADABLE, f"ragas asks for a {heard.shape[:40]!r}")
        question = Question(
            step=f"{PREFIX}{self.name}/{heard.shape}",
            prompt=PROMPT,
            variables={"prompt": heard.prompt},
            candidate=("prompt",),
            verdict=shape,
            sample_index=self.asked[heard.prompt],
        )
        self.asked[heard.prompt] += 1
        return to_builtins(await self.judge.ask(question))


def ragas_metric(metric: str, given: Mapping[str, object], parts: Parts) -> RagasMetric:
    """Make a metric of `ragas:name`. Raises `Wrong`."""
    name = metric.removeprefix(PREFIX)
    if name not in KINDS:
        raise Wrong(
            f"{metric[:64]!r} is no metric; {nearest(metric, [PREFIX + it for it in KINDS])}"
        )
    if given:
        raise Wrong(f"metrics of ragas take no options, and it has {', '.join(given)}; remove them")
    return RagasMetric(name, parts.ragas, parts.embedder)


def _scored(value: float) -> Score:
    if not -ROUNDING <= value <= 1 + ROUNDING:
        return failed(FAILED, f"ragas gave {value}, which is not 0 to 1")
    return scored(min(1.0, max(0.0, value)))
