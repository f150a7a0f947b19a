"""Random bytes for ids, asked of the system a page at a time."""

import os

PAGE_BYTES = 4096


class Entropy:
    """`domain.ids.Entropy` that asks the system seldom. State: what is left of a page."""

    __slots__ = ("_at", "_page")

    def __init__(self) -> None:
        self._page = b""
        self._at = PAGE_BYTES

    def __call__(self, size: int) -> bytes:
        """Give that many random bytes, at most a page; none is given twice."""
        start, end = self._at, self._at + size
        if end > PAGE_BYTES:
            self._page = os.urandom(PAGE_BYTES)
            start, end = 0, size
        self._at = end
        return self._page[start:end]
