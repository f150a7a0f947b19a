"""How alike texts are by their vectors."""

import math
from collections.abc import Sequence

from trimtab.evals.judging import Fault, JudgeError
from trimtab.evals.metrics.base import Embedder


async def likeness(embedder: Embedder, text: str, others: Sequence[str]) -> list[float]:
    """Give the cosine of a text and each of others, in one call; below 0 counts as 0.

    Raises:
        JudgeError: there are no vectors, or they have no direction.
    """
    first, *rest = vectors = await embedder.embed([text, *others])
    if len(rest) != len(others) or len({len(it) for it in vectors}) > 1:
        raise JudgeError(Fault.UNREADABLE, "the embedding model gave other vectors than asked for")
    return [max(0.0, _cosine(first, it)) for it in rest]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    cosine = sum(map(float.__mul__, map(float, one), map(float, other))) / length if length else 0.0
    if not length or not math.isfinite(cosine):
        raise JudgeError(Fault.UNREADABLE, "the embedding model gave a vector without direction")
    return min(1.0, cosine)
