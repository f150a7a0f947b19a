"""`trimtab evals list`, `show` and `compare`: looking at stored runs."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from trimtab.cli.evals.stored import run_argument, stored, with_stats
from trimtab.cli.options import common_options
from trimtab.cli.output import instant, print_json, print_listing
from trimtab.domain.errors import NotFound
from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.prompt import canonical
from trimtab.evals.metrics.base import Score
from trimtab.evals.report.plain import one_line, plain
from trimtab.evals.result import Arm, CaseSeen, Run, Sample
from trimtab.evals.shelf import Shelf

PRINT_VERDICT = "trimtab.cli.evals.looking:print_verdict"
PRINT_COMPARISON = "trimtab.cli.evals.looking:print_comparison"


@click.command(name="list")
@click.option("--suite", help="Only runs of this suite.")
@click.option("-n", "most", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@common_options
def list_(suite: str | None, most: int, home: Path, *, as_json: bool) -> None:
    """List stored runs, newest first, with their last verdict.

    Example: trimtab evals list --suite rag-golden
    """
    found = (it for it in Shelf(home).cards() if suite in (None, it.suite))
    cards = list(islice(found, most))
    print_listing(
        {"runs": cards},
        cards,
        {
            "run": lambda it: it.run_id,
            "started": lambda it: instant(it.started_us) if it.started_us else "-",
            "suite": lambda it: one_line(it.suite),
            "candidate": lambda it: one_line(it.candidate),
            "baseline": lambda it: one_line(it.baseline),
            "cases": lambda it: str(it.cases),
            "usd": lambda it: f"{it.spent_nano / NANO_PER_USD:.2f}",
            "verdict": lambda it: " ".join(filter(None, (it.verdict, it.reason or it.stopped))),
        },
        empty="no runs yet; make one with `trimtab evals run`",
        as_json=as_json,
    )


@click.command()
@run_argument
@click.argument("case", required=False)
@click.option("--judge", "metric", help="Only this metric: each score, and the reason given.")
@common_options
def show(run: str, case: str | None, metric: str | None, home: Path, *, as_json: bool) -> None:
    """Show the verdict on a run; of one case what was asked, answered and scored.

    Example: trimtab evals show ev_01JXC4 q-0017 --judge faithfulness
    """
    found = stored(run, home)
    if metric is not None and metric not in found.metrics:
        raise NotFound(
            f"run {found.run_id!r} has no metric {metric[:64]!r}; it has"
            f" {', '.join(found.metrics) or 'none'}"
        )
    if case is None and metric is None:
        with_stats(PRINT_VERDICT)(found, as_json=as_json)
        return
    cases = [it for it in found.cases if case in (None, it.id)]
    if not cases:
        raise NotFound(
            f"run {found.run_id!r} has no case {(case or '')[:80]!r}; look at its dataset"
        )
    samples = _by_case(found, cases)
    if as_json:
        print_json({"cases": [{"case": it, "samples": samples[it.id]} for it in cases]})
        return
    for it in cases:
        for line in _reasons(it, samples[it.id], metric) if metric else _case(found, it):
            click.echo(line)


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("-n", "most", type=click.IntRange(1), default=40, show_default=True, help="How many.")
@common_options
def compare(before: str, after: str, most: int, home: Path, *, as_json: bool) -> None:
    """Compare what the candidates of two runs said to the same cases, test by test, case by case.

    Each is the id of a run, or a file that holds one. A case that changed between them is left out
    and named. Exits 0 whatever it finds: `gate` is what decides.

    Example: trimtab evals compare ev_01JXC4 ev_01JXD7
    """
    runs = (stored(before, home), stored(after, home))
    with_stats(PRINT_COMPARISON)(*runs, most, as_json=as_json)


def _by_case(run: Run, cases: Sequence[CaseSeen]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {it.id: [] for it in cases}
    for it in run.samples:
        if it.case in found:
            found[it.case].append(it)
    return found


def _case(run: Run, case: CaseSeen) -> Iterator[str]:
    yield one_line(case.id) + "".join(f"  {one_line(it)}" for it in case.tags)
    yield f"asked     {_value(case.input)}"
    if case.expected is not None:
        yield f"expected  {_value(case.expected)}"
    for arm in (Arm.BASELINE, Arm.CANDIDATE):
        for sample in run.of(arm).get(case.id, ()):
            yield ""
            yield f"--- {_who(sample)}"
            if sample.error:
                yield one_line(f"error {sample.error}: {sample.error_detail}", 1000)
            else:
                yield plain(sample.text)
            yield from (_score(metric, score) for metric, score in sample.scores.items())


def _reasons(case: CaseSeen, samples: list[Sample], metric: str) -> Iterator[str]:
    for sample in samples:
        score = sample.scores.get(metric)
        if score is not None:
            yield f"{one_line(case.id)}  {_who(sample)}"
            yield _score(metric, score)


def _who(sample: Sample) -> str:
    told = (str(sample.arm), f"sample {sample.index}", sample.model, sample.request_id)
    return "  ".join(one_line(it) for it in told if it)


def _score(metric: str, score: Score) -> str:
    value = str(score.status) if score.value is None else f"{score.value:.4g}"
    code = f" {one_line(score.code)}" if score.code else ""
    return f"{one_line(metric)} {value}{code}" + (
        f": {plain(score.detail)}" if score.detail else ""
    )


def _value(value: object) -> str:
    return plain(value if isinstance(value, str) else canonical(value))
