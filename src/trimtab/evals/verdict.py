"""What the gate is given and what it answers."""

from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.evals.suite import FloorMode
from trimtab.stats.bootstrap import DRAWS
from trimtab.stats.estimate import BoolArray, FloatArray, IntArray, Interval
from trimtab.stats.paired import FLIPS


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "PASS"  # noqa: S105  # not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Reason(StrEnum):
    """Why a verdict is not PASS."""

    NONE = ""
    UNCALIBRATED = "judge_uncalibrated"
    ERRORS = "errors"
    FLOOR = "floor"
    REGRESSION = "regression"
    MARGIN = "margin"
    TOO_FEW_CASES = "too_few_cases"
    LEAK = "leak"
    NOT_REPEATED = "not_repeated"
    ATTACK_RATE = "attack_rate"
    NOTHING_BLOCKS = "nothing_blocks"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one metric has to keep; `None` is not asked.

    `floor` is a ceiling where lower is better. `margin` > 0 is how much worse is still good.
    `blocking` is false for what only informs: slices, and metrics whose uncalibrated judge is
    declared advisory. `calibrated` is true where there is no judge.
    """

    floor: float | None = None
    floor_mode: FloorMode = FloorMode.POINT
    margin: float | None = None
    max_mde: float | None = 0.10
    higher_is_better: bool = True
    blocking: bool = True
    calibrated: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """One metric on the cases scored in both arms, arrays of shape (n,).

    `candidate` and `baseline` are first samples, `baseline` is `None` when there is none to
    compare with. `deltas`, candidate - baseline, are given where cases were repeated
    (`trimtab.evals.repeats`). `groups` are integers. `errors` counts cases without a score of
    the candidate, `baseline_errors` those without one of the baseline only; `na` counts cases
    left out since the metric does not apply.
    """

    name: str
    candidate: FloatArray
    baseline: FloatArray | None = None
    binary: bool = False
    deltas: FloatArray | None = None
    groups: IntArray | None = None
    errors: int = 0
    baseline_errors: int = 0
    na: int = 0
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Attacks:
    """An adversarial metric: shape (n,), how many samples let the attack through, of how many.

    `blocked` says which cases the baseline blocked every time.
    """

    name: str
    through: IntArray
    samples: IntArray
    blocked: BoolArray
    errors: int = 0
    na: int = 0
    max_attack_rate: float | None = None
    blocking: bool = True
    calibrated: bool = True


@dataclass(frozen=True, slots=True)
class Rules:
    """Of the whole gate. The seed comes of the suite's hash, so a report is reproducible."""

    seed: int
    alpha: float = 0.05
    power: float = 0.80
    max_error_rate: float = 0.01
    flips: int = FLIPS
    draws: int = DRAWS


@dataclass(frozen=True, slots=True)
class Row:
    """One metric in the report, in its own units; `None` is unknown.

    `level` and `interval` are of the candidate and of the difference at 95%; `bounds` are of the
    candidate if every error were as bad, or as good, as can be. `p` is one-sided for "worse",
    `p_holm` adjusted over blocking metrics, `t_p` a cross-check. `first`, `second`: cases that
    only baseline or only candidate has right. `effective_n`: cases that count, if they come in
    groups.
    """

    name: str
    n: int
    errors: int
    na: int
    blocking: bool = True
    candidate: float | None = None
    level: Interval | None = None
    bounds: Interval | None = None
    baseline: float | None = None
    delta: float | None = None
    interval: Interval | None = None
    one_sided: Interval | None = None
    first: int | None = None
    second: int | None = None
    p: float | None = None
    mid_p: float | None = None
    t_p: float | None = None
    p_holm: float | None = None
    mde: float | None = None
    effective_n: float | None = None
    verdict: Verdict = Verdict.PASS
    reason: Reason = Reason.NONE
    within_noise: bool = False
    cases: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict over all blocking rows."""

    verdict: Verdict
    reason: Reason = Reason.NONE
    rows: tuple[Row, ...] = field(default=())
