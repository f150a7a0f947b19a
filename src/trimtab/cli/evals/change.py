"""What a change does to evals: `changed` and `check-pr`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from trimtab.cli.options import PATH, json_option
from trimtab.cli.output import print_json
from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.changed import PromptNamed, Rests, matcher, rests_on, touched
from trimtab.evals.delta import ChangedPrompt, find_runs, lacking
from trimtab.evals.result import Run
from trimtab.registry.format import PromptFile, read_file
from trimtab.wiring.git import changed_files, files, text_of

LACKS = 1

PROMPTS = "prompts/**"
SUITES = "evals/**"
PATHS = f"{PROMPTS} {SUITES}"

_base = click.option("--base", required=True, help="Branch or commit to compare with.")


@click.command()
@_base
@click.option(
    "--paths",
    default=PATHS,
    show_default=True,
    help="What counts: patterns of paths, between spaces; `**` is any folders.",
)
@click.option("--suites", default=SUITES, show_default=True, help="Where manifests of suites are.")
@json_option
def changed(base: str, paths: str, suites: str, *, as_json: bool) -> None:
    """Tell which suites a change touches, in lines for $GITHUB_OUTPUT.

    Code and what else belongs to no suite touches all of them.

    Example: trimtab evals changed --base origin/main --paths "prompts/** src/rag/** evals/**"
    """
    found = [it for it in changed_files(base) if matcher(paths.split())(it)]
    known = list(_suites(suites.split()))
    prompts = {it: file for it in found if (file := _prompt(it)) is not None}
    named = {path: PromptNamed(name=it.name, evals=it.evals) for path, it in prompts.items()}
    those = touched(found, known, named)
    if found and not known:
        click.echo(f"there is no suite below {suites}; write one", err=True)
    if as_json:
        print_json({"any": bool(those), "suites": those, "files": found})
        return
    click.echo(f"any={'true' if those else 'false'}")
    click.echo(f"suites={' '.join(those)}")


@click.command(name="check-pr")
@_base
@click.option(
    "--report",
    "reports",
    multiple=True,
    required=True,
    type=PATH,
    help="Report of an eval as JSON, or a folder of them; may be repeated.",
)
@click.option("--prompts", default=PROMPTS, show_default=True, help="Where prompt files are.")
def check_pr(base: str, reports: Sequence[Path], prompts: str) -> None:
    """Insist that a change of prompts comes with its eval delta; exits 1 if one has none.

    Example: trimtab evals check-pr --base origin/main --report .trimtab/evals
    """
    paths = filter(matcher(prompts.split()), changed_files(base))
    # One that cannot be read is refused, not passed over.
    read = [read_file(text, it) for it in paths if (text := _yaml(it)) is not None]
    told = lacking(map(_changed, read), _runs(reports) if read else [])
    for it in told:
        click.echo(it, err=True)
    if told:
        raise SystemExit(LACKS)
    click.echo(f"every changed prompt has its eval delta: {len(read)}")


def _suites(patterns: Sequence[str]) -> Iterator[Rests]:
    is_in = matcher(patterns)
    for path in files():
        text = _yaml(path) if is_in(path) else None
        rests = None if text is None else rests_on(text, path)
        if rests is not None:
            yield rests


def _prompt(path: str) -> PromptFile | None:
    """Read a prompt file; `None` if it is none, or gone."""
    text = _yaml(path)
    if text is None:
        return None
    try:
        return read_file(text, path)
    except SettingsInvalid:
        return None


def _yaml(path: str) -> str | None:
    return text_of(path) if path.endswith((".yaml", ".yml")) else None


def _changed(file: PromptFile) -> ChangedPrompt:
    known = None if file.partials else file.published_as(file.content).hash
    return ChangedPrompt(file=file.path, name=file.name, hash=known)


def _runs(reports: Sequence[Path]) -> list[Run]:
    found = list[Run]()
    for report in reports:
        for path in sorted(report.glob("*.json")) if report.is_dir() else [report]:
            if path.exists():
                found += find_runs(path.read_bytes(), str(path))
    return found
