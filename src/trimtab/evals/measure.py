"""The numbers of one metric: levels, difference, test, and the smallest drop that would be seen.

Everything here is turned so that higher is better; the gate turns it back for its report.
"""

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from trimtab.evals.verdict import Outcome, Row, Rules
from trimtab.stats.bootstrap import Resampled, resampled_mean
from trimtab.stats.estimate import FloatArray, Interval
from trimtab.stats.groups import Units, effective_n, units
from trimtab.stats.paired import ROUNDING, mcnemar, paired_t, sign_flip
from trimtab.stats.power import Aim, mcnemar_mde, mean_mde
from trimtab.stats.proportion import Pairs, newcombe, wilson

FEWEST = 5  # of so many differing cases the smallest possible p is 1/32


@dataclass(frozen=True, slots=True)
class Compared:
    """Cases of a metric in both arms, higher is better."""

    outcome: Outcome
    candidate: FloatArray
    baseline: FloatArray
    deltas: FloatArray
    n: float
    rules: Rules

    @property
    def counted(self) -> bool:
        """Is this binary with one sample each, so that McNemar's counts say everything."""
        return self.outcome.binary and self.outcome.deltas is None

    @property
    def units(self) -> Units:
        """Differences by group."""
        return units(self.deltas, self.outcome.groups)

    @property
    def seed(self) -> int:
        """Of this metric, whatever stands beside it."""
        return crc32(f"{self.rules.seed} {self.outcome.name}".encode())


def measured(outcome: Outcome, rules: Rules) -> Row:
    """Compute what the report says of a metric; nothing but counts where no case was scored."""
    n = len(outcome.candidate)
    row = Row(
        outcome.name,
        n,
        outcome.errors + outcome.baseline_errors,
        outcome.na,
        blocking=outcome.limits.blocking,
    )
    if not n:
        return row
    row = _level(row, outcome, rules)
    compared = _compare(outcome, rules)
    if compared is None:
        # without a baseline the smallest visible drop is one below the floor
        return replace(row, mde=_mde_of_level(outcome, rules))
    row = replace(
        row,
        baseline=float(compared.baseline.mean()),
        delta=float(compared.deltas.mean()),
        effective_n=compared.n if outcome.groups is not None else None,
        t_p=paired_t(compared.deltas, outcome.groups).worse,
        mde=_mde(compared),
    )
    return _tested(row, compared)


def _level(row: Row, outcome: Outcome, rules: Rules) -> Row:
    values = _turned(outcome, outcome.candidate)
    if outcome.binary:
        known = effective_n(values, outcome.groups)
        share = wilson(float(outcome.candidate.mean()) * known, known).interval
        level = share if outcome.limits.higher_is_better else share and share.mirrored
    else:
        drawn = _resampled(values, outcome, rules, "level")
        level = _interval(drawn, 0.95) or _unvaried(values, outcome, 0.95)
    scored = len(values)
    worst, best = (
        float(values.sum() + outcome.errors * end) / (scored + outcome.errors)
        for end in _ends(outcome, values)
    )
    return replace(row, candidate=float(values.mean()), level=level, bounds=Interval(worst, best))


def _ends(outcome: Outcome, values: FloatArray) -> tuple[float, float]:
    """How bad and how good a score can be; of costs and times, how bad and good any was."""
    if outcome.limits.higher_is_better:
        return 0.0, 1.0
    return (-1.0, 0.0) if outcome.binary else (float(values.min()), float(values.max()))


def _compare(outcome: Outcome, rules: Rules) -> Compared | None:
    if outcome.baseline is None:
        return None
    candidate, baseline = _turned(outcome, outcome.candidate), _turned(outcome, outcome.baseline)
    given = outcome.deltas
    deltas = candidate - baseline if given is None else _turned(outcome, given)
    known = effective_n(deltas, outcome.groups)
    return Compared(outcome, candidate, baseline, deltas, known, rules)


def _tested(row: Row, compared: Compared) -> Row:
    outcome, rules = compared.outcome, compared.rules
    both_sides = 1 - 2 * rules.alpha
    if compared.counted:
        first, second = int((compared.deltas < 0).sum()), int((compared.deltas > 0).sum())
        row = replace(row, first=first, second=second)
    if compared.counted and outcome.groups is None:
        test = mcnemar(row.first or 0, row.second or 0)
        return replace(
            row,
            p=test.worse,
            mid_p=test.mid_p,
            interval=newcombe(_pairs(compared)).interval,
            one_sided=newcombe(_pairs(compared), level=both_sides).interval,
        )
    drawn = _resampled(compared.deltas, outcome, rules, "delta")
    return replace(
        row,
        p=sign_flip(compared.deltas, outcome.groups, seed=compared.seed, flips=rules.flips),
        interval=_interval(drawn, 0.95) or _unvaried(compared.deltas, outcome, 0.95),
        one_sided=_interval(drawn, both_sides) or _unvaried(compared.deltas, outcome, both_sides),
    )


def _pairs(compared: Compared) -> Pairs:
    bar = 0.5 if compared.outcome.limits.higher_is_better else -0.5
    one, two = compared.baseline > bar, compared.candidate > bar
    return Pairs(
        both=float((one & two).sum()),
        first=float((one & ~two).sum()),
        second=float((~one & two).sum()),
        neither=float((~one & ~two).sum()),
    )


def _mde(compared: Compared) -> float | None:
    aim = Aim(compared.rules.alpha, compared.rules.power)
    by_group = compared.units
    differing = int((np.abs(by_group.sums) > ROUNDING).sum())
    known = int(compared.n)
    if compared.counted or differing < FEWEST:
        if differing < FEWEST:
            known = min(known, int(by_group.kish))
        return mcnemar_mde(known, float((compared.deltas != 0).mean()), aim)
    return mean_mde(float(compared.deltas.std(ddof=1)) / compared.n**0.5, aim)


def _mde_of_level(outcome: Outcome, rules: Rules) -> float | None:
    known = effective_n(outcome.candidate, outcome.groups)
    aim = Aim(rules.alpha, rules.power)
    unseen = mcnemar_mde(int(known), 0.0, aim)
    if unseen is None:
        return None
    return max(unseen, mean_mde(float(outcome.candidate.std(ddof=1)) / known**0.5, aim))


def _unvaried(values: FloatArray, outcome: Outcome, level: float) -> Interval | None:
    """An interval where all values are one: what is rare was not seen in so many cases."""
    if not (outcome.limits.higher_is_better or outcome.binary):
        return None
    unseen = wilson(0, units(values, outcome.groups).kish, level=level).interval
    mean = float(values.mean())
    return unseen and Interval(mean - unseen.high, mean + unseen.high)


def _resampled(values: FloatArray, outcome: Outcome, rules: Rules, what: str) -> Resampled:
    seed = crc32(f"{rules.seed} {outcome.name} {what}".encode())
    return resampled_mean(values, outcome.groups, seed=seed, draws=rules.draws)


def _interval(drawn: Resampled, level: float) -> Interval | None:
    return drawn.interval(level=level).interval


def _turned(outcome: Outcome, values: FloatArray) -> FloatArray:
    return values if outcome.limits.higher_is_better else -values
