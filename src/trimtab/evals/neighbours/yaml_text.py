"""YAML that everybody reads the same: blocks of maps and lists, and every text in double quotes."""

import json
import re
from collections.abc import Iterator
from typing import cast

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
# JSON leaves these as they are, and YAML does not have them.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write_yaml(value: object) -> str:
    """Write a value of maps, lists, texts and numbers."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, it in cast("dict[str, object]", value).items():
            yield from _member(f"{_key(key)}:", it, "  ")
    elif isinstance(value, list | tuple) and value:
        for it in cast("list[object]", value):
            yield from _member("-", it, "  ")
    else:
        yield _flat(cast("object", value))


def _member(lead: str, value: object, indent: str) -> Iterator[str]:
    lines = _lines(value)
    if not value or not isinstance(value, dict | list | tuple):
        yield f"{lead} {next(lines)}"
        return
    if lead == "-":
        yield f"- {next(lines)}"
    else:
        yield lead
    for line in lines:
        yield indent + line


def _key(key: str) -> str:
    plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS
    return key if plain else _flat(key)


def _flat(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda it: f"\\u{ord(it[0]):04x}", written)
