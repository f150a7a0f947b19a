"""Printing: tables for people, JSON for programs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from getpass import getuser
from typing import TypeVar

import click
import msgspec

from trimtab.domain.change import Change
from trimtab.domain.keys import without_hashes

T = TypeVar("T")


def print_json(document: object, indent: int | None = 2) -> None:
    """Print a document as JSON; `indent=None` keeps it on one line."""
    text = msgspec.json.encode(document)
    click.echo(text if indent is None else msgspec.json.format(text, indent=indent))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "") -> None:
    """Print rows in columns, figures to the right; `empty` says what to do if there are none."""
    if empty and not rows:
        click.echo(empty)
        return
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    figures = [bool(rows) and all(_is_figure(row[n]) for row in rows) for n in range(len(head))]
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if figure else cell.ljust(width)
            for cell, width, figure in zip(row, widths, figures, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def print_listing(
    document: object,
    found: Sequence[T],
    columns: Mapping[str, Callable[[T], str]],
    *,
    as_json: bool,
    empty: str = "",
) -> None:
    """Print what was found: the document for programs, for people a table of these columns."""
    if as_json:
        print_json(document)
    else:
        rows = [[cell(it) for cell in columns.values()] for it in found]
        print_table(list(columns), rows, empty=empty)


def print_done(what: str, change: Change) -> None:
    """Say what was done, as which change, and how to take it back."""
    click.echo(f"{what}   change {change.seq}")
    click.echo(f"undo: trimtab changes undo {change.seq} --reason '...'")


def print_change(what: str, change: Change, *, as_json: bool) -> None:
    """Say what was done, or give the change to programs."""
    if as_json:
        print_json({"change": change_document(change)})
    else:
        print_done(what, change)


def change_document(change: Change) -> dict[str, object]:
    """Give a change as programs read it; values are JSON, not text of JSON.

    Hashes of keys are cut short.
    """
    return {
        "seq": change.seq,
        "change_id": change.change_id,
        "ts": instant(change.ts_us),
        "ts_us": change.ts_us,
        "pointer": str(change.pointer),
        "before": _value(change.before),
        "after": _value(change.after),
        "author": change.author,
        "source": change.source,
        "reason": change.reason,
        "hash": change.hash,
    }


def instant(ts_us: int) -> str:
    """Write an instant to the second, UTC."""
    return datetime.fromtimestamp(ts_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def author() -> str:
    """Name who runs the command, for the change log."""
    try:
        return getuser()
    except (OSError, KeyError):
        # A container may run as a user that nobody has named.
        return "cli"


def _value(value: bytes | None) -> object:
    return None if value is None else msgspec.json.decode(without_hashes(value))


def _is_figure(cell: str) -> bool:
    return cell in ("-", "") or cell.replace(",", "").replace(".", "").rstrip(" %").isdigit()
