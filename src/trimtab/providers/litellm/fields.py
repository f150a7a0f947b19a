"""What a request may tell `litellm`: the members of the two schemas, and nothing else.

Its functions take every argument by name, those of the request beside URL, key, headers, files and
mocks of the call. It also fetches what a request links to. So the structs here are an allow-list:
what is not in them is refused, also where a model says `when_untranslatable: drop`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NoReturn

import msgspec
from msgspec import Meta, Raw, Struct

from trimtab.domain.errors import UnsupportedByTarget
from trimtab.providers.base import UNREADABLE, Loss

CHAT = frozenset(
    {
        *("frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens"),
        *("messages", "model", "n", "parallel_tool_calls", "presence_penalty", "reasoning_effort"),
        *("response_format", "seed", "service_tier", "stop", "stream", "stream_options"),
        *("temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity"),
    }
)
EMBEDDINGS = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
HINTS = frozenset(
    {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "store"}
)
"""Members that change no answer; some mean another thing to `litellm`, so none is passed on."""

_OURS = "trimtab"
_PATH = re.compile(r" - at `\$([\w.\[\]]*)`$")

_Data = Annotated[str, Meta(pattern=r"^data:")]


class _Strict(Struct, forbid_unknown_fields=True):
    """Takes no member but its own."""


class _Text(_Strict, tag="text"):
    text: str


class _Refusal(_Strict, tag="refusal"):
    refusal: str


class _Image(_Strict):
    url: _Data
    detail: str | None = None


class _ImagePart(_Strict, tag="image_url"):
    image_url: _Image


class _Audio(_Strict):
    data: str
    format: str


class _AudioPart(_Strict, tag="input_audio"):
    input_audio: _Audio


class _File(_Strict):
    file_data: _Data
    filename: str | None = None


class _FilePart(_Strict, tag="file"):
    file: _File


class _Called(_Strict):
    name: str
    arguments: str


class _Call(_Strict):
    id: str
    function: _Called
    type: Literal["function"] = "function"
    index: int | None = None


class _Message(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Text | _Refusal | _ImagePart | _AudioPart | _FilePart] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    # What an SDK writes of an answer that had none of these.
    annotations: Annotated[list[None], Meta(max_length=0)] | None = None
    audio: None = None
    function_call: None = None


class _Function(_Strict):
    name: str
    description: str | None = None
    parameters: Raw = Raw(b"null")
    strict: bool | None = None


class _Tool(_Strict):
    function: _Function
    type: Literal["function"]


_DECODERS: Mapping[str, msgspec.json.Decoder[object]] = {
    "messages": msgspec.json.Decoder(list[_Message]),
    "tools": msgspec.json.Decoder(list[_Tool] | None),
    "input": msgspec.json.Decoder(str | list[str | int | list[int]]),
}


def check(members: Mapping[str, Raw], schema: frozenset[str]) -> tuple[Loss, ...]:
    """Name the hints that are not passed on.

    Raises:
        UnsupportedByTarget: a member is not of the schema, or has more in it than may be passed.
    """
    for name, value in members.items():
        if name in schema:
            _check_form(name, value)
        elif name not in HINTS and name != _OURS:
            _refuse(name)
    return tuple(Loss(name, hint=True) for name in members if name in HINTS)


def passed(members: Mapping[str, Raw], schema: frozenset[str]) -> dict[str, Raw]:
    """Leave out all that is not of the schema."""
    return {name: value for name, value in members.items() if name in schema}


def _check_form(name: str, value: Raw) -> None:
    decoder = _DECODERS.get(name)
    if decoder is None:
        return
    try:
        decoder.decode(value)
    except UNREADABLE as exc:
        at = _PATH.search(str(exc))
        _refuse(name + (at.group(1) if at else ""))


def _refuse(name: str) -> NoReturn:
    told = name if name.isprintable() else repr(name)
    raise UnsupportedByTarget(
        f"`{told[:128]}` is not, or has in it, what a provider of `wire: litellm` is given; it gets"
        " text, data URLs and function tools in the members of OpenAI's schema; leave the rest out",
        param=told[:128],
    )
