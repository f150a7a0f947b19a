"""How well predicted classes meet true ones, from a table with the truth in rows."""

import numpy as np

from trimtab.stats.estimate import Estimate, IntArray


def precision(table: IntArray, label: int) -> Estimate:
    """Share of what was predicted to be `label` that is."""
    predicted = int(table[:, label].sum())
    if not predicted:
        return Estimate(None, None, "the class was never predicted")
    return Estimate(float(table[label, label]) / predicted)


def recall(table: IntArray, label: int) -> Estimate:
    """Share of what is `label` that was predicted so."""
    true = int(table[label].sum())
    if not true:
        return Estimate(None, None, "the class never occurs")
    return Estimate(float(table[label, label]) / true)


def f1(table: IntArray, label: int) -> Estimate:
    """Harmonic mean of precision and recall: 2 tp / (2 tp + fp + fn)."""
    either = int(table[label].sum() + table[:, label].sum())
    if not either:
        return Estimate(None, None, "the class neither occurs nor was predicted")
    return Estimate(2 * float(table[label, label]) / either)


def macro_f1(table: IntArray) -> Estimate:
    """Plain mean of F1 over the classes that occur or were predicted."""
    scores = [f1(table, label).value for label in range(len(table))]
    defined = [score for score in scores if score is not None]
    if not defined:
        return Estimate(None, None, "no cases")
    return Estimate(float(np.mean(defined)))
