"""Calibrations: how far a judge agrees with people, and whether its scores may decide.

A calibration is good for the judge, prompts, metric and options that it was made with, and for 90
days. Kept beside the suite, in git, so that a gate anywhere has it; computing one is
`trimtab.evals.calibrate`'s, which needs the extra `stats`.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import canonical, digest
from trimtab.evals.labels import Label, labels_hash
from trimtab.evals.result import SCHEMA as RUN_SCHEMA
from trimtab.evals.result import JudgeSeen, Run
from trimtab.evals.scale import Asked, Kind, judged_metrics

SUFFIX = ".calibration.json"
DAY_US = 86_400_000_000
GOOD_US = 90 * DAY_US
FEWEST, WIDE_UNDER = 50, 200
LEAST_KAPPA, LEAST_SPEARMAN, LEAST_RAW = 0.40, 0.50, 0.60
STATISTICS: Mapping[Kind, str] = {
    Kind.NOMINAL: "kappa",
    Kind.ORDINAL: "quadratic kappa",
    Kind.CONTINUOUS: "Spearman",
}


class Figure(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number with its 95% interval; `reason` says why either is missing."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


class Ceiling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far people agree with each other: no judge can be asked for more.

    Attributes:
        n: Cases that two or more of them labelled.
        fleiss: Fleiss' kappa, where three or more labelled all of the same answers.
    """

    statistic: str
    n: int
    agreement: Figure
    fleiss: float | None = None


class Bound(Struct, frozen=True, kw_only=True):
    """What a calibration is good for: with anything else the judge is another one.

    Attributes:
        resolved: Provider and dated model as its answers named them.
        prompts: Hash of each judge prompt of the metric, by name.
        version: Of the metric.
        options: SHA-256 of the metric's name and options, hex.
        labels: SHA-256 of the labels, hex.
    """

    resolved: str
    prompts: Mapping[str, str]
    version: str
    options: str
    labels: str


class Calibration(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One judged metric against people.

    Attributes:
        judge: The model that was asked for.
        n: Cases with a label and a score.
        labels: Labels with a score; where two raters labelled an answer, it counts twice.
        unmatched: Labels of answers that the run does not have, or has no score of.
        agreement: What decides, named by `statistic`; its interval is by bootstrap over cases.
        kappa: Cohen's over the confusion matrix, with its analytic interval; quadratic where
            classes are ordered.
        confusion: Labels of people in rows, scores of the judge in columns.
        refused: Why it is not good enough, and what to do; nothing if it is.
        until_us: When it ends.
    """

    suite: str
    metric: str
    kind: Kind
    judge: str
    bound: Bound
    run_id: str
    at_us: int
    until_us: int
    n: int
    labels: int
    statistic: str
    agreement: Figure
    kappa: Figure
    raters: tuple[str, ...] = ()
    unmatched: int = 0
    raw: float | None = None
    ac1: float | None = None
    spearman: float | None = None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    humans: Ceiling | None = None
    refused: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name it by what it says: `cal_` and the start of its SHA-256."""
        return f"cal_{digest(canonical(msgspec.to_builtins(self)))[:16]}"

    @property
    def wide(self) -> bool:
        """Whether there are so few cases that its interval is wide."""
        return FEWEST <= self.n < WIDE_UNDER

    @property
    def said(self) -> str:
        """Say in short how far the judge agrees, as `kappa .71 [.58,.84] n=120`."""
        return f"{self.statistic} {figure(self.agreement)} n={self.n}"

    @property
    def least(self) -> float:
        """What the lower end of the interval must reach."""
        return least_of(self.kind)


class Head(Struct, frozen=True, kw_only=True, tag_field="schema", tag=RUN_SCHEMA):
    """As much of a run as says which judge decided what; quick to read."""

    run_id: str
    suite: str
    judge: JudgeSeen | None = None
    metrics: Mapping[str, str] = {}
    settings: Mapping[str, Any] = {}


class _File(Struct, frozen=True, kw_only=True):
    schema: Literal["trimtab.calibrations/1"] = "trimtab.calibrations/1"
    calibrations: tuple[Calibration, ...] = ()


def least_of(kind: Kind) -> float:
    """Give what the lower end of the interval must reach."""
    return LEAST_SPEARMAN if kind is Kind.CONTINUOUS else LEAST_KAPPA


def options_hash(asked: Asked) -> str:
    """SHA-256 of what the metric is and how it is set, hex."""
    return digest(canonical([asked.metric, asked.options]))


def calibration_beside(manifest: Path) -> Path:
    """Name the file of calibrations of a suite."""
    return manifest.with_suffix(SUFFIX)


def read_calibrations(path: Path) -> tuple[Calibration, ...]:
    """Read the calibrations of a suite; none if there is no file.

    Raises:
        SettingsInvalid: it is no file of calibrations.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).calibrations
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as exc:
        remedy = "remove it and run `trimtab evals calibrate`"
        raise SettingsInvalid(f"'{path}' is no file of calibrations ({exc}); {remedy}") from exc


def write_calibrations(path: Path, made: Iterable[Calibration]) -> None:
    """Put calibrations in the place of those of the same metrics; the others stay."""
    kept = {it.metric: it for it in (*read_calibrations(path), *made)}
    file = _File(calibrations=tuple(kept[it] for it in sorted(kept)))
    text = msgspec.json.format(msgspec.json.encode(file, order="deterministic"), indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        fresh.write_bytes(text + b"\n")
        fresh.replace(path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


def validity(
    run: Run | Head,
    calibrations: Iterable[Calibration],
    now_us: int,
    labels: Iterable[Label] | None = None,
) -> dict[str, str | None]:
    """Say of each judged metric of a run why its judge may not decide; `None` if it may.

    `labels` are those beside the suite; not given, it is not looked whether they have changed.
    """
    known = {it.metric: it for it in calibrations if it.suite == run.suite}
    given = None if labels is None else tuple(labels)
    judged = judged_metrics(run.metrics, run.settings)
    return {
        name: _why_not(run, known.get(name), name, asked, now_us)
        or _stale_labels(known.get(name), name, given)
        for name, asked in judged.items()
    }


def _why_not(
    run: Run | Head, known: Calibration | None, name: str, asked: Asked, now_us: int
) -> str | None:
    if known is None:
        return "its judge was never held against people; label answers and calibrate it"
    if known.refused:
        return f"its judge was refused: {known.refused[0]}"
    changed = _changed(run, known.bound, name, asked)
    if changed:
        return f"{changed} since it was calibrated; calibrate it again"
    if now_us >= known.until_us:
        return "its calibration is older than 90 days; calibrate it again"
    return None


def _changed(run: Run | Head, bound: Bound, name: str, asked: Asked) -> str:
    judge = run.judge or JudgeSeen(model="")
    if judge.resolved != bound.resolved:
        return f"the judge, now '{judge.resolved}', was '{bound.resolved}': it has changed"
    for prompt, hashed in bound.prompts.items():
        if judge.prompts.get(prompt) != hashed:
            return f"the judge prompt '{prompt}' has changed"
    if run.metrics[name] != bound.version:
        return f"the metric has changed from version {bound.version} to {run.metrics[name]}"
    return "the metric's options have changed" if options_hash(asked) != bound.options else ""


def _stale_labels(
    known: Calibration | None, name: str, labels: tuple[Label, ...] | None
) -> str | None:
    if known is None or labels is None or labels_hash(labels, name) == known.bound.labels:
        return None
    return "its labels have changed since it was calibrated; calibrate it again"


def figure(it: Figure) -> str:
    """Write a number with its interval."""
    return f"{number(it.value)} {interval(it)}"


def interval(it: Figure) -> str:
    """Write an interval; a dash if there is none."""
    return "[-]" if it.low is None else f"[{number(it.low)},{number(it.high)}]"


def number(value: float | None) -> str:
    """Write a share with two digits and no zero before the point."""
    if value is None:
        return "-"
    text = f"{value:.2f}"
    return "." + text[2:] if text.startswith("0.") else text.replace("-0.", "-.")
