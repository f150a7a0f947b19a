"""What a reader found wrong with a value, in the words of a file."""

import re
from collections.abc import Iterable

from trimtab.domain.yaml_tree import nearest

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_OURS = {"Object": "it", "Expected": "takes", "str": "text", "null": "nothing", "`": ""}
_WORD = re.compile(r"\b(?:Object|Expected|str|null)\b|`")


def explained(message: str, known: Iterable[str] = ()) -> tuple[str, str]:
    """Turn msgspec's message into a path and what to do; `known` are the members at the top."""
    match = _PATH.search(message)
    path = match[1].replace("[...]", "") if match else ""
    what = _PATH.sub("", message)
    unknown = _UNKNOWN.search(what)
    if unknown is not None:
        remedy = nearest(unknown[1], known) if known and not path else "remove it"
        return f"{path}.{unknown[1]}".strip("."), f"is not known here; {remedy}"
    missing = _MISSING.search(what)
    if missing is not None:
        return path, f"'{missing[1]}' is missing; add it"
    what = _WORD.sub(lambda it: _OURS[it[0]], what)
    return path, f"{what[0].lower()}{what[1:]}; write that"
