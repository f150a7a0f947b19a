"""What a run is judged by: its suite's metrics and rules, as the run itself wrote them down."""

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.metrics.base import About, Direction, Need, Parts
from trimtab.evals.metrics.table import METRICS, make_metric
from trimtab.evals.result import Run
from trimtab.evals.suite import GateSetting, MetricSetting, Repeats

YES_OR_NO = frozenset(
    {
        "exact_match",
        "contains",
        "not_contains",
        "regex",
        "json_schema",
        "label_match",
        "numeric",
        "refuses",
    }
)
"""Metrics of ours that score 0 or 1 and nothing between."""


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What calibration says of the judge of a metric.

    Attributes:
        said: In short: the agreement that was found, or why it is not valid.
    """

    valid: bool
    said: str = ""


UNKNOWN = Standing(valid=False, said="it was never compared with people")

Standings = Mapping[str, Standing]
"""By the metric's name in the suite. Of a judged metric that is not there nothing is known."""


class Terms(Struct, frozen=True, kw_only=True):
    """Metrics in the suite's order, the rules of the gate, and how often cases were sampled."""

    metrics: tuple[MetricSetting, ...] = ()
    gate: GateSetting = GateSetting()
    repeats: Repeats = Repeats()


def read_terms(run: Run) -> Terms:
    """Read the terms that a run was made by.

    Raises:
        InvalidRequest: they are not what a run writes.
    """
    written = dict(run.settings)
    named = written.get("metrics")
    if isinstance(named, dict):
        by_name = cast("dict[str, object]", named)
        written["metrics"] = [by_name[it] for it in (*run.metrics, *by_name) if it in by_name]
    try:
        read = msgspec.convert(written, type=Terms, strict=True)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            f"the settings of run {run.run_id[:40]!r} cannot be read ({exc}); run it again"
        ) from exc
    unique = {it.name: it for it in read.metrics}
    return msgspec.structs.replace(read, metrics=tuple(unique.values()))


def about(setting: MetricSetting) -> About:
    """Tell what is known of a metric; one that this program does not have may be a judge's."""
    if setting.python is not None:
        return About(name=setting.metric)
    if setting.metric not in METRICS:
        return About(name=setting.metric, needs=frozenset({Need.JUDGE}))
    try:
        return make_metric(setting.metric, setting.options, Parts()).about
    except (Wrong, msgspec.ValidationError):
        # What it needs beside its options is not here, and no judge is among that.
        return About(name=setting.metric)


def is_lower_better(setting: MetricSetting) -> bool:
    """Whether a metric has a unit, and less of it is better."""
    return about(setting).direction is Direction.LOWER


def is_judged(setting: MetricSetting) -> bool:
    """Whether a metric is worth what its judge is."""
    return Need.JUDGE in about(setting).needs


def is_versus(setting: MetricSetting) -> bool:
    """Whether a metric compares the arms by itself."""
    return Need.BASELINE in about(setting).needs


def judge_valid(settings: Sequence[MetricSetting], standings: Standings) -> bool:
    """Whether every judge that decides something agrees with people."""
    return all(standings.get(it.name, UNKNOWN).valid for it in settings if is_judged(it))
