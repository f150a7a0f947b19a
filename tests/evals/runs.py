"""Runs as the runner writes them, from the scores of each case."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from trimtab.evals.case import Kind
from trimtab.evals.metrics.base import Score, failed, not_applicable, scored
from trimtab.evals.result import (
    Arm,
    CaseSeen,
    JudgeSeen,
    Run,
    Sample,
    Spent,
    Subject,
)
from trimtab.evals.terms import Standing

Given = float | str | None
"""A score; the code of an error; `None` for not applicable."""

Scores = Mapping[str, Sequence[Given]]
"""By metric, a score for each case."""

MINUTE_US = 60_000_000
STARTED_US = 1_790_000_000_000_000
VALID = Standing(valid=True, said="k=.71 [.58,.84] n=120")

CANDIDATE = Subject(
    name="rag-answer@3.3.0",
    prompt="rag-answer",
    prompt_version="3.3.0",
    prompt_hash="c" * 64,
    model="answers",
    answered=("sim/large-2026-01-15",),
)
BASELINE = Subject(
    name="rag-answer@3.2.0",
    prompt="rag-answer",
    prompt_version="3.2.0",
    prompt_hash="b" * 64,
    model="answers",
    label="production",
)


def score(given: Given) -> Score:
    if given is None:
        return not_applicable("the case has no expected text")
    if isinstance(given, str):
        return failed(given, f"there is no verdict: {given}")
    return scored(given, "because")


def name_of(place: int) -> str:
    return f"q-{place:04d}"


def samples(arm: Arm, scores: Scores, *, index: int = 0, text: str = "") -> tuple[Sample, ...]:
    """Make one sample a case."""
    n = max(map(len, scores.values()), default=0)
    return tuple(
        Sample(
            case=name_of(at),
            arm=arm,
            index=index,
            text=text or f"{arm} says {at}",
            scores={metric: score(given[at]) for metric, given in scores.items()},
            request_id=f"r_{arm}_{at}",
            latency_s=1.5,
            cost_nano=4_000_000,
        )
        for at in range(n)
    )


# members of a run are what the test is about
def run(
    candidate: Scores,
    baseline: Scores | None = None,
    /,
    **members: Any,  # noqa: ANN401
) -> Run:
    """Make a run; `metrics` are settings by name, `gate` and `repeats` those of the suite."""
    n = max(map(len, candidate.values()), default=0)
    metrics: dict[str, dict[str, Any]] = members.pop("metrics", {it: {} for it in candidate})
    settings = [{"metric": name, **it, "name": name} for name, it in metrics.items()]
    rules = {it: members.pop(it) for it in ("gate", "repeats") if it in members}
    made = Run(
        run_id="ev_01JXC4ABCDEFGHJKMNPQRSTVWX",
        suite="rag-golden",
        file="evals/rag-golden.yaml",
        kind=Kind.GOLDEN,
        dataset_hash="d" * 64,
        suite_hash="e" * 64,
        candidate=CANDIDATE,
        baseline=None if baseline is None else BASELINE,
        judge=JudgeSeen(model="judge-pinned", resolved="sim/judge-2026-02-01"),
        metrics=dict.fromkeys(metrics, "1"),
        settings={"metrics": settings, **rules},
        cases=tuple(
            CaseSeen(
                id=name_of(at),
                hash=f"{at:064x}",
                input={"question": f"What of {at}?"},
                expected="Yes",
            )
            for at in range(n)
        ),
        samples=samples(Arm.CANDIDATE, candidate)
        + (samples(Arm.BASELINE, baseline) if baseline else ()),
        spent=Spent(
            started_us=STARTED_US,
            ended_us=STARTED_US + 192_000_000,
            candidate_nano=1_200_000_000,
            judge_nano=410_000_000,
            candidate_calls=600,
            judge_calls=36,
            judge_remembered=564,
        ),
    )
    return replace(made, **members)


def tagged(made: Run, tags: Mapping[str, Sequence[int]], *, seen: bool = True) -> Run:
    """Put cases into slices, or only give them tags."""
    cases = list[CaseSeen]()
    for at, case in enumerate(made.cases):
        names = tuple(tag for tag, places in tags.items() if at in places)
        cases.append(replace(case, tags=names, slices=names if seen else ()))
    return replace(made, cases=tuple(cases))


def worse(n: int = 300, by: int = 30, **members: Any) -> Run:  # noqa: ANN401
    """A run whose candidate misses `by` cases that the baseline had right."""
    had = [1.0] * n
    return run({"exact_match": [0.0] * by + [1.0] * (n - by)}, {"exact_match": had}, **members)


def even(n: int = 300, **members: Any) -> Run:  # noqa: ANN401
    """A run where nothing changed, and 2 in 30 are wrong on either side."""
    right = [float(at % 30 not in (0, 7)) for at in range(n)]
    return run({"exact_match": right}, {"exact_match": list(right)}, **members)
