"""A pooled HTTP/1.1 client: on the hot path of every request, so it is ours."""

import asyncio
from functools import partial

from trimtab.domain.transport import ConnectionLost, Origin
from trimtab.providers.connection import Connection, Http1Response
from trimtab.providers.dial import Resolve, dial, resolve

MAX_BODY_BYTES = 256 * 1024 * 1024
MAX_IDLE = 256
IDLE_S = 30.0


class Http1Transport:
    """`domain.transport.Transport` over pooled connections. State: the idle ones, by origin."""

    def __init__(
        self,
        resolve_name: Resolve = resolve,
        *,
        idle_s: float = IDLE_S,
        max_idle: int = MAX_IDLE,
        max_body: int = MAX_BODY_BYTES,
    ) -> None:
        """Make an empty pool.

        Args:
            resolve_name: Gives the addresses of a name.
            idle_s: A connection that idles as long is closed.
            max_idle: Most idle connections to one origin.
            max_body: Most bytes that `Response.body` gathers; `Response.read` has no limit.
        """
        self._resolve = resolve_name
        self._idle_s = idle_s
        self._max_idle = max_idle
        self._max_body = max_body
        # Oldest first in each: the one used last is used next, the others may grow old.
        self._idle: dict[Origin, list[Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Http1Response:
        """See `Transport.send`.

        A connection that was idle may have been closed by the other side unseen; if it dies
        before a single byte of answer, the request is sent once more on a fresh one.
        """
        if not body and head.startswith((b"GET ", b"HEAD ")):
            request, bodyless = head + b"\r\n", head.startswith(b"HEAD ")
        else:
            request, bodyless = b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), False
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle[origin] = []
        while idle:
            reused = idle.pop()
            if not reused.usable:
                continue
            try:
                return await reused.exchange(request, body, bodyless=bodyless)
            except ConnectionLost:
                if reused.heard:
                    raise
                break
        keep = partial(self._keep, idle)
        fresh = await dial(
            lambda: Connection(keep, self._max_body), origin, connect_timeout_s, self._resolve
        )
        return await fresh.exchange(request, body, bodyless=bodyless)

    def close(self) -> None:
        """Close all idle connections, and each other one when its answer was read."""
        self._closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.drop()
        self._idle.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()

    def _keep(self, idle: list[Connection], connection: Connection) -> None:
        if self._closed:
            connection.drop()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since_s = loop.time()
        idle.append(connection)
        if len(idle) > self._max_idle:
            idle.pop(0).drop()
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._idle_s, self._sweep)

    def _sweep(self) -> None:
        """Close what idled for too long; comes back when the next one will have."""
        loop = asyncio.get_running_loop()
        too_old_s = loop.time() - self._idle_s
        for idle in self._idle.values():
            while idle and (idle[0].idle_since_s <= too_old_s or not idle[0].usable):
                idle.pop(0).drop()
        left = [idle[0].idle_since_s for idle in self._idle.values() if idle]
        self._sweeping = loop.call_at(min(left) + self._idle_s, self._sweep) if left else None
