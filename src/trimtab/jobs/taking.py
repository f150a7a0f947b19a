"""Taking records elsewhere as a file, with a manifest that tells what is in it.

Records never change, so a page at a time is as good as one long look: no reader is in the way of
the keeper, however much there is.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from trimtab.domain.record import SCHEMA_VERSION, RequestRecord
from trimtab.store.base.reading import Cursor, RecordFilter, RecordReader

PAGE = 2_000
CONTENT = ("asked", "answered")
"""Columns of what was said, if that is taken too."""

Add = Callable[[Sequence[Sequence[Any]]], object]
"""Adds rows in the order of the columns."""

Sheet = AbstractContextManager[Add]
"""A file that rows are added to; leaving it without an error finishes it."""

Texts = Callable[[RequestRecord], Awaitable[Sequence[str | None]]]
"""Reads what was asked and answered, and lets it be noted that somebody did."""

_KINDS = ((bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"))


class Manifest(Struct, frozen=True, kw_only=True):
    """What is in a file of records.

    Attributes:
        sha256: Of the bytes of the file.
        cost_nano: Sum of what the records cost; those without a price are not in it.
    """

    schema_version: int
    filter: str
    rows: int
    cost_nano: int
    sha256: str


@contextmanager
def lines(path: Path, columns: Mapping[str, str]) -> Generator[Add]:
    """Open a file of JSON lines for rows to be added."""
    names, encoder = tuple(columns), msgspec.json.Encoder()
    with path.open("wb") as file:
        yield lambda rows: file.write(
            encoder.encode_lines([dict(zip(names, row, strict=True)) for row in rows])
        )


def columns(*, content: bool) -> Mapping[str, str]:
    """Name the columns, and the kind of each as SQL has it; what is hashed is hex."""
    kinds = {field.name: _kind(field.type) for field in msgspec.structs.fields(RequestRecord)}
    return {**kinds, **(dict.fromkeys(CONTENT, "VARCHAR") if content else {})}


async def take(
    records: RecordReader, where: RecordFilter, sheet: Sheet, texts: Texts | None
) -> tuple[int, int]:
    """Add all records that fit to a sheet, newest first; gives their number and cost.

    Raises:
        TryLater: the store is away, or who reads content could not be noted.
    """
    after, count, cost_nano = None, 0, 0
    with sheet as add:
        while page := await records.page(where, after=after, limit=PAGE):
            rows = [[_plain(it) for it in msgspec.structs.astuple(one)] for one in page]
            if texts is not None:
                rows = [[*row, *await texts(one)] for row, one in zip(rows, page, strict=True)]
            add(rows)
            count += len(page)
            cost_nano += sum(it.cost_nano or 0 for it in page)
            after = Cursor(page[-1].ts_us, page[-1].request_id)
    return count, cost_nano


def describe(path: Path, text: str, rows: int, cost_nano: int) -> Manifest:
    """Tell what is in a finished file."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Manifest(
        schema_version=SCHEMA_VERSION, filter=text, rows=rows, cost_nano=cost_nano, sha256=digest
    )


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def _kind(type_: object) -> str:
    kinds = {it for it in (*get_args(type_), type_) if it is not type(None)}
    return next((name for kind, name in _KINDS if kind in kinds), "VARCHAR")
