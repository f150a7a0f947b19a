"""What engines say differently, so that the statements over records are one text for all of them.

That text keeps to what SQLite and Postgres understand alike: parameters are `?` or `:name`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.record import Attempt, LedgerLine, RequestRecord
from trimtab.store.base.reading import FACETS
from trimtab.store.relational.rows import Row, Table
from trimtab.store.rollup import Key, Sums, TotalKey
from trimtab.store.statements import statements

REQUEST, ATTEMPT, LINE = Table(RequestRecord), Table(Attempt), Table(LedgerLine)
ANNOTATION, SPAN, OUTLINE = Table(Annotation), Table(AppSpan), Table(SpanOutline)
REFS = tuple(name for name in REQUEST.columns if name.endswith("_ref"))
"""Columns of a record that refer to content."""

# A later one of the same request, kind, name and source corrects it.
_SAID = """EXISTS (SELECT 1 FROM annotation AS said WHERE said.request_id = request.request_id
 AND {} AND NOT EXISTS (SELECT 1 FROM annotation AS later
 WHERE later.request_id = said.request_id AND later.kind = said.kind AND later.name = said.name
 AND later.source = said.source
 AND (later.ts_us, later.annotation_id) > (said.ts_us, said.annotation_id)))"""

Values = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 -- a row
        """Give the next row, or `None`."""
        ...

    def fetchall(self) -> list[Any]:
        """Give all rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection as `sqlite3` has it."""

    def execute(self, sql: str, values: Values = (), /) -> Cursor:
        """Run a statement."""
        ...


class Writing(Connection, Protocol):
    """The same, for who writes."""

    def executemany(self, sql: str, rows: Iterable[Row], /) -> object:
        """Run a statement for each row."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of an engine.

    Attributes:
        each: Function that gives the `value`s of a JSON list.
        member: Writes an expression for the member `?` of a JSON map.
        day: Writes an expression for the UTC day, as ISO date, of a column in microseconds.
        snapshot: Begins a transaction whose queries all see one state.
        said: Condition that an annotation `said` of the request, not corrected, fits `{}`.
    """

    each: str
    member: Callable[[str], str]
    day: Callable[[str], str]
    snapshot: str
    said: str = _SAID

    def records(self) -> Mapping[str, str]:
        """Read the statements over records."""
        return self._read(
            "records",
            request=REQUEST.columns,
            attempt=ATTEMPT.columns,
            line=LINE.columns,
            annotation=ANNOTATION.columns,
            span=SPAN.columns,
            outline=OUTLINE.columns,
            facet=FACETS,
            key=Key._fields,
            total=TotalKey._fields,
            sums=Sums._fields,
            add=[f"{name} = total.{name} + excluded.{name}" for name in Sums._fields],
        )

    def erasing(self) -> Mapping[str, str]:
        """Read the statements that end what is recorded."""
        return self._read("erasing", refs=REFS)

    def spend(self) -> Mapping[str, str]:
        """Read the statements over what was spent."""
        return self._read("spend")

    def _read(self, file: str, **columns: Sequence[str]) -> Mapping[str, str]:
        words = {"each": [self.each], "ts_day": [self.day("ts_us")]}
        return statements(f"relational/{file}", **columns, **words)
