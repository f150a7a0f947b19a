"""The statements over records in SQLite's words."""

from trimtab.store.relational.dialect import Dialect

DIALECT = Dialect(
    each="json_each",
    day=lambda column: f"date({column} / 1000000, 'unixepoch')",
    snapshot="BEGIN",
)
SQL = {**DIALECT.records(), **DIALECT.erasing()}
