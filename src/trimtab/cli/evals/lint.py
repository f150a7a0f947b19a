"""`trimtab evals lint`: is a suite good enough to judge by?"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab.cli.options import EXISTING_FILE, PATH, json_option
from trimtab.cli.output import print_json
from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.lint import Finding, Level
from trimtab.evals.lint import lint as find
from trimtab.evals.manifest import read_suite

WRONG = 1


@click.command()
@click.argument("suites", nargs=-1, required=True, type=PATH)
@click.option(
    "--prompt",
    type=EXISTING_FILE,
    help="File of the prompt that is judged, to look for leaked answers.",
)
@json_option
def lint(suites: Sequence[Path], prompt: Path | None, *, as_json: bool) -> None:
    """Look for what makes a verdict worth less: in manifests of suites and in their cases.

    Metrics of your own are imported from the folder the command runs in. Exits 1 on errors.

    Example: trimtab evals lint evals/rag-golden.yaml
    """
    sys.path.insert(0, str(Path.cwd()))
    text = prompt.read_text("utf-8", "replace") if prompt is not None else ""
    found, faults = list[Finding](), list[str]()
    for path in suites:
        try:
            suite = read_suite(path)
            found += find(suite, prompt=text)
        except SettingsInvalid as exc:
            faults += str(exc).splitlines()
            continue
        if not as_json:
            click.echo(f"{path}  {suite.name}  {len(suite.cases)} cases  {suite.dataset_hash[:12]}")
    if as_json:
        print_json({"faults": faults, "findings": [_document(it) for it in found]})
    else:
        for it in found:
            click.echo(str(it))
        for fault in faults:
            click.echo(fault, err=True)
    if faults or any(it.level is Level.ERROR for it in found):
        raise SystemExit(WRONG)


def _document(finding: Finding) -> dict[str, object]:
    members = ("path", "line", "rule", "level", "message")
    return {it: getattr(finding, it) for it in members}
