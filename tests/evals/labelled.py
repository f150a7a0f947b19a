"""Runs that a judge has scored, and what people say of their answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from trimtab.domain.prompt import digest
from trimtab.evals.case import Kind
from trimtab.evals.labels import Label
from trimtab.evals.metrics.base import Score, scored
from trimtab.evals.result import Arm, CaseSeen, JudgeSeen, Run, Sample, Subject

NOW_US = 1_795_000_000_000_000
DAY_US = 86_400_000_000
PROMPTS = {
    "faithfulness": ("judge-faithfulness-split", "judge-faithfulness-verify"),
    "rubric": ("judge-rubric-grade",),
    "refuses": ("judge-refusal",),
    "pairwise": ("judge-pairwise-better",),
}
JUDGE = JudgeSeen(
    model="judge-pinned",
    resolved="anthropic/claude-haiku-4-5-20260115",
    prompts={name: digest(name) for names in PROMPTS.values() for name in names},
)
RATERS = ("ana", "mia", "tom")


def text_of(at: int) -> str:
    return f"Answer {at}."


def run_of(  # noqa: PLR0913
    scores: Sequence[Score],
    metric: str = "faithfulness",
    *,
    name: str | None = None,
    options: Mapping[str, object] | None = None,
    baseline: Sequence[Score] = (),
    suite: str = "rag-golden",
    groups: Sequence[str] = (),
) -> Run:
    """A run in which the judge gave each case one of these scores."""
    name = name or metric
    setting: dict[str, Any] = {"name": name, "metric": metric, "options": options or {}}
    return Run(
        run_id="ev_01JXC40000",
        suite=suite,
        file=f"evals/{suite}.yaml",
        kind=Kind.GOLDEN,
        dataset_hash="a",
        suite_hash="b",
        candidate=Subject(name="rag-answer@3.3.0"),
        judge=JUDGE,
        metrics={name: "1", "exact_match": "1"},
        settings={"metrics": {name: setting}},
        cases=tuple(
            CaseSeen(
                id=f"q-{at}",
                hash="c",
                input={"question": f"What of {at}?"},
                expected=f"It is {at}.",
                group=groups[at] if groups else None,
            )
            for at in range(len(scores))
        ),
        samples=(
            *samples(Arm.CANDIDATE, name, scores),
            *samples(Arm.BASELINE, name, baseline, "Once it was "),
        ),
    )


def samples(arm: Arm, name: str, scores: Iterable[Score], before: str = "") -> list[Sample]:
    return [
        Sample(
            case=f"q-{at}",
            arm=arm,
            index=0,
            text=before + text_of(at),
            retrieved=(f"Text of {at}.",),
            scores={name: score},
        )
        for at, score in enumerate(scores)
    ]


def values(numbers: Iterable[float]) -> list[Score]:
    return [scored(it) for it in numbers]


def label(case: int, value: float | None, **members: Any) -> Label:  # noqa: ANN401
    given: dict[str, Any] = {
        "case_id": f"q-{case}",
        "answer_hash": digest(text_of(case)),
        "metric": "faithfulness",
        "rater": "ana",
        "value": value,
        "at": datetime.fromtimestamp(NOW_US / 1e6 - 60, UTC),
    }
    return Label(**given | members)


def labels_of(*columns: Iterable[float | None], metric: str = "faithfulness") -> list[Label]:
    """What each rater said of the answer to each case; `None` is a gap."""
    return [
        label(at, float(value), rater=rater, metric=metric)
        for rater, column in zip(RATERS, columns, strict=False)
        for at, value in enumerate(column)
        if value is not None
    ]
