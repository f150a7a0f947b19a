"""What other packages say. They have no types, so they are looked up by name."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

import numpy as np

from trimtab.stats.estimate import FloatArray, IntArray

INPUTS = 1000

krippendorff: Any = resolve_name("krippendorff")
metrics: Any = resolve_name("sklearn.metrics")
scipy_stats: Any = resolve_name("scipy.stats")
statsmodels: Any = resolve_name("statsmodels.stats.api")
inter_rater: Any = resolve_name("statsmodels.stats.inter_rater")
linear_model: Any = resolve_name("statsmodels.regression.linear_model")


def kappa(table: IntArray, weighting: str) -> tuple[float, float]:
    """Kappa and its standard error: statsmodels."""
    with quiet():
        found = inter_rater.cohens_kappa(
            table, wt={"none": None, "linear": "linear", "quadratic": "quadratic"}[weighting]
        )
        return float(found.kappa), float(np.sqrt(found.var_kappa))


def sklearn_kappa(first: IntArray, second: IntArray, classes: int, weighting: str) -> float:
    with quiet():
        return float(
            metrics.cohen_kappa_score(
                first,
                second,
                labels=list(range(classes)),
                weights=None if weighting == "none" else weighting,
            )
        )


def confusion(first: IntArray, second: IntArray, classes: int) -> IntArray:
    return metrics.confusion_matrix(first, second, labels=list(range(classes)))


def scores(true: IntArray, predicted: IntArray, classes: int) -> tuple[FloatArray, ...]:
    """Precision, recall and F1 of each class, 0 where undefined."""
    found = metrics.precision_recall_fscore_support(
        true, predicted, labels=list(range(classes)), zero_division=0
    )
    return found[:3]


def macro_f1(true: IntArray, predicted: IntArray) -> float:
    return float(metrics.f1_score(true, predicted, average="macro", zero_division=0))


def fleiss(counts: IntArray) -> float:
    with quiet():
        return float(inter_rater.fleiss_kappa(counts))


def alpha(counts: IntArray) -> float:
    """NaN where undefined."""
    with quiet():
        return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def pearson(x: FloatArray, y: FloatArray) -> float:
    with quiet():
        return float(scipy_stats.pearsonr(x, y).statistic)


def spearman(x: FloatArray, y: FloatArray) -> float:
    with quiet():
        return float(scipy_stats.spearmanr(x, y).statistic)


def wilson(successes: int, n: int, level: float) -> tuple[float, float]:
    low, high = statsmodels.proportion_confint(successes, n, 1 - level, "wilson")
    return float(low), float(high)


def clopper_pearson_upper(successes: int, n: int, level: float) -> float:
    test = scipy_stats.binomtest(successes, n, alternative="less")
    return float(test.proportion_ci(level, "exact").high)


def mcnemar(first: int, second: int) -> float:
    """Two-sided, exact."""
    table = [[1, first], [second, 1]]
    return float(statsmodels.mcnemar(table, exact=True).pvalue)


def binomial_worse(first: int, second: int) -> float:
    n = first + second
    return float(scipy_stats.binomtest(first, n, alternative="greater").pvalue) if n else 1.0


def paired_t(deltas: FloatArray, level: float) -> FloatArray:
    """One-sided "less", two-sided, interval, of each row of (many, n): shape (many, 4)."""
    both = scipy_stats.ttest_1samp(deltas, 0, axis=1)
    less = scipy_stats.ttest_1samp(deltas, 0, axis=1, alternative="less")
    ends = both.confidence_interval(level)
    return np.array([less.pvalue, both.pvalue, ends.low, ends.high]).T


def clustered(deltas: FloatArray, groups: IntArray) -> tuple[float, float, float]:
    """Two-sided p and 95% interval of a regression on a constant, errors clustered."""
    fit = linear_model.OLS(deltas, np.ones(len(deltas))).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    low, high = fit.conf_int(0.05)[0]
    return float(fit.pvalues[0]), float(low), float(high)


def sign_flip(deltas: FloatArray) -> float:
    found = scipy_stats.permutation_test(
        (deltas,),
        np.mean,
        permutation_type="samples",
        alternative="less",
        n_resamples=np.inf,
        vectorized=True,
    )
    return float(found.pvalue)


def bootstrap(
    values: FloatArray, seed: int, draws: int, level: float, method: str
) -> tuple[float, float]:
    found = scipy_stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=draws,
        confidence_level=level,
        method=method,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def holm(p: FloatArray) -> FloatArray:
    return statsmodels.multipletests(p, method="holm")[1]


def binomial(n: int, p: float) -> FloatArray:
    """Chances of 0 .. n."""
    return scipy_stats.binom.pmf(np.arange(n + 1), n, p)


@contextmanager
def quiet() -> Generator[None]:
    """Some warn of the NaN they answer with."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
