"""`trimtab evals label`: say what people think of answers, blind."""

import textwrap
from dataclasses import replace
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.evals.found import desk_of, run_of
from trimtab.cli.options import PATH, home_option
from trimtab.evals.labelling import Item, Session, session
from trimtab.evals.labels import append_labels, bring_over, labels_beside, read_labels
from trimtab.evals.manifest import read_suite
from trimtab.evals.result import Run
from trimtab.evals.suite import Suite

SKIP, UNDO, QUIT = "s", "u", "q"
WIDTH = 100


@click.command()
@click.argument("suite", type=PATH)
@click.option("--run", "reference", help="Run whose answers are labelled: id or file.")
@click.option("--metric", help="Metric that a judge decides.")
@click.option("--rater", help="Who you are; the order is yours.")
@click.option("--export", is_flag=True, help="Only add the console's labels to the suite's file.")
@home_option
def label(
    suite: Path,
    reference: str | None,
    metric: str | None,
    rater: str | None,
    home: Path,
    *,
    export: bool,
) -> None:
    """Label answers one after the other, without the judge's score and without the arm.

    Keys: a number gives a value, s skips, u takes the last one back, q ends. Each label is kept at
    once, beside the suite, so that you may stop at any time and go on later.

    Example: trimtab evals label evals/rag-golden.yaml --run ev_01JXC4 --metric faithfulness
    --rater mia
    """
    read, desk = read_suite(suite), desk_of(home)
    if export:
        added = bring_over(desk.labels_file(read.name), labels_beside(suite))
        click.echo(f"{added} labels were added to {labels_beside(suite)}")
        return
    if reference is None or metric is None or rater is None:
        raise click.UsageError("--run, --metric and --rater are needed to label")
    run = run_of(read, reference, desk)
    bring_over(desk.labels_file(read.name), labels_beside(suite))
    _label(read, run, metric, rater)


def _label(suite: Suite, run: Run, metric: str, rater: str) -> None:
    """Ask until everything was shown, or the rater has enough."""
    path, again = labels_beside(Path(suite.file)), None
    frozen = {it.id: it.contexts for it in suite.cases}
    while True:
        now = session(run, metric, rater, read_labels(path))
        item = again or now.following
        again = None
        if item is None:
            click.echo(f"{now.labelled} of {len(now.items)} answers are labelled in {path}")
            return
        _show(now, replace(item, retrieved=item.retrieved or frozen.get(item.case.id)))
        key = _key(now, item)
        if key == QUIT:
            click.echo(f"{now.labelled} of {len(now.items)} answers are labelled; go on any time")
            return
        if key == UNDO:
            again = now.latest
        item = (again or item) if key == UNDO else item
        if key != UNDO or again is not None:
            said = next((it.value for it in now.choices(item) if it.key == key), None)
            now_us = wiring.now_us()
            append_labels(path, [now.label(item, said, now_us)])


def _show(now: Session, item: Item) -> None:
    click.clear()
    click.echo(f"{now.labelled} of {len(now.items)} labelled, {len(now.skipped)} skipped\n")
    for it in now.parts(item):
        click.secho(it.name, bold=True)
        for line in it.text.splitlines() or [""]:
            click.echo(textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="  "))
        click.echo()
    click.secho(now.asked.scale.question, bold=True)
    for choice in now.choices(item):
        click.echo(f"  {choice.key}  {choice.name}")
    click.echo(f"  {SKIP}  skip   {UNDO}  take the last one back   {QUIT}  end")


def _key(now: Session, item: Item) -> str:
    """Read one that means something; where a scale has more than nine steps, a line of it."""
    known = {it.key for it in now.choices(item)} | {SKIP, UNDO, QUIT}
    single = max(map(len, known)) == 1
    while True:
        key = click.getchar() if single else str(click.prompt("", prompt_suffix="> "))
        if key in known:
            return key
        if key in ("\x03", "\x04", ""):
            return QUIT
        click.echo(f"no value has the key {key!r}; press one of the above")
