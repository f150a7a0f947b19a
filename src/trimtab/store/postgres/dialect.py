"""The statements over records in the words of Postgres."""

from trimtab.store.relational.dialect import Dialect
from trimtab.store.statements import statements

DIALECT = Dialect(
    each="json_array_elements_text",
    member=lambda column: f"(CAST({column} AS JSON) ->> CAST(? AS TEXT))",
    day=lambda column: (
        f"""(to_char(to_timestamp({column} / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"""
        """ COLLATE "C")"""
    ),
    snapshot="BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
)
SQL = {**DIALECT.records(), **DIALECT.erasing(), **statements("postgres/records")}
