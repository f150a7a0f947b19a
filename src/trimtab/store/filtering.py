"""Whether a record fits a filter: what every engine's query must agree with."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any

import msgspec
from msgspec import Struct

from trimtab.domain.annotation import Annotation, latest
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import FACETS, Facet, RecordFilter
from trimtab.store.terms import Op, Said, Term

_BOUNDS: Mapping[str, tuple[str, Op]] = {
    "min_latency_us": ("latency_us", Op.AT_LEAST),
    "since_us": ("ts_us", Op.AT_LEAST),
    "until_us": ("ts_us", Op.BELOW),
}
_NO_COLUMN = frozenset(("terms", "said", "phrases"))
_COMPARED: Mapping[Op, Callable[[Any, Any], bool]] = {
    Op.ABOVE: gt,
    Op.AT_LEAST: ge,
    Op.BELOW: lt,
    Op.AT_MOST: le,
    Op.PREFIX: str.startswith,
}


def terms_of(where: RecordFilter) -> tuple[Term, ...]:
    """Give every comparison that a filter makes with the columns of a record."""
    plain = [
        Term(*_BOUNDS.get(name, (name, Op.IN)), (value,))
        for name in RecordFilter.__struct_fields__
        if name not in _NO_COLUMN and (value := getattr(where, name)) is not None
    ]
    return (*plain, *where.terms)


def fits(
    record: RequestRecord, where: RecordFilter, annotations: Sequence[Annotation] = ()
) -> bool:
    """Tell whether a record fits, as far as that does not depend on its content."""
    return all(_is_so(record, term) for term in terms_of(where)) and all(
        _was_said(latest(annotations), said) for said in where.said
    )


def counted(rows: Iterable[Sequence[str | None]]) -> tuple[Facet, ...]:
    """Count values in the columns of `FACETS`, the most frequent of each first."""
    counts = Counter(
        (column, value) for row in rows for column, value in enumerate(row) if value is not None
    )
    made = [(column, -n, value) for (column, value), n in counts.items()]
    return tuple(Facet(FACETS[column], value, -n) for column, n, value in sorted(made))


def has_phrase(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Tell whether words follow each other in a text."""
    size = len(phrase)
    return any(tuple(words[at : at + size]) == tuple(phrase) for at in range(len(words) - size + 1))


def _is_so(of: Struct, term: Term) -> bool:
    value = getattr(of, term.column)
    if term.key is not None and value is not None:
        value = msgspec.json.decode(value, type=dict[str, object]).get(term.key)
    if value is None:
        return term.negated
    if term.op is Op.IN:
        return (value in term.values) is not term.negated
    return _COMPARED[term.op](value, term.values[0]) is not term.negated


def _was_said(annotations: Iterable[Annotation], said: Said) -> bool:
    return any(said.name in (None, it.name) and _is_so(it, said.term) for it in annotations)
