"""Hold a judge's scores against people's labels.

Every label is a pair with the score of the same answer, so two raters of one answer make two
pairs. The bootstrap draws whole cases (groups, where cases have them), both raters of a case
together; the analytic interval, which takes each pair for independent, stands beside it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from zlib import crc32

import numpy as np

from trimtab.evals.calibration import (
    FEWEST,
    GOOD_US,
    LEAST_RAW,
    STATISTICS,
    Bound,
    Calibration,
    Ceiling,
    Figure,
    least_of,
    options_hash,
)
from trimtab.evals.labelling import asked_of, items_of
from trimtab.evals.labels import Label, in_force, labels_hash
from trimtab.evals.result import JudgeSeen, Run
from trimtab.evals.scale import Kind, Scale
from trimtab.stats.agreement import (
    Weighting,
    confusion,
    gwet_ac1,
    kappa,
    kappa_of,
    raw_agreement,
)
from trimtab.stats.bootstrap import DRAWS, Statistic, resample
from trimtab.stats.correlation import spearman, spearman_of
from trimtab.stats.estimate import Estimate, FloatArray, IntArray, Interval
from trimtab.stats.raters import fleiss, krippendorff_of, tally

TWO, THREE = 2, 3
ALPHA = "Krippendorff alpha"


@dataclass(frozen=True, slots=True)
class Ratings:
    """What people and the judge said.

    Attributes:
        raters: Names, one for each column.
        human: Shape (answers, raters); NaN where a rater said nothing.
        judge: Shape (answers,).
        cases: Which case each answer is of, (answers,).
        groups: Which answers are drawn together, (answers,).
    """

    raters: tuple[str, ...]
    human: FloatArray
    judge: FloatArray
    cases: IntArray
    groups: IntArray


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the bootstrap draws."""

    seed: int
    draws: int = DRAWS


def calibrate(
    run: Run,
    labels: Iterable[Label],
    prompts: Mapping[str, Sequence[str]],
    now_us: int,
    draws: int = DRAWS,
) -> tuple[Calibration, ...]:
    """Calibrate judged metrics of a run.

    Args:
        run: Answers and the judge's scores.
        labels: What people said, in the order it was said.
        prompts: Names of the judge prompts of each metric to calibrate.
        now_us: When.
        draws: How many the bootstrap makes.

    Raises:
        NotFound: no judge decides a metric in this run.
    """
    given = tuple(labels)
    return tuple(_calibrated(run, given, name, prompts[name], now_us, draws) for name in prompts)


def _calibrated(  # all that binds one
    run: Run,
    labels: tuple[Label, ...],
    name: str,
    prompts: Sequence[str],
    now_us: int,
    draws: int,
) -> Calibration:
    asked, judge = asked_of(run, name), run.judge or JudgeSeen(model="")
    counted = [it for it in in_force(labels).values() if it.metric == name]
    said = [it for it in counted if it.value is not None]
    ratings = ratings_of(run, name, said)
    hashed, cases = labels_hash(said, name), len(np.unique(ratings.cases))
    drawing = Drawing(crc32(f"{hashed} {name}".encode()), draws)
    found = agreement(ratings, asked.scale, drawing)
    return Calibration(
        suite=run.suite,
        metric=name,
        kind=asked.scale.kind,
        judge=judge.model,
        bound=Bound(
            resolved=judge.resolved,
            prompts={it: judge.prompts.get(it, "") for it in prompts},
            version=run.metrics[name],
            options=options_hash(asked),
            labels=hashed,
        ),
        run_id=run.run_id,
        at_us=now_us,
        until_us=now_us + GOOD_US,
        raters=ratings.raters,
        n=cases,
        labels=found.labels,
        unmatched=len(said) - found.labels,
        statistic=STATISTICS[asked.scale.kind],
        agreement=found.agreement,
        kappa=found.kappa,
        raw=found.raw,
        ac1=found.ac1,
        spearman=found.spearman,
        classes=asked.scale.classes,
        confusion=found.confusion,
        humans=ceiling(ratings, asked.scale, drawing),
        refused=(*_unbound(judge, prompts), *refusals(cases, asked.scale.kind, found)),
    )


def _unbound(judge: JudgeSeen, prompts: Sequence[str]) -> tuple[str, ...]:
    missing = [f"prompt '{it}'" for it in prompts if it not in judge.prompts]
    unknown = missing if judge.resolved else ["model", *missing]
    return tuple(f"nobody knows which {it} has judged; run the suite again" for it in unknown)


def ratings_of(run: Run, name: str, labels: Sequence[Label]) -> Ratings:
    """Match labels with scores, on case, answer and metric; what has no score is left out."""
    known = {it.key: it for it in items_of(run, name, asked_of(run, name))}
    kept = [it for it in labels if (it.case_id, it.answer_hash) in known]
    items = list(dict.fromkeys((it.case_id, it.answer_hash) for it in kept))
    raters = tuple(sorted({it.rater for it in kept}))
    rows = {key: at for at, key in enumerate(items)}
    human = np.full((len(items), len(raters)), np.nan)
    for it in kept:
        if it.value is not None:
            human[rows[it.case_id, it.answer_hash], raters.index(it.rater)] = it.value
    return Ratings(
        raters,
        human,
        np.array([known[key].judged for key in items], np.float64),
        _numbered([case for case, _ in items]),
        _numbered([known[key].case.group or f"case {key[0]}" for key in items]),
    )


def _numbered(names: Sequence[str]) -> IntArray:
    places = {name: at for at, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], np.int64)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the judge with people; see `Calibration`."""

    labels: int
    agreement: Figure
    kappa: Figure
    raw: float | None
    ac1: float | None
    spearman: float | None
    confusion: tuple[tuple[int, ...], ...]


def agreement(ratings: Ratings, scale: Scale, drawing: Drawing) -> Agreement:
    """Compare every label with the score of its answer."""
    answers, columns = np.nonzero(~np.isnan(ratings.human))
    human, judge = ratings.human[answers, columns], ratings.judge[answers]
    table = confusion(_codes(human, scale), _codes(judge, scale), len(scale.classes))
    rank = spearman(human, judge)
    analytic = kappa(table, _weighting(scale))
    whole = rank if scale.kind is Kind.CONTINUOUS else analytic
    drawn = _drawn(_statistic(human, judge, scale), ratings.groups[answers], drawing)
    return Agreement(
        labels=len(human),
        agreement=_figure(Estimate(whole.value, drawn.interval, whole.reason or drawn.reason)),
        kappa=_figure(analytic),
        raw=raw_agreement(table).value,
        ac1=gwet_ac1(table).value,
        spearman=rank.value,
        confusion=tuple(tuple(row) for row in table.tolist()),
    )


def ceiling(ratings: Ratings, scale: Scale, drawing: Drawing) -> Ceiling | None:
    """Compare people with each other, where answers were labelled by two or more.

    Of three and more, nominal labels give Krippendorff's alpha; else the mean over all pairs of
    raters is given.
    """
    several = (~np.isnan(ratings.human)).sum(1) >= TWO
    if not several.any():
        return None
    human, groups = ratings.human[several], ratings.groups[several]
    codes = np.where(np.isnan(human), -1, 0)
    codes[~np.isnan(human)] = _codes(human[~np.isnan(human)], scale)
    counts = tally(codes.astype(np.int64), len(scale.classes))
    many = human.shape[1] >= THREE
    if many and scale.kind is Kind.NOMINAL:
        name, statistic = ALPHA, krippendorff_of(counts)
    else:
        name, statistic = STATISTICS[scale.kind], _mean_of_pairs(human, scale)
    alike = many and scale.kind is not Kind.CONTINUOUS
    return Ceiling(
        statistic=name,
        n=len(np.unique(ratings.cases[several])),
        agreement=_figure(_drawn(statistic, groups, drawing)),
        fleiss=fleiss(counts).value if alike else None,
    )


def refusals(n: int, kind: Kind, found: Agreement) -> tuple[str, ...]:
    """Say everything that keeps a judge from being valid, each with what to do."""
    said = list[str]()
    if n < FEWEST:
        said.append(f"{n} cases are labelled, and {FEWEST} are the least; label {FEWEST - n} more")
    name, bound = STATISTICS[kind], found.agreement
    if bound.low is None:
        said.append(f"{name} has no interval ({bound.reason}); label answers of every kind")
    elif bound.low < least_of(kind):
        said.append(
            f"the lower end of {name}, {_down(bound.low)}, is under {least_of(kind):.2f}; read"
            " where judge and people differ, and change the judge's prompt or the judge"
        )
    if kind is Kind.NOMINAL and found.raw is not None and found.raw < LEAST_RAW:
        said.append(
            f"raw agreement, {_down(found.raw)}, is under {LEAST_RAW:.2f}; change the judge's"
            " prompt or the judge"
        )
    return tuple(said)


def _down(value: float) -> str:
    """Write a number that is too low so that it does not look like the bar."""
    return f"{math.floor(value * 1000) / 1000:.3f}"


def _codes(values: FloatArray, scale: Scale) -> IntArray:
    return np.array([scale.code(it) for it in values.tolist()], np.int64)


def _weighting(scale: Scale) -> Weighting:
    return Weighting.QUADRATIC if scale.kind is Kind.ORDINAL else Weighting.NONE


def _statistic(first: FloatArray, second: FloatArray, scale: Scale) -> Statistic:
    if scale.kind is Kind.CONTINUOUS:
        return spearman_of(first, second)
    codes = _codes(first, scale), _codes(second, scale)
    return kappa_of(*codes, len(scale.classes), _weighting(scale))


def _mean_of_pairs(human: FloatArray, scale: Scale) -> Statistic:
    parts = list[tuple[IntArray, Statistic]]()
    for one, two in combinations(range(human.shape[1]), TWO):
        both = np.flatnonzero(~np.isnan(human[:, one]) & ~np.isnan(human[:, two]))
        if len(both):
            parts.append((both, _statistic(human[both, one], human[both, two], scale)))

    def mean(weights: FloatArray) -> FloatArray:
        return np.mean([of(weights[:, both]) for both, of in parts], axis=0)

    return mean


def _drawn(statistic: Statistic, groups: IntArray, drawing: Drawing) -> Estimate:
    """Draw an interval; where every draw says the same it has no width."""
    if not len(groups):
        return Estimate(None, None, "nothing is labelled")
    drawn = resample(statistic, groups, seed=drawing.seed, draws=drawing.draws)
    if np.ptp(drawn.draws) == 0:
        return Estimate(drawn.value, Interval(drawn.value, drawn.value))
    return drawn.interval()


def _figure(found: Estimate) -> Figure:
    if found.interval is None:
        return Figure(value=found.value, reason=found.reason)
    return Figure(value=found.value, low=found.interval.low, high=found.interval.high)
