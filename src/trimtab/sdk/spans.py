"""What the rest of the SDK asks of a library that makes spans."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

Attributes = Mapping[str, str | float]


class Span(Protocol):
    """A span that runs."""

    def set_attribute(self, key: str, value: str | float) -> None:
        """Say something of it."""
        ...


class Tracing(Protocol):
    """Makes spans and sends them."""

    @property
    def keeps_content(self) -> bool:
        """Whether spans may say what people wrote."""
        ...

    def span(self, name: str, kind: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Run a block as a span."""
        ...

    def headers(self) -> Mapping[str, str]:
        """Give the headers that tell of the span that runs, as W3C says; none if none does."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Send the spans that ended; tells whether that was done in time."""
        ...
