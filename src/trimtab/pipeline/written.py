"""Rendered prompts in the words of each wire. What the caller set himself stays as he set it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.model import Wire
from trimtab.domain.prompt import Content, Role
from trimtab.domain.rendering import Rendered, Said

Members = Mapping[str, Raw]
MembersWith = Callable[[Members, Rendered], Members]
"""Writes a rendered prompt into the members of a body."""

MAX_TOKENS = 1024
"""What is asked for where a wire must be told and neither the caller nor the prompt says."""

_MAXIMA = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_NOT_IN_RESPONSES = ("stop", "seed", "presence_penalty", "frequency_penalty", "top_k")
_IN_ANTHROPIC = ("temperature", "top_p", "top_k", "max_tokens")
_SCHEMA_NAME = "answer"

_items = msgspec.json.Decoder(list[Raw])
_blocks = msgspec.json.Decoder(str | list[Raw])
_encode = msgspec.json.encode


def chat(members: Members, rendered: Rendered) -> Members:
    """Write for OpenAI's chat completions: the prompt's messages around the caller's own."""
    content = rendered.content
    own = _items.decode(members["messages"]) if "messages" in members else []
    more = dict(_params(content))
    if content.tools:
        more["tools"] = content.tools
    if content.output_schema is not None:
        schema = {"name": _SCHEMA_NAME, "schema": content.output_schema, "strict": True}
        more["response_format"] = {"type": "json_schema", "json_schema": schema}
    return _over(members, more, messages=_around(rendered, own))


def responses(members: Members, rendered: Rendered) -> Members:
    """Write for OpenAI's responses: the prompt's messages around the caller's input."""
    content = rendered.content
    params = _params(content)
    for name in _NOT_IN_RESPONSES:
        _refuse(rendered, name in params, f"`{name}`", "the Responses API")
    more: dict[str, Any] = dict(params)
    if "max_tokens" in more:
        more["max_output_tokens"] = more.pop("max_tokens")
    if "reasoning_effort" in more:
        more["reasoning"] = {"effort": more.pop("reasoning_effort")}
    text: dict[str, Any] = {}
    if "verbosity" in more:
        text["verbosity"] = more.pop("verbosity")
    if content.output_schema is not None:
        schema = {"name": _SCHEMA_NAME, "schema": content.output_schema, "strict": True}
        text["format"] = {"type": "json_schema", **schema}
    if text:
        more["text"] = text
    if content.tools:
        more["tools"] = [{"type": "function", **tool["function"]} for tool in content.tools]
    said: str | list[Raw] = _blocks.decode(members["input"]) if "input" in members else []
    own = [Raw(_encode({"role": "user", "content": said}))] if isinstance(said, str) else said
    kept = {name: raw for name, raw in members.items() if name != "prompt"}
    return _over(kept, more, input=_around(rendered, own))


def messages(members: Members, rendered: Rendered) -> Members:
    """Write for Anthropic's messages: what the system says goes to the top, the rest around."""
    content = rendered.content
    more = _for_anthropic(rendered)
    if "max_tokens" not in members:
        more.setdefault("max_tokens", MAX_TOKENS)
    return _over(members, more | _tools(content), **_anthropic_messages(members, rendered))


def counted(members: Members, rendered: Rendered) -> Members:
    """Write for Anthropic's count of tokens, which takes no parameters."""
    return _over(members, _tools(rendered.content), **_anthropic_messages(members, rendered))


WRITTEN: Mapping[Wire, MembersWith] = {
    Wire.OPENAI_CHAT: chat,
    Wire.OPENAI_RESPONSES: responses,
    Wire.ANTHROPIC_MESSAGES: messages,
    Wire.ANTHROPIC_COUNT_TOKENS: counted,
}
"""One line a wire that prompts can be named on."""


def _params(content: Content) -> Mapping[str, Any]:
    return {} if content.model is None else content.model.params


def _over(members: Members, more: Mapping[str, Any], **written: Any) -> Members:  # noqa: ANN401
    """Put what the prompt says under what the caller set, and the messages over it."""
    asks_a_maximum = any(name in members for name in _MAXIMA)
    kept = {
        name: Raw(_encode(value))
        for name, value in more.items()
        if name not in members and not (name in _MAXIMA and asks_a_maximum)
    }
    ours = {name: Raw(_encode(value)) for name, value in written.items() if value is not None}
    return {**kept, **members, **ours}


def _around(rendered: Rendered, own: Sequence[Raw]) -> list[Said | Raw]:
    return [*rendered.before, *own, *rendered.after]


def _anthropic_messages(members: Members, rendered: Rendered) -> dict[str, Any]:
    leading = 0
    for said in rendered.before:
        if said.role is not Role.SYSTEM:
            break
        leading += 1
    system, before = rendered.before[:leading], rendered.before[leading:]
    late = any(said.role is Role.SYSTEM for said in (*before, *rendered.after))
    _refuse(rendered, late, "a system message behind others", "Anthropic's messages")
    own = _items.decode(members["messages"]) if "messages" in members else []
    written: dict[str, Any] = {"messages": [*before, *own, *rendered.after]}
    if system:
        written["system"] = _system(system, members.get("system"))
    return written


def _system(said: Sequence[Said], own: Raw | None) -> object:
    """Write what the system says: the prompt first, then the caller's own."""
    texts = [{"type": "text", "text": it.content} for it in said]
    if own is None or bytes(own) == b"null":
        return said[0].content if len(said) == 1 else texts
    try:
        theirs = _blocks.decode(own)
    except msgspec.ValidationError as exc:
        raise InvalidRequest(
            "'system' must be text or a list of blocks; leave it out if the prompt says it all",
            param="system",
        ) from exc
    more = [{"type": "text", "text": theirs}] if isinstance(theirs, str) else theirs
    return [*texts, *more]


def _for_anthropic(rendered: Rendered) -> dict[str, Any]:
    content = rendered.content
    more: dict[str, Any] = {}
    output: dict[str, Any] = {}
    for name, value in _params(content).items():
        if name in _IN_ANTHROPIC:
            more[name] = value
        elif name == "stop":
            more["stop_sequences"] = [value] if isinstance(value, str) else value
        elif name == "reasoning_effort":
            output["effort"] = value
        else:
            _refuse(rendered, True, f"`{name}`", "Anthropic's messages")  # noqa: FBT003 -- as below
    if content.output_schema is not None:
        output["format"] = {"type": "json_schema", "schema": content.output_schema}
    if output:
        more["output_config"] = output
    return more


def _tools(content: Content) -> dict[str, Any]:
    if not content.tools:
        return {}
    functions = [tool["function"] for tool in content.tools]
    return {
        "tools": [
            {
                "name": it["name"],
                **({"description": it["description"]} if "description" in it else {}),
                "input_schema": it.get("parameters", {"type": "object"}),
            }
            for it in functions
        ]
    }


def _refuse(rendered: Rendered, there: bool, what: str, wire: str) -> None:  # noqa: FBT001 -- a table
    if there:
        raise InvalidRequest(
            f"prompt '{rendered.version.ref}' has {what}, which {wire} cannot say; call it on"
            " another wire, or publish a version without it",
            param="prompt",
        )
