import base64
import tracemalloc
import zlib
from typing import Any

import msgspec
import pytest

from trimtab.domain.retrieval import (
    IN_SPAN,
    MOST_BYTES,
    MOST_CHARS,
    MOST_DOCUMENTS,
    Document,
    Retrieval,
    decode,
    encode,
)
from trimtab.testing import seeded_entropy

SHA256 = "ab" * 32
WHOLE = Retrieval(
    documents=(
        Document(id="doc-12", score=0.83, version="3", sha256=SHA256),
        Document(id="Dökument 7"),
    ),
    index="docs-index",
    index_build_date="2026-03-01",
    embedding_model="text-embedding-3-large",
    retrieval_us=5_231,
)


def packed(value: object) -> str:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return base64.urlsafe_b64encode(zlib.compress(data)).decode()


def test_what_is_found_comes_back() -> None:
    assert decode(encode(WHOLE)) == WHOLE
    assert decode(encode(Retrieval(documents=()))) == Retrieval(documents=())


def test_people_may_send_it_as_json_or_with_padding() -> None:
    assert decode(msgspec.json.encode(WHOLE).decode()) == WHOLE
    assert decode(packed(WHOLE)) == WHOLE


def test_records_keep_ranks_and_only_what_was_told() -> None:
    assert WHOLE.rows() == (
        {"doc_id": "doc-12", "score": 0.83, "rank": 1, "doc_version": "3", "chunk_sha256": SHA256},
        {"doc_id": "Dökument 7", "rank": 2},
    )


@pytest.mark.parametrize(
    "documents",
    [
        [Document(id=f"d{n}") for n in range(MOST_DOCUMENTS + 1)],
        [Document(id=seeded_entropy(n)(128).hex()) for n in range(MOST_DOCUMENTS)],
        [Document(id="")],
        [Document(id="a\nb")],
        [Document(id="x", sha256="short")],
    ],
    ids=["too many", "too long", "no id", "control", "hash"],
)
def test_what_a_gateway_would_refuse_is_left_to_the_span(documents: list[Document]) -> None:
    assert encode(Retrieval(documents=tuple(documents))) == IN_SPAN


def test_thirty_two_documents_with_hashes_fit() -> None:
    found = tuple(
        Document(
            id=f"manual-{n}#chunk-{n * 7}",
            score=1 / (n + 1),
            version="2026-03-01",
            sha256=seeded_entropy(n)(32).hex(),
        )
        for n in range(MOST_DOCUMENTS)
    )

    text = encode(msgspec.structs.replace(WHOLE, documents=found))

    assert decode(text).documents == found
    assert len(text) <= MOST_CHARS


ONE: dict[str, Any] = {"documents": [{"id": "x"}]}
BAD: dict[str, str] = {
    "nothing": "",
    "no base64": "!!!!",
    "not ours": base64.urlsafe_b64encode(b"{}").decode(),
    "no list": packed({}),
    "unknown": packed({**ONE, "url": "http://x"}),
    "many": packed({"documents": [{"id": "x"}] * 33}),
    "long id": packed({"documents": [{"id": "x" * 257}]}),
    "nul": packed({**ONE, "index": "a\0b"}),
    "surrogate": packed(b'{"documents":[{"id":"\\ud800"}]}'),
    "score": packed(b'{"documents":[{"id":"x","score":1e999}]}'),
    "date": packed({**ONE, "index_build_date": "yesterday"}),
    "date and a line": packed({**ONE, "index_build_date": "2026-03-01\n"}),
    "time": packed({**ONE, "retrieval_us": -1}),
    "hash": packed({"documents": [{"id": "x", "sha256": "AB" * 32}]}),
    "cut": packed(WHOLE)[:-12],
    "more behind": base64.urlsafe_b64encode(zlib.compress(b"{}") + b"x").decode(),
    "bomb": packed(b'{"documents":[]' + b" " * MOST_BYTES + b"}"),
    "deep": packed(b'{"documents":' + b"[" * 5_000),
    "long": "{" + " " * MOST_CHARS,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="it is"):
        decode(text)


def test_a_bomb_is_never_inflated() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(b"\0" * 4_000_000)).decode()
    assert len(bomb) < MOST_CHARS

    tracemalloc.start()
    with pytest.raises(ValueError, match="too long"):
        decode(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * MOST_BYTES
