"""`trimtab evals calibrate`: may a judge decide?"""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.evals.found import desk_of, run_of
from trimtab.cli.options import PATH, common_options
from trimtab.cli.output import instant, print_json
from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.calibration import (
    Calibration,
    calibration_beside,
    figure,
    interval,
    number,
    write_calibrations,
)
from trimtab.evals.labels import bring_over, labels_beside, read_labels
from trimtab.evals.manifest import make_metrics, read_suite
from trimtab.evals.metrics.base import Need
from trimtab.evals.scale import Kind

REFUSED = 1
DIGITS = 12


@click.command()
@click.argument("suite", type=PATH)
@click.option("--run", "reference", required=True, help="Run with the judge's scores: id or file.")
@click.option("--metric", "names", multiple=True, help="Metric; all that ask a judge by default.")
@common_options
def calibrate(
    suite: Path, reference: str, names: Sequence[str], home: Path, *, as_json: bool
) -> None:
    """Hold a judge's scores against people's labels.

    Labels that were made in the console are first added to the file beside the suite. What comes
    of it is written beside the suite, too: the gate reads it there, so both belong into git.
    Exits 1 if a judge is refused.

    Example: trimtab evals calibrate evals/rag-golden.yaml --run ev_01JXC4
    """
    read, desk = read_suite(suite), desk_of(home)
    run = run_of(read, reference, desk)
    judged = {
        name: it.about.prompts
        for name, it in make_metrics(read).items()
        if Need.JUDGE in it.about.needs and name in run.metrics
    }
    wanted = names or tuple(judged)
    if not judged or not set(wanted) <= set(judged):
        known = ", ".join(judged) or "none"
        raise SettingsInvalid(f"run '{run.run_id}' has no such metric; a judge decides: {known}")
    path = labels_beside(suite)
    added = bring_over(desk.labels_file(read.name), path)
    if added and not as_json:
        click.echo(f"{added} labels of the console were added to {path}")
    try:
        # numpy and scipy are an extra
        from trimtab.evals.calibrate import calibrate as compute  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise SettingsInvalid(
            f"agreement takes {exc.name}, which is not installed; pip install 'trimtab[stats]'"
        ) from exc
    now_us = wiring.now_us()
    made = compute(run, read_labels(path), {it: judged[it] for it in wanted}, now_us)
    write_calibrations(calibration_beside(suite), made)
    desk.keep(read.name, made)
    if as_json:
        print_json({"calibrations": [msgspec.to_builtins(it) for it in made]})
    else:
        click.echo("\n".join(line for it in made for line in lines_of(it)))
    if any(it.refused for it in made):
        raise SystemExit(REFUSED)


def lines_of(made: Calibration) -> list[str]:
    """Write a calibration for people; figures are rounded to two digits."""
    prompts = " ".join(it[:DIGITS] for it in made.bound.prompts.values()) or "-"
    raters = len(made.raters)
    judge = f"judge {made.judge} ({made.bound.resolved or 'unknown'})  metric {made.metric}"
    raw = f"raw agreement {number(made.raw)}   {_agreement(made)}   AC1 {number(made.ac1)}"
    lines = [
        f"{judge}  prompt {prompts}  n={made.n} raters={raters}",
        f"{raw}   confusion {_confusion(made)}",
    ]
    verdict = "REFUSED" if made.refused else f"VALID until {instant(made.until_us)[:10]}"
    if made.wide and not made.refused:
        verdict += f"  wide: {made.n} cases; 200 make it narrow"
    lines.append(f"{_humans(made)}   {verdict}")
    if made.unmatched:
        lines.append(f"{made.unmatched} labels are of answers without a score in this run")
    return [*lines, *(f"refused: {it}" for it in made.refused)]


def _agreement(made: Calibration) -> str:
    kappa = f"kappa {number(made.kappa.value)} analytic {interval(made.kappa)}"
    if made.kind is Kind.CONTINUOUS:
        return f"Spearman {figure(made.agreement)}   halves: {kappa}"
    analytic = f"analytic {interval(made.kappa)}"
    return (
        f"{made.statistic} {figure(made.agreement)} {analytic}   Spearman {number(made.spearman)}"
    )


def _confusion(made: Calibration) -> str:
    """Write rows of the highest class first, as yes/yes, yes/no, no/yes, no/no."""
    return "/".join(str(it) for row in reversed(made.confusion) for it in reversed(row))


def _humans(made: Calibration) -> str:
    humans = made.humans
    if humans is None:
        return "human-human unknown: no answer has two raters"
    fleiss = "" if humans.fleiss is None else f"  Fleiss kappa {number(humans.fleiss)}"
    said = f"human-human {humans.statistic} {figure(humans.agreement)}"
    return f"{said}{fleiss}  n={humans.n}  (ceiling)"
