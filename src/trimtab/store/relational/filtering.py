"""Filters as conditions in SQL over `request`."""

from typing import Any

from trimtab.domain.record import Status
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.filtering import terms_of
from trimtab.store.relational.dialect import Dialect
from trimtab.store.terms import Op, Said, Term


def conditions(
    dialect: Dialect, where: RecordFilter, after: Cursor | None
) -> tuple[str, list[Any]]:
    """Write what `where` asks for, words of the content left out, and the values for it."""
    made: list[str] = []
    values: list[Any] = []
    for term in terms_of(where):
        made.append(_term(dialect, term, values))
        if _leaves_out_ok(term):
            # The planner uses the index of what is not ok only if the query says so.
            made.append("status <> 'ok'")
    made += [_said(dialect, said, values) for said in where.said]
    if after is not None:
        made.append("(ts_us, request_id) < (?, ?)")
        values += [after.ts_us, after.request_id]
    return " AND ".join(made) or "TRUE", values


def leaves_out_ok(where: RecordFilter) -> bool:
    """Whether only requests are asked for whose status is not ok."""
    return any(_leaves_out_ok(term) for term in terms_of(where))


def _term(dialect: Dialect, term: Term, values: list[Any]) -> str:
    column = term.column
    if term.key is not None:
        column = dialect.member(column)
        values.append(term.key)
    match term.op:
        case Op.IN if len(term.values) == 1:
            made = f"{column} = ?"
            values += term.values
        case Op.IN:
            made = f"{column} IN ({', '.join('?' for _ in term.values)})"
            values += term.values
        case Op.PREFIX:
            made = f"substr({column}, 1, length(?)) = ?"
            values += term.values * 2
        case _:
            made = f"{column} {term.op.value} ?"
            values += term.values
    # What is unknown is neither so nor not so to SQL.
    return f"NOT coalesce({made}, FALSE)" if term.negated else made


def _said(dialect: Dialect, said: Said, values: list[Any]) -> str:
    asked = _term(dialect, said.term, values)
    if said.name is not None:
        asked += " AND said.name = ?"
        values.append(said.name)
    return dialect.said.format(asked)


def _leaves_out_ok(term: Term) -> bool:
    is_plain = term.column == "status" and term.op is Op.IN
    return is_plain and (Status.OK in term.values) is term.negated
