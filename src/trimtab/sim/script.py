"""What a prompt may ask of the simulator: `[[sim: answer=..., tool=lookup({"q": 1}), tokens=487]]`.

`answer` runs to the next entry or the end. Each `tool` is one call; its arguments are JSON and are
sent as written. `tokens` makes the text exactly that long.
"""

import json
import re
from typing import NamedTuple

from trimtab.sim.request import Call, Refused

MOST_TOKENS = 1_000_000

_OPENING = "[[sim:"
_CLOSING = "]]"
_KEY = re.compile(r"[\s,]*(answer|tool|tokens)=")
_ANSWER = re.compile(r"(.*?)\s*(?=,\s*(?:answer|tool|tokens)=|\]\])", re.DOTALL)
_TOKENS = re.compile(r"\d{1,7}")
_TOOL = re.compile(r"([\w.-]+)\(\s*")
_TOOL_END = re.compile(r"\s*\)")
_END = re.compile(r"[\s,]*\]\]")
_decoder = json.JSONDecoder()


class Script(NamedTuple):
    """What the marker asks for; `None` and empty where it says nothing."""

    answer: str | None = None
    calls: tuple[Call, ...] = ()
    tokens: int | None = None


NOTHING = Script()


def read_script(question: str) -> Script:
    """Read the marker of a question, if it has one.

    Raises:
        Refused: there is a marker and it cannot be read.
    """
    start = question.find(_OPENING)
    if start < 0:
        return NOTHING
    at = start + len(_OPENING)
    script = NOTHING
    while not _END.match(question, at):
        key = _KEY.match(question, at)
        if key is None:
            raise _unreadable(question, at)
        script, at = _READERS[key[1]](script, question, key.end())
    return script


def _read_answer(script: Script, text: str, at: int) -> tuple[Script, int]:
    match = _ANSWER.match(text, at)
    if match is None:
        raise _unreadable(text, at)
    return script._replace(answer=match[1]), match.end()


def _read_tool(script: Script, text: str, at: int) -> tuple[Script, int]:
    name = _TOOL.match(text, at)
    if name is None:
        raise _unreadable(text, at)
    end = name.end()
    if not text.startswith(")", end):
        try:
            _, end = _decoder.raw_decode(text, name.end())
        except ValueError as exc:
            raise _unreadable(text, at) from exc
    close = _TOOL_END.match(text, end)
    if close is None:
        raise _unreadable(text, at)
    call = Call(name[1], text[name.end() : end] or "{}")
    return script._replace(calls=(*script.calls, call)), close.end()


def _read_tokens(script: Script, text: str, at: int) -> tuple[Script, int]:
    match = _TOKENS.match(text, at)
    if match is None or int(match[0]) > MOST_TOKENS:
        raise _unreadable(text, at)
    return script._replace(tokens=int(match[0])), match.end()


def _unreadable(text: str, at: int) -> Refused:
    where = at - text.find(_OPENING)
    return Refused(
        400,
        f"the [[sim: ]] marker cannot be read from its character {where} on; "
        f"write answer=TEXT, tool=NAME(JSON) or tokens=N up to {MOST_TOKENS}, end with {_CLOSING}",
    )


_READERS = {"answer": _read_answer, "tool": _read_tool, "tokens": _read_tokens}
