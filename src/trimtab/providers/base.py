"""What an adapter of a provider's wire does: pure functions from bytes to events and back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw

from trimtab.domain.chat import Event
from trimtab.domain.model import Provider, Wire

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding foreign JSON can raise."""


class Chunk(NamedTuple):
    """A piece of a stream: bytes for the caller on the same wire, and what they say."""

    raw: bytes
    events: tuple[Event, ...]


class ProviderFault(NamedTuple):
    """What an error answer of a provider says.

    Attributes:
        context_too_long: Whether the request is too long for the model.
    """

    type: str
    message: str
    context_too_long: bool = False


class Loss(NamedTuple):
    """A member of a request that the target's wire has no word for.

    Attributes:
        name: Its path in the caller's body, as `messages[3].content[0].citations`.
        hint: Whether it only asks for something that changes no answer, and so may always go.
    """

    name: str
    hint: bool


class StreamReader(Protocol):
    """Reads one stream. State: the bytes of an event that has not ended."""

    def feed(self, block: bytes) -> list[Chunk]:
        """Take a block of bytes and give the chunks that ended in it.

        Raises:
            BadStream: three malformed events in a row, or one without end.
        """
        ...


class BadStream(Exception):
    """The stream cannot be read any further."""


class BadBody(Exception):
    """The body is not what this wire sends."""


class Adapter(Protocol):
    """One wire as spoken to providers, for callers of the same wire or of another."""

    @property
    def wire(self) -> Wire:
        """The provider's wire: the one whose bytes and usage it reads."""
        ...

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """Name what `body` would leave out.

        Raises:
            InvalidRequest: the members are not a request of the caller's wire.
        """
        ...

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:
        """Render request line and headers, all but content-length and the empty line."""
        ...

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """Build the upstream body: the caller's members, with the target's model name.

        Raises:
            InvalidRequest: the members are not a request of the caller's wire.
        """
        ...

    def reader(self, *, hide_usage: bool) -> StreamReader:
        """Start reading a stream; `hide_usage` takes out usage the caller did not ask for."""
        ...

    def read_body(self, body: bytes) -> tuple[Event, ...]:
        """Read a whole answer into events.

        Raises:
            BadBody: it is not an answer of this wire.
        """
        ...

    def answer(self, body: bytes, events: Sequence[Event]) -> bytes:
        """Give a whole answer as the caller's wire tells it.

        Raises:
            BadBody: it says what the caller's wire has no form for.
        """
        ...

    def fault(self, body: bytes) -> ProviderFault:
        """Read an error answer; never fails."""
        ...

    def refusal(self, body: bytes) -> bytes:
        """Give an error answer as the caller's wire tells it."""
        ...
