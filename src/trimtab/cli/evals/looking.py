"""What `show` and `compare` print of verdicts. Loaded late: it computes with numpy."""

import click

from trimtab import wiring
from trimtab.cli.evals.standing import standings
from trimtab.cli.output import print_json, print_table
from trimtab.evals.judgement import judged
from trimtab.evals.report.document import decision, document
from trimtab.evals.report.figures import share, signed
from trimtab.evals.report.plain import one_line
from trimtab.evals.report.terminal import lines
from trimtab.evals.result import Run
from trimtab.evals.versus import differences, side_by_side


def print_verdict(run: Run, *, as_json: bool) -> None:
    """Judge a run as the gate would, and print that."""
    found = judged(run, standings(run, wiring.now_us()))
    if as_json:
        print_json(document(found))
        return
    for line in lines(found):
        click.echo(line)


def print_comparison(before: Run, after: Run, most: int, *, as_json: bool) -> None:
    """Compare two runs, and print the cases that differ, the worst first."""
    paired = side_by_side(before, after)
    found = judged(paired, standings(after, wiring.now_us()))
    apart = differences(found)
    if as_json:
        told = [{name: getattr(it, name) for name in it.__slots__} for it in apart]
        print_json({"decision": decision(found), "unpaired": paired.unpaired, "cases": told})
        return
    for line in lines(found):
        click.echo(line)
    rows = [
        [
            one_line(it.case),
            one_line(it.metric),
            share(it.before, 2),
            share(it.after, 2),
            signed(share(it.delta, 2)),
        ]
        for it in apart[:most]
    ]
    click.echo()
    print_table(
        ["case", "metric", "before", "after", "delta"], rows, empty="no case differs in any metric"
    )
    if len(apart) > most:
        click.echo(f"{len(apart) - most} more; -n shows them")
