"""Prompt files: `new`, `lint`, `push`, `pull`."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import FOLDER, PATH, common_options, config_option, home_option
from trimtab.cli.output import change_document, print_json
from trimtab.cli.prompts.ask import by
from trimtab.control.prompts import Prompts
from trimtab.domain.change import Change
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.prompt import NAME, Place
from trimtab.registry.finding import Level
from trimtab.registry.lint_code import lint_code
from trimtab.registry.lint_report import Form, report
from trimtab.registry.plan import Origin, Status, Step
from trimtab.wiring.registry import prompt_paths, read_prompts, registry

REFUSED = 1

_SIGNS = {Status.NEW: "+", Status.SAME: "=", Status.REFUSED: "!"}
_paths = click.argument("paths", nargs=-1, type=PATH)

STARTER = """\
name: {name}
version: 1.0.0
description: Say in one sentence what it is for.
owner: {owner}
variables:
  question: {{type: string, minLength: 1, x-trust: user}}
messages:
  - {{role: system, content: You answer in one sentence.}}
  - {{role: user, content: $question}}
"""


@click.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def new(name: str, *, force: bool) -> None:
    """Write prompts/NAME.prompt.yaml to begin with.

    Example: trimtab prompts new greeting
    """
    if NAME.fullmatch(name) is None:
        raise InvalidRequest(f"{name[:64]!r} is no name; use a-z, 0-9, '.', '_' and '-'")
    path = Path("prompts") / f"{name}.prompt.yaml"
    if path.exists() and not force:
        raise SettingsInvalid(f"'{path}' exists; pass --force to overwrite it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STARTER.format(name=name, owner=by("").author))
    click.echo(f"wrote {path}")
    click.echo("next: trimtab prompts lint, then trimtab prompts push")


@click.command()
@_paths
@click.option(
    "--code",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Python sources that use prompts, too.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([it.value for it in Form]),
    default=Form.TEXT.value,
    show_default=True,
    help="How findings are printed.",
)
@config_option
@home_option
def lint(
    paths: Sequence[Path], code: Sequence[Path], form: str, config: Path | None, home: Path
) -> None:
    """Look for what breaks a rule in prompt files, and in code that uses prompts.

    Exits 1 on errors.

    Example: trimtab prompts lint --code src --format github
    """
    opened = registry(home)
    files = read_prompts(paths or prompt_paths(wiring.load_settings(config)))
    steps = asyncio.run(opened.plan(files))
    findings = [it for step in steps for it in step.findings]
    findings += lint_code(code, _production(asyncio.run(opened.prompts())))
    click.echo(report(sorted(findings), Form(form)), nl=False)
    if any(it.level is Level.ERROR for it in findings):
        raise SystemExit(REFUSED)


@click.command()
@_paths
@click.option("--check", is_flag=True, help="Only say what would happen; exits 1 on a refusal.")
@click.option("--commit", help="Commit the files come from, kept with each version.")
@click.option("--reason", default="pushed", show_default=True, help="Why, for the change log.")
@config_option
@common_options
def push(
    paths: Sequence[Path],
    commit: str | None,
    reason: str,
    config: Path | None,
    home: Path,
    *,
    check: bool,
    as_json: bool,
) -> None:
    """Publish the prompt files of this project: new numbers, all or none; labels stay.

    Without PATHS they are found by `registry.files` of trimtab.yaml.

    Example: trimtab prompts push --check
    """
    opened = registry(home)
    found = paths or prompt_paths(wiring.load_settings(config))
    origin = Origin(commit, f"{Path.cwd()}/") if commit else None
    files = read_prompts(found)
    steps = asyncio.run(opened.plan(files, origin=origin))
    refused = any(step.status is Status.REFUSED for step in steps)
    changes: Sequence[Change] = ()
    if not check and not refused:
        done = opened.publish(files, by(reason), origin=origin, may_jinja=True)
        steps, changes = asyncio.run(done)
    print_steps(steps, changes, as_json=as_json)
    if refused:
        raise SystemExit(REFUSED)


@click.command()
@click.argument("names", nargs=-1)
@click.option(
    "--into", type=FOLDER, default=Path("prompts"), show_default=True, help="Folder of the files."
)
@home_option
def pull(names: Sequence[str], into: Path, home: Path) -> None:
    """Write the newest version of prompts into files, as they were published.

    Example: trimtab prompts pull rag-answer
    """
    prompts = asyncio.run(registry(home).prompts())
    for name in names or sorted(prompts.versions):
        newest = prompts.newest(name)
        if newest is None:
            raise InvalidRequest(f"there is no prompt {name[:64]!r} to pull")
        path = _file_of(into, name)
        if path.exists() and path.read_text() == newest.file:
            click.echo(f"= {path}  {newest.version}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(newest.file)
        click.echo(f"~ {path}  {newest.version}")


COMMANDS = (new, lint, push, pull)


def print_steps(steps: Sequence[Step], changes: Sequence[Change], *, as_json: bool) -> None:
    """Say what was or would be published, and why not."""
    if as_json:
        print_json(
            {
                "steps": [_document(step) for step in steps],
                "changes": [change_document(change) for change in changes],
            }
        )
        return
    for step in steps:
        version = f"{step.file.name}@{step.file.version}"
        required = step.required
        bump = f"  {required.bump}: {required}" if required and required.reasons else ""
        click.echo(f"{_SIGNS[step.status]} {version:<32}  {step.file.path}{bump}")
        warnings = [it for it in step.findings if it.level is Level.WARN]
        for line in report(warnings, Form.TEXT).splitlines():
            click.echo(f"  {line}")
        if step.error is not None:
            for line in str(step.error).splitlines():
                click.echo(f"  {line}", err=True)
    if changes:
        numbers = ", ".join(str(change.seq) for change in changes)
        click.echo(f"published {len(changes)}   change {numbers}")
    elif not any(step.status is not Status.SAME for step in steps):
        click.echo("nothing to publish")


def _document(step: Step) -> dict[str, object]:
    return {
        "file": step.file.path,
        "name": step.file.name,
        "version": step.file.version,
        "hash": step.version.hash if step.version else None,
        "does": step.status,
        "bump": str(step.required.bump) if step.required else None,
        "findings": [
            {"rule": it.rule, "level": it.level, "line": it.line, "message": it.message}
            for it in step.findings
        ],
        "error": str(step.error) if step.error else None,
        "code": step.error.code if step.error else None,
    }


def _production(prompts: Prompts) -> Mapping[str, str]:
    """Tell where production points, of every prompt that has it."""
    pointed = {name: prompts.at(Place(name)) for name in prompts.versions}
    return {name: it.label.version for name, it in pointed.items() if it is not None}


def _file_of(into: Path, name: str) -> Path:
    """Find the file of a prompt, or say where a new one goes."""
    for path in sorted(into.glob(f"{name}.*yaml")):
        if path.name == f"{name}.prompt.yaml" or path.name.startswith(f"{name}.v"):
            return path
    return into / f"{name}.prompt.yaml"
