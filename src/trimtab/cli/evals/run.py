"""`trimtab evals run`: ask every case, in both arms, and print what the answers score."""

import asyncio
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from trimtab.cli.evals.stored import Asked
from trimtab.cli.options import EXISTING_FILE, PATH, common_options, config_option
from trimtab.cli.output import author, print_table
from trimtab.domain.errors import BudgetExhausted
from trimtab.domain.money import NANO_PER_USD
from trimtab.evals.manifest import read_suite
from trimtab.evals.metrics.base import Status
from trimtab.evals.result import Arm, Run, Stop, write_run
from trimtab.store.files import replace_file
from trimtab.wiring.eval_sides import Wanted
from trimtab.wiring.eval_store import begun
from trimtab.wiring.evals import bench

INCONCLUSIVE = 3
SAID = {
    Stop.BUDGET: "there is no money left for it",
    Stop.NO_CREDENTIALS: "a key was refused",
    Stop.PROVIDER: "nobody answers any more",
    Stop.INTERRUPTED: "it was interrupted",
}


@click.command()
@click.argument("suites", nargs=-1, type=PATH)
@click.option(
    "--candidate",
    default="",
    help="NAME@VERSION or NAME@LABEL; the newest by default, or with git:REF the project's file.",
)
@click.option(
    "--prompt",
    type=EXISTING_FILE,
    help="Prompt file that is the candidate; it is published if its number is new.",
)
@click.option("--model", default="", help="Model of the candidate; that of the suite by default.")
@click.option(
    "--baseline",
    default="",
    help="Version, label, id of a run, git:REF, or none; what production says by default.",
)
@click.option("--no-reuse", is_flag=True, help="Ask the baseline again, though it answered lately.")
@click.option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=16,
    show_default=True,
    help="Calls that run at once.",
)
@click.option("--max-usd", type=float, help="What a run may cost; that of the suite by default.")
@click.option("--resume", help="Id of a run that ended early, to go on with.")
@click.option("--gateway", help="URL of the gateway; one is found or started by default.")
@click.option("--out", type=PATH, help="File for the document of the run.")
@config_option
@common_options
def run(
    suites: Sequence[Path],
    candidate: str,
    prompt: Path | None,
    model: str,
    baseline: str,
    concurrency: int,
    max_usd: float | None,
    resume: str | None,
    gateway: str | None,
    out: Path | None,
    config: Path | None,
    home: Path,
    *,
    no_reuse: bool,
    as_json: bool,
) -> None:
    """Run suites: the candidate and the baseline, on the same cases, scored by the suite's metrics.

    The calls go through the gateway, and tenant trimtab-eval pays for them. Exits 3 if a run was
    not begun for want of money, or ended early; `--resume` goes on with it.

    Example: trimtab evals run evals/rag-golden.yaml --candidate rag-answer@3.3.0
    """
    if bool(suites) is (resume is not None):
        raise click.UsageError("name suites, or say --resume and the id of a run")
    if out is not None and len(suites) > 1:
        raise click.UsageError("--out is for one suite; name one")
    # Functions of the user's own are imported from the folder the command runs in.
    sys.path.insert(0, str(Path.cwd()))
    wanted = Wanted(
        candidate=candidate,
        prompt=prompt,
        model=model,
        baseline=baseline,
        reuse=not no_reuse,
        concurrency=concurrency,
        max_usd=max_usd,
    )
    made = _made(home, config, gateway, wanted, resume or suites)
    try:
        runs = asyncio.run(made)
    except BudgetExhausted as exc:
        click.echo(f"trimtab: {exc}", err=True)
        raise SystemExit(INCONCLUSIVE) from exc
    except asyncio.CancelledError as exc:
        # The second interrupt: what runs is not waited for.
        raise click.Abort from exc
    for it in runs:
        _tell(it, out, as_json=as_json)
    if any(it.stopped is not None for it in runs):
        raise SystemExit(INCONCLUSIVE)


def run_suite(path: Path, home: Path, asked: Asked) -> Run:
    """Run one suite for the gate, with what `evals run` has by default."""
    sys.path.insert(0, str(Path.cwd()))
    wanted = Wanted(candidate=asked.candidate, prompt=asked.prompt, baseline=asked.baseline)
    [made] = asyncio.run(_made(home, None, None, wanted, [path]))
    return made


async def _made(
    home: Path, config: Path | None, gateway: str | None, wanted: Wanted, what: str | Sequence[Path]
) -> list[Run]:
    # Read before a gateway is started for what cannot be run.
    again = begun(home, what) if isinstance(what, str) else None
    suites = [] if isinstance(what, str) else [read_suite(it) for it in what]
    async with bench(home, config, author(), url=gateway, say=_say, watch=_watch) as at:
        if again is not None:
            return [await at.resume(*again, wanted)]
        runs = list[Run]()
        for suite in suites:
            runs.append(await at.run(suite, wanted))
            if runs[-1].stopped is not None:
                break
        return runs


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


@contextmanager
def _watch(total: int) -> Generator[Callable[[int], None]]:
    """Show how far a run is, where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    with click.progressbar(length=total, label="cases", file=sys.stderr) as bar:
        yield lambda _done: bar.update(1)


def _tell(run: Run, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        replace_file(out, write_run(run))
    if as_json:
        click.echo(write_run(run))
    else:
        _print(run)
    if run.stopped is not None:
        _say(f"{SAID[run.stopped]}; go on with `trimtab evals run --resume {run.run_id}`")


def _print(run: Run) -> None:
    baseline = "none" if run.baseline is None else run.baseline.name
    if run.baseline is not None and run.baseline.reused_from is not None:
        baseline += f" (answers of {run.baseline.reused_from})"
    click.echo(
        f"{run.suite} {run.suite_hash[:12]}  cases {len(run.cases)}"
        f"  candidate {run.candidate.name}  baseline {baseline}"
    )
    rows = [
        [metric, arm, *_row(run, arm, metric)]
        for metric in run.metrics
        for arm in (Arm.CANDIDATE, Arm.BASELINE)
        if arm is Arm.CANDIDATE or run.baseline is not None
    ]
    print_table(["metric", "arm", "n", "err", "na", "mean"], rows)
    spent = run.spent
    told = f"answers ${spent.candidate_nano / NANO_PER_USD:.4f} ({spent.candidate_calls} calls)"
    if run.judge is not None:
        told += f"  judge ${spent.judge_nano / NANO_PER_USD:.4f} ({spent.judge_calls} calls)"
    click.echo(f"{told}{'' if spent.priced else '  some have no price'}")
    click.echo(f"run {run.run_id}")


def _row(run: Run, arm: Arm, metric: str) -> list[str]:
    """Count first samples: those that follow were chosen by how these came out."""
    scores = [
        it.scores[metric]
        for it in run.samples
        if it.arm is arm and not it.index and metric in it.scores
    ]
    values = [it.value for it in scores if it.value is not None]
    counts = [
        sum(it.status is status for it in scores)
        for status in (Status.ERROR, Status.NOT_APPLICABLE)
    ]
    mean = f"{sum(values) / len(values):.4g}" if values else "-"
    return [str(len(values)), *map(str, counts), mean]
