from random import Random
from sqlite3 import connect

import pytest
from msgspec import Struct
from tests.records import chance_finish

from trimtab.domain.record import Attempt, LedgerLine, RequestRecord
from trimtab.store.relational.dialect import ATTEMPT, LINE, REQUEST
from trimtab.store.relational.rows import Table
from trimtab.store.rollup import Key, MinuteKey, MinuteSums, Sums, TotalKey
from trimtab.store.sqlite.connect import migrate


class Small(Struct, frozen=True, kw_only=True):
    name: str | None = None
    yes: bool = False
    maybe: bool | None = None
    share: float = 0.0
    ref: bytes | None = None


def columns(table: str) -> list[tuple[str, str, bool]]:
    """Name, type and obligation of the columns of a table, in order."""
    connection = connect(":memory:", isolation_level=None)
    migrate(connection, "records")
    rows = connection.execute("SELECT name, type, [notnull] FROM pragma_table_info(?)", (table,))
    found = [(name, kind, bool(needed)) for name, kind, needed in rows]
    connection.close()
    return found


TYPES = {"str": "TEXT", "int": "INTEGER", "bool": "INTEGER", "float": "REAL", "bytes": "BLOB"}


@pytest.mark.parametrize(
    ("table", "kind", "before"),
    [
        ("request", RequestRecord, []),
        ("attempt", Attempt, [("request_id", "TEXT", True)]),
        ("ledger", LedgerLine, []),
    ],
)
def test_a_table_has_one_column_for_each_member_of_its_struct(
    table: str, kind: type[Struct], before: list[tuple[str, str, bool]]
) -> None:
    members = [_column(name, str(annotation)) for name, annotation in _members(kind).items()]

    assert columns(table) == before + members


def _members(kind: type[Struct]) -> dict[str, object]:
    return {name: kind.__annotations__[name] for name in kind.__struct_fields__}


def _column(name: str, annotation: str) -> tuple[str, str, bool]:
    kind = annotation.removeprefix("<class '").removesuffix("'>")
    return name, TYPES[kind.removesuffix(" | None")], not kind.endswith(" | None")


@pytest.mark.parametrize("table", ["rollup_hour", "rollup_day", "rollup_day_local"])
def test_sums_have_a_column_for_each_part_of_key_and_sums(table: str) -> None:
    assert [name for name, _, _ in columns(table)] == ["bucket_us", *Key._fields, *Sums._fields]


def test_sums_over_all_time_have_a_column_for_each_part_of_key_and_sums() -> None:
    names = [*TotalKey._fields, *Sums._fields]

    assert [name for name, _, _ in columns("rollup_total")] == names


def test_minutes_have_a_column_for_each_part_of_key_and_sums() -> None:
    names = [*MinuteKey._fields, *MinuteSums._fields]

    assert [name for name, _, _ in columns("rollup_minute")] == names


def test_structs_come_back_from_rows() -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    made = chance_finish(Random(3))  # noqa: S311

    assert REQUEST.struct(REQUEST.row(made.record)) == made.record
    for attempt in made.attempts:
        assert ATTEMPT.struct(ATTEMPT.row(attempt)) == attempt
    for line in made.lines:
        assert LINE.struct(LINE.row(line)) == line


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(Small(name="null", yes=True, maybe=False, share=1.0, ref=b""), id="given"),
        pytest.param(Small(), id="left out"),
        pytest.param(Small(name="true", maybe=True, ref=b"null"), id="words with a meaning"),
    ],
)
def test_values_come_back_as_they_were_though_sqlite_has_no_truth(made: Small) -> None:
    table = Table(Small)
    connection = connect(":memory:")
    columns = "name TEXT, yes INTEGER, maybe INTEGER, share REAL, ref BLOB"
    connection.execute(f"CREATE TABLE t ({columns})")
    connection.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", table.row(made))

    row = connection.execute("SELECT * FROM t").fetchone()

    assert table.struct(row) == made
    connection.close()


def test_columns_are_the_members_in_order() -> None:
    assert list(Table(Small).columns) == ["name", "yes", "maybe", "share", "ref"]
