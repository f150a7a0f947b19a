"""What an app found for a question, as it tells with its call: in the header `x-trimtab-documents`.

The header is base64url of zlib of the JSON of a `Retrieval`, or that JSON as it is. Both ends of it
are here: what one would refuse the other never sends.
"""

import base64
import binascii
import zlib
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

MOST_DOCUMENTS = 32
MOST_CHARS = 6 * 1024
MOST_BYTES = 64 * 1024
IN_SPAN = "span"
"""Header of a call whose documents are in a span alone: there were more than it has room for."""

_PRINTED = r"^[^\x00-\x1f\x7f]*$"
_LONGEST_US = 3_600_000_000

Id = Annotated[str, Meta(min_length=1, max_length=256, pattern=_PRINTED)]
Word = Annotated[str, Meta(min_length=1, max_length=128, pattern=_PRINTED)]


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A document, or the part of one that was found. `sha256` is that of its text, in hex."""

    id: Id
    score: float | None = None
    version: Word | None = None
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None = None


class Retrieval(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was found, best first, and where.

    Attributes:
        index_build_date: Day the index was built on, as `2026-03-01`.
        retrieval_us: How long the search took.
    """

    documents: Annotated[tuple[Document, ...], Meta(max_length=MOST_DOCUMENTS)]
    index: Word | None = None
    index_build_date: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$(?!\n)")] | None = None
    embedding_model: Word | None = None
    retrieval_us: Annotated[int, Meta(ge=0, le=_LONGEST_US)] | None = None

    def rows(self) -> tuple[dict[str, str | float], ...]:
        """Give the documents as records keep them."""
        found: list[dict[str, str | float]] = []
        for rank, it in enumerate(self.documents, start=1):
            row: dict[str, str | float | None] = {
                "doc_id": it.id,
                "score": it.score,
                "rank": rank,
                "doc_version": it.version,
                "chunk_sha256": it.sha256,
            }
            found.append({name: value for name, value in row.items() if value is not None})
        return tuple(found)


_decoder = msgspec.json.Decoder(Retrieval)


def encode(retrieval: Retrieval) -> str:
    """Write the header; `IN_SPAN` if it has no room for all of it, or no gateway would take it."""
    packed = zlib.compress(msgspec.json.encode(retrieval), 9)
    text = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    try:
        decode(text)
    except ValueError:
        return IN_SPAN
    return text


def decode(text: str) -> Retrieval:
    """Read the header. Raises `ValueError` if it cannot be one."""
    if len(text) > MOST_CHARS:
        raise ValueError("it is too long")
    try:
        return _decoder.decode(text if text.startswith("{") else _inflated(text))
    except (zlib.error, binascii.Error, msgspec.DecodeError) as exc:
        raise ValueError("it is not what was asked for") from exc


def _inflated(text: str) -> bytes:
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    inflating = zlib.decompressobj()
    data = inflating.decompress(packed, MOST_BYTES)
    if not inflating.eof or inflating.unused_data:
        raise ValueError("it is cut short, or too long")
    return data
