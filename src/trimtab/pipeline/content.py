"""Cutting content into blobs: each message is stored once a tenant and day, compressed.

The ref of a content is the keyed hash of its exact bytes, so it proves what was sent. Behind it
lies a manifest: the pieces whose concatenation is the content, short ones in place, long ones as
refs of blobs of their own. A conversation of thirty turns stores each turn once.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec
import zstandard
from msgspec import Raw

from trimtab.domain.ids import user_hash
from trimtab.domain.record import Blob, Piece
from trimtab.store.content import SEALED

MIN_BLOB_BYTES = 256
MIN_COMPRESSED_BYTES = 200
MAX_CONTENT_BYTES = 32 << 20
HEAD_BYTES = TAIL_BYTES = 2 << 10
MAX_REMEMBERED_REFS = 50_000
LEVEL = 3
DAY_US = 86_400_000_000

# A message that is the very text of a whole content must not share its ref.
_PIECE = b"\0"

_PLAIN = re.compile(rb'-?[0-9][0-9.eE+-]{0,31}|true|false|null|"[a-z0-9_.-]{1,32}"')

_elements = msgspec.json.Decoder(list[Raw])
_encoder = msgspec.msgpack.Encoder()


class Captured(NamedTuple):
    """A content's ref, and the blobs that the spool does not hold yet for its day."""

    ref: bytes
    blobs: tuple[Blob, ...]


class Seal(Protocol):
    """Seals the content of one tenant; see `store.sealing.Sealer`."""

    @property
    def key_id(self) -> bytes:
        """Name the key."""
        ...

    def seal(self, ref: bytes, data: bytes) -> bytes:
        """Seal the bytes of a blob in their place."""
        ...


class ContentCapture:
    """Makes blobs. State: the refs written to the spool already, for one UTC day."""

    def __init__(
        self,
        tenant_key: Callable[[str], bytes],
        seal_of: Callable[[str], Seal | None] | None = None,
    ) -> None:
        """Begin with nothing written.

        Args:
            tenant_key: Gives the 32-byte key of a tenant.
            seal_of: Gives what seals the content of a tenant, if any is to be; without its key
                nothing of a tenant is kept.
        """
        self._tenant_key = tenant_key
        self._seal_of = seal_of
        self._day = 0
        self._written: set[bytes] = set()
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress

    def hash(self, tenant_id: str, data: bytes) -> bytes:
        """Hash bytes under the tenant's key (HMAC-SHA-256)."""
        return hmac.digest(self._tenant_key(tenant_id), data, "sha256")

    def user_hash(self, tenant_id: str, end_user: str) -> str:
        """Hash an end user's id under the tenant's key."""
        return user_hash(self._tenant_key(tenant_id), end_user)

    def keeps(self, tenant_id: str) -> bool:
        """Whether the content of a tenant can be kept now."""
        return self._seal_of is None or self._seal_of(tenant_id) is not None

    def capture(
        self, tenant_id: str, ts_us: int, data: bytes, messages: Raw | None = None
    ) -> Captured:
        """Cut a content that holds the JSON list `messages` verbatim, or is one piece.

        Content is kept by the day of its request, so `ts_us` is the instant of admission.
        """
        key = self._tenant_key(tenant_id)
        ref = hmac.digest(key, data, "sha256")
        self._turn_page(ts_us // DAY_US)
        seal = None if self._seal_of is None else self._seal_of(tenant_id)
        # What was sealed under a key that was destroyed is written anew.
        mark = b"" if seal is None else seal.key_id
        is_gone = self._seal_of is not None and seal is None
        if mark + ref in self._written or len(data) > MAX_CONTENT_BYTES or is_gone:
            return Captured(ref, ())
        blobs: list[Blob] = []
        pieces: list[Piece] = []
        for piece in _cut(data, messages):
            is_short = len(piece) < MIN_BLOB_BYTES or len(piece) == len(data)
            if is_short and seal is None:
                pieces.append(Piece(is_ref=False, data=piece))
                continue
            piece_ref = hmac.digest(key, _PIECE + piece, "sha256")
            pieces.append(Piece(is_ref=True, data=piece_ref))
            if mark + piece_ref not in self._written:
                self._written.add(mark + piece_ref)
                blobs.append(self._blob(piece_ref, piece, seal))
        # Of what is sealed it has refs only, so that pieces are found, and deleted, without a key.
        self._written.add(mark + ref)
        blobs.append(self._blob(ref, _encoder.encode(pieces)))
        return Captured(ref, tuple(blobs))

    def forget(self) -> None:
        """Write everything anew: what was captured last did not reach the spool."""
        self._written.clear()

    def _blob(self, ref: bytes, data: bytes, seal: Seal | None = None) -> Blob:
        codec = "raw"
        if len(data) >= MIN_COMPRESSED_BYTES:
            codec, data = "zstd", self._compress(data)
        return (
            Blob(ref, codec, data)
            if seal is None
            else Blob(ref, codec + SEALED, seal.seal(ref, data))
        )

    def _turn_page(self, day: int) -> None:
        if day != self._day or len(self._written) > MAX_REMEMBERED_REFS:
            self._day = day
            self._written.clear()


def shortened(data: bytes) -> bytes:
    """Give head and tail of a long content, 2 KiB each, characters kept whole."""
    if len(data) <= HEAD_BYTES + TAIL_BYTES:
        return data
    head = data[:HEAD_BYTES].decode(errors="ignore").encode()
    tail = data[-TAIL_BYTES:].decode(errors="ignore").encode()
    left_out = len(data) - len(head) - len(tail)
    return b"%s\n[... %d bytes were not kept ...]\n%s" % (head, left_out, tail)


def params(members: Mapping[str, Raw]) -> str:
    """Encode the sampling parameters that the caller sent, in that order, and only those.

    A value that is no number, no truth and no short word is content, and content is kept apart.
    """
    sent = {
        name: raw
        for name, raw in members.items()
        if name in _PARAMS and _PLAIN.fullmatch(bytes(raw))
    }
    return msgspec.json.encode(sent).decode() if sent else "{}"


_PARAMS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "dimensions",
        "encoding_format",
        "truncation",
        "n",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "tool_choice",
        "parallel_tool_calls",
        "service_tier",
    }
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
