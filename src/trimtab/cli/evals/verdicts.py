"""Judging runs and writing what is read of it. Loaded late: it computes with numpy."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.evals.gate import Outputs
from trimtab.cli.evals.prompts import Known, attach
from trimtab.cli.evals.standing import standings
from trimtab.cli.evals.stored import Asked, run_or_stored
from trimtab.cli.output import print_json
from trimtab.domain.errors import BudgetExhausted, TrimtabError, TryLater, UpstreamFailed
from trimtab.evals.deciding import decided_of
from trimtab.evals.judgement import Judgement, judged
from trimtab.evals.report.annotations import annotations
from trimtab.evals.report.document import document
from trimtab.evals.report.failure import failed_section, sentence
from trimtab.evals.report.junit import junit
from trimtab.evals.report.markdown import MOST_BYTES, section, summary
from trimtab.evals.report.page import page
from trimtab.evals.report.terminal import lines
from trimtab.evals.shelf import Shelf
from trimtab.evals.verdict import Verdict
from trimtab.store.files import replace_file

USAGE, NO_MONEY, COULD_NOT = 2, 3, 4
CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3}
GRAVEST = (1, COULD_NOT, USAGE, 3, 0)
"""Of several runs: a FAIL is one whatever else there is; a PASS is none unless all are."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that could not be judged."""

    what: str
    error: TrimtabError | OSError

    @property
    def code(self) -> int:
        """The exit code of the command line for it."""
        if isinstance(self.error, BudgetExhausted):
            return NO_MONEY
        away = isinstance(self.error, TryLater | UpstreamFailed | OSError)
        return COULD_NOT if away else USAGE


def gate_all(texts: Sequence[str], home: Path, asked: Asked, outputs: Outputs) -> int:
    """Judge each run, write all outputs, and give the exit code."""
    found = [_judged(it, home, asked) for it in texts]
    known = Known.of(home)
    made = [it for it in found if isinstance(it, Judgement)]
    if outputs.junit is not None:
        replace_file(outputs.junit, junit(made))
    if outputs.html is not None:
        replace_file(outputs.html, page(made).encode())
    most = MOST_BYTES // len(found) - 1
    sections = [
        section(it, known.change, most)
        if isinstance(it, Judgement)
        else failed_section(it.what, it.error)
        for it in found
    ]
    outputs.write_summary(summary(sections))
    _print(found, outputs, known)
    for it in made:
        _note(it, home, outputs)
    codes = {it.code if isinstance(it, Failed) else CODES[it.verdict] for it in found}
    return next(it for it in GRAVEST if it in codes)


def _judged(text: str, home: Path, asked: Asked) -> Judgement | Failed:
    try:
        run = run_or_stored(text, home, asked)
        return judged(run, standings(run, wiring.now_us()))
    except (TrimtabError, OSError) as exc:
        return Failed(text, exc)


def _note(judgement: Judgement, home: Path, outputs: Outputs) -> None:
    """Note a verdict on its run and its prompt; it stands though that should fail."""
    try:
        shelf = Shelf(home)
        if shelf.judged(judgement.run, str(judgement.verdict), judgement.reason):
            shelf.decide(judgement.run.run_id, decided_of(judgement))
        told = asyncio.run(attach(judgement, home))
    except (TrimtabError, OSError) as exc:
        click.echo(f"trimtab: the verdict could not be kept: {sentence(exc)}", err=True)
        return
    if told:
        click.echo(told, err=outputs.as_json)


def _print(found: Sequence[Judgement | Failed], outputs: Outputs, known: Known) -> None:
    made = [it for it in found if isinstance(it, Judgement)]
    if outputs.as_json:
        written = [document(it) for it in made]
        print_json(written[0] if len(found) == len(written) == 1 else {"reports": written})
    for it in () if outputs.as_json else made:
        for line in lines(it):
            click.echo(line)
    for it in found:
        if isinstance(it, Failed):
            click.echo(f"trimtab: {sentence(it.error)}", err=True)
    if outputs.annotate:
        # GitHub reads both streams; a document on standard output stays one.
        for line in annotations([(it, known.spot(it.run)) for it in made]):
            click.echo(line, err=outputs.as_json)
