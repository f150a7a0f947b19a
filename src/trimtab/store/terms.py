"""What a filter asks of a record, term by term; every engine compiles the same terms.

Words are the runs of letters and digits of a text, without case or accents; each character of a
script that is written without spaces is a word.
"""

import re
import unicodedata
from enum import StrEnum

from msgspec import Struct

MAX_WORD_CHARS = 64

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+")


class Op(StrEnum):
    """How a column is compared. `PREFIX` of nothing is: there is a value."""

    IN = "in"
    PREFIX = "prefix"
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


class Term(Struct, frozen=True):
    """One comparison of a column; all but `IN` have one value.

    Attributes:
        key: Member to be compared, of a column that holds a JSON map.
        negated: Fits what the comparison does not, what is unknown included.
    """

    column: str
    op: Op
    values: tuple[str | int | float, ...]
    key: str | None = None
    negated: bool = False


class Said(Struct, frozen=True):
    """A comparison with an annotation that nothing corrected since.

    Attributes:
        name: What the annotation must be called, if anything.
    """

    term: Term
    name: str | None = None


def words_of(text: str) -> tuple[str, ...]:
    """Split a text into its words; what is left of long ones still finds them."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(it for it in plain if not unicodedata.combining(it))
    joined = unicodedata.normalize("NFC", bare)
    return tuple(it[:MAX_WORD_CHARS] for it in _WORD.findall(joined))
