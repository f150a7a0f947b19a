"""A reading as a row of the table `reading`, the same columns in every engine."""

from typing import Any

from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import Source

LAST = (1 << 63) - 1
"""Above every `seq`."""


def values_of(reading: Reading) -> tuple[Any, ...]:
    """Give the values of a row in the order of the columns; the store numbers it."""
    return (
        *(reading.ts_us, reading.author, reading.source.value, reading.what.value),
        *(reading.tenant_id, reading.request_id),
    )


def reading_of(row: tuple[Any, ...]) -> Reading:
    """Make the reading of a row."""
    ts_us, author, source, what, tenant_id, request_id, seq = row
    return Reading(
        ts_us=ts_us,
        author=author,
        source=Source(source),
        what=Protected(what),
        tenant_id=tenant_id,
        request_id=request_id,
        seq=seq,
    )
