"""Several tests at once."""

import numpy as np

from trimtab.stats.estimate import FloatArray


def holm(p: FloatArray) -> FloatArray:
    """Adjust p-values, shape (m,), so that one false alarm among all is as rare as promised.

    Holm 1979, Scandinavian Journal of Statistics 6, 65.
    """
    order = np.argsort(p, kind="stable")
    raised = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted
