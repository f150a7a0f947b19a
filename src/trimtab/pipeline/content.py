"""Cutting content into blobs: each message is stored once a tenant and day, compressed.

The ref of a content is the keyed hash of its exact bytes, so it proves what was sent. Behind it
lies a manifest: the pieces whose concatenation is the content, short ones in place, long ones as
refs of blobs of their own. A conversation of thirty turns stores each turn once.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import zstandard
from msgspec import Raw

from trimtab.domain.record import Blob, Piece

MIN_BLOB_BYTES = 256
MIN_COMPRESSED_BYTES = 200
MAX_CONTENT_BYTES = 32 << 20
MAX_REMEMBERED_REFS = 50_000
LEVEL = 3

_elements = msgspec.json.Decoder(list[Raw])
_encoder = msgspec.msgpack.Encoder()


class Captured(NamedTuple):
    """A content's ref, and the blobs that the spool's segment does not hold yet."""

    ref: bytes
    blobs: tuple[Blob, ...]


class ContentCapture:
    """Makes blobs. State: the refs already written to the present segment of the spool.

    Attributes:
        tenant_key: Gives the 32-byte key of a tenant.
        segment: Identity of the present segment; when it changes, everything is written anew.
    """

    def __init__(self, tenant_key: Callable[[str], bytes], segment: Callable[[], object]) -> None:
        self._tenant_key = tenant_key
        self._segment = segment
        self._present: object = None
        self._written: set[bytes] = set()
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress

    def hash(self, tenant_id: str, data: bytes) -> bytes:
        """Hash bytes under the tenant's key (HMAC-SHA-256)."""
        return hmac.digest(self._tenant_key(tenant_id), data, "sha256")

    def capture(self, tenant_id: str, data: bytes, messages: Raw | None = None) -> Captured:
        """Cut a content that holds the JSON list `messages` verbatim, or is one piece."""
        key = self._tenant_key(tenant_id)
        ref = hmac.digest(key, data, "sha256")
        self._turn_page()
        if ref in self._written:
            return Captured(ref, ())
        blobs: list[Blob] = []
        pieces: list[Piece] = []
        for piece in _cut(data, messages):
            if len(piece) < MIN_BLOB_BYTES or len(piece) == len(data):
                pieces.append(Piece(is_ref=False, data=piece))
                continue
            piece_ref = hmac.digest(key, piece, "sha256")
            pieces.append(Piece(is_ref=True, data=piece_ref))
            if piece_ref not in self._written:
                blobs.append(self._blob(piece_ref, piece))
        blobs.append(self._blob(ref, _encoder.encode(pieces)))
        return Captured(ref, tuple(blobs))

    def _blob(self, ref: bytes, data: bytes) -> Blob:
        self._written.add(ref)
        if len(data) < MIN_COMPRESSED_BYTES:
            return Blob(ref, "raw", data)
        return Blob(ref, "zstd", self._compress(data))

    def _turn_page(self) -> None:
        segment = self._segment()
        if segment != self._present or len(self._written) > MAX_REMEMBERED_REFS:
            self._present = segment
            self._written.clear()


def params(members: Mapping[str, Raw]) -> str:
    """Encode the sampling parameters that the caller sent, and only those."""
    sent = {name: members[name] for name in _PARAMS if name in members}
    return msgspec.json.encode(sent).decode() if sent else "{}"


_PARAMS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "n",
    "seed",
    "stop",
    "stop_sequences",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "thinking",
    "tool_choice",
    "parallel_tool_calls",
    "service_tier",
)


def _cut(data: bytes, messages: Raw | None) -> list[bytes]:
    """Cut around the elements of `messages` that deserve a blob of their own."""
    if messages is None or len(data) < MIN_BLOB_BYTES:
        return [data]
    try:
        elements = _elements.decode(messages)
    except msgspec.DecodeError:
        return [data]
    pieces: list[bytes] = []
    start = 0
    end = data.find(bytes(messages))
    for element in elements:
        raw = bytes(element)
        found = data.find(raw, end)
        if found < 0:
            return [data]
        end = found + len(raw)
        if len(raw) >= MIN_BLOB_BYTES:
            pieces += [data[start:found], raw]
            start = end
    pieces.append(data[start:])
    return [piece for piece in pieces if piece]
