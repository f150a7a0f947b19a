"""`trimtab diff` and `trimtab apply`: the file against what is live, and making it so."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import common_options, config_option
from trimtab.cli.output import author, change_document, print_json
from trimtab.control.changes import EVERYTHING
from trimtab.control.difference import Difference
from trimtab.domain.change import Change, PointerKind
from trimtab.wiring.start import apply, as_run

DIFFERS = 1

_SINGLE = (PointerKind.PRICES, PointerKind.REGISTRY, PointerKind.SITE)
_KINDS = {
    str(kind) if kind in _SINGLE else f"{kind}s": kind for kind in PointerKind if kind.is_filed
}
_SIGNS = {(False, True): "+", (True, False): "-", (True, True): "~"}
_only = click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(_KINDS)),
    help="Leave everything else alone; may be repeated.",
)


@click.command()
@config_option
@_only
@common_options
def diff(config: Path | None, only: tuple[str, ...], home: Path, *, as_json: bool) -> None:
    """Show where the file and the live configuration differ. Exits 1 if they do.

    What was moved by hand stays when the file is applied, until the file says something new.

    Example: trimtab diff --only models
    """
    wanted = _wanted(only)
    settings = as_run(home, wiring.load_settings(config))
    found = asyncio.run(wiring.control(home).diff(settings.desired()))
    found = tuple(it for it in found if it.pointer.kind in wanted)
    if as_json:
        print_json({"differences": [_document(it) for it in found]})
    for line in () if as_json else _lines(found):
        click.echo(line)
    raise SystemExit(DIFFERS if found else 0)


@click.command()
@config_option
@_only
@click.option("--yes", is_flag=True, help="Even if it cuts off who called in the last hour.")
@click.option("--reason", help="Why, for the change log; that the file was applied by default.")
@common_options
def command(
    config: Path | None,
    only: tuple[str, ...],
    reason: str | None,
    home: Path,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Make live what the file says, all of it or nothing; workers follow a moment later.

    Where to listen, how long to drain and where to export to are read when `trimtab up` starts.

    Example: trimtab apply --only models
    """
    settings = as_run(home, wiring.load_settings(config))
    changes = apply(home, settings, author(), sure=yes, only=_wanted(only), reason=reason)
    if as_json:
        print_json({"changes": [change_document(change) for change in changes]})
        return
    for change in changes:
        click.echo(_told(change))
    if changes:
        click.echo("undo one: trimtab changes undo SEQ --reason '...'")
    else:
        click.echo(f"{settings.file}  nothing to change")


def _wanted(only: Sequence[str]) -> frozenset[PointerKind]:
    return frozenset(_KINDS[name] for name in only) or EVERYTHING


def _told(change: Change) -> str:
    sign = _SIGNS[change.before is not None, change.after is not None]
    return f"{sign} {change.pointer!s:<32}  change {change.seq}"


def _lines(found: Sequence[Difference]) -> Iterator[str]:
    if not found:
        yield "the file and what is live are the same"
    for it in found:
        sign = _SIGNS[it.live is not None, it.file is not None]
        yield f"{sign} {it.pointer!s:<32}  {_why(it)}"
        for member, live, file in _members(it):
            yield f"    {member}: {live} -> {file}"
    if any(it.pending for it in found):
        yield "make it so: trimtab apply"


def _why(it: Difference) -> str:
    if it.pending:
        return "the file says so"
    if it.last is None:
        return "removed by hand, and stays so"
    return f'by hand, and stays: {it.last.author}, change {it.last.seq}, "{it.last.reason}"'


def _members(it: Difference) -> Iterator[tuple[str, str, str]]:
    """Name what differs of a value that is on both sides, as JSON; `-` is the default."""
    if it.live is None or it.file is None:
        return
    live, file = (msgspec.json.decode(side, type=dict[str, Any]) for side in (it.live, it.file))
    for member in sorted(live.keys() | file.keys()):
        if live.get(member) != file.get(member):
            yield member, _text(live.get(member)), _text(file.get(member))


def _text(value: object) -> str:
    return "-" if value is None else msgspec.json.encode(value).decode()


def _document(it: Difference) -> dict[str, object]:
    return {
        "pointer": str(it.pointer),
        "file": None if it.file is None else msgspec.Raw(it.file),
        "live": None if it.live is None else msgspec.Raw(it.live),
        "pending": it.pending,
        "last": None if it.last is None else change_document(it.last),
    }
