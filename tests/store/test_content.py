import hmac

import msgspec
import pytest
import zstandard
from tests.records import tenant_key

from trimtab.domain.record import Blob, Piece
from trimtab.store.content import assemble, decompress, is_whole

REF = b"m" * 32


def manifest(*pieces: Piece) -> dict[bytes, Blob]:
    return {REF: Blob(REF, "raw", msgspec.msgpack.encode(pieces))}


def test_pieces_are_joined_in_order() -> None:
    blobs = {
        **manifest(
            Piece(is_ref=False, data=b"["),
            Piece(is_ref=True, data=b"one"),
            Piece(is_ref=False, data=b","),
            Piece(is_ref=True, data=b"two"),
            Piece(is_ref=True, data=b"one"),
        ),
        b"one": Blob(b"one", "raw", b"1"),
        b"two": Blob(b"two", "zstd", zstandard.compress(b"2" * 1000)),
    }

    assert assemble(blobs.get, REF) == b"[1," + b"2" * 1000 + b"1"


def test_a_manifest_without_pieces_is_empty() -> None:
    assert assemble(manifest().get, REF) == b""


def test_what_is_missing_is_none() -> None:
    assert assemble(lambda _: None, REF) is None
    assert assemble(manifest(Piece(is_ref=True, data=b"gone")).get, REF) is None


@pytest.mark.parametrize(
    "blob",
    [
        pytest.param(Blob(REF, "raw", b"\xc1"), id="no msgpack"),
        pytest.param(Blob(REF, "raw", b"\x81\xa1a\x01"), id="no manifest"),
        pytest.param(Blob(REF, "zstd", b"no zstd"), id="no zstd"),
        pytest.param(Blob(REF, "zstd", zstandard.compress(b"\x90")[:-2]), id="cut"),
        pytest.param(Blob(REF, "lz77", b"\x90"), id="unknown codec"),
    ],
)
def test_what_cannot_be_read_is_an_error(blob: Blob) -> None:
    with pytest.raises(ValueError, match=r"."):
        assemble({REF: blob}.get, REF)


def test_the_codec_says_how_the_bytes_lie() -> None:
    assert decompress("raw", b"as is") == b"as is"
    assert decompress("zstd", zstandard.compress(b"packed")) == b"packed"


def test_a_content_is_whole_if_its_keyed_hash_is_its_ref() -> None:
    key = tenant_key("acme")
    ref = hmac.digest(key, b"content", "sha256")

    assert is_whole(b"content", ref, key)
    assert not is_whole(b"Content", ref, key)
    assert not is_whole(b"content", ref, tenant_key("globex"))
