"""How content lies in a store: blobs by keyed hash, and manifests that put pieces together.

The blob under the ref of a content is its manifest: pieces whose concatenation is the content,
each with its bytes or the ref of the blob that holds them.
"""

import hmac
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import zstandard

from trimtab.domain.record import Blob, Piece

MAX_PIECE_BYTES = 64 << 20
SEALED = "+a256gcm"
"""Ends the codec of a blob that was sealed behind its compression."""

Unseal = Callable[[bytes, bytes], bytes]
"""Opens a sealed blob by its ref. Raises `ValueError`."""

Unsealing = Callable[[str], Awaitable[Unseal | None]]
"""Gives what opens the blobs of a tenant; `None`: its key was destroyed. Raises `TrimtabError`."""

_pieces = msgspec.msgpack.Decoder(list[Piece])


class Sealed(ValueError):
    """A blob opens with the key of its tenant only."""


def no_key(_ref: bytes, _data: bytes) -> bytes:
    """Open nothing. Raises `Sealed`."""
    raise Sealed("it is sealed, and no key of its tenant is here")


def opened(blob: Blob, unseal: Unseal) -> bytes:
    """Give the bytes of a blob, sealed or not.

    Raises:
        ValueError: they cannot be read.
    """
    if blob.codec.endswith(SEALED):
        codec = blob.codec.removesuffix(SEALED)
        return decompress(codec, unseal(blob.ref, blob.data))
    return decompress(blob.codec, blob.data)


def decompress(codec: str, data: bytes) -> bytes:
    """Give the bytes of a blob.

    Raises:
        ValueError: they cannot be read.
    """
    if codec == "raw":
        return data
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=MAX_PIECE_BYTES)
    except zstandard.ZstdError as exc:
        raise ValueError(f"a blob of codec {codec!r} is damaged") from exc


def assemble(
    get: Callable[[bytes], Blob | None], ref: bytes, unseal: Unseal = no_key
) -> bytes | None:
    """Rebuild a content by the ref of its manifest; `None` if any piece is gone.

    Raises:
        ValueError: a piece cannot be read.
    """
    manifest = get(ref)
    if manifest is None:
        return None
    out: list[bytes] = []
    for piece in _pieces_of(manifest, unseal):
        if not piece.is_ref:
            out.append(piece.data)
            continue
        blob = get(piece.data)
        if blob is None:
            return None
        out.append(opened(blob, unseal))
    return b"".join(out)


def pieces_of(manifest: Blob) -> Iterator[bytes]:
    """Give the refs that a manifest names; what is no manifest names none."""
    try:
        pieces = _pieces.decode(decompress(manifest.codec, manifest.data))
    except ValueError:
        return
    yield from (piece.data for piece in pieces if piece.is_ref)


def is_whole(content: bytes, ref: bytes, tenant_key: bytes) -> bool:
    """Whether a content is the one its ref was made of (HMAC-SHA-256 under the tenant's key)."""
    return hmac.compare_digest(hmac.digest(tenant_key, content, "sha256"), ref)


def _pieces_of(manifest: Blob, unseal: Unseal) -> list[Piece]:
    return _pieces.decode(opened(manifest, unseal))
