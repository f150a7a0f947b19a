"""`trimtab evals gate`: one verdict, and an exit code by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from trimtab.cli.evals.stored import Asked, with_stats
from trimtab.cli.options import EXISTING_FILE, PATH, common_options
from trimtab.evals.report.failure import failed_section
from trimtab.store.files import replace_file

VERDICTS = "trimtab.cli.evals.verdicts:gate_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What is written, and where.

    Attributes:
        step_summary: GitHub's own file, to which the summary is added.
        annotate: Whether GitHub reads what is printed.
    """

    junit: Path | None = None
    html: Path | None = None
    summary: Path | None = None
    step_summary: Path | None = None
    as_json: bool = False
    annotate: bool = False

    def write_summary(self, text: str) -> None:
        """Write the comment, and add it to the page of the workflow's run."""
        if self.summary is not None:
            replace_file(self.summary, text.encode())
        if self.step_summary is not None:
            with self.step_summary.open("a", encoding="utf-8") as file:
                file.write(text)


@click.command()
@click.argument("runs", nargs=-1, required=True)
@click.option("--junit", type=PATH, help="Write JUnit XML to this file.")
@click.option("--html", type=PATH, help="Write a page of its own to this file.")
@click.option(
    "--summary", type=PATH, help="Write Markdown for a pull request to this file, whatever happens."
)
@click.option(
    "--annotate/--no-annotate",
    envvar="GITHUB_ACTIONS",
    help="Print workflow commands of GitHub; by default where it runs.",
)
@click.option(
    "--step-summary",
    envvar="GITHUB_STEP_SUMMARY",
    type=PATH,
    help="Add the Markdown to this file, too.",
)
@click.option("--candidate", default="", help="Of a suite that is run: as of `evals run`.")
@click.option(
    "--prompt",
    type=EXISTING_FILE,
    help="Of a suite that is run: prompt file that is the candidate.",
)
@click.option("--baseline", default="", help="Of a suite that is run: as of `evals run`.")
@common_options
def gate(
    runs: Sequence[str],
    junit: Path | None,
    html: Path | None,
    summary: Path | None,
    step_summary: Path | None,
    candidate: str,
    prompt: Path | None,
    baseline: str,
    home: Path,
    *,
    annotate: bool,
    as_json: bool,
) -> None:
    """Judge runs: a suite, which is run first, the id of a run, or a file that holds one.

    Exits 0 on PASS, 1 on FAIL, 3 on INCONCLUSIVE, 4 if it could not run. A PASS or FAIL of a
    published prompt is attached to it as evidence.

    Example: trimtab evals gate evals/rag-golden.yaml --junit eval.xml --summary eval-summary.md
    """
    outputs = Outputs(
        junit=junit,
        html=html,
        summary=summary,
        step_summary=step_summary,
        as_json=as_json,
        annotate=annotate,
    )
    asked = Asked(candidate=candidate, prompt=prompt, baseline=baseline)
    try:
        code: int = with_stats(VERDICTS)(runs, home, asked, outputs)
    except BaseException as exc:
        outputs.write_summary(failed_section(", ".join(runs), exc))
        raise
    raise SystemExit(code)
