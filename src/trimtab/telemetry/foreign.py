"""What spans of any dialect say, in our words: tables of names, the newest first.

Dialects are the ages of OpenTelemetry's GenAI conventions, Traceloop's `llm.*` and OpenInference.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec

from trimtab.domain.app_span import Document, SpanFacts, SpanView
from trimtab.telemetry.otlp import Attributes, Value

MAX_WORD = 256
MAX_DOCUMENTS = 128
_MAX_TOKENS = 1 << 40
_DEEPEST = 8

Events = Sequence[tuple[int, str, Attributes]]

_TABLE = """
kind gen_ai.operation.name openinference.span.kind llm.request.type traceloop.span.kind
provider gen_ai.provider.name gen_ai.system llm.provider llm.system llm.vendor
model gen_ai.response.model llm.response.model gen_ai.request.model llm.model_name
model llm.request.model embedding.model_name
input_tokens gen_ai.usage.input_tokens gen_ai.usage.prompt_tokens llm.usage.prompt_tokens
input_tokens llm.token_count.prompt
cached_tokens gen_ai.usage.cache_read.input_tokens gen_ai.usage.cache_read_input_tokens
cached_tokens llm.usage.cache_read_input_tokens llm.token_count.prompt_details.cache_read
cache_write_tokens gen_ai.usage.cache_write.input_tokens gen_ai.usage.cache_creation.input_tokens
cache_write_tokens gen_ai.usage.cache_write_input_tokens
cache_write_tokens gen_ai.usage.cache_creation_input_tokens
cache_write_tokens llm.usage.cache_creation_input_tokens
cache_write_tokens llm.token_count.prompt_details.cache_write
output_tokens gen_ai.usage.output_tokens gen_ai.usage.completion_tokens
output_tokens llm.usage.completion_tokens llm.token_count.completion
total_tokens gen_ai.usage.total_tokens llm.usage.total_tokens llm.token_count.total
session gen_ai.conversation.id session.id traceloop.association.properties.session_id
index gen_ai.data_source.id db.collection.name
request_id trimtab.request_id
response_id gen_ai.response.id llm.response.id
in gen_ai.input.messages gen_ai.prompt.* llm.input_messages.* llm.prompts.* gen_ai.prompt
in input.value traceloop.entity.input
out gen_ai.output.messages gen_ai.completion.* llm.output_messages.* llm.completions.*
out gen_ai.completion output.value traceloop.entity.output
documents gen_ai.retrieval.documents retrieval.documents.*
"""
"""Our word, then their names, the newest first; a word goes on in the lines below it.

`NAME.*` stands for all of `NAME.0.role`, `NAME.0.content` and so on.
"""

_NAMES: dict[str, list[str]] = defaultdict(list)
for _line in _TABLE.strip().splitlines():
    _ours, *_theirs = _line.split()
    _NAMES[_ours] += _theirs

_VIEWS: Mapping[str, SpanView] = {
    **dict.fromkeys(
        ("chat", "completion", "text_completion", "generate_content", "embeddings", "embedding"),
        SpanView.LLM,
    ),
    "llm": SpanView.LLM,
    "retrieval": SpanView.RETRIEVAL,
    "retriever": SpanView.RETRIEVAL,
    "execute_tool": SpanView.TOOL,
    "tool": SpanView.TOOL,
}

_EVENTS: Mapping[str, tuple[str, str]] = {
    "gen_ai.system.message": ("in", "system"),
    "gen_ai.user.message": ("in", "user"),
    "gen_ai.assistant.message": ("in", "assistant"),
    "gen_ai.tool.message": ("in", "tool"),
    "gen_ai.choice": ("out", "assistant"),
    "gen_ai.content.prompt": ("in", "user"),
    "gen_ai.content.completion": ("out", "assistant"),
}
"""Events that are a message: on which side, and in which role if they name none."""

_CONTENT = re.compile(
    r"gen_ai\.(input|output)\.messages|gen_ai\.(system_instructions|tool\.definitions)"
    r"|gen_ai\.(prompt|completion)(\.\d.*)?|gen_ai\.event\.content"
    r"|gen_ai\.retrieval\.(documents|query.*)|gen_ai\.tool\.(call\.(arguments|result)|message)"
    r"|gen_ai\.evaluation\.explanation"
    r"|(input|output)\.value|llm\.(input_messages|output_messages|prompts|completions|tools)\..*"
    r"|llm\.(prompts|completions|prompt_template\.(template|variables)|function_call)"
    r"|(retrieval|reranker\.(input|output)_)\.?documents\..*|reranker\.query"
    r"|embedding\.(embeddings\..*|text|vector)|tool\.(parameters|output)"
    r"|traceloop\.entity\.(input|output)|db\.query\.(text|result\..*)|db\.statement"
    r"|exception\.(message|stacktrace)|otel\.status_description"
)
_OF_CONTENT = frozenset({*_EVENTS, "gen_ai.client.inference.operation.details", "db.query.result"})
_INDEXED = re.compile(r"(.*?)\.(\d+)\.(?:message\.|document\.)?(.+)")
_PLACES = re.compile(r"\d{1,6}")


class Message(NamedTuple):
    """A message of a call: who said what."""

    role: str
    text: str


class Said(NamedTuple):
    """The messages of a call."""

    asked: tuple[Message, ...]
    answered: tuple[Message, ...]


class Seen(NamedTuple):
    """What a span is about."""

    view: SpanView
    facts: SpanFacts
    request_id: str | None
    response_id: str | None


def see(told: Attributes, events: Events = ()) -> Seen:
    """Look at a span, whatever dialect it speaks."""
    told = _with_details(told, events)
    documents = tuple(_documents(told, events))
    kind = (_word(told, "kind") or "").lower()
    whole, cached, written = (
        _count(told, it) for it in ("input_tokens", "cached_tokens", "cache_write_tokens")
    )
    output = _count(told, "output_tokens")
    facts = SpanFacts(
        provider=_word(told, "provider"),
        model=_word(told, "model"),
        input_tokens=_with_cached(whole, (cached or 0) + (written or 0), output, told),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=output,
        session=_word(told, "session"),
        index=_word(told, "index"),
        documents=documents,
    )
    otherwise = SpanView.RETRIEVAL if documents else SpanView.OTHER
    if not kind and facts.model and whole is not None:
        otherwise = SpanView.LLM
    ids = _word(told, "request_id"), _word(told, "response_id")
    return Seen(_VIEWS.get(kind, otherwise), facts, *ids)


def said(told: Attributes, events: Events = ()) -> Said:
    """Read the messages of a span. Those in attributes go before those in events."""
    told = _with_details(told, events)
    sides: dict[str, list[Message]] = {"in": [], "out": []}
    for side, role in (("in", "user"), ("out", "assistant")):
        sides[side] += _messages(_first(told, side), role)
    in_attributes = [side for side, found in sides.items() if found]
    for _, name, more in events:
        side, role = _EVENTS.get(name, ("", ""))
        if side and side not in in_attributes:
            sides[side] += _of_event(more, role)
    return Said(tuple(sides["in"]), tuple(sides["out"]))


def split(told: Attributes, *, event: str = "") -> tuple[Attributes, Attributes]:
    """Part attributes into those that tell about the work and those that are content."""
    plain, content = Attributes(), Attributes()
    for name, value in told.items():
        is_content = event in _OF_CONTENT or _CONTENT.fullmatch(name) is not None
        (content if is_content else plain)[name] = value
    return plain, content


def _with_details(told: Attributes, events: Events) -> Attributes:
    """Take in what the newest conventions put into one event."""
    for _, name, more in events:
        if name == "gen_ai.client.inference.operation.details":
            told = {**more, **told}
    return told


def _first(told: Attributes, ours: str) -> Value:
    for name in _NAMES[ours]:
        value = _gathered(told, name[:-2]) if name.endswith(".*") else told.get(name)
        if value is not None and value != "":
            return value
    return None


def _gathered(told: Attributes, prefix: str) -> Value:
    """Put together what stands under `PREFIX.0.role`, `PREFIX.0.content` and so on."""
    rows: dict[int, dict[str, Value]] = {}
    for name, value in told.items():
        if name.startswith(prefix + "."):
            found = _INDEXED.fullmatch(name)
            if found and found[1] == prefix and _PLACES.fullmatch(found[2]):
                rows.setdefault(int(found[2]), {})[found[3]] = value
    return [rows[place] for place in sorted(rows)] or None


def _word(told: Attributes, ours: str) -> str | None:
    value = _first(told, ours)
    return value[:MAX_WORD] if isinstance(value, str) else None


def _count(told: Attributes, ours: str) -> int | None:
    value = _first(told, ours)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _MAX_TOKENS else None


def _with_cached(
    whole: int | None, cached: int, output: int | None, told: Attributes
) -> int | None:
    """Count cached tokens once: some dialects leave them out of the input, as Anthropic does."""
    if whole is None or not cached:
        return whole
    total = _count(told, "total_tokens")
    left_out = cached > whole or (total is not None and total == whole + cached + (output or 0))
    return whole + cached if left_out else whole


def _documents(told: Attributes, events: Events) -> Iterator[Document]:
    found = _parsed(_first(told, "documents"))
    rows = _rows(found)
    if not rows:
        rows = [
            {name.rpartition(".")[2]: value for name, value in more.items()}
            for _, name, more in events
            if name == "db.query.result"
        ]
    for row in rows[:MAX_DOCUMENTS]:
        doc_id, score = row.get("id"), row.get("score", row.get("distance"))
        if isinstance(doc_id, str | int):
            is_number = isinstance(score, int | float)
            yield Document(str(doc_id)[:MAX_WORD], float(score) if is_number else None)


def _messages(value: Value, role: str) -> Iterator[Message]:
    parsed = _parsed(value)
    if isinstance(parsed, dict) and isinstance(parsed.get("messages"), list):
        parsed = parsed["messages"]
    rows = _rows(parsed)
    if not rows and isinstance(parsed, str) and parsed:
        yield Message(role, parsed)
    for row in rows:
        text = _text(row.get("content", row.get("parts", row.get("message"))))
        if not text:
            # The content of OpenInference in parts: `contents.0.message_content.text`.
            text = "".join(
                str(it) for name, it in row.items() if name.endswith("message_content.text")
            )
        who = row.get("role")
        yield Message(who if isinstance(who, str) else role, text)


def _of_event(told: Attributes, role: str) -> Iterator[Message]:
    """Read an event that is a message: its own members, or JSON in one of them."""
    for name in ("gen_ai.event.content", "gen_ai.prompt", "gen_ai.completion"):
        if name in told:
            yield from _messages(told[name], role)
            return
    inner = told.get("message")
    whole = {**told, **inner} if isinstance(inner, dict) else told
    yield from _messages([whole], role)


def _text(value: Value, depth: int = 0) -> str:
    """Read the text of a content: as it is, or of each of its parts."""
    parsed = _parsed(value)
    if depth > _DEEPEST:
        return ""
    if isinstance(parsed, list):
        return "".join(_text(it, depth + 1) for it in parsed)
    if isinstance(parsed, dict):
        return _text(parsed.get("content", parsed.get("text")), depth + 1)
    return parsed if isinstance(parsed, str) else ""


def _rows(value: Value) -> Sequence[Mapping[str, Value]]:
    found: Iterable[Value] = value if isinstance(value, list) else [value]
    return [it for it in found if isinstance(it, dict)]


def _parsed(value: Value) -> Value:
    """Read a structure that was told as a text of JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return cast("Value", msgspec.json.decode(value))
        except (msgspec.DecodeError, RecursionError):
            return value
    return value
