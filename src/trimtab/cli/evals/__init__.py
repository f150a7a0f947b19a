"""`trimtab evals`: datasets, runs and verdicts."""

import click

from trimtab.cli.lazy import Command, LazyGroup


class Evals(LazyGroup):
    """Its commands."""

    table = {  # noqa: RUF012 -- declared in the base
        "lint": Command("trimtab.cli.evals.lint:lint", "See what makes a verdict worth less."),
        "run": Command("trimtab.cli.evals.run:run", "Ask every case, and score the answers."),
        "gate": Command("trimtab.cli.evals.gate:gate", "Give a verdict, and exit by it."),
        "list": Command("trimtab.cli.evals.look:list_", "List stored runs."),
        "show": Command("trimtab.cli.evals.look:show", "Show a stored run, or a case of it."),
        "compare": Command("trimtab.cli.evals.look:compare", "Hold two stored runs side by side."),
        "label": Command("trimtab.cli.evals.label:label", "Label answers, blind."),
        "calibrate": Command(
            "trimtab.cli.evals.calibrate:calibrate", "Hold a judge against people's labels."
        ),
        "add-case": Command(
            "trimtab.cli.evals.add:add_case", "Make a case of what production was asked."
        ),
        "changed": Command(
            "trimtab.cli.evals.change:changed", "Tell which suites a change touches."
        ),
        "check-pr": Command(
            "trimtab.cli.evals.change:check_pr", "Insist on the eval delta of a changed prompt."
        ),
        "import": Command(
            "trimtab.cli.evals.foreign:import_", "Turn another tool's eval set into a suite."
        ),
        "export": Command(
            "trimtab.cli.evals.foreign:export", "Write a suite for another tool, or as a table."
        ),
        "cache": Command("trimtab.cli.evals.cache:cache", "Look after remembered verdicts."),
        "ragas": Command("trimtab.cli.evals.ragas:ragas", "Have the scores of ragas, too."),
    }


@click.group(cls=Evals)
def command() -> None:
    """Judge what an application answers, and what a change does to it."""
