"""`embedding_similarity`: how near the answer is to the accepted text that is nearest."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import (
    NO_EMBEDDER,
    NO_EXPECTED,
    About,
    Answer,
    Embedder,
    Need,
    NoOptions,
    Parts,
    Score,
    attempted,
    options,
    scored,
)
from trimtab.evals.metrics.vectors import likeness

NEEDS = frozenset({Need.EXPECTED, Need.EMBEDDER})


@dataclass(frozen=True, slots=True)
class EmbeddingSimilarity:
    """Compares vectors. An answer of nothing is like nothing."""

    embedder: Embedder | None

    @property
    def about(self) -> About:
        """See `Metric.about`. The model is part of the version."""
        model = self.embedder.model if self.embedder else ""
        return About(name="embedding_similarity", version=f"1+{model}", needs=NEEDS)

    @attempted
    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        if not case.accepted:
            return NO_EXPECTED
        if self.embedder is None:
            return NO_EMBEDDER
        if not answer.text.strip():
            return scored(0, "the answer is empty")
        return scored(max(await likeness(self.embedder, answer.text, case.accepted)))


def embedding_similarity(given: Mapping[str, object], parts: Parts) -> EmbeddingSimilarity:
    """Make the metric."""
    _ = options(given, NoOptions)
    return EmbeddingSimilarity(parts.embedder)
