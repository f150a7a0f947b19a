"""A prompt that is ready to be sent, in the words of each wire.

The wires' facts are those of the SDKs `openai` 3.57 and `anthropic` 2.13, whose `create` takes what
is made here as its keyword arguments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from trimtab.domain.prompt import SHORT_HASH, Role

HEADER = "x-trimtab-prompt"

MAX_TOKENS = 8192
"""What is asked for on Anthropic's wire, which must have a limit, if the prompt sets none."""

SCHEMA_NAME = "answer"
"""What OpenAI's wire calls the schema of an answer, which must have a name there."""

Wire = dict[str, Any]
Said = Mapping[str, Any]

_SYSTEM = frozenset({Role.SYSTEM.value, "developer"})
_SAME = ("temperature", "top_p")
_CHAT = (
    *(*_SAME, "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty"),
    *("reasoning_effort", "verbosity", "parallel_tool_calls", "tool_choice"),
)


class Source(StrEnum):
    """Where the text was found. `bundled` is `prompts.lock`."""

    MEMORY = "memory"
    LIVE = "live"
    DISK = "disk"
    BUNDLED = "bundled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt, and which one it is.

    Attributes:
        text: The one text of a `template` prompt; `None` if it has messages.
        label: `None` if the version was named.
        scope: For whom the label pointed there; `None` if the version was named.
        hash: SHA-256 of the version's content, hex.
        rendered_hash: SHA-256 of the rendered messages, without the caller's own.
        age_s: Seconds since it was known that the label points there; `None` if nobody knows.
        stale: Whether that is longer ago than the client was told to bear.
        params: Parameters the prompt is written for.
        model: Model it is written for.
        tools: Definitions in OpenAI's function shape.
        output_schema: JSON Schema of the answer.
    """

    messages: list[dict[str, Any]]
    text: str | None
    name: str
    version: str
    label: str | None
    scope: str | None
    hash: str
    rendered_hash: str
    source: Source
    age_s: float | None
    stale: bool
    params: Mapping[str, Any]
    model: str | None
    tools: Sequence[Mapping[str, Any]]
    output_schema: Mapping[str, Any] | None = None

    @property
    def header(self) -> str:
        """What tells the gateway which prompt this is."""
        label = "" if self.label is None else f"label={self.label}; "
        return (
            f"{self.name}@{self.version}; {label}hash={self.hash[:SHORT_HASH]};"
            f" source={self.source}"
        )

    def openai(self) -> Wire:
        """Give the arguments of `client.chat.completions.create`.

        A prompt that names no model leaves `model` to the caller, here as below. To set a member
        otherwise: `create(**(prompt.openai() | {"temperature": 1}))`.
        """
        said = {name: self.params[name] for name in _CHAT if name in self.params}
        more = {"top_k": self.params["top_k"]} if "top_k" in self.params else None
        schema = self._strict_schema()
        return self._sent(
            messages=self.messages,
            tools=list(self.tools),
            response_format=schema and {"type": "json_schema", "json_schema": schema},
            extra_body=more,
            **said,
        )

    def responses(self) -> Wire:
        """Give the arguments of `client.responses.create`.

        That wire has no `stop`, `seed`, `top_k` and penalties; they are left out.
        """
        params = self.params
        effort, schema = params.get("reasoning_effort"), self._strict_schema()
        text = {"verbosity": params["verbosity"]} if "verbosity" in params else {}
        if schema is not None:
            text["format"] = {"type": "json_schema", **schema}
        return self._sent(
            input=self.messages,
            tools=[{"type": "function", **it["function"]} for it in self.tools],
            tool_choice=_flat_choice(params.get("tool_choice")),
            parallel_tool_calls=params.get("parallel_tool_calls"),
            max_output_tokens=params.get("max_tokens"),
            reasoning=None if effort is None else {"effort": effort},
            text=text or None,
            **{name: params[name] for name in _SAME if name in params},
        )

    def anthropic(self) -> Wire:
        """Give the arguments of `client.messages.create`.

        That wire has no `seed`, `verbosity` and penalties; they are left out. Its SDK knows no
        `temperature` any more, so that goes beside what it knows.
        """
        params = self.params
        sampling = {name: params[name] for name in (*_SAME, "top_k") if name in params}
        effort, stop = params.get("reasoning_effort"), params.get("stop")
        output: Wire = {} if effort in {None, "none"} else {"effort": effort}
        if self.output_schema is not None:
            output["format"] = {"type": "json_schema", "schema": self.output_schema}
        return self._sent(
            system=_system([it for it in self.messages if it["role"] in _SYSTEM]),
            messages=[it for it in self.messages if it["role"] not in _SYSTEM],
            max_tokens=params.get("max_tokens", MAX_TOKENS),
            stop_sequences=[stop] if isinstance(stop, str) else stop,
            tools=[_anthropic_tool(it["function"]) for it in self.tools],
            tool_choice=_anthropic_choice(params, called=bool(self.tools)),
            thinking={"type": "disabled"} if effort == "none" else None,
            output_config=output or None,
            extra_body=sampling or None,
        )

    def _strict_schema(self) -> Wire | None:
        if self.output_schema is None:
            return None
        return {"name": SCHEMA_NAME, "schema": self.output_schema, "strict": True}

    def _sent(self, **members: object) -> Wire:
        sent = {name: value for name, value in members.items() if value is not None}
        if not sent["tools"]:
            del sent["tools"]
        model = {} if self.model is None else {"model": self.model}
        return {**model, **sent, "extra_headers": {HEADER: self.header}}


def _system(messages: Sequence[Said]) -> str | list[Any] | None:
    """Put system messages together: as one text, or as blocks if one has blocks."""
    contents = [it["content"] for it in messages]
    if not contents:
        return None
    if all(isinstance(it, str) for it in contents):
        return "\n\n".join(contents)
    blocks: list[Any] = []
    for it in contents:
        blocks += [{"type": "text", "text": it}] if isinstance(it, str) else it
    return blocks


def _anthropic_tool(function: Mapping[str, Any]) -> Wire:
    renamed = {"parameters": "input_schema"}
    tool = {renamed.get(name, name): value for name, value in function.items()}
    return {"input_schema": {"type": "object", "properties": {}}, **tool}


def _anthropic_choice(params: Mapping[str, Any], *, called: bool) -> Wire | None:
    if not called:
        return None
    choice = params.get("tool_choice")
    one_at_a_time = params.get("parallel_tool_calls") is False
    if choice is None and not one_at_a_time:
        return None
    told: Wire = {"type": {"required": "any", "none": "none"}.get(str(choice), "auto")}
    if isinstance(choice, dict):
        named = cast("Mapping[str, Any]", choice)["function"]["name"]
        told = {"type": "tool", "name": named}
    if one_at_a_time and told["type"] != "none":
        told["disable_parallel_tool_use"] = True
    return told


def _flat_choice(choice: object) -> object:
    if not isinstance(choice, dict):
        return choice
    return {"type": "function", **cast("Mapping[str, Any]", choice)["function"]}
