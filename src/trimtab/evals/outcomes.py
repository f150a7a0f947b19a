"""From a run to what the gate is given: each metric over all cases, and over those of a slice.

A case without a score is an error and never a number: where a sample is missing, where the answer
failed, where the judge did. Repeats are averaged within the case first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.domain.prompt import digest
from trimtab.evals.case import Kind
from trimtab.evals.cells import Cell, Fate, Samples
from trimtab.evals.repeats import Samples as Repeated
from trimtab.evals.repeats import deltas, unstable
from trimtab.evals.result import Arm, CaseSeen, Run
from trimtab.evals.suite import MetricSetting, Uncalibrated
from trimtab.evals.terms import (
    UNKNOWN,
    YES_OR_NO,
    Standings,
    Terms,
    is_judged,
    is_lower_better,
    is_versus,
    read_terms,
)
from trimtab.evals.verdict import Attacks, Limits, Outcome, Rules
from trimtab.stats.estimate import FloatArray, IntArray

ATTACKS = "attacks"
SEED_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A metric over cases, as the gate is given it.

    Attributes:
        slice: The tag whose cases these are; "" for all.
        paired: Whether there is a baseline.
        cases: Ids of the cases that have a place in the arrays, in their order.
        failed: Ids of the cases that are errors.
        unstable: Ids of the cases whose repeats disagree.
        lost: Repeats beyond the first that ended in an error.
    """

    setting: MetricSetting
    slice: str
    cases: tuple[str, ...]
    given: Outcome | Attacks
    paired: bool
    failed: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()
    lost: int = 0

    @property
    def deltas(self) -> FloatArray | None:
        """How much better the candidate is in each case; `None` if there is no baseline."""
        given = self.given
        if not self.paired:
            return None
        if isinstance(given, Attacks):
            return np.where(given.blocked, -given.through / given.samples, 0.0)
        if given.baseline is None:
            return None
        apart = given.candidate - given.baseline if given.deltas is None else given.deltas
        return apart if given.limits.higher_is_better else -apart


def columns(run: Run, standings: Standings) -> tuple[Column, ...]:
    """Make the columns of a run. Cases in quarantine are in none of them.

    Raises:
        InvalidRequest: the run's settings cannot be read.
    """
    terms = read_terms(run)
    read = _Reading(run, terms, standings, Samples.of(run, terms.repeats.first))
    return tuple(it for setting in terms.metrics for it in read.of(setting))


def rules(run: Run) -> Rules:
    """Give the rules of the whole gate; chance comes of the suite's hash.

    Raises:
        InvalidRequest: the run's settings cannot be read.
    """
    gate = read_terms(run).gate
    return Rules(
        seed=int(digest(run.suite_hash)[:SEED_DIGITS], 16),
        alpha=gate.alpha,
        max_error_rate=gate.max_error_rate,
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    run: Run
    terms: Terms
    standings: Standings
    samples: Samples

    def of(self, setting: MetricSetting) -> Iterator[Column]:
        """Make the columns of a metric: over all cases, then by slice."""
        cases = [it for it in self.run.cases if it.id not in self.run.quarantine]
        yield from self._over(cases, setting, "")
        named = {it for case in cases for it in case.slices}
        for name in sorted(named | set(setting.floors)):
            within = [it for it in cases if name in it.slices]
            if name in setting.floors:
                within = [it for it in cases if name in it.tags]
            yield from self._over(within, setting, name)

    def _over(
        self, cases: Sequence[CaseSeen], setting: MetricSetting, name: str
    ) -> Iterator[Column]:
        attacks = self.run.kind is Kind.ADVERSARIAL and self._is_attack(cases, setting)
        floored = setting.floor is not None or setting.margin is not None or bool(name)
        if attacks and not name:
            yield self._attacks(cases, setting, f" {ATTACKS}" if floored else "")
        if floored or not attacks:
            yield self._outcome(cases, setting, name)

    def _is_attack(self, cases: Sequence[CaseSeen], setting: MetricSetting) -> bool:
        """Whether an answer withstands or does not: of a user's metric only its values tell."""
        if setting.python is None:
            return setting.metric in YES_OR_NO
        values = (
            value
            for arm in Arm
            for case in cases
            for value in self.samples.values(arm, case, setting)
            if isinstance(value, float)
        )
        return all(it in (0.0, 1.0) for it in values)

    def _outcome(self, cases: Sequence[CaseSeen], setting: MetricSetting, name: str) -> Column:
        versus = is_versus(setting)
        cells = [self.samples.cell(case, setting, versus=versus) for case in cases]
        scored = [it for it in cells if it.fate is Fate.SCORED]
        groups = {case.id: case.group for case in cases}
        limits = self._limits(setting, name)
        paired = self.run.baseline is not None
        binary = limits.higher_is_better and _is_binary(scored)
        repeated = _repeated(scored, binary=binary) if paired else None
        given = Outcome(
            name=f"{setting.name}[{name}]" if name else setting.name,
            candidate=np.array([it.candidate[0] for it in scored], np.float64),
            baseline=np.array([it.baseline[0] for it in scored], np.float64) if paired else None,
            binary=binary,
            deltas=None if repeated is None else deltas(repeated),
            groups=_groups([groups[it.case] for it in scored]),
            errors=_count(cells, Fate.ERROR),
            baseline_errors=_count(cells, Fate.BASELINE_ERROR),
            na=_count(cells, Fate.NOT_APPLICABLE),
            limits=limits,
        )
        shaky = () if repeated is None else np.flatnonzero(unstable(repeated)).tolist()
        return Column(
            setting=setting,
            slice=name,
            cases=tuple(it.case for it in scored),
            given=given,
            paired=self.run.baseline is not None,
            failed=tuple(it.case for it in cells if it.fate in (Fate.ERROR, Fate.BASELINE_ERROR)),
            unstable=tuple(scored[at].case for at in shaky),
            lost=sum(it.lost for it in cells),
        )

    def _attacks(self, cases: Sequence[CaseSeen], setting: MetricSetting, suffix: str) -> Column:
        tried = [_tried(self.samples, case, setting) for case in cases]
        kept = [it for it in tried if it.fate is Fate.SCORED]
        limits = self._limits(setting, "")
        given = Attacks(
            name=setting.name + suffix,
            through=_ints([it.through for it in kept]),
            samples=_ints([it.samples for it in kept]),
            blocked=np.array([it.blocked for it in kept], np.bool_),
            errors=sum(it.fate is Fate.ERROR for it in tried),
            na=sum(it.fate is Fate.NOT_APPLICABLE for it in tried),
            max_attack_rate=self.terms.gate.max_attack_rate,
            blocking=limits.blocking,
            calibrated=limits.calibrated,
        )
        return Column(
            setting=setting,
            slice="",
            cases=tuple(it.case for it in kept),
            given=given,
            paired=self.run.baseline is not None,
            failed=tuple(it.case for it in tried if it.fate is Fate.ERROR),
            unstable=tuple(it.case for it in kept if 0 < it.through < it.samples),
        )

    def _limits(self, setting: MetricSetting, name: str) -> Limits:
        lower = is_lower_better(setting)
        floor = setting.max if lower else setting.floor
        floor = setting.floors.get(name) if name else floor
        valid = not is_judged(setting) or self.standings.get(setting.name, UNKNOWN).valid
        informs = setting.advisory or bool(name and floor is None)
        # A drop is a share; what has a unit is only held to what its own setting says.
        most = setting.max_mde or (None if lower else self.terms.gate.max_mde)
        return Limits(
            floor=floor,
            floor_mode=setting.floor_mode,
            margin=None if name else setting.margin,
            max_mde=None if name else most,
            higher_is_better=not lower,
            blocking=not informs and (valid or setting.uncalibrated is Uncalibrated.INCONCLUSIVE),
            calibrated=valid,
        )


def _is_binary(scored: Sequence[Cell]) -> bool:
    """Whether every score is yes or no; of sign flips of those, McNemar's test is exact."""
    return all(it in (0.0, 1.0) for cell in scored for it in (*cell.candidate, *cell.baseline))


@dataclass(frozen=True, slots=True)
class _Tried:
    case: str
    fate: Fate
    through: int = 0
    samples: int = 0
    blocked: bool = False


def _tried(samples: Samples, case: CaseSeen, setting: MetricSetting) -> _Tried:
    """Count how often an attack came through; where it never did, an error hides whether it did."""
    if setting.when is not None and setting.when.tag not in case.tags:
        return _Tried(case.id, Fate.NOT_APPLICABLE)
    values = samples.values(Arm.CANDIDATE, case, setting)
    known = [it for it in values if isinstance(it, float)]
    through = sum(it < 1 for it in known)
    if not through and (Fate.ERROR in values or not values):
        return _Tried(case.id, Fate.ERROR)
    if not known:
        return _Tried(case.id, Fate.NOT_APPLICABLE)
    before = samples.values(Arm.BASELINE, case, setting)
    held = bool(before) and all(isinstance(it, float) and it >= 1 for it in before)
    return _Tried(case.id, Fate.SCORED, through, len(known), held)


def _repeated(scored: Sequence[Cell], *, binary: bool) -> Repeated | None:
    most = max((len(it.candidate) for it in scored), default=1)
    if most == 1:
        return None
    return Repeated(
        baseline=_padded([it.baseline for it in scored], most),
        candidate=_padded([it.candidate for it in scored], most),
        taken=_ints([len(it.candidate) for it in scored]),
        binary=binary,
    )


def _padded(rows: Sequence[tuple[float, ...]], width: int) -> FloatArray:
    return np.array([(*it, *[0.0] * (width - len(it))) for it in rows], np.float64)


def _groups(names: Sequence[str | None]) -> IntArray | None:
    """Number the groups; a case without one is a group of its own."""
    if not any(names):
        return None
    known = {name: at for at, name in enumerate(sorted({it for it in names if it}))}
    return _ints([known[it] if it else len(known) + at for at, it in enumerate(names)])


def _ints(values: Sequence[int]) -> IntArray:
    return np.array(values, np.int64)


def _count(cells: Sequence[Cell], fate: Fate) -> int:
    return sum(it.fate is fate for it in cells)
