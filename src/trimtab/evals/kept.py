"""A case and an answer made of what was kept of a request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from trimtab.domain.prompt import Content, Trust
from trimtab.domain.record import RequestRecord
from trimtab.evals.case import QUESTION, Case
from trimtab.evals.metrics.base import Answer

_TEXT = frozenset({"text", "input_text", "output_text"})


def case_of(
    record: RequestRecord, variables: bytes | None, asked: bytes | None, content: Content | None
) -> Case | None:
    """Make a case of what was asked; `None` if it was nothing in words.

    The question is the variable of that name, else what the user said last. The contexts are what
    the prompt marks as retrieved; without such a prompt nobody knows them.

    Args:
        record: Of the request.
        variables: What its prompt was rendered with.
        asked: The body of the request.
        content: Its prompt.
    """
    given = _object(variables)
    said = given.get(QUESTION)
    question = said if isinstance(said, str) else _last_question(_object(asked))
    if not question.strip():
        return None
    variables_of = {} if content is None else content.variables
    names = [name for name, it in variables_of.items() if it.trust is Trust.RETRIEVED]
    contexts = contexts_in(given, names) if names and given else None
    return Case(id=record.request_id, input={QUESTION: question}, contexts=contexts)


def answer_of(record: RequestRecord, answered: bytes | None) -> Answer | None:
    """Read what was answered; `None` if it was nothing in words."""
    parts = _objects(_object(answered).get("parts"))
    texts = [it.get("content") for it in parts if it.get("type") == "text"]
    text = "".join(it for it in texts if isinstance(it, str))
    if not text.strip():
        return None
    return Answer(
        text=text,
        cost_nano=record.cost_nano,
        latency_s=record.latency_us / 1e6,
        output_tokens=record.output_tokens,
    )


def _last_question(body: Mapping[str, object]) -> str:
    said = body.get("messages", body.get("input"))
    if isinstance(said, str):
        return said
    messages = _objects(said)
    is_question = bool(messages) and messages[-1].get("role") == "user"
    return _text(messages[-1].get("content")) if is_question else ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = [it.get("text") for it in _objects(content) if it.get("type") in _TEXT]
    return "\n".join(it for it in parts if isinstance(it, str))


def contexts_in(given: Mapping[str, object], names: Iterable[str]) -> tuple[str, ...]:
    """Give the texts that the variables of some names held; what is no text, as JSON."""
    found = list[str]()
    for name in names:
        value = given.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else [value]
        found += [
            it if isinstance(it, str) else msgspec.json.encode(it).decode() for it in items if it
        ]
    return tuple(found)


def _object(data: bytes | None) -> Mapping[str, object]:
    try:
        found: object = None if data is None else msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return cast("Mapping[str, object]", found) if isinstance(found, dict) else {}


def _objects(value: object) -> Sequence[Mapping[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, object]", it) for it in items if isinstance(it, dict)]
