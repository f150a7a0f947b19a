"""`trimtab migrate`: would opening the databases change them?"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from trimtab.cli.options import common_options
from trimtab.cli.output import print_json, print_table
from trimtab.wiring.schemas import CONTENT, Schema, State, schemas

NO = 1


@click.command()
@click.option("--check", is_flag=True, help="Only tell; nothing is changed.")
@common_options
def command(home: Path, *, check: bool, as_json: bool) -> None:
    """Tell which schema every database has. Exits 1 if one is to be migrated, or is too new.

    Databases are migrated when Trimtab starts, so this is for before it. Old days of content are
    read as they are.

    Example: trimtab migrate --check
    """
    if not check:
        raise click.UsageError("databases are migrated when Trimtab starts; say --check to look")
    found = list(schemas(home))
    if as_json:
        print_json([{**it._asdict(), "state": it.state} for it in found])
    else:
        head = ("database", "where", "has", "this program", "state")
        print_table(head, _rows(found), empty="there are no databases yet")
    if {it.state for it in found} & {State.PENDING, State.TOO_NEW}:
        raise SystemExit(NO)


def _rows(found: Sequence[Schema]) -> list[list[str]]:
    """Make a row of each; days of content that are alike are one."""
    alike = Counter((it.seen, it.known, it.state) for it in found if it.database == CONTENT)
    return [
        [it.database, it.place, str(it.seen), str(it.known), it.state]
        for it in found
        if it.database != CONTENT
    ] + [
        [CONTENT, f"{n} day{'s' * (n != 1)}", str(seen), str(known), state]
        for (seen, known, state), n in alike.items()
    ]
