"""The matrix: wire of the caller x wire of the provider x stream x shape x fault, and how each
cell must end. Tests and the page `docs/reference/matrix.md` are made from this one table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from trimtab.sim.faults import NAMES

Wire = Literal["openai", "anthropic"]
WIRES: tuple[Wire, ...] = ("openai", "anthropic")


@dataclass(frozen=True, slots=True)
class End:
    """How a request ends.

    Attributes:
        kind: `answer`; `error` with a status; `cut`, a stream that ends in an error event;
            `broken`, an answer with a line that the SDK cannot read, passed on as it came.
        code: Trimtab's code, on the wire and in the record.
        charge: Where the amount comes from: `exact` is what the provider bills, `estimated` what
            can be proved, `none` nothing; `zero` is what the provider says, and is believed.
        usage: The record's `usage_source`.
    """

    kind: Literal["answer", "error", "cut", "broken"]
    charge: Literal["exact", "estimated", "none", "zero"]
    usage: Literal["provider", "partial", "estimated", "none"]
    code: str | None = None


ANSWER = End("answer", "exact", "provider")
UNCOUNTED = End("answer", "estimated", "estimated")
FREE = End("answer", "zero", "provider")
BROKEN = End("broken", "exact", "provider")


def _error(code: str, usage: Literal["partial", "estimated", "none"] = "none") -> End:
    return End("error", "none" if usage == "none" else "estimated", usage, code)


def _cut(code: str, usage: Literal["provider", "partial", "estimated"] = "estimated") -> End:
    return End("cut", "exact" if usage == "provider" else "estimated", usage, code)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked for.

    Attributes:
        reason: Why the answer ends, as the record says.
        about: What it is, for readers.
        suffix: What the model's name gets for it.
        calls: The arguments of the tools that are called.
    """

    reason: str
    about: str
    suffix: str = ""
    calls: tuple[str, ...] = ()
    model: str = "large"


SAID = "A trim tab is a small surface at the edge of a larger one."
REFUSAL = "I can't help with that."
ENDS: Mapping[str, str] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "length": "max_tokens",
}
"""Why an answer ends, in OpenAI's word, which is the record's, and in Anthropic's."""
FEW = 8
"""The most tokens of the shape `length`."""
_CALLS = ('{"query":"the trim tab of a rudder"}', '{"query":"the rüdder of a ship"}')

SHAPES: Mapping[str, Shape] = {
    "text": Shape("stop", "a text"),
    "tool": Shape("tool_calls", "one call of a tool", calls=_CALLS[:1]),
    "parallel tools": Shape("tool_calls", "two calls of a tool at once", calls=_CALLS),
    "images": Shape("stop", "a text about an image"),
    "schema": Shape("stop", "JSON of a schema"),
    "reasoning": Shape("stop", "a text after reasoning", model="reasoner"),
    "refusal": Shape("content_filter", "a refusal by the model", suffix="!refusal"),
    "length": Shape("length", f"a text of at most {FEW} tokens"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the simulator, and how a request that it hits ends.

    Attributes:
        text: As it is asked for; empty is none.
        whole: The end of an answer in one piece.
        openai: The end of a stream of a provider of the OpenAI wire.
        anthropic: The same of the Anthropic wire, whose first event tells the input.
        hasty: A model is asked that loses patience after a part of a second.
        model: The only model asked, where that matters.
        shapes: Those that it can hit.
        elsewhere: The end of a stream whose caller speaks the other wire, where that differs.
    """

    text: str
    whole: End
    openai: End
    anthropic: End
    hasty: bool = False
    model: str | None = None
    shapes: tuple[str, ...] = field(default=tuple(SHAPES))
    elsewhere: End | None = None

    @property
    def name(self) -> str:
        """What the menu of the simulator calls it."""
        return self.text.partition(":")[0]


def _always(text: str, end: End, **more: object) -> Fault:
    return Fault(text, end, end, end, **more)  # pyright: ignore[reportArgumentType]


_LOST = _error("provider_error", "estimated")
_SILENT = _error("provider_timeout", "estimated")
_UNREADABLE = _error("provider_bad_output", "estimated")
_TEXTS = ("text", "images", "reasoning")

FAULTS: tuple[Fault, ...] = (
    _always("", ANSWER),
    *(_always(f"status:{status}", _error("provider_refused")) for status in (400, 404, 409, 413)),
    _always("status:422", _error("provider_refused")),
    _always("401", _error("provider_auth")),
    _always("status:403", _error("provider_auth")),
    _always("status:408", _error("provider_timeout")),
    _always("status:429", _error("provider_rate_limited")),
    _always("retry_after:7", _error("provider_rate_limited")),
    _always("429_storm:0.05", _error("provider_rate_limited"), model="small"),
    _always("status:500", _error("provider_error")),
    _always("status:502", _error("provider_error")),
    _always("status:503", _error("provider_overloaded")),
    _always("status:504", _error("provider_timeout")),
    _always("status:529", _error("provider_overloaded")),
    _always("reset", _LOST),
    _always("hang", _SILENT, hasty=True),
    _always("slow_headers:0.1", ANSWER),
    _always("slow_headers:9", _SILENT, hasty=True),
    _always("slow_first:0.1", ANSWER),
    Fault("slow_first:9", _SILENT, _SILENT, _error("provider_timeout", "partial"), hasty=True),
    Fault(
        "error_after_preamble",
        _UNREADABLE,
        _LOST,
        _error("provider_overloaded", "partial"),
    ),
    Fault("cut_after:0", _LOST, _LOST, _error("provider_error", "partial")),
    Fault("cut_after:3", _LOST, _cut("stream_truncated"), _cut("stream_truncated", "partial")),
    Fault("stall_after:0", _SILENT, _SILENT, _error("provider_timeout", "partial"), hasty=True),
    Fault(
        "stall_after:3",
        _SILENT,
        _cut("stream_stalled"),
        _cut("stream_stalled", "partial"),
        hasty=True,
    ),
    Fault("bad_line", _UNREADABLE, BROKEN, BROKEN, elsewhere=ANSWER),
    Fault("bad_line:3", _UNREADABLE, _UNREADABLE, _UNREADABLE),
    Fault(
        "no_done",
        ANSWER,
        _cut("stream_truncated", "provider"),
        _cut("stream_truncated", "provider"),
    ),
    _always("no_usage", UNCOUNTED),
    _always("usage_zero", FREE),
    _always("usage_repeated", ANSWER),
    _always("usage_after_finish:0.1", ANSWER),
    Fault(
        "usage_after_finish:9",
        ANSWER,
        _cut("stream_stalled"),
        _cut("stream_stalled", "partial"),
        hasty=True,
    ),
    _always("usage_string", ANSWER),
    _always("args_in_first_delta", ANSWER, shapes=("tool", "parallel tools")),
    _always("empty", ANSWER, shapes=("text",)),
    _always("huge:2000", ANSWER, shapes=_TEXTS),
    _always("wrong_model", ANSWER),
)

NOWHERE = {"args_only_in_done": "of Responses alone", "refusal": "a shape of its own"}
"""What the menu has and no row asks for, and why."""

assert {fault.name for fault in FAULTS} - {""} | set(NOWHERE) == set(NAMES)

STATUS: Mapping[str, int] = {
    "provider_auth": 502,
    "provider_bad_output": 502,
    "provider_error": 502,
    "provider_overloaded": 503,
    "provider_rate_limited": 429,
    "provider_timeout": 504,
}
"""HTTP status of a code; `provider_refused` has the one of the provider."""
OVERLOADED_ON_ANTHROPIC = 529

_SERVER = "InternalServerError"
RAISED: Mapping[Wire, Mapping[int, str]] = {
    "openai": {
        400: "BadRequestError",
        404: "NotFoundError",
        409: "ConflictError",
        413: "APIStatusError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        **dict.fromkeys((502, 503, 504), _SERVER),
    },
    "anthropic": {
        400: "BadRequestError",
        404: "NotFoundError",
        409: "ConflictError",
        413: "ContentTooLargeError",
        422: "UnprocessableEntityError",
        429: "RateLimitError",
        502: _SERVER,
        504: "GatewayTimeoutError",
        529: "OverloadedError",
    },
}
"""What the official SDK of a wire raises for a status."""
CUT_RAISES: Mapping[Wire, str] = {"openai": "APIError", "anthropic": "APIStatusError"}
"""The same for an error event in a stream."""


def status_of(end: End, fault: Fault, caller: Wire) -> int:
    """Give the HTTP status of an end."""
    if end.kind != "error" or end.code is None:
        return 200
    if end.code == "provider_refused":
        return int(fault.text.partition(":")[2])
    if end.code == "provider_overloaded" and caller == "anthropic":
        return OVERLOADED_ON_ANTHROPIC
    return STATUS[end.code]


@dataclass(frozen=True, slots=True)
class Cell:
    """One request of the matrix."""

    caller: Wire
    provider: Wire
    stream: bool
    shape: str
    fault: Fault

    def __str__(self) -> str:
        kind = "stream" if self.stream else "whole"
        return f"{self.caller} > {self.provider}, {kind}, {self.shape}, {self.fault.text or '-'}"

    @property
    def model(self) -> str:
        """What is asked for."""
        shape = SHAPES[self.shape]
        hasty = "-hasty" if self.fault.hasty else ""
        name = f"{self.provider}-{self.fault.model or shape.model}{hasty}{shape.suffix}"
        return f"{name}!{self.fault.text}" if self.fault.text else name

    @property
    def end(self) -> End:
        """How it must end."""
        if not self.stream:
            return self.fault.whole
        if self.caller != self.provider and self.fault.elsewhere is not None:
            return self.fault.elsewhere
        return self.fault.openai if self.provider == "openai" else self.fault.anthropic

    @property
    def status(self) -> int:
        """The HTTP status."""
        return status_of(self.end, self.fault, self.caller)

    @property
    def raised(self) -> str | None:
        """The error that the caller's SDK raises."""
        match self.end.kind:
            case "answer":
                return None
            case "error":
                return RAISED[self.caller][self.status]
            case "cut":
                return CUT_RAISES[self.caller]
            case "broken":
                return "JSONDecodeError"


def cells(caller: Wire, *, stream: bool) -> Iterator[Cell]:
    """Give the cells of a caller, streamed or not."""
    for provider, fault in product(WIRES, FAULTS):
        for shape in fault.shapes:
            yield Cell(caller, provider, stream, shape, fault)
