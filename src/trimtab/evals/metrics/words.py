"""Texts without what does not count when they are compared."""

import re
import string

from msgspec import Struct

_ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class Flags(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What does not count beside white space. Punctuation is that of ASCII, articles English."""

    casefold: bool = False
    strip_punctuation: bool = False
    strip_articles: bool = False

    def plain(self, text: str) -> str:
        """Leave it out of a text."""
        if self.casefold:
            text = text.casefold()
        if self.strip_punctuation:
            text = text.translate(_NO_PUNCTUATION)
        if self.strip_articles:
            text = _ARTICLES.sub(" ", text)
        return " ".join(text.split())


LOOSE = Flags(casefold=True, strip_punctuation=True, strip_articles=True)
