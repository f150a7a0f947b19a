"""What applications take along: typed wrappers and the lock file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click
from semver import Version

from trimtab.cli.options import FILE, FOLDER, home_option
from trimtab.cli.prompts.ask import label_option
from trimtab.control.prompts import Prompts
from trimtab.domain.errors import InvalidRequest, PromptNotFound, SettingsInvalid
from trimtab.domain.prompt import DEFAULT_SCOPE, Place, PromptVersion
from trimtab.registry.codegen import plan
from trimtab.sdk.lock import write_lock
from trimtab.wiring.registry import registry

DIFFERS = 1


@click.command()
@click.argument("prompts", nargs=-1)
@click.option("--out", type=FOLDER, required=True, help="Folder of the modules.")
@click.option("--check", is_flag=True, help="Write nothing; exits 1 if a file would change.")
@home_option
def codegen(prompts: Sequence[str], out: Path, home: Path, *, check: bool) -> None:
    """Write a typed class for each prompt and major: of all, or of NAME or NAME@MAJOR.

    Example: trimtab prompts codegen --out app/prompts rag-answer@3
    """
    there = asyncio.run(registry(home).prompts())
    versions = [it for text in prompts or there.versions for it in _of(there, text)]
    ours = [path for path in sorted(out.glob("*")) if path.suffix in (".py", ".typed")]
    existing = {path.name: path.read_text() for path in ours}
    made = plan(versions, existing)
    for name in made.differ:
        click.echo(f"~ {out / name}")
        if not check:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(made.files[name])
    if not made.differ:
        click.echo("the wrappers are what is published")
    if made.differ and check:
        raise SystemExit(DIFFERS)


@click.command()
@label_option
@click.option(
    "--out", type=FILE, default=Path("prompts.lock"), show_default=True, help="Where to write it."
)
@home_option
def lock(label: str, out: Path, home: Path) -> None:
    """Write where a label points now, texts and all: what an app renders if it must start alone.

    Example: trimtab prompts lock --label production
    """
    opened = registry(home)

    async def read() -> tuple[Prompts, str | None]:
        return await opened.prompts(), (await opened.control.verify()).fault

    prompts, fault = asyncio.run(read())
    if fault is not None:
        raise SettingsInvalid(
            f"{fault}, and applications keep what is locked; look at `trimtab prompts verify`"
        )
    versions: list[PromptVersion] = []
    for name in sorted(prompts.versions):
        pointed = prompts.at(Place(name, label, DEFAULT_SCOPE))
        version = pointed and prompts.find(name, pointed.label.version)
        if version:
            versions.append(version)
    if not versions:
        raise PromptNotFound(f"label {label!r} points nowhere yet; promote a version first")
    out.write_text(write_lock(versions, label))
    click.echo(f"wrote {out} with {len(versions)} prompts")


COMMANDS = (codegen, lock)


def _of(prompts: Prompts, text: str) -> Sequence[PromptVersion]:
    name, at, major = text.partition("@")
    versions = prompts.versions.get(name)
    if versions is None:
        raise PromptNotFound(f"there is no prompt {name[:64]!r}; `trimtab prompts list` lists them")
    if at and not major.isdigit():
        raise InvalidRequest(f"{text[:64]!r} names no major; write it as {name}@3")
    numbers = [(it, Version.parse(it.version).major) for it in versions.values()]
    wanted = [it for it, number in numbers if not at or number == int(major)]
    if not wanted:
        raise PromptNotFound(f"prompt '{name}' has no version of major {major}")
    return wanted
