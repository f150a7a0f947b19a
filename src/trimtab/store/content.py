"""How content lies in a store: blobs by keyed hash, and manifests that put pieces together.

The blob under the ref of a content is its manifest: pieces whose concatenation is the content,
each with its bytes or the ref of the blob that holds them.
"""

import hmac
from collections.abc import Callable

import msgspec
import zstandard

from trimtab.domain.record import Blob, Piece

MAX_PIECE_BYTES = 64 << 20

_pieces = msgspec.msgpack.Decoder(list[Piece])


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


def assemble(get: Callable[[bytes], Blob | None], ref: bytes) -> bytes | None:
    """Rebuild a content by the ref of its manifest; `None` if any piece is gone.

    Raises:
        ValueError: a piece cannot be read.
    """
    manifest = get(ref)
    if manifest is None:
        return None
    out: list[bytes] = []
    for piece in _pieces_of(manifest):
        if not piece.is_ref:
            out.append(piece.data)
            continue
        blob = get(piece.data)
        if blob is None:
            return None
        out.append(decompress(blob.codec, blob.data))
    return b"".join(out)


def refs(manifest: Blob) -> list[bytes]:
    """List the blobs that a manifest names.

    Raises:
        ValueError: it cannot be read.
    """
    return [piece.data for piece in _pieces_of(manifest) if piece.is_ref]


def is_whole(content: bytes, ref: bytes, tenant_key: bytes) -> bool:
    """Whether a content is the one its ref was made of (HMAC-SHA-256 under the tenant's key)."""
    return hmac.compare_digest(hmac.digest(tenant_key, content, "sha256"), ref)


def _pieces_of(manifest: Blob) -> list[Piece]:
    return _pieces.decode(decompress(manifest.codec, manifest.data))
