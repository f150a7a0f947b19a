"""Outcomes of metrics, written down shortly."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trimtab.evals.verdict import Limits, Outcome, Rules

RULES = Rules(seed=7, flips=1999, draws=1000)


def counts(
    n: int, first: int = 0, second: int = 0, right: int | None = None, **limits: float
) -> Outcome:
    """Make a binary metric: `first`, `second` cases right in one arm only, `right` in both."""
    both = n - first - second if right is None else right
    rest = n - first - second - both
    baseline = [1.0] * (both + first) + [0.0] * (second + rest)
    candidate = [1.0] * both + [0.0] * first + [1.0] * second + [0.0] * rest
    return Outcome(
        "passes",
        np.array(candidate),
        np.array(baseline),
        binary=True,
        limits=limited(limits),
    )


def scores(candidate: Sequence[float], baseline: Sequence[float], **limits: float) -> Outcome:
    return Outcome(
        "faithfulness",
        np.array(candidate, np.float64),
        np.array(baseline, np.float64),
        limits=limited(limits),
    )


def limited(limits: dict[str, float]) -> Limits:
    return replace(Limits(), **limits)
