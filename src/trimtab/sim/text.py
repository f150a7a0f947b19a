"""Tokens and sentences.

A token is four characters. That is near what real tokenizers give for English, exact to count in
both directions, and cuts words in the middle as they do.
"""

from hashlib import blake2b

CHARS_PER_TOKEN = 4

_SUBJECTS = (
    "A trim tab",
    "The rudder",
    "A good helmsman",
    "The small surface at the edge",
    "Every slow correction",
    "The old harbour pilot",
    "A long keel",
    "The tide table",
    "A following sea",
    "The night watch",
    "An honest log book",
    "The lightest touch",
    "The engine room",
    "A full sail",
    "The chart on the table",
    "A steady course",
)
_PREDICATES = (
    "turns a little so that the rest may turn a lot.",
    "is easier to move than the thing it moves.",
    "answers late, and then all at once.",
    "matters most when nobody looks at it.",
    "is written down before the watch changes.",
    "needs less force than people expect.",
    "saves more fuel than a new propeller.",
    "tells you where you are, not where you go.",
    "keeps its promise in bad weather, too.",
    "was measured twice and trusted once.",
    "costs little and is worth checking every day.",
    "can be undone as quickly as it was done.",
    "shows its value in the second hour.",
    "is the first thing a careful owner asks about.",
    "works best in small and frequent steps.",
    "explains the rest of the journey.",
)
_SENTENCES = tuple(f"{subject} {predicate} " for predicate in _PREDICATES for subject in _SUBJECTS)
_POOL = "".join(_SENTENCES)
_STARTS = tuple(len("".join(_SENTENCES[:number])) for number in range(len(_SENTENCES)))
_FEWEST, _SPREAD = 2, 5


def tokens_of(text: str) -> int:
    """Count the tokens of a text."""
    return -(-len(text) // CHARS_PER_TOKEN)


def pieces(text: str) -> list[str]:
    """Split a text into its tokens."""
    return [text[at : at + CHARS_PER_TOKEN] for at in range(0, len(text), CHARS_PER_TOKEN)]


def first_tokens(text: str, most: int) -> str:
    """Give as much of a text as that many tokens hold."""
    return text[: most * CHARS_PER_TOKEN]


def prose(digest: bytes) -> str:
    """Write a few sentences that depend on the digest (8 bytes or more) alone."""
    chosen = digest[1 : 1 + _FEWEST + digest[0] % _SPREAD]
    return "".join([_SENTENCES[number] for number in chosen])[:-1]


def prose_of(digest: bytes, tokens: int) -> str:
    """Write exactly that many tokens."""
    start = _STARTS[digest[0]]
    return stretched(_POOL[start:] + _POOL[:start], tokens)


def stretched(text: str, tokens: int) -> str:
    """Repeat or cut a text until it has exactly that many tokens; an empty one becomes dots."""
    size = tokens * CHARS_PER_TOKEN
    return ((text or ".") * (size // max(1, len(text)) + 1))[:size]


def attachment(content: bytes, tokens: int) -> str:
    """Stand in for an image or a file: text of that many tokens that differs with its content."""
    return stretched(blake2b(content, digest_size=16).hexdigest(), tokens)
