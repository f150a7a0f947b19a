"""A ClickHouse that speaks as `sqlite3` does, for what threads ask of it."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from json import dumps
from typing import Any, NamedTuple, TypeVar, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.transform import NativeTransform

from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.store.base.recording import Unstorable
from trimtab.store.clickhouse.address import Way
from trimtab.store.relational.dialect import Values
from trimtab.store.relational.rows import Row
from trimtab.store.schema import migrations
from trimtab.store.statements import statements

DATABASE = "clickhouse_records"
LONGEST_QUERY_S = 5

_SETTINGS: Mapping[str, int] = {
    # What is the same is of one day, so days need not be merged with one another.
    "do_not_merge_across_partitions_select_final": 1,
    # Of rows that are the same, an index finds all.
    "use_skip_indexes_if_final": 1,
}
# Lists are written in statements.
_ANY_SIZE: Mapping[str, int] = {"max_query_size": 0}
READ: Mapping[str, int] = {**_SETTINGS, **_ANY_SIZE, "max_execution_time": LONGEST_QUERY_S}
# What rewrites parts is waited for where nobody else has to wait.
_TELL: Mapping[str, int] = {
    **_ANY_SIZE,
    "mutations_sync": 0,
    # Replicas read what is to go from a table that is the same for all.
    "allow_nondeterministic_mutations": 1,
}
_WRITE: Mapping[str, int] = {"max_partitions_per_insert_block": 0}
_BYTES = (
    *("detail", "data", "ref", "text_ref", "tools_ref", "prompt_vars_ref", "query_embedding_ref"),
    *("input_ref", "output_ref", "received_ref", "content_ref", "body"),
)
_FORMATS: Mapping[str, str | dict[str, str]] = dict.fromkeys(_BYTES, "bytes")
_LIST = "{{{}:Array(String)}}"
_LISTED = re.compile(r"\{(\w+):Array\(String\)\}")
_COMMENT = re.compile(r"^--.*$", re.MULTILINE)
_PARAMETER = re.compile(r"\?|:(\w+)")
_REWRITE = re.compile(r"ALTER TABLE (\w+) .*?IN PARTITION ID :part\s+WHERE (.*)", re.DOTALL)
SITE = statements("clickhouse/site")

_SQL = statements("clickhouse/schema")

_T = TypeVar("_T")


class Found:
    """A `store.relational.dialect.Cursor` of rows that are all there."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rowcount = len(rows)
        self._rows = iter(rows)

    def fetchone(self) -> Row | None:
        """See `Cursor.fetchone`."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """See `Cursor.fetchall`."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class Block(NamedTuple):
    """Rows on their way into a table, in ClickHouse's own form: what cannot be written is not."""

    table: str
    columns: Sequence[str]
    data: bytes


class Session:
    """A `store.relational.dialect.Connection`, the schema migrated.

    State: the types of the columns that were asked for.
    """

    def __init__(self, client: Client) -> None:
        """Bring the schema up to date; to be called in a thread.

        Raises:
            SchemaTooNew: the schema is newer than this program.
            ClickHouseError: it is away, or does not let us in.
        """
        self._client = client
        self._types: dict[str, Mapping[str, str]] = {}
        self._migrate()

    def execute(self, sql: str, values: Values = ()) -> Found:
        """See `Connection.execute`: for questions."""
        text, bound = _translated(sql, values)
        rows = self._client.query(
            text, parameters=bound, settings=dict(READ), column_formats=dict(_FORMATS)
        ).result_rows
        return Found(rows)

    def tell(self, sql: str, values: Values = ()) -> None:
        """Run a statement that gives nothing."""
        text, bound = _translated(sql, values)
        self._client.command(text, parameters=bound, settings=dict(_TELL))

    def rewrite(self, sql: str, values: Mapping[str, Any]) -> int:
        """Have rows changed or deleted, in a `part` or in all; tells how many there are.

        ClickHouse does it when it has time, whatever becomes of us.
        """
        plain = _COMMENT.sub("", sql).strip().rstrip(";")
        told = _REWRITE.fullmatch(plain)
        if told is None:
            raise ValueError(f"statement {plain[:40]!r} rewrites nothing")
        within = "_partition_id = :part" if "part" in values else "TRUE"
        # Words of a statement of ours.
        found = self.execute(
            f"SELECT _partition_id, count() FROM {told[1]} FINAL WHERE {within} AND {told[2]}"  # noqa: S608
            " GROUP BY _partition_id",
            values,
        ).fetchall()
        for part, _ in found:
            self.tell(plain, {**values, "part": part})
        return sum(n for _, n in found)

    def block(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> Block:
        """Write rows in the form of a table; nothing is sent.

        Raises:
            Unstorable: a value fits no column.
        """
        if not rows:
            return Block(table, columns, b"")
        types = self._types.get(table)
        if types is None:
            described = self._client.query(f"DESCRIBE TABLE {table}").result_rows
            types = self._types[table] = {name: kind for name, kind, *_ in described}
        context = self._client.create_insert_context(
            table,
            column_names=columns,
            column_type_names=[types[name] for name in columns],
            data=rows,
        )
        # One block: two would be two inserts to who looks for what is there already.
        context.block_row_count = len(rows)
        data = b"".join(NativeTransform.build_insert(context))
        if context.insert_exception is not None:
            raise Unstorable(f"table '{table}' has no place for a value") from (
                context.insert_exception
            )
        # Before it stands the statement, in a line of its own.
        return Block(table, columns, data.partition(b"\n")[2])

    def insert(self, block: Block) -> None:
        """Add the rows of a block, durable when this returns."""
        if block.data:
            self._client.raw_insert(
                block.table, block.columns, block.data, settings=dict(_WRITE), fmt="Native"
            )

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _migrate(self) -> None:
        missing = migrations(DATABASE, _seen(self._client))
        if not missing:
            return
        self.tell(_SQL["make_versions"])
        for number, script in missing:
            for statement in script.split(";\n"):
                if statement.strip():
                    self.tell(statement)
            self.tell(_SQL["see"], (number,))


def version_of(way: Way) -> tuple[str, int]:
    """Tell where a database is, and its schema; nothing is written.

    Raises:
        TryLater: it is away, or does not let us in.
    """
    try:
        client = way.connect()
        try:
            return way.place, _seen(client)
        finally:
            client.close()
    except (ClickHouseError, OSError) as exc:
        why = getattr(exc, "name", None) or str(exc).partition("\n")[0]
        raise TryLater(
            f"the archive of records {way.place} cannot be used ({why}); see that ClickHouse runs"
        ) from exc


def _seen(client: Client) -> int:
    ((has_versions,),) = client.query(_SQL["has_versions"]).result_rows
    return client.query(_SQL["seen"]).result_rows[0][0] if has_versions else 0


class Archive:
    """The way to a ClickHouse: a session that is opened when first used, and after a failure.

    State: the session; one thread uses it at a time.
    """

    def __init__(self, way: Way) -> None:
        """Connect to nothing yet."""
        self._way = way
        self._guard = threading.Lock()
        self._session: Session | None = None

    def use(self, work: Callable[[Session], _T], remedy: str) -> _T:
        """Run a piece of work in this thread.

        Raises:
            TryLater: it cannot be used; why, and the remedy.
        """
        with self._guard:
            try:
                if self._session is None:
                    self._session = Session(self._way.connect())
                return work(self._session)
            except (ClickHouseError, SchemaTooNew, OSError) as exc:
                self._hang_up()
                why = getattr(exc, "name", None) or str(exc).partition("\n")[0]
                raise TryLater(
                    f"the archive of records {self._way.place} cannot be used ({why}); {remedy}"
                ) from exc

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._guard:
            self._hang_up()

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _translated(sql: str, values: Values) -> tuple[str, dict[str, Any]]:
    """Say in ClickHouse's words which values a statement is given; it never reads them as words.

    A server takes long lists in the statement alone.
    """
    named = values if isinstance(values, Mapping) else {f"p{n}": it for n, it in enumerate(values)}
    text = _typed(sql, tuple((name, _type(value)) for name, value in named.items()))
    lists = {name: cast("list[str]", it) for name, it in named.items() if isinstance(it, list)}
    # In one pass: what a list says is never read as the place of another.
    told = _LISTED.sub(lambda found: _written(lists[found[1]]), text)
    return told, {name: it for name, it in named.items() if name not in lists}


def _written(texts: Sequence[str]) -> str:
    """Write texts as one literal: thousands of them take a parser long."""
    literal = dumps(texts).replace("\\", "\\\\").replace("'", "\\'")
    return f"JSONExtract('{literal}', 'Array(String)')"


@lru_cache(maxsize=1000)
def _typed(sql: str, types: tuple[tuple[str, str], ...]) -> str:
    kinds, places = dict(types), iter(types)

    def parameter(found: re.Match[str]) -> str:
        name = found[1] or next(places)[0]
        return kinds[name].format(name)

    return _PARAMETER.sub(parameter, _COMMENT.sub("", sql)).strip().rstrip(";")


def _type(value: object) -> str:
    match value:
        case None:
            return "{{{}:Nullable(String)}}"
        case bool():
            return "{{{}:Bool}}"
        case float():
            return "{{{}:Float64}}"
        case int():
            return "{{{}:Int64}}"
        case list():
            return _LIST
        case _:
            return "{{{}:String}}"
