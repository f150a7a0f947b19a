"""What readers of streams share: events out of blocks, and patience with malformed ones."""

from typing import Protocol

from trimtab.providers.base import UNREADABLE, BadStream, Chunk
from trimtab.providers.sse import EventTooLong, SseSplitter

MALFORMED_IN_A_ROW = 3


class EventReader(Protocol):
    """Reads one event of a stream."""

    def __call__(self, raw: bytes, data: bytes) -> Chunk:
        """Read an event with data; raises what decoding raises if it is malformed."""
        ...


class EventStream:
    """`providers.base.StreamReader` over a reader of single events.

    State: an unfinished event, and malformed events in a row.
    """

    __slots__ = ("_malformed", "_read", "_splitter")

    def __init__(self, read: EventReader) -> None:
        self._splitter = SseSplitter()
        self._read = read
        self._malformed = 0

    def feed(self, block: bytes) -> list[Chunk]:
        """See `StreamReader.feed`."""
        try:
            events = self._splitter.feed(block)
        except EventTooLong as exc:
            raise BadStream("an event without end") from exc
        return [
            Chunk(raw, ()) if data is None else self._chunk(raw, data) for raw, _, data in events
        ]

    def _chunk(self, raw: bytes, data: bytes) -> Chunk:
        try:
            chunk = self._read(raw, data)
        except UNREADABLE as exc:
            self._malformed += 1
            if self._malformed >= MALFORMED_IN_A_ROW:
                raise BadStream("malformed events in a row") from exc
            return Chunk(raw, ())
        self._malformed = 0
        return chunk


class NoStream:
    """`providers.base.StreamReader` of a wire that has no streams."""

    def feed(self, block: bytes) -> list[Chunk]:
        """See `StreamReader.feed`."""
        raise BadStream(f"{len(block)} bytes of a stream on a wire without streams")
