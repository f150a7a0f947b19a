"""The statements over records where single requests are in ClickHouse, and the rest in Postgres."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.store.postgres.dialect import DIALECT as POSTGRES
from trimtab.store.relational.dialect import ANNOTATION, ATTEMPT, REQUEST, Dialect
from trimtab.store.statements import statements


@dataclass(frozen=True)
class _Both(Dialect):
    """The words of Postgres, and of ClickHouse where it is asked."""

    def records(self) -> Mapping[str, str]:
        """See `Dialect.records`."""
        kept = statements(
            "clickhouse/records",
            request=REQUEST.columns,
            attempt=ATTEMPT.columns,
            annotation=ANNOTATION.columns,
        )
        return {**super().records(), **statements("postgres/settled"), **kept}

    def spend(self) -> Mapping[str, str]:
        """See `Dialect.spend`."""
        return {**super().spend(), **statements("clickhouse/spend")}


DIALECT = _Both(each=POSTGRES.each, day=POSTGRES.day, snapshot=POSTGRES.snapshot)
SQL = DIALECT.records()
