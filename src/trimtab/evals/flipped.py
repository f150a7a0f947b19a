"""Which cases came out differently in the two arms, so that both are asked again.

Of values that are 0 or 1 any difference is larger than `FAR`. What has a unit, as times and costs,
always differs, and is no reason to ask again.
"""

from collections.abc import Mapping

from trimtab.evals.metrics.base import Direction, Metric, Score

FAR = 0.25 + 1e-9  # .25 is not more than .25, however it is rounded


def flipped(
    metrics: Mapping[str, Metric], one: Mapping[str, Score], other: Mapping[str, Score]
) -> bool:
    """Whether a metric, of those where higher is better, differs by more than `FAR`."""
    for name, metric in metrics.items():
        if metric.about.direction is Direction.HIGHER and name in one and name in other:
            first, second = one[name].value, other[name].value
            if first is not None and second is not None and abs(first - second) > FAR:
                return True
    return False
