"""The statements over records where single requests are in ClickHouse, and the rest in Postgres."""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.store.base.reading import FACETS
from trimtab.store.postgres.dialect import DIALECT as POSTGRES
from trimtab.store.relational.dialect import (
    ANNOTATION,
    ATTEMPT,
    OUTLINE,
    REQUEST,
    SPAN,
    Dialect,
)
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
            span=SPAN.columns,
            outline=OUTLINE.columns,
            facet=FACETS,
        )
        return {**super().records(), **statements("postgres/settled"), **kept}

    def spend(self) -> Mapping[str, str]:
        """See `Dialect.spend`."""
        return {**super().spend(), **statements("clickhouse/spend")}


# Of those with one id the first counts; of those that remain, the last.
_SAID = """request_id IN (SELECT request_id FROM (
 SELECT * FROM (SELECT * FROM annotation ORDER BY rank DESC LIMIT 1 BY annotation_id)
 ORDER BY ts_us DESC, annotation_id DESC LIMIT 1 BY request_id, kind, name, source
 ) AS said WHERE {})"""
DIALECT = _Both(
    each=POSTGRES.each,
    member=lambda column: f"JSONExtract({column}, ?, 'Nullable(String)')",
    day=POSTGRES.day,
    snapshot=POSTGRES.snapshot,
    said=_SAID,
)
SQL = DIALECT.records()
