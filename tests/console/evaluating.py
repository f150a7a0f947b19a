"""Stored runs of evaluations behind the console: a suite over time, and one hostile run."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from tests.console.conftest import HOUR_US, START_US, Site
from tests.evals.runs import BASELINE, CANDIDATE, Given, run

from trimtab.evals.decided import Decided, DecidedLine, Span
from trimtab.evals.result import Arm, Run, Spent
from trimtab.evals.shelf import SHA256, Card, Shelf

SUITE = "rag-golden"
EVALS = "/console/evals"
OLD, NEW = "ev_01KAAAAAAAAAAAAAAAAAAAAAA1", "ev_01KAAAAAAAAAAAAAAAAAAAAAA9"
UNDECIDED = "ev_01KAAAAAAAAAAAAAAAAAAAAAB1"
HOSTILE_RUN = "ev_01KAAAAAAAAAAAAAAAAAAAAAH1"
ATTACK = "</p></pre><img src=x onerror=alert(1)><script>alert(1)</script>\u202e{{ 7*7 }}"
ANSWER = "Refunds take five working days. [1] " * 6


def scored(run_id: str, worse: int, started_us: int, n: int = 60) -> Run:
    """A run of two metrics where `worse` cases lost, one won, and one is an error."""
    had: list[Given] = [*([1.0] * (n - 1)), 0.5]
    got: list[Given] = [*([0.25] * worse), *([1.0] * (n - worse - 2)), "judge_refused", 1.0]
    valid: list[Given] = [1.0 if at % 3 else None for at in range(n)]
    made = run(
        {"faithfulness": got, "json_schema": valid},
        {"faithfulness": had, "json_schema": valid},
        metrics={"faithfulness": {"floor": 0.85, "max_mde": 0.5}, "json_schema": {"floor": 1}},
        run_id=run_id,
        warnings=("the price of one model is unknown",),
    )
    spent = replace(made.spent, started_us=started_us, ended_us=started_us + 192_000_000)
    cases = tuple(replace(it, tags=("billing", "lang:en")) for it in made.cases)
    samples = tuple(replace(it, text=ANSWER + it.text) for it in made.samples)
    candidate = replace(CANDIDATE, label="candidate")
    return replace(made, candidate=candidate, spent=spent, cases=cases, samples=samples)


def line(score: float, **members: Any) -> DecidedLine:  # noqa: ANN401 -- of the line
    """What was decided on faithfulness."""
    given: Mapping[str, Any] = {
        "name": "faithfulness",
        "metric": "faithfulness",
        "n": 59,
        "floor": 0.85,
        "candidate": score,
        "level": Span(score - 0.03, min(1.0, score + 0.03)),
        "baseline": 0.95,
        "delta": score - 0.95,
        "interval": Span(score - 1.0, score - 0.9),
        "p": 0.02,
        "p_holm": 0.04,
        "mde": 0.03,
        "verdict": "PASS",
        **members,
    }
    return DecidedLine(**given)


def valid(**members: Any) -> DecidedLine:  # noqa: ANN401 -- of the line
    """What was decided on json_schema."""
    return line(
        1.0, name="json_schema", metric="json_schema", baseline=1.0, delta=0.0, floor=1.0,
        interval=Span(-0.08, 0.08), first=0, second=0, p=1.0, p_holm=1.0, n=40, na=20, **members,
    )  # fmt: skip


def store(site: Site, made: Run, decided: Decided | None = None) -> Card:
    """Put a run onto the shelf, with what was decided on it."""
    shelf = Shelf(site.stores.home)
    card = shelf.put(made)
    if decided is not None:
        report = SHA256 + card.content
        shelf.decide(made.run_id, replace(decided, report=report))
        shelf.judged(made, decided.verdict, decided.reason)
    return shelf.find(made.run_id)


def fill_runs(site: Site) -> None:
    """Store nine runs of a suite, the last of which failed, and one that nobody judged."""
    for at in range(1, 9):
        made = scored(f"{OLD[:-1]}{at}", 1, START_US - (10 - at) * 20 * HOUR_US)
        latency = line(
            1.5, name="latency", metric="latency", lower=True, floor=3.0, baseline=1.4, delta=0.1
        )
        lines = (line(0.9 + 0.01 * (at % 4)), valid(), latency)
        store(site, made, Decided(verdict="PASS", lines=lines))
    slices = line(0.8, name="faithfulness[billing]", slice="billing", blocking=False)
    failed = Decided(
        verdict="FAIL",
        reason="regression",
        meaning="the candidate is worse than the baseline, and that is no chance",
        because="faithfulness",
        judge_valid=False,
        lines=(
            line(0.887, verdict="FAIL", reason="regression", errors=1, failed=("q-0058",)),
            valid(),
            slices,
        ),
    )
    store(site, scored(NEW, 7, START_US - 3 * HOUR_US), failed)
    other = replace(scored(UNDECIDED, 2, START_US - HOUR_US), suite="smoke", spent=Spent())
    store(site, other)


def fill_hostile_run(site: Site) -> None:
    """Store a run in which everything that is text attacks who reads it."""
    made = scored(HOSTILE_RUN, 3, START_US)
    bad = ATTACK + made.cases[0].id
    cases = tuple(
        replace(it, id=ATTACK + it.id, input={"question": ATTACK}, expected=ATTACK, tags=(ATTACK,))
        for it in made.cases
    )
    samples = tuple(
        replace(
            it,
            case=ATTACK + it.case,
            text=ATTACK,
            model=ATTACK,
            request_id=ATTACK,
            scores={k: replace(v, detail=ATTACK, label=ATTACK) for k, v in it.scores.items()},
            error=ATTACK if it.arm is Arm.CANDIDATE and it.case.endswith("9") else "",
            error_detail=ATTACK,
        )
        for it in made.samples
    )
    hostile = replace(
        made,
        suite=ATTACK,
        file=f"'; rm -rf ~ #{ATTACK}",
        candidate=replace(CANDIDATE, name=ATTACK, label=ATTACK, model=ATTACK, prompt=ATTACK),
        baseline=replace(BASELINE, name=ATTACK, answered=(ATTACK,)),
        cases=cases,
        samples=samples,
        quarantine={bad: ATTACK},
        unpaired=(bad,),
        warnings=(ATTACK,),
    )
    said = line(0.887, verdict="FAIL", reason="regression", cases=(bad,), failed=(bad,))
    decided = Decided(verdict="FAIL", reason="regression", because=ATTACK, lines=(said,))
    store(site, hostile, decided)
