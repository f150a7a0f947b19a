"""One case under one metric: the values of its samples in both arms, or why there are none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from trimtab.evals.metrics.base import Status
from trimtab.evals.result import Arm, CaseSeen, Run, Sample
from trimtab.evals.suite import MetricSetting

EVEN = 0.5
"""What the baseline has of a metric that compares the arms: as good as itself."""


class Fate(StrEnum):
    """What became of a case under a metric."""

    SCORED = "scored"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"
    BASELINE_ERROR = "baseline_error"


Value = float | Fate
"""A value, or `NOT_APPLICABLE`, or `ERROR`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A case under a metric.

    Attributes:
        candidate: A value for each repeat, the first of them first; empty if there is no score.
        baseline: The same; empty if there is nothing to compare with.
        lost: Repeats after the first that ended in an error in either arm.
    """

    case: str
    fate: Fate
    candidate: tuple[float, ...] = ()
    baseline: tuple[float, ...] = ()
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a run by arm and case."""

    run: Run
    candidate: Mapping[str, tuple[Sample, ...]]
    baseline: Mapping[str, tuple[Sample, ...]]
    first: int

    @classmethod
    def of(cls, run: Run, first: int) -> "Samples":
        """Sort the samples of a run, each case of which was sampled `first` times to begin with."""
        return cls(run, run.of(Arm.CANDIDATE), run.of(Arm.BASELINE), first)

    def cell(self, case: CaseSeen, setting: MetricSetting, *, versus: bool) -> Cell:
        """Look at a case under a metric; `versus`: one that compares the arms by itself."""
        if setting.when is not None and setting.when.tag not in case.tags:
            return Cell(case.id, Fate.NOT_APPLICABLE)
        candidate = _blocks(self.candidate.get(case.id, ()), setting, self.first)
        if candidate[0] is Fate.ERROR:
            return Cell(case.id, Fate.ERROR)
        if self.run.baseline is None:
            return _alone(case.id, candidate)
        if case.id in self.run.unpaired:
            return Cell(case.id, Fate.BASELINE_ERROR)
        if versus:
            return _paired(case.id, candidate, [EVEN] * len(candidate))
        baseline = _blocks(self.baseline.get(case.id, ()), setting, self.first)
        return _paired(case.id, candidate, baseline)

    def values(self, arm: Arm, case: CaseSeen, setting: MetricSetting) -> list[Value]:
        """Give the value of every single sample of a case in an arm."""
        samples = self.candidate if arm is Arm.CANDIDATE else self.baseline
        return [_value(it, setting) for it in samples.get(case.id, ())]


def _alone(case: str, candidate: Sequence[Value]) -> Cell:
    if candidate[0] is Fate.NOT_APPLICABLE:
        return Cell(case, Fate.NOT_APPLICABLE)
    numbers = tuple(it for it in candidate if isinstance(it, float))
    return Cell(case, Fate.SCORED, numbers, lost=list(candidate).count(Fate.ERROR))


def _paired(case: str, candidate: Sequence[Value], baseline: Sequence[Value]) -> Cell:
    firsts = (candidate[0], baseline[0])
    if baseline[0] is Fate.ERROR:
        return Cell(case, Fate.BASELINE_ERROR)
    if Fate.NOT_APPLICABLE in firsts:
        return Cell(case, Fate.NOT_APPLICABLE)
    # Column k of both arms is one repeat; one that is missing in an arm has no partner.
    pairs = list(zip(candidate, baseline, strict=False))
    kept = [(one, two) for one, two in pairs if isinstance(one, float) and isinstance(two, float)]
    lost = sum(Fate.ERROR in pair for pair in pairs)
    ours, theirs = zip(*kept, strict=True)
    return Cell(case, Fate.SCORED, tuple(ours), tuple(theirs), lost)


def _blocks(samples: Sequence[Sample], setting: MetricSetting, first: int) -> list[Value]:
    """Average the samples that each case has from the beginning, and then as many each time."""
    values = [_value(it, setting) for it in samples]
    ends = range(first, len(values) + 1, first)
    return [_mean(values[end - first : end]) for end in ends] or [Fate.ERROR]


def _mean(values: Sequence[Value]) -> Value:
    if Fate.ERROR in values:
        return Fate.ERROR
    numbers = [it for it in values if isinstance(it, float)]
    return fmean(numbers) if numbers else Fate.NOT_APPLICABLE


def _value(sample: Sample, setting: MetricSetting) -> Value:
    score = sample.scores.get(setting.name)
    if sample.error or score is None or score.status is Status.ERROR:
        return Fate.ERROR
    if score.value is not None:
        return float(score.value)
    return Fate.NOT_APPLICABLE if setting.na_as == "skip" else float(setting.na_as)
