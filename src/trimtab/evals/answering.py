"""Getting one answer to one case: of a prompt on a model, through the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from trimtab.domain.errors import UpstreamFailed
from trimtab.evals.calling import (
    CHAT,
    OK,
    PAYMENT_REQUIRED,
    TOO_MANY,
    UNAUTHENTICATED,
    Gateway,
    Reply,
)
from trimtab.evals.case import Case
from trimtab.evals.metrics.base import MOST_DETAIL
from trimtab.evals.paced import failure

HISTORY = "history"
CONTEXTS = ("contexts", "context")
"""What a prompt calls the texts that it is given, in a list or as one text."""

FIRST_SERVER_ERROR = 500
_NOT_ITS_FAULT = frozenset({UNAUTHENTICATED, PAYMENT_REQUIRED, TOO_MANY})

UNREADABLE = "answer_unreadable"
UNREACHABLE = "gateway_unreachable"
TARGET_FAILED = "target_failed"


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of asking once: a text, or the code of what went wrong.

    Attributes:
        missed: Whether nobody was there to answer, so that it is worth asking again later.
    """

    text: str = ""
    retrieved: tuple[str, ...] | None = None
    error: str = ""
    error_detail: str = ""
    request_id: str | None = None
    model: str | None = None
    output_tokens: int | None = None
    latency_s: float | None = None
    cost_nano: int | None = None
    missed: bool = False


class Answering(Protocol):
    """Answers cases. What goes wrong with one is what is said of it, and no exception."""

    async def answer(self, case: Case, *, place: str) -> Said:
        """Answer a case. Raises `TryLater` if the run was stopped, and nothing was asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPrompt:
    """Has the gateway render a version of a prompt, and a model answer it; or a bare model.

    Attributes:
        version: `None` is the bare model, asked the question of the case.
        model: Empty leaves it to the prompt.
        variables: Schemas of the prompt's variables, by name.
    """

    gateway: Gateway
    prompt: str | None
    version: str | None
    model: str
    variables: Mapping[str, Mapping[str, Any]]

    async def answer(self, case: Case, *, place: str) -> Said:
        """See `Answering.answer`."""
        try:
            reply = await self.gateway.call(CHAT, self.body(case), place=place)
        except UpstreamFailed as exc:
            return Said(error=UNREACHABLE, error_detail=str(exc), missed=True)
        return said(reply)

    def body(self, case: Case) -> bytes:
        """Write what is sent for a case."""
        body: dict[str, object] = {"model": self.model} if self.model else {}
        messages: list[object] = case.input.get(HISTORY, [])
        if self.prompt is None:
            body["messages"] = [*messages, {"role": "user", "content": case.question}]
        else:
            prompt = {
                "id": self.prompt,
                "version": self.version,
                "variables": given(case, self.variables),
            }
            body |= {"messages": messages, "trimtab": {"prompt": prompt}}
        return msgspec.json.encode(body)


def given(case: Case, variables: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:
    """Give the values of a prompt's variables: the input, and contexts that the case froze."""
    values: dict[str, object] = {k: it for k, it in case.input.items() if k != HISTORY}
    if case.contexts is not None:
        name = next((it for it in CONTEXTS if it in variables), None)
        if name is not None and name not in values:
            values[name] = _contexts(case.contexts, variables[name])
    return values


def said(reply: Reply) -> Said:
    """Read an answer of the chat completions route."""
    known = Said(
        request_id=reply.request_id,
        model=reply.model,
        latency_s=reply.latency_s,
        cost_nano=reply.cost_nano,
    )
    if reply.status != OK:
        told = failure(reply)
        return msgspec.structs.replace(
            known, error=told.code, error_detail=told.message[:MOST_DETAIL], missed=_missed(reply)
        )
    try:
        chat = msgspec.json.decode(reply.body, type=_Chat)
        message = chat.choices[0].message
    except (msgspec.DecodeError, IndexError) as exc:
        return msgspec.structs.replace(known, error=UNREADABLE, error_detail=str(exc))
    return msgspec.structs.replace(
        known, text=message.text, output_tokens=chat.usage and chat.usage.completion_tokens
    )


class _Message(Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """What the model said; calls of tools as JSON where it said nothing else."""
        if not self.content and not self.refusal and self.tool_calls:
            return msgspec.json.encode([it.get("function") for it in self.tool_calls]).decode()
        return self.content or self.refusal or ""


class _Choice(Struct, frozen=True):
    message: _Message


class _Usage(Struct, frozen=True):
    completion_tokens: int | None = None


class _Chat(Struct, frozen=True):
    choices: list[_Choice]
    usage: _Usage | None = None


def _missed(reply: Reply) -> bool:
    return reply.status in _NOT_ITS_FAULT or reply.status >= FIRST_SERVER_ERROR


def _contexts(texts: Sequence[str], schema: Mapping[str, Any]) -> object:
    return "\n\n".join(texts) if schema.get("type") == "string" else list(texts)
