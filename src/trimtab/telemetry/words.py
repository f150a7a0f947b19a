"""What people and models wrote, put on spans; only where a receiver was allowed to have it.

It is read from the store, behind the recorder, so that nothing is sent that is erased or was never
to be kept. Each tenant's own policy is asked again by whoever reads.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.annotation import Annotated
from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import RequestRecord
from trimtab.telemetry.app_spans import restore
from trimtab.telemetry.facts import Attributes
from trimtab.telemetry.follow import Place
from trimtab.telemetry.messages import (
    MAX_TOLD,
    Message,
    Part,
    Told,
    cut,
    fitting,
    read_answer,
    read_asked,
)
from trimtab.telemetry.preset import Content, Extras
from trimtab.telemetry.semconv import Version
from trimtab.telemetry.spans import NO_EXTRAS, put, worded

DETAILS = "gen_ai.client.inference.operation.details"
LEFT_OUT = "trimtab.content.left_out"
URL = "trimtab.content.url"

ReadContent = Callable[[str, int, bytes], Awaitable[bytes | None]]
"""Gives a content by tenant, day and ref; `None` if it is gone, or may not leave the site."""

About = RequestRecord | Annotated | AppSpan | None

_SPAN = (Content.SPAN, Content.SPAN_AND_EVENT)
_EVENT = (Content.EVENT, Content.SPAN_AND_EVENT)
# A message is cut by its parts, an attribute only if it is a single one of many.
_LONGEST = 2 * MAX_TOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a receiver gets of content.

    Attributes:
        recorded: How far each worker's spool is stored: what is behind cannot be read yet.
        link: URL of the console's page of a request, up to its id.
    """

    content: Content
    read: ReadContent
    recorded: Callable[[], Mapping[str, Place]]
    link: str = ""

    @property
    def are_read(self) -> bool:
        """Whether the store is asked at all."""
        return self.content not in (Content.NONE, Content.REFERENCE)

    async def added(
        self, span: Span, about: About, version: Version, extras: Extras = NO_EXTRAS
    ) -> Span | None:
        """Give a span with words on it; `None` if there are none.

        A root gets only what a receiver wants under names of its own.

        Raises:
            TryLater: the store is away.
        """
        richer = Span()
        richer.CopyFrom(span)
        if isinstance(about, Annotated):
            await self._explain(richer, about, version)
        elif isinstance(about, AppSpan):
            await self._restore(richer, about)
        elif isinstance(about, RequestRecord) and self.content is Content.REFERENCE:
            put(richer, {URL: f"{self.link}{about.request_id}"})
        elif isinstance(about, RequestRecord) and self.are_read:
            await self._tell(richer, about, version, extras.get("words", {}))
        return None if richer.ByteSize() == span.ByteSize() else richer

    async def _explain(self, span: Span, about: Annotated, version: Version) -> None:
        said, name = about.annotation, version.evaluation.get("explanation")
        if not self.are_read or said.text_ref is None or name is None:
            return
        words = await self.read(said.tenant_id, about.request_us, said.text_ref)
        if words:
            put(span, {name: words.decode(errors="replace")}, _LONGEST)

    async def _restore(self, span: Span, about: AppSpan) -> None:
        if not self.are_read or about.content_ref is None:
            return
        content = await self.read(about.tenant_id, about.received_us, about.content_ref)
        if content:
            restore(span, content)

    async def _tell(
        self, span: Span, record: RequestRecord, version: Version, own: Mapping[str, str]
    ) -> None:
        asked, answered = [
            None if ref is None else await self.read(record.tenant_id, record.ts_us, ref)
            for ref in (record.input_ref, record.output_ref)
        ]
        told = read_asked(asked or b"") or Told()
        messages, left_out = fitting([cut(it) for it in told.input])
        answer = read_answer(answered or b"")
        told = msgspec.structs.replace(
            told,
            input=tuple(messages),
            output=() if answer is None else (_ended(cut(answer), record),),
        )
        if self.content in _SPAN:
            put(span, worded(own, _plain(told)), _LONGEST)
        if span.kind == Span.SPAN_KIND_SERVER:
            return
        if left_out:
            put(span, {LEFT_OUT: left_out})
        if not version.content:
            _tell_each(span, told, record)
            return
        attributes = _attributes(told, version)
        if attributes and self.content in _SPAN:
            put(span, attributes, _LONGEST)
        if attributes and self.content in _EVENT:
            event = span.events.add(name=DETAILS, time_unix_nano=span.end_time_unix_nano)
            put(event, attributes, _LONGEST)


def _ended(answer: Message, record: RequestRecord) -> Message:
    return msgspec.structs.replace(answer, finish_reason=record.finish_reasons)


def _plain(told: Told) -> Attributes:
    """Give the last message and the answer as plain texts."""
    sides = {"asked": told.input[-1:], "answered": told.output}
    return {
        name: "\n".join(filter(None, (_shown(part) for it in messages for part in it.parts)))
        or None
        for name, messages in sides.items()
    }


def _attributes(told: Told, version: Version) -> Attributes:
    return {
        name: msgspec.json.encode(words).decode()
        for ours, name in version.content.items()
        if (words := getattr(told, ours))
    }


def _tell_each(span: Span, told: Told, record: RequestRecord) -> None:
    """Make each message an event, as conventions did before they had attributes for them."""
    system = (Message(role="system", parts=told.system),) if told.system else ()
    for message in (*system, *told.input):
        event = span.events.add(time_unix_nano=span.start_time_unix_nano)
        event.name = f"gen_ai.{_ROLES.get(message.role, message.role)[:32]}.message"
        put(event, _event(message, record), _LONGEST)
    for index, message in enumerate(told.output):
        event = span.events.add(name="gen_ai.choice", time_unix_nano=span.end_time_unix_nano)
        put(event, {"index": index, "finish_reason": record.finish_reasons or None})
        put(event, _event(message, record), _LONGEST)


_ROLES = {"developer": "system"}


def _event(message: Message, record: RequestRecord) -> Attributes:
    calls = [it for it in message.parts if it.type == "tool_call"]
    answers = [it for it in message.parts if it.type == "tool_call_response"]
    return {
        "gen_ai.system": record.provider,
        "role": message.role,
        "content": "\n".join(filter(None, map(_text, message.parts))) or None,
        "tool_calls": _calls(calls) if calls else None,
        "id": answers[0].id or None if answers else None,
    }


def _calls(parts: Sequence[Part]) -> str:
    """Write calls of tools in the form that events had them in, which is OpenAI's."""
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments},
        }
        for part in parts
    ]
    return msgspec.json.encode(calls).decode()


def _shown(part: Part) -> str:
    """Write a part as people read it."""
    if part.type != "tool_call":
        return _text(part)
    arguments = part.arguments or ""
    text = arguments if isinstance(arguments, str) else bytes(arguments).decode()
    return f"{part.name or ''}({text})"


def _text(part: Part) -> str:
    return (part.response if part.type == "tool_call_response" else part.content) or ""
