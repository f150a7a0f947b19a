"""What the model says: the same for the same model, prompt and seed."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from random import Random
from typing import NamedTuple

import msgspec

from trimtab.sim.request import Call, Refused, Request, Tool
from trimtab.sim.schema import example
from trimtab.sim.script import Script, read_script
from trimtab.sim.text import first_tokens, prose, prose_of, stretched, tokens_of

REFUSAL = "I can't help with that."

_EFFORTS = {"none": 0, "minimal": 1, "low": 2, "medium": 8, "high": 32, "xhigh": 64, "max": 64}
_EFFORT_UNIT = 8
_FEWEST_REASONING = 32


class Stop(StrEnum):
    """Why the model stopped."""

    END = "end"
    LENGTH = "length"
    SEQUENCE = "sequence"
    TOOLS = "tools"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `sequence` is the stop sequence that ended it."""

    text: str
    stop: Stop
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    sequence: str | None = None

    @property
    def tokens(self) -> int:
        """All that was generated, reasoning included."""
        calls = sum(tokens_of(call.name) + tokens_of(call.arguments) for call in self.calls)
        return tokens_of(self.reasoning) + tokens_of(self.text) + calls


class Digest(NamedTuple):
    """A hash of model, prompt, seed and choice: all that an answer depends on."""

    of: bytes

    @property
    def chance(self) -> Random:
        """A source of chance that is always the same."""
        return Random(self.of)  # noqa: S311  # repeatable on purpose


def digest(request: Request, seed: int, choice: int = 0) -> Digest:
    """Hash what an answer depends on."""
    start = f"{seed}/{request.served.model.name}/{choice}/"
    return Digest(blake2b((start + request.prompt).encode(), digest_size=16).digest())


def compose(request: Request, seed: int) -> tuple[Answer, ...]:
    """Answer once for each choice that was asked for.

    Raises:
        Refused: the script in the prompt or the tool choice makes no sense.
    """
    script = read_script(request.question)
    faults = request.faults
    found: list[Answer] = []
    for choice in range(request.choices):
        chosen = digest(request, seed, choice)
        if faults.refusal is not None:
            found.append(Answer(REFUSAL, Stop.REFUSAL))
        elif faults.empty:
            found.append(Answer("", Stop.END))
        elif faults.huge is not None:
            found.append(Answer(prose_of(chosen.of, faults.huge), Stop.END))
        else:
            found.append(_compose(request, script, chosen))
    return tuple(found)


def _compose(request: Request, script: Script, chosen: Digest) -> Answer:
    calls = _calls(request, script, chosen)
    reasoning = _reasoning(request, chosen)
    text = _text(request, script, chosen, silent=bool(calls))
    sequence = None
    for stop in request.stops:
        at = text.find(stop) if stop else -1
        if at >= 0:
            text, sequence = text[:at], stop
    whole = Answer(
        text,
        Stop.SEQUENCE if sequence is not None else Stop.TOOLS if calls else Stop.END,
        () if sequence is not None else calls,
        reasoning,
        sequence,
    )
    return _limited(whole, request.max_tokens)


def _text(request: Request, script: Script, chosen: Digest, *, silent: bool) -> str:
    if script.tokens is not None:
        if script.answer is not None:
            return stretched(script.answer, script.tokens)
        return prose_of(chosen.of, script.tokens)
    if script.answer is not None:
        return script.answer
    if silent:
        return ""
    if request.schema is not None:
        return msgspec.json.encode(example(request.schema, chosen.chance)).decode()
    return prose(chosen.of)


def _calls(request: Request, script: Script, chosen: Digest) -> tuple[Call, ...]:
    """Say which tools to call: what the script says, else what the caller insists on."""
    if not request.may_call:
        return ()
    calls: tuple[Call, ...] = ()
    if script.calls and not request.answered_tools:
        calls = script.calls
    elif request.must_call is not None:
        tool = _required(request.tools, request.must_call, chosen)
        arguments = msgspec.json.encode(example(tool.schema, chosen.chance)).decode()
        calls = (Call(tool.name, arguments),)
    return calls if request.parallel else calls[:1]


def _required(tools: tuple[Tool, ...], name: str, chosen: Digest) -> Tool:
    named = [tool for tool in tools if name in ("", tool.name)]
    if not named:
        raise Refused(400, f"tool choice '{name}' is none of the tools", param="tool_choice")
    return named[chosen.of[0] % len(named)]


def _reasoning(request: Request, chosen: Digest) -> str:
    """Think, if the model or the caller wants it; the text is shown on one wire only."""
    if request.thinking is None and not request.served.model.reasons:
        return ""
    effort = _EFFORTS.get(request.effort or "medium", _EFFORT_UNIT)
    tokens = (_FEWEST_REASONING + chosen.of[-1]) * effort // _EFFORT_UNIT
    if request.thinking is not None:
        tokens = min(tokens, request.thinking)
    return prose_of(chosen.of[::-1], tokens)


def _limited(whole: Answer, most: int | None) -> Answer:
    if most is None or whole.tokens <= most:
        return whole
    reasoning = first_tokens(whole.reasoning, most)
    left = most - tokens_of(reasoning)
    text = first_tokens(whole.text, left)
    left -= tokens_of(text)
    calls: list[Call] = []
    for call in whole.calls:
        left -= tokens_of(call.name)
        if left < 0:
            break
        calls.append(Call(call.name, first_tokens(call.arguments, left)))
        left = max(0, left - tokens_of(call.arguments))
    return Answer(text, Stop.LENGTH, tuple(calls), reasoning)
