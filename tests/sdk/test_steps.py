from hashlib import sha256

import msgspec
import pytest
from tests.sdk.receiver import Receiver, plain

import trimtab.sdk as tt
from trimtab.domain.retrieval import IN_SPAN, decode
from trimtab.sdk.contexts import call_headers

ROWS = [("doc-12", 0.83, 3, "Refunds take 14 days."), (7, None, None, None)]


def test_a_search_is_a_span_as_the_conventions_say(told: Receiver) -> None:
    with (
        tt.context(conversation="s-91", feature="search"),
        tt.retrieval(
            "docs-index",
            query="how long?",
            top_k=8,
            embedding_model="text-embedding-3-large",
            index_build_date="2026-03-01",
        ) as found,
    ):
        found.documents(ROWS)
    assert tt.flush(5.0)

    search, root = sorted(told.spans, key=lambda it: it.name)
    assert (search.name, root.name) == ("retrieval docs-index", "search")
    assert search.parent_span_id == root.span_id
    attributes = plain(search.attributes)
    documents = msgspec.json.decode(attributes.pop("gen_ai.retrieval.documents"))
    assert attributes == {
        "gen_ai.conversation.id": "s-91",
        "trimtab.feature": "search",
        "gen_ai.operation.name": "retrieval",
        "gen_ai.data_source.id": "docs-index",
        "gen_ai.request.top_k": 8,
        "gen_ai.request.model": "text-embedding-3-large",
        "trimtab.retrieval.index_build_date": "2026-03-01",
    }
    hashed = sha256(b"Refunds take 14 days.").hexdigest()
    assert documents == [
        {"id": "doc-12", "score": 0.83, "version": "3", "sha256": hashed},
        {"id": "7"},
    ]
    (resource,) = told.resources
    assert plain(resource.resource.attributes)["service.name"] == "rag-api"
    (scope,) = resource.scope_spans
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.41.0"


def test_no_word_of_a_document_or_question_is_told(told: Receiver) -> None:
    with tt.retrieval("docs-index", query="how long?") as found:
        found.documents(ROWS)
    header = call_headers(is_retry=False)["x-trimtab-documents"]
    assert tt.flush(5.0)

    said = b"".join(it.SerializeToString() for it in told.resources) + repr(decode(header)).encode()
    assert b"Refunds" not in said
    assert b"how long" not in said


def test_what_a_header_has_no_room_for_is_in_the_span_alone(told: Receiver) -> None:
    with tt.retrieval("docs-index") as found:
        found.documents((f"doc-{n}", 0.5, None, None) for n in range(40))
    header = call_headers(is_retry=False)["x-trimtab-documents"]
    assert tt.flush(5.0)

    assert header == IN_SPAN
    (span,) = told.spans
    assert len(msgspec.json.decode(plain(span.attributes)["gen_ai.retrieval.documents"])) == 40


def test_half_a_character_harms_no_app(told: Receiver) -> None:
    with tt.retrieval("docs-index") as found:
        found.documents([("doc-\ud800", float("nan"), "\ud800", "\ud800")])

    (row,) = decode(call_headers(is_retry=False)["x-trimtab-documents"]).rows()
    assert (row["doc_id"], row["doc_version"]) == ("doc-?", "?")
    assert tt.flush(5.0)
    assert len(told.spans) == 1


def test_a_tool_is_a_span_and_of_what_fails_only_the_type_is_told(told: Receiver) -> None:
    with pytest.raises(ValueError, match="secret"), tt.tool("lookup", call_id="call_1"):
        raise ValueError("secret")
    assert tt.flush(5.0)

    (span,) = told.spans
    assert span.name == "execute_tool lookup"
    assert plain(span.attributes) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
        "error.type": "ValueError",
    }
    assert b"secret" not in span.SerializeToString()
