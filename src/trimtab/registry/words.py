"""Words of a text: which of them instruct a model, and where two texts differ.

Differences are those of Myers ("An O(ND) difference algorithm", 1986): the fewest words taken out
and put in. `difflib` has no bound on its work, and a prompt may have a mebibyte; here the steps are
counted, and texts that differ too much are one difference.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

MOST_STEPS = 1_000_000

INSTRUCTIONS: frozenset[str] = frozenset(
    {
        *("not", "never", "no", "only", "must", "always", "unless", "except", "without", "cannot"),
        *("json", "yaml", "xml", "markdown", "table", "cite"),
    }
)
"""English words that change what a model does, in lower case. Words in -n't are of them, too."""

INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f\x00-\x08\x0b-\x1f\x7f-\x9f"
)
"""Characters that nobody sees and a model reads: for a class of a regular expression."""

# Every repetition is bounded or stops at the next token, so that no text takes more than a look.
_TOKEN = re.compile(
    rf"""
    (?P<mark> ^[ \t]*(?:\#{{1,6}}|[-*+•]|\d+[.)])(?=[ \t]) | ```\w* | </?[A-Za-z][\w.-]*> )
  | (?P<url> \b[a-z][a-z0-9+.-]{{0,15}}://\S+ )
  | (?P<variable> \$\w+ | \$\{{\w+\}} | \{{\{{[^{{}}]{{1,200}}\}}\}}+ | \{{%[^{{}}]{{1,200}}%\}} )
  | (?P<quoted> "[^"\n]{{1,200}}" | “[^”\n]{{1,200}}” | «[^»\n]{{1,200}}»
      | `[^`\n]{{1,200}}` | (?<!\w)'[^'\n]{{1,200}}'(?!\w) )
  | (?P<invisible> [{INVISIBLE}] )
  | (?P<word> \w+(?:['\u2019]\w+)* )
  | (?P<space> \n+ | [^\S\n]+ )
  | (?P<sign> . )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


class Kind(StrEnum):
    """What a piece of a text is."""

    MARK = "mark"
    URL = "url"
    VARIABLE = "variable"
    QUOTED = "quoted"
    INVISIBLE = "invisible"
    WORD = "word"
    SPACE = "space"
    SIGN = "sign"


_KINDS = {it.value: it for it in Kind}


class Token(NamedTuple):
    """A piece of a text; all of them together are the text."""

    kind: Kind
    text: str

    @property
    def folded(self) -> str:
        """The text without what says nothing: case of words, indentation of marks."""
        if self.kind is Kind.WORD:
            return self.text.casefold().replace("\u2019", "'")
        return self.text.strip() if self.kind is Kind.MARK else self.text

    @property
    def instructs(self) -> bool:
        """Whether what a model does may hang on it."""
        if self.kind is Kind.WORD:
            word = self.folded
            return word in INSTRUCTIONS or word.endswith("n't") or any(map(str.isdigit, word))
        return self.kind not in (Kind.SPACE, Kind.SIGN)


def tokens(text: str) -> list[Token]:
    """Split a text."""
    return [Token(_KINDS[it.lastgroup or ""], it[0]) for it in _TOKEN.finditer(text)]


@dataclass(frozen=True, slots=True)
class Hunk:
    """`before[start:end]` became `after[new_start:new_end]`; one of them may be empty."""

    start: int
    end: int
    new_start: int
    new_end: int


def hunks(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[Hunk]:
    """Tell where two sequences differ, in their order; takes at most `MOST_STEPS` steps."""
    head, most = 0, min(len(before), len(after))
    while head < most and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < most - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    found: list[Hunk] = []
    x = y = 0
    for match_x, match_y in [*_matches(old, new), (len(old), len(new))]:
        if match_x > x or match_y > y:
            found.append(Hunk(head + x, head + match_x, head + y, head + match_y))
        x, y = match_x + 1, match_y + 1
    return found


def _matches(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Pair what stays; nothing stays if that takes too long to find."""
    ends: dict[int, int] = {1: 0}
    steps, trace = 0, list[dict[int, int]]()
    for edits in range(len(old) + len(new) + 1):
        trace.append(dict(ends))
        # Diagonals that leave the rectangle lead nowhere.
        lowest = -edits + 2 * max(0, edits - len(new))
        highest = edits - 2 * max(0, edits - len(old))
        for diagonal in range(lowest, highest + 1, 2):
            x = _begin(ends, diagonal, edits)
            start = x
            while x < len(old) and x - diagonal < len(new) and old[x] == new[x - diagonal]:
                x += 1
            ends[diagonal] = x
            steps += 1 + x - start
            if x >= len(old) and x - diagonal >= len(new):
                return _pairs(trace, len(old), len(new))
        if steps > MOST_STEPS:
            break
    return []


def _begin(ends: Mapping[int, int], diagonal: int, edits: int) -> int:
    """Step to a diagonal from the neighbour that is further on."""
    if _puts_in(ends, diagonal, edits):
        return ends[diagonal + 1]
    return ends[diagonal - 1] + 1


def _puts_in(ends: Mapping[int, int], diagonal: int, edits: int) -> bool:
    """Whether the step to a diagonal puts a word in; else it takes one out."""
    return diagonal == -edits or ends.get(diagonal - 1, -1) < ends.get(diagonal + 1, -1)


def _pairs(trace: Sequence[Mapping[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    """Walk back from the end along the way that was taken."""
    found: list[tuple[int, int]] = []
    for edits in range(len(trace) - 1, -1, -1):
        diagonal = x - y
        begin = _begin(trace[edits], diagonal, edits)
        while x > begin:
            x, y = x - 1, y - 1
            found.append((x, y))
        if _puts_in(trace[edits], diagonal, edits):
            y -= 1
        else:
            x -= 1
    return found[::-1]
