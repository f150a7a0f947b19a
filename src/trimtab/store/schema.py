"""The numbered `.sql` files that bring a database to the schema this program knows.

They are in `store/migrations/<database>/`, forward only, and the same loader serves every engine.
"""

from importlib.resources import files

from trimtab.domain.errors import SchemaTooNew


def newest(database: str) -> int:
    """Tell which migration of a database is the last that this program has."""
    return migrations(database, 0)[-1][0]


def migrations(database: str, seen: int) -> list[tuple[int, str]]:
    """Read the migrations behind the one that a database has seen last, in order.

    Raises:
        SchemaTooNew: the database has seen migrations that this program does not have.
    """
    folder = files("trimtab.store") / "migrations" / database
    scripts = sorted(
        (int(script.name.split("_")[0]), script)
        for script in folder.iterdir()
        if script.name.endswith(".sql")
    )
    if scripts and seen > scripts[-1][0]:
        raise SchemaTooNew(
            f"{database!r} has schema {seen}, this program knows {scripts[-1][0]}; upgrade trimtab"
        )
    return [(number, script.read_text()) for number, script in scripts if number > seen]
