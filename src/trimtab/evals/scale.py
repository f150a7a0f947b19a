"""What people are asked about an answer, and how a judge's score is read on the same scale."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, cast

from trimtab.evals.metrics.base import Score
from trimtab.evals.metrics.ragas import PREFIX
from trimtab.evals.metrics.refuses import REFUSES

DEFAULT_STEPS = 5
HALF = 0.5


class Kind(StrEnum):
    """How the values of a scale relate, which decides how agreement is measured."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    CONTINUOUS = "continuous"


class Choice(NamedTuple):
    """One value that a rater may give, and what is typed for it."""

    key: str
    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Scale:
    """The question to raters, and its answers from the lowest value to the highest.

    Attributes:
        texts: Whether the judge sees what the answer was made of.
        expected: Whether it sees what is expected.
        compares: Whether two answers are shown, the candidate's and the baseline's.
    """

    kind: Kind
    question: str
    choices: tuple[Choice, ...]
    texts: bool = False
    expected: bool = False
    compares: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Name the classes of the confusion matrix; what is continuous is cut in two."""
        if self.kind is Kind.CONTINUOUS:
            return ("less than half", "half or more")
        return tuple(it.name for it in self.choices)

    def code(self, value: float) -> int:
        """Give the place of a value among the classes."""
        if self.kind is Kind.CONTINUOUS:
            return int(value >= HALF)
        return min(range(len(self.choices)), key=lambda at: abs(self.choices[at].value - value))

    def chosen(self, key: str) -> Choice | None:
        """Find the choice of a key."""
        return next((it for it in self.choices if it.key == key), None)


def judged_value(metric: str, score: Score) -> float | None:
    """Read a score as a rater would have said it; `None` if there is none.

    Of refusals the judge's word counts, not whether the case wanted one.
    """
    if metric == "refuses" and score.value is not None:
        return float(score.label == REFUSES)
    return score.value


class Asked(NamedTuple):
    """A judged metric as a suite has set it."""

    metric: str
    options: Mapping[str, object]
    scale: Scale


def judged_metrics(metrics: Iterable[str], settings: Mapping[str, Any]) -> dict[str, Asked]:
    """Give those metrics of a run that ask a judge, by their names in the suite."""
    given = settings.get("metrics", {})
    written = cast("Mapping[str, Mapping[str, Any]]", given)
    if isinstance(given, list):
        written = {str(it["name"]): it for it in cast("list[Mapping[str, Any]]", given)}
    found = dict[str, Asked]()
    for name in metrics:
        setting = written.get(name, {})
        metric, options = str(setting.get("metric", name)), setting.get("options", {})
        scale = SCALES.get(metric.removeprefix(PREFIX))
        if scale is not None:
            found[name] = Asked(metric, options, scale(options))
    return found


_SHARES = ("none", "a quarter", "half", "three quarters", "all")


def _share(
    question: str, *, texts: bool = False, expected: bool = False
) -> Callable[[Mapping[str, object]], Scale]:
    last = len(_SHARES) - 1
    choices = tuple(Choice(str(at + 1), at / last, it) for at, it in enumerate(_SHARES))
    scale = Scale(Kind.CONTINUOUS, question, choices, texts=texts, expected=expected)
    return lambda _: scale


def _rubric(options: Mapping[str, object]) -> Scale:
    scale = options.get("scale", DEFAULT_STEPS)
    steps = scale if isinstance(scale, int) and scale > 1 else DEFAULT_STEPS
    choices = tuple(Choice(str(at + 1), at / (steps - 1), str(at + 1)) for at in range(steps))
    question = f"Which step of the rubric, 1 to {steps}?"
    return Scale(Kind.ORDINAL, question, choices, expected=options.get("reference") is not False)


def _refusal(_: Mapping[str, object]) -> Scale:
    choices = (Choice("1", 0.0, "answers"), Choice("2", 1.0, "refuses"))
    return Scale(Kind.NOMINAL, "Does it decline to do what it was asked?", choices)


def _pair(_: Mapping[str, object]) -> Scale:
    choices = (
        Choice("1", 0.0, "baseline"),
        Choice("2", 0.5, "tie"),
        Choice("3", 1.0, "candidate"),
    )
    return Scale(Kind.ORDINAL, "Which answer is better?", choices, compares=True)


SCALES: Mapping[str, Callable[[Mapping[str, object]], Scale]] = {
    "faithfulness": _share("How much of what it claims do the texts support?", texts=True),
    "answer_relevancy": _share("How much of it answers the question that was asked?"),
    "context_precision": _share(
        "How useful are the texts, the first ones above all?", texts=True, expected=True
    ),
    "context_recall": _share(
        "How much of the expected answer do the texts support?", texts=True, expected=True
    ),
    "rubric": _rubric,
    "refuses": _refusal,
    "pairwise": _pair,
}
"""The scale of each metric that asks a judge, made of its options."""
