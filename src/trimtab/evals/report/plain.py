"""Foreign text in places where it could do harm: terminals, XML, Markdown, workflow commands."""

import re

MOST_INLINE = 100

# All of C0 and C1 but tab and newline, what turns the direction of text, and what XML forbids.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_REPLACEMENT = "\ufffd"
_TICKS = re.compile("`+")


def plain(text: str) -> str:
    """Take out what a terminal obeys and XML forbids; lines stay lines."""
    return _CONTROL.sub(_REPLACEMENT, text.replace("\r\n", "\n"))


def shortened(text: str, most: int) -> str:
    """Cut a text, and say what is missing."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most} more characters)"


def one_line(text: str, most: int = MOST_INLINE) -> str:
    """Give a text as one line of at most so many characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def code(text: str, most: int = MOST_INLINE) -> str:
    """Give a text as a code span of Markdown: nobody is pinged, nothing linked, no cell ended.

    A pipe cannot be escaped safely, for the text may bring a backslash before it.
    """
    inner = one_line(text, most).replace("`", "'").replace("|", "¦")
    return f"`{inner or '-'}`"


def fenced(text: str, most: int) -> str:
    """Give a text as a fenced block of Markdown, whatever fences it has itself."""
    body = shortened(plain(text), most)
    longest = max((len(it) for it in _TICKS.findall(body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{body}\n{fence}"
