"""The questions an application asks a registry, and what its answers look like."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from trimtab.domain.errors import (
    NotAVersion,
    PromptNotFound,
    PromptUnavailable,
    PromptVariablesInvalid,
    Refused,
    TrimtabError,
    VersionBlocked,
)
from trimtab.sdk.answers import Answer, Place
from trimtab.sdk.http import JSON, NoAnswer, Reply, Wire

EVENTS = "text/event-stream"
WHOLE = "application/vnd.trimtab.prompt+json"

SILENCE_S = 25.0
"""Longest a stream may say nothing; a registry says something every 10 seconds."""

_OK = 200
_TELLING = range(400, 500)
_MOST_TOLD = 300
_MOST_DIGITS = 18
_FINAL: dict[str, type[Refused]] = {
    it.code: it for it in (NotAVersion, PromptNotFound, PromptVariablesInvalid, VersionBlocked)
}
"""What asking again, or elsewhere, does not change."""

_Kind = TypeVar("_Kind")


class Event(Struct, frozen=True):
    """What happened to a prompt."""

    name: str = ""
    label: str | None = None
    version: str | None = None
    seq: int = 0


class News(Struct, frozen=True):
    """What happened since a change.

    Attributes:
        config_seq: Up to which change the registry knows.
        events: Kind and event.
        reset: Whether it has forgotten that change, so that anything may have happened.
    """

    config_seq: int
    events: tuple[tuple[str, Event], ...] = ()
    reset: bool = False


class RenderedThere(Struct, frozen=True):
    """Messages that a registry rendered."""

    messages: list[dict[str, Any]]
    hash: str | None = None
    rendered_hash: str | None = None


class _Failure(Struct):
    code: str
    message: str = ""


class _Refusal(Struct):
    error: _Failure


class _Hello(Struct):
    config_seq: int


class Registry:
    """A registry. Every question raises `PromptUnavailable` if no answer can be believed."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        self.wire = Wire(url, key)
        self._url, self._timeout_s = url, timeout_s

    def answer(self, place: Place) -> Answer:
        """Ask where a label points, or for a version.

        Raises:
            PromptNotFound, VersionBlocked, NotAVersion: the registry says so.
        """
        kind = "labels" if place.version is None else "versions"
        target = _path(place.name, kind, place.version or place.label or "")
        if place.tenant is not None:
            target += "?" + urlencode({"tenant": place.tenant})
        return self._read(self._ask(target, WHOLE), Answer)

    def news(self, after: int) -> News:
        """Ask what happened after a change."""
        reply = self._ask("/prompts/events?" + urlencode({"after": after, "wait": 0}), EVENTS)
        if reply.content_type != EVENTS:
            raise self._strange()
        try:
            return _news(reply.body)
        except (ValueError, msgspec.MsgspecError) as exc:
            raise self._strange() from exc

    def render(self, name: str, question: dict[str, Any]) -> RenderedThere:
        """Have a prompt rendered there.

        Raises:
            PromptVariablesInvalid, PromptNotFound, VersionBlocked: the registry says so.
        """
        body = msgspec.json.encode(question)
        return self._read(self._ask(_path(name, "render"), JSON, body), RenderedThere)

    def listen(self, after: int, heard: Callable[[int], None]) -> None:
        """Call `heard` once it can be heard, and then whenever something happened; never return.

        It is told the number of the change, or 0.
        """
        target, seq = "/prompts/events?" + urlencode({"after": after}), 0
        try:
            for line in self.wire.listen(target, EVENTS, SILENCE_S):
                if line.startswith(b"id:"):
                    seq = _number(line[3:].strip())
                elif line.startswith(b"event:"):
                    heard(seq)
        except NoAnswer as exc:
            raise self._silent(exc) from exc

    def _ask(self, target: str, accept: str, body: bytes | None = None) -> Reply:
        try:
            reply = self.wire.ask(target, accept, self._timeout_s, body)
        except NoAnswer as exc:
            raise self._silent(exc) from exc
        if reply.status != _OK:
            raise self._refused(reply)
        return reply

    def _read(self, reply: Reply, kind: type[_Kind]) -> _Kind:
        try:
            return msgspec.json.decode(reply.body, type=kind)
        except msgspec.MsgspecError as exc:
            raise self._strange() from exc

    def _refused(self, reply: Reply) -> TrimtabError:
        try:
            failure = msgspec.json.decode(reply.body, type=_Refusal).error
        except msgspec.MsgspecError:
            failure = _Failure("")
        final = _FINAL.get(failure.code)
        if final is not None and reply.status in _TELLING:
            return final(failure.message[:_MOST_TOLD] or failure.code)
        return PromptUnavailable(
            f"the registry at '{self._url}' answered {reply.status} {failure.code[:64]!r}; see its"
            " log"
        )

    def _silent(self, why: NoAnswer) -> PromptUnavailable:
        return PromptUnavailable(
            f"the registry at '{self._url}' does not answer ({why}); see that it can be reached"
        )

    def _strange(self) -> PromptUnavailable:
        return PromptUnavailable(
            f"what answers at '{self._url}' does not speak as a registry; see the address"
        )


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() and len(text) <= _MOST_DIGITS else 0


def _path(name: str, *parts: str) -> str:
    return "/".join(("/prompts", *(quote(it, safe="") for it in (name, *parts))))


def _news(body: bytes) -> News:
    """Read a stream that has ended; it begins with a hello.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    blocks = list(_blocks(body.decode()))
    if not blocks or blocks[0][0] != "hello":
        raise ValueError("no hello")
    told = [(kind, data) for kind, data in blocks[1:] if kind not in {"hello", "reset"}]
    return News(
        config_seq=msgspec.json.decode(blocks[0][1], type=_Hello).config_seq,
        events=tuple((kind, msgspec.json.decode(data, type=Event)) for kind, data in told),
        reset=any(kind == "reset" for kind, _ in blocks),
    )


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Give kind and data of each event. The last one must be whole, or something was cut off."""
    text = text.replace("\r\n", "\n")
    if not text.endswith("\n\n"):
        raise ValueError("cut off")
    for block in text.split("\n\n"):
        kind, data = "", list[str]()
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)
        if kind:
            yield kind, "\n".join(data)
