"""The statements over records in SQLite's words."""

from trimtab.store.relational.dialect import Dialect

DIALECT = Dialect(
    each="json_each",
    member=lambda column: f"""json_extract({column}, '$."' || ? || '"')""",
    day=lambda column: f"date({column} / 1000000, 'unixepoch')",
    snapshot="BEGIN",
)
SQL = {**DIALECT.records(), **DIALECT.erasing()}
