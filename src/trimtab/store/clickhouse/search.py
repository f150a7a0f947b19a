"""Words of content in ClickHouse: one text of them, whose index knows them all."""

from collections.abc import Iterable, Sequence
from typing import Any

from trimtab.store.base.reading import RecordFilter
from trimtab.store.clickhouse.dialect import DIALECT
from trimtab.store.filtering import terms_of
from trimtab.store.relational.filtering import conditions

_GAP = "  "
_KNOWN = ("tenant_id", "ts_us")


def written(asked: Sequence[str], answered: Sequence[str]) -> str:
    """Write words so that a phrase is a part of the text; none spans asked and answered."""
    return f" {' '.join(asked)}{_GAP}{' '.join(answered)} "


def found(where: RecordFilter) -> tuple[str, list[Any]]:
    """Write the condition that the words of a request fit, and the values for it."""
    known = tuple(it for it in terms_of(where) if it.column in _KNOWN)
    made, values = conditions(DIALECT, RecordFilter(terms=known), None)
    made += f" AND hasAllTokens(words, ?){' AND position(words, ?) > 0' * len(where.phrases)}"
    values.append(sorted(set(_words(where.phrases))))
    values += [f" {' '.join(phrase)} " for phrase in where.phrases]
    # Conditions are made of the names of columns and of `?`.
    return f"request_id IN (SELECT request_id FROM search WHERE {made})", values  # noqa: S608


def _words(phrases: Iterable[Sequence[str]]) -> Iterable[str]:
    return (word for phrase in phrases for word in phrase)
