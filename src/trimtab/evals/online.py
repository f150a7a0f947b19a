"""Judging live traffic: which metrics can, and what becomes of their scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from trimtab.domain.prompt import canonical, digest
from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.calling import JUDGE, Judging, place_of
from trimtab.evals.case import Case, Kind
from trimtab.evals.explain import explained
from trimtab.evals.metrics.base import Answer, Metric, Need, Parts, Score, Status
from trimtab.evals.metrics.ragas import PREFIX
from trimtab.evals.metrics.table import make_metric
from trimtab.evals.suite import GateSetting, JudgeSetting, MetricSetting, Repeats, Suite

RUN = "online"
"""What calls of the online judge name in the place of a run."""

METRIC = "metric"
NEVER_KNOWN = frozenset({Need.EXPECTED, Need.BASELINE})

_SHORT = 8


def faults(metrics: Mapping[str, Any], *, embeds: bool) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with metrics for live traffic, each with its path below `metrics`.

    Args:
        metrics: Options of each by its name; `metric` among them names what it is.
        embeds: Whether there is a model that makes vectors.
    """
    for name, given in metrics.items():
        if not isinstance(given, dict):
            yield name, "is not a map; write {}, or its options"
            continue
        try:
            needs = _made(name, cast("dict[str, Any]", given)).about.needs
        except msgspec.ValidationError as exc:
            path, what = explained(str(exc))
            yield f"{name}.{path}".strip("."), what
            continue
        except Wrong as exc:
            yield name, str(exc)
            continue
        if needs & NEVER_KNOWN:
            yield name, f"needs what nobody knows of live traffic ({', '.join(sorted(needs))})"
        elif Need.JUDGE not in needs:
            yield name, "asks no judge; name one that does, as `refuses: {expected: false}`"
        elif Need.EMBEDDER in needs and not embeds:
            yield name, "compares vectors; name a model in `judge.embeddings`"


def suite_of(file: str, judge: JudgeSetting, metrics: Mapping[str, Mapping[str, Any]]) -> Suite:
    """Give the suite that live traffic is judged by; its cases are not known yet."""
    return Suite(
        file=file,
        name=RUN,
        kind=Kind.GOLDEN,
        target=None,
        judge=judge,
        metrics=tuple(
            MetricSetting(name=name, metric=_kind(name, given), options=_options(given))
            for name, given in metrics.items()
        ),
        slices=(),
        gate=GateSetting(),
        repeats=Repeats(),
        quarantine={},
        cases=(),
        places={},
        lines={},
    )


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores answers that nothing is expected of."""

    suite: Suite
    metrics: Mapping[str, Metric]
    judging: Judging

    @property
    def author(self) -> str:
        """Who judges: the model that was asked for, or those that answered for it."""
        judge = self.suite.judge
        return self.judging.seen().resolved or ("" if judge is None else judge.model)

    def version(self, name: str) -> str:
        """Tell what a score of a metric depends on beside the model."""
        about = self.metrics[name].about
        options = next(it.options for it in self.suite.metrics if it.name == name)
        known = self.judging.seen().prompts
        prompts = {it: known.get(it, "") for it in about.prompts}
        return f"{about.name}@{about.version}+{digest(canonical([options, prompts]))[:_SHORT]}"

    async def score(self, case: Case, answer: Answer) -> Mapping[str, Score]:
        """Score an answer by each metric that applies, one after the other."""
        judge = self.judging.at(place_of(RUN, case.id, JUDGE, 0))
        found = dict[str, Score]()
        for name, metric in self.metrics.items():
            if Need.CONTEXTS in metric.about.needs and case.contexts is None:
                continue
            score = await metric.score(case, answer, judge)
            if score.status is not Status.NOT_APPLICABLE:
                found[name] = score
        return found


def _kind(name: str, given: Mapping[str, Any]) -> str:
    return str(given.get(METRIC, name))


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: it for key, it in given.items() if key != METRIC}


def _made(name: str, given: Mapping[str, Any]) -> Metric:
    kind = _kind(name, given)
    if kind.startswith(PREFIX):
        raise Wrong(f"is for suites alone; name our {kind.removeprefix(PREFIX)}")
    return make_metric(kind, _options(given), Parts())
