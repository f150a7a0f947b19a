"""Suites: cases, what they are run against, and by which metrics and rules they are judged."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from trimtab.domain.prompt import canonical, digest
from trimtab.evals.case import Case, Kind, dataset_hash

Share = Annotated[float, Meta(ge=0, le=1)]
"""A number of 0 to 1."""

Positive = Annotated[float, Meta(gt=0)]
ALL_TAGS = "tags"


class FloorMode(StrEnum):
    """What must clear the floor: the score itself, or the lower bound of its interval."""

    POINT = "point"
    CI = "ci"


class Uncalibrated(StrEnum):
    """What a judge that is not calibrated makes of its metrics."""

    INCONCLUSIVE = "inconclusive"
    ADVISORY = "advisory"


class Target(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is run: a prompt on a model, or one of the others.

    Attributes:
        python: `module:function` that takes the input and returns text and what it retrieved.
    """

    prompt: str | None = None
    model: str | None = None
    python: str | None = None
    http: str | None = None
    command: tuple[str, ...] = ()


class JudgeSetting(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Who judges. `embeddings` is the model that metrics of similarity use."""

    model: str
    max_tokens: Annotated[int, Meta(ge=1)] = 2048
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.0
    embeddings: str | None = None


class When(Struct, frozen=True, forbid_unknown_fields=True):
    """Which cases a metric is for."""

    tag: str


class MetricSetting(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A metric of a suite, and what is asked of it.

    Attributes:
        name: What the suite calls it.
        metric: Which metric it is; its name, if that says so.
        python: `module:function` of a metric of the user's own.
        max: What the mean may not exceed, where lower is better.
        margin: How much worse than the baseline is still as good.
        na_as: What a case counts as that the metric does not apply to.
        floors: Floors of single slices, by tag.
        advisory: Whether it only informs.
        options: Options of the metric itself.
    """

    name: str
    metric: str
    python: str | None = None
    floor: Share | None = None
    max: Positive | None = None
    floor_mode: FloorMode = FloorMode.POINT
    margin: Positive | None = None
    max_mde: Positive | None = None
    na_as: Literal["skip", 0, 1] = "skip"
    when: When | None = None
    floors: dict[str, Share] = {}
    uncalibrated: Uncalibrated = Uncalibrated.INCONCLUSIVE
    advisory: bool = False
    options: dict[str, Any] = {}

    def applies(self, case: Case) -> bool:
        """Whether it is for a case."""
        return self.when is None or self.when.tag in case.tags


class GateSetting(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """When a run passes.

    Attributes:
        max_mde: The smallest drop that must be visible; of single metrics theirs.
        max_usd: What a run may cost.
        max_attack_rate: What the upper bound of the attack rate must be under.
    """

    alpha: Annotated[float, Meta(gt=0, lt=1)] = 0.05
    max_error_rate: Share = 0.01
    max_mde: Positive = 0.10
    max_usd: Positive | None = None
    max_attack_rate: Share | None = None


class Repeats(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How often a case is sampled: `first` times, and more where the arms differ."""

    first: Annotated[int, Meta(ge=1, le=100)] = 1
    max: Annotated[int, Meta(ge=1, le=100)] = 1
    when: Literal["flipped"] = "flipped"


class Suite(Struct, frozen=True, kw_only=True):
    """All of it, read and checked.

    Attributes:
        file: The manifest.
        places: File and line of each case, by its id.
        quarantine: Why cases are reported and kept out of the gate, by id.
    """

    file: str
    name: str
    kind: Kind
    target: Target | None
    judge: JudgeSetting | None
    metrics: tuple[MetricSetting, ...]
    slices: tuple[str, ...]
    gate: GateSetting
    repeats: Repeats
    quarantine: Mapping[str, str]
    cases: tuple[Case, ...]
    places: Mapping[str, tuple[str, int]]
    lines: Mapping[str, int]

    @property
    def dataset_hash(self) -> str:
        """See `case.dataset_hash`."""
        return dataset_hash(self.cases)

    def suite_hash(self, metrics: Mapping[str, str], judges: Mapping[str, str]) -> str:
        """SHA-256 of all that decides what a score means, hex.

        Args:
            metrics: Version of each metric, by its name in the suite.
            judges: Hash of each judge prompt that they use, by its name.
        """
        settings = {it.name: msgspec.to_builtins(it) for it in self.metrics}
        return digest(
            canonical(
                {
                    "dataset": self.dataset_hash,
                    "settings": settings,
                    "versions": dict(metrics),
                    "judges": dict(judges),
                }
            )
        )

    def slices_of(self, case: Case) -> tuple[str, ...]:
        """Name the slices that a case is in."""
        if ALL_TAGS in self.slices:
            return case.tags
        return tuple(it for it in case.tags if it in self.slices)
