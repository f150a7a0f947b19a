"""One call, told in nine dialects."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from trimtab.domain.app_span import Document, SpanFacts, SpanView
from trimtab.telemetry.foreign import Message, said, see, split
from trimtab.telemetry.otlp import Value

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How warm?"}]
PARTS = [
    {"role": it["role"], "parts": [{"type": "text", "content": it["content"]}]} for it in ASKED
]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "21 degrees."}]}]
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"content": "21 degrees."}}

Dialect = tuple[Mapping[str, Any], list[tuple[int, str, dict[str, Any]]]]

_OLDEST = {
    "gen_ai.system": "openai",
    "gen_ai.request.model": "large",
    "gen_ai.response.model": "large-1",
    "gen_ai.response.id": "resp-7",
    "session.id": "s-91",
    "gen_ai.operation.name": "chat",
}
_TOKENS = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 7}
_NOW = {
    **{name: it for name, it in _OLDEST.items() if name not in ("gen_ai.system", "session.id")},
    **_TOKENS,
    "gen_ai.provider.name": "openai",
    "gen_ai.conversation.id": "s-91",
}

DIALECTS: Mapping[str, Dialect] = {
    "GenAI 1.26: attributes, prompt and completion tokens": (
        {
            **_OLDEST,
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 7,
            "gen_ai.usage.cache_read_input_tokens": 60,
            "gen_ai.prompt": json.dumps(ASKED),
            "gen_ai.completion": json.dumps([{"role": "assistant", "content": "21 degrees."}]),
        },
        [],
    ),
    "GenAI 1.27: events of content": (
        {**_OLDEST, **_TOKENS, "gen_ai.usage.cache_read_input_tokens": 60},
        [
            (1, "gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(ASKED)}),
            (2, "gen_ai.content.completion", {"gen_ai.completion": "21 degrees."}),
        ],
    ),
    "GenAI 1.28: an event a message, with attributes": (
        {**_OLDEST, **_TOKENS, "gen_ai.usage.cache_read_input_tokens": 60},
        [
            (1, "gen_ai.system.message", {"content": "Be brief."}),
            (2, "gen_ai.user.message", {"content": "How warm?"}),
            (3, "gen_ai.choice", {"message": json.dumps(CHOICE["message"])}),
        ],
    ),
    "GenAI 1.36: an event a message, with a body": (
        {**_OLDEST, **_TOKENS, "gen_ai.usage.cache_read.input_tokens": 60},
        [
            (1, "gen_ai.system.message", {"content": "Be brief.", "role": "system"}),
            (2, "gen_ai.user.message", {"gen_ai.event.content": json.dumps(ASKED[1])}),
            (3, "gen_ai.choice", CHOICE),
        ],
    ),
    "GenAI 1.37: structured attributes": (
        {
            **{name: it for name, it in _NOW.items() if name != "gen_ai.provider.name"},
            "gen_ai.system": "openai",
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.input.messages": PARTS,
            "gen_ai.output.messages": ANSWERED,
        },
        [],
    ),
    "GenAI 1.41: messages as JSON": (
        {
            **_NOW,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_creation.input_tokens": 0,
            "gen_ai.input.messages": json.dumps(PARTS),
            "gen_ai.output.messages": json.dumps(ANSWERED),
        },
        [],
    ),
    "GenAI latest: one event of details": (
        {
            **_NOW,
            "gen_ai.usage.cache_read.input_tokens": 60,
            "gen_ai.usage.cache_write.input_tokens": 0,
        },
        [
            (
                9,
                "gen_ai.client.inference.operation.details",
                {"gen_ai.input.messages": PARTS, "gen_ai.output.messages": ANSWERED},
            )
        ],
    ),
    "Traceloop": (
        {
            "llm.request.type": "chat",
            "llm.vendor": "openai",
            "llm.request.model": "large",
            "llm.response.model": "large-1",
            "llm.response.id": "resp-7",
            "llm.usage.prompt_tokens": 40,
            "llm.usage.completion_tokens": 7,
            "llm.usage.total_tokens": 107,
            "llm.usage.cache_read_input_tokens": 60,
            "traceloop.association.properties.session_id": "s-91",
            "llm.prompts.0.role": "system",
            "llm.prompts.0.content": "Be brief.",
            "llm.prompts.1.role": "user",
            "llm.prompts.1.content": "How warm?",
            "llm.completions.0.role": "assistant",
            "llm.completions.0.content": "21 degrees.",
        },
        [],
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.provider": "openai",
            "llm.model_name": "large-1",
            "gen_ai.response.id": "resp-7",
            "llm.token_count.prompt": 100,
            "llm.token_count.completion": 7,
            "llm.token_count.total": 107,
            "llm.token_count.prompt_details.cache_read": 60,
            "session.id": "s-91",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be brief.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.contents.0.message_content.text": "How warm?",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "21 degrees.",
        },
        [],
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_old_names_ingest(dialect: str) -> None:
    attributes, events = DIALECTS[dialect]

    seen = see(dict(attributes), events)
    words = said(dict(attributes), events)

    assert seen.view is SpanView.LLM
    facts = seen.facts
    assert (facts.provider, facts.model, facts.session) == ("openai", "large-1", "s-91")
    assert (facts.input_tokens, facts.cached_tokens, facts.output_tokens) == (100, 60, 7)
    assert not facts.cache_write_tokens
    assert seen.response_id == "resp-7"
    assert words.asked == (Message("system", "Be brief."), Message("user", "How warm?"))
    assert words.answered == (Message("assistant", "21 degrees."),)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_people_wrote_is_content_in_every_dialect(dialect: str) -> None:
    attributes, events = DIALECTS[dialect]

    plain = [split(dict(attributes))[0]]
    plain += [split(more, event=name)[0] for _, name, more in events]

    assert not any(word in str(plain) for word in ("brief", "warm", "degrees"))
    assert see(plain[0]).facts.input_tokens == 100


def test_the_newest_name_wins() -> None:
    both = {"gen_ai.system": "old", "gen_ai.provider.name": "new", "llm.model_name": "only"}

    assert see(dict(both)).facts == SpanFacts(provider="new", model="only")


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.retrieval.documents": [{"id": "a", "score": 0.5}, {"id": "b"}]},
        {"gen_ai.retrieval.documents": '[{"id": "a", "score": 0.5}, {"id": "b"}]'},
        {
            "retrieval.documents.10.document.id": "b",
            "retrieval.documents.2.document.id": "a",
            "retrieval.documents.2.document.score": 0.5,
        },
    ],
)
def test_documents_are_found_in_their_order(attributes: dict[str, Any]) -> None:
    seen = see(attributes)

    assert seen.view is SpanView.RETRIEVAL
    assert seen.facts.documents == (Document("a", 0.5), Document("b"))


def test_documents_of_a_vector_store_are_events() -> None:
    rows = [("a", 0.5), ("b", 0.4)]
    events: list[tuple[int, str, dict[str, Value]]] = [
        (0, "db.query.result", {"db.query.result.id": name, "db.query.result.score": score})
        for name, score in rows
    ]

    assert see({}, events).facts.documents == (Document("a", 0.5), Document("b", 0.4))


@pytest.mark.parametrize(
    ("kind", "view"),
    [
        ({"gen_ai.operation.name": "execute_tool"}, SpanView.TOOL),
        ({"openinference.span.kind": "RETRIEVER"}, SpanView.RETRIEVAL),
        ({"gen_ai.operation.name": "embeddings"}, SpanView.LLM),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 9}, SpanView.OTHER),
        ({"llm.model_name": "m", "llm.token_count.prompt": 9}, SpanView.LLM),
        ({}, SpanView.OTHER),
    ],
)
def test_a_span_is_looked_at_by_its_kind(kind: dict[str, Any], view: SpanView) -> None:
    assert see(kind).view is view


@pytest.mark.parametrize(
    ("told", "whole"),
    [
        ({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 90}, 100),
        ({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 90}, 100),
        ({"gen_ai.usage.input_tokens": -1}, None),
        ({"gen_ai.usage.input_tokens": True}, None),
        ({"gen_ai.usage.input_tokens": "9"}, None),
        ({"gen_ai.usage.input_tokens": 9.0}, 9),
    ],
)
def test_cached_tokens_are_counted_once(told: dict[str, Any], whole: int | None) -> None:
    assert see(told).facts.input_tokens == whole


def test_what_is_no_message_is_none_and_no_depth_is_too_deep() -> None:
    deep = '{"content":' * 400 + '"x"' + "}" * 400

    assert said({"gen_ai.input.messages": 7, "output.value": ""}).asked == ()
    assert said({"input.value": "[not json"}).asked == (Message("user", "[not json"),)
    assert said({"input.value": deep}).asked == (Message("user", ""),)
