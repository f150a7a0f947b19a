"""`cost_usd`, `latency_s` and `output_tokens`: from the record of the call; lower is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab.domain.money import NANO_PER_USD
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import (
    About,
    Answer,
    Direction,
    Metric,
    NoOptions,
    Parts,
    Score,
    failed,
    options,
    scored,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Takes a figure of the call, in the unit of its name."""

    about: About
    figure: Callable[[Answer], float | None]

    async def score(self, _case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        value = self.figure(answer)
        if value is None:
            return failed("not_measured", "the call has no such figure; run it through the gateway")
        return scored(value)


def measured(
    name: str, figure: Callable[[Answer], float | None]
) -> Callable[[Mapping[str, object], Parts], Metric]:
    """Give what makes the metric of a figure."""
    about = About(name=name, direction=Direction.LOWER)

    def make(given: Mapping[str, object], _parts: Parts) -> Metric:
        _ = options(given, NoOptions)
        return Measured(about, figure)

    return make


def cost_usd(answer: Answer) -> float | None:
    """Give what it cost."""
    return None if answer.cost_nano is None else answer.cost_nano / NANO_PER_USD
