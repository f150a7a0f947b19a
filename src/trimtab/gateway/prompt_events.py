"""What moves in the registry, as server-sent events: the hint that makes clients read anew."""

import asyncio
import contextlib
from collections.abc import Mapping

import msgspec

from trimtab.domain.errors import Draining, InvalidRequest
from trimtab.gateway.reply import Message, Receive, Send
from trimtab.registry.feed import Feed, Happened

PING_S = 10.0
_MOST_DIGITS = 18


class PromptEvents:
    """Keeps callers told, until they or the worker go.

    State: whether the worker is shutting down.
    """

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Send those away who listen."""
        self._closing.set()

    async def __call__(self, query: Mapping[str, str], receive: Receive, send: Send) -> None:
        """Tell what happened after a number, and go on telling unless asked not to wait.

        Raises:
            InvalidRequest: that is no number, or `wait` is neither 0 nor 1.
            Draining: the worker is shutting down.
        """
        seq, wait = _seq(query.get("after"), self.feed.seq), query.get("wait", "1")
        if wait not in {"0", "1"}:
            raise InvalidRequest(
                "'wait' is 1, to be told what comes, or 0, for what was; write one of them",
                param="wait",
            )
        if self._closing.is_set():
            raise Draining("the worker is shutting down; ask again", wait_s=1.0)
        await send(_HEAD)
        hello = msgspec.json.encode({"config_seq": self.feed.seq})
        await _write(send, b"event: hello\ndata: %b\n\n" % hello)
        if wait == "0":
            await _write(send, self._since(seq)[1])
        else:
            await self._keep_told(seq, receive, send)
        await send({"type": "http.response.body", "body": b""})

    async def _keep_told(self, seq: int, receive: Receive, send: Send) -> None:
        ends = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._closing.wait())]
        try:
            while not any(task.done() for task in ends):
                following = asyncio.create_task(self.feed.next.wait())
                seq, data = self._since(seq)
                await _write(send, data)
                done, _ = await asyncio.wait(
                    {following, *ends}, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED
                )
                following.cancel()
                if not done:
                    await _write(send, b": ping\n\n")
        finally:
            for task in ends:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _since(self, seq: int) -> tuple[int, bytes]:
        """Write what happened since a number, and give the number up to which that is."""
        events, now = self.feed.after(seq), self.feed.seq
        if events is None:
            return now, b"id: %d\nevent: reset\ndata: {}\n\n" % now
        return now, b"".join(map(_event, events))


_HEAD: Message = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")],
}


async def _write(send: Send, data: bytes) -> None:
    if data:
        await send({"type": "http.response.body", "body": data, "more_body": True})


def _event(it: Happened) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (it.seq, it.what.encode(), msgspec.json.encode(it))


def _seq(text: str | None, now: int) -> int:
    if text is None:
        return now
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidRequest("`after` is a sequence number; send a whole number", param="after")
    return int(text)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
