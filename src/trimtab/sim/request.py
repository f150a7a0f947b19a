"""What both wires ask for, in one form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from trimtab.sim.faults import NO_FAULTS, Faults
from trimtab.sim.models import Served


class Refused(Exception):
    """The call is answered with an error status. `code` and `param` are OpenAI's."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


class Call(NamedTuple):
    """One call of a tool; `arguments` is JSON text."""

    name: str
    arguments: str


class Tool(NamedTuple):
    """A tool the caller offers, with the JSON schema of its arguments."""

    name: str
    schema: dict[str, Any]


class Mark(NamedTuple):
    """A cache breakpoint: so many characters of the prompt are worth keeping for so long."""

    at: int
    hour: bool


class Prompt:
    """All text that is read, in one string. State: what was added, and where blocks end."""

    __slots__ = ("_length", "_parts", "blocks", "marks")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self.blocks: list[int] = []
        self.marks: list[Mark] = []

    def add(self, text: str) -> None:
        """Append text."""
        self._parts.append(text)
        self._length += len(text)

    def end_block(self, *, keep: bool = False, hour: bool = False) -> None:
        """End a block; `keep` puts a cache breakpoint here."""
        self.blocks.append(self._length)
        if keep:
            self.marks.append(Mark(self._length, hour))

    def text(self) -> str:
        """Give everything added so far."""
        return "".join(self._parts)


class _ForWhom(Struct):
    user: str = ""
    safety_identifier: str = ""
    metadata: dict[str, str] | None = None


def user_of(body: bytes) -> str:
    """Tell for whose sake a call is made, as either wire names its end user; empty if unsaid."""
    try:
        said = msgspec.json.decode(body, type=_ForWhom)
    except msgspec.MsgspecError:
        return ""
    return said.user or said.safety_identifier or (said.metadata or {}).get("user_id", "")


class Vectors(NamedTuple):
    """What is to be embedded, and how the vectors are told."""

    texts: tuple[str, ...]
    dimensions: int
    base64: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call.

    Attributes:
        prompt: All the model reads.
        question: Text of the last user message; it may hold a script.
        answered_tools: The last message tells results of tools.
        must_call: Name of the tool to call, `""` for any, `None` for none in particular.
        may_call: Tools are not forbidden.
        schema: JSON schema the text has to satisfy.
        effort: Reasoning effort as the wire names it; `None` for the model's own.
        thinking: Most tokens of visible thinking; `None` if none was asked for.
        usage_asked: The stream shall tell usage.
        vectors: Embeddings are asked for, not text.
        moderated: Texts that are to be judged.
        summary: The answer shall show a summary of its reasoning.
        keeps: What the provider keeps of the conversation, to go on from; `None` for nothing.
        echoed: Members that the answer repeats.
        fault: Faults the caller asked for with the model's name.
    """

    served: Served
    prompt: str
    blocks: tuple[int, ...] = ()
    marks: tuple[Mark, ...] = ()
    question: str = ""
    answered_tools: bool = False
    tools: tuple[Tool, ...] = ()
    must_call: str | None = None
    may_call: bool = True
    parallel: bool = True
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    effort: str | None = None
    thinking: int | None = None
    choices: int = 1
    stream: bool = False
    usage_asked: bool = False
    vectors: Vectors | None = None
    moderated: tuple[str, ...] = ()
    summary: bool = False
    keeps: str | None = None
    echoed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fault: str = field(default="", repr=False)
    faults: Faults = NO_FAULTS
