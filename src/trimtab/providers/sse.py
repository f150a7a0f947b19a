"""Server-sent events out of blocks of bytes, whatever the blocks' borders.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in LF, CRLF or
CR, an empty line ends an event, `data` lines join with LF. The raw bytes of each event are kept
with its end, so that the concatenation of all `raw` is the stream.
"""

import re
from typing import NamedTuple

MAX_EVENT_BYTES = 16 * 1024 * 1024

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n|\r\n\n|\r\n\r(?!\n)|\n\r(?!\n)")


class SseEvent(NamedTuple):
    """One event. `data` is `None` for comments and events without data."""

    raw: bytes
    name: bytes
    data: bytes | None


class EventTooLong(Exception):
    """An event is longer than anything a provider sends."""


class SseSplitter:
    """Splits a stream into events. State: the bytes of an event that has not ended yet."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    @property
    def pending(self) -> bytes:
        """Bytes of an event that has not ended; what is left at the end of a cut stream."""
        return self._pending

    def feed(self, block: bytes) -> list[SseEvent]:
        """Take a block and give the events that ended in it.

        Raises:
            EventTooLong: no event ended within `MAX_EVENT_BYTES`.
        """
        data = self._pending + block if self._pending else block
        if b"\r" in data:
            return self._feed_any_newline(data)
        *whole, self._pending = data.split(b"\n\n")
        if len(self._pending) > MAX_EVENT_BYTES:
            raise EventTooLong(str(len(self._pending)))
        return [_event(raw + b"\n\n") for raw in whole]

    def _feed_any_newline(self, data: bytes) -> list[SseEvent]:
        events: list[SseEvent] = []
        start = 0
        for end in _END.finditer(data):
            # A CR at the very end may be the first half of CRLF: wait for the next block.
            if end.end() == len(data) and data.endswith(b"\r"):
                break
            events.append(_event(data[start : end.end()]))
            start = end.end()
        self._pending = data[start:]
        if len(self._pending) > MAX_EVENT_BYTES:
            raise EventTooLong(str(len(self._pending)))
        return events


def _event(raw: bytes) -> SseEvent:
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2:
        return SseEvent(raw, b"", raw[6:-2])
    name = b""
    data: list[bytes] = []
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        field, colon, value = line.partition(b":")
        value = value.removeprefix(b" ") if colon else b""
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return SseEvent(raw, name, b"\n".join(data) if data else None)
