"""What adapters share whose caller speaks the provider's wire: all passes as it came."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Raw

from trimtab.domain.chat import Event
from trimtab.providers import members as upstream
from trimtab.providers.base import UNREADABLE, BadBody, Loss, StreamReader
from trimtab.providers.stream import NoStream


class SameWire:
    """Most of a `providers.base.Adapter`; by itself, of a route that never streams."""

    __slots__ = ()

    @abstractmethod
    def read_answer(self, body: bytes) -> tuple[Event, ...]:
        """Read a whole answer into events; raises what decoding raises if it is malformed."""

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """See `Adapter.losses`."""
        _ = members
        return ()

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """See `Adapter.body`."""
        _ = stream
        return upstream.for_target(members, model)

    def reader(self, *, hide_usage: bool) -> StreamReader:
        """See `Adapter.reader`."""
        _ = hide_usage
        return NoStream()

    def read_body(self, body: bytes) -> tuple[Event, ...]:
        """See `Adapter.read_body`."""
        try:
            return self.read_answer(body)
        except UNREADABLE as exc:
            raise BadBody(str(exc)) from exc

    def answer(self, body: bytes, events: Sequence[Event]) -> bytes:
        """See `Adapter.answer`."""
        _ = events
        return body

    def refusal(self, body: bytes) -> bytes:
        """See `Adapter.refusal`."""
        return body
