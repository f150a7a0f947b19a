"""The words of what was sent and answered, as search knows them: texts alone, never keys.

Bodies are JSON of any wire, or an answer as the record keeps it. Where the wires put what people
and models wrote is known by the names of the members.
"""

from collections.abc import Iterator
from itertools import accumulate, takewhile

import msgspec

from trimtab.store.terms import words_of

MAX_ASKED, MAX_ANSWERED = 12_000, 4_000
"""Words of a body that can be found: the last ones, for conversations grow at their end."""

MAX_BYTES = 4 << 20
"""Larger bodies have no words: to take them apart would be felt."""

_TEXTS = ("text", "content", "thinking", "refusal", "reasoning_content", "output", "arguments")
_LISTS = ("system", "instructions", "messages", "input", "prompt", "parts", "summary")
_READ = frozenset((*_TEXTS, *_LISTS))
# More would be more than Postgres takes for one text.
_CHARS_A_WORD = 12


def asked_words(body: bytes) -> tuple[str, ...]:
    """Give the words of a request's body."""
    return _words(body, MAX_ASKED)


def answered_words(body: bytes) -> tuple[str, ...]:
    """Give the words of an answer."""
    return _words(body, MAX_ANSWERED)


def _words(body: bytes, most: int) -> tuple[str, ...]:
    if len(body) > MAX_BYTES:
        return ()
    try:
        text = "\n".join(_texts(msgspec.json.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    chars = most * _CHARS_A_WORD
    words = words_of(text[-chars:])[-most:]
    # One character may have become many.
    sizes = accumulate(len(it) for it in reversed(words))
    return words[len(words) - sum(1 for _ in takewhile(lambda it: it <= chars, sizes)) :]


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, list):
        for one in found:  # pyright: ignore[reportUnknownVariableType] -- JSON
            yield from _texts(one)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(found, dict):
        for name, one in found.items():  # pyright: ignore[reportUnknownVariableType] -- JSON
            if name in _READ:
                yield from _texts(one)  # pyright: ignore[reportUnknownArgumentType]
