"""Prompts of other formats: `import` and `export`."""

import asyncio
from pathlib import Path

import click

from trimtab.cli.options import FILE, PATH, home_option
from trimtab.cli.prompts.ask import pointed
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import MOST_BYTES
from trimtab.registry.adapters import FORMATS, adapter
from trimtab.registry.adapters.base import convert, from_version
from trimtab.wiring.registry import registry

LOST = 1

_strict = click.option("--strict", is_flag=True, help="Refuse, and exit 1, if anything is lost.")


@click.command(name="import")
@click.argument("file", type=FILE)
@click.option("--from", "form", type=click.Choice(list(FORMATS)), required=True, help="Its format.")
@click.option("--out", type=PATH, help="Where to write the prompt file.")
@_strict
def import_(file: Path, form: str, out: Path | None, *, strict: bool) -> None:
    """Turn a prompt of another format into a prompt file. What cannot be carried is listed.

    Example: trimtab prompts import --from langfuse exported.json
    """
    try:
        raw = file.read_bytes()
        text = raw[: MOST_BYTES + 1].decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"'{file}' cannot be read as UTF-8 text; look at it") from exc
    found = adapter(form).read(text, str(file))
    written = convert(found, str(file))
    for loss in found.losses:
        click.echo(str(loss), err=True)
    if found.losses and strict:
        raise SystemExit(LOST)
    target = out or Path("prompts") / f"{found.name}.prompt.yaml"
    if target.exists():
        raise SettingsInvalid(f"'{target}' exists; name another with --out")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(written)
    click.echo(f"wrote {target}")


@click.command()
@click.argument("prompt")
@click.option("--to", "form", type=click.Choice(list(FORMATS)), required=True, help="Its format.")
@_strict
@home_option
def export(prompt: str, form: str, home: Path, *, strict: bool) -> None:
    """Print NAME@VERSION or NAME@LABEL in another format. What cannot be carried is listed.

    Example: trimtab prompts export rag-answer@3.2.0 --to prompty > rag-answer.prompty
    """
    prompts = asyncio.run(registry(home).prompts())
    foreign, other = from_version(pointed(prompts, prompt)[0]), adapter(form)
    losses = other.unsaid(foreign)
    for loss in losses:
        click.echo(str(loss), err=True)
    if losses and strict:
        raise SystemExit(LOST)
    click.echo(other.write(foreign), nl=False)


COMMANDS = (import_, export)
