"""One connection to a Redis that all requests of a worker share, each command in its turn.

A command costs one write and one future: no lock, no task, no timer of its own. It is ours because
it stands in the way of every request, and a general client costs several times as much.
"""

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from pkgutil import resolve_name
from typing import Any, cast

import hiredis

from trimtab.store.redis.address import Address

PATIENCE_S = 0.05
STRIKES = 3
CONNECT_S = 1.0
RETRY_S = 0.25

Argument = str | int | bytes
Answer = asyncio.Future[Any]

log = logging.getLogger("trimtab")

# Its stub takes commands of one word only.
_pack: Callable[[tuple[Argument, ...]], bytes] = resolve_name("hiredis:pack_command")


class RedisAway(Exception):
    """The Redis does not answer, or not in time."""


class RedisRefused(RedisAway):
    """The Redis answers that it will not do what it is told."""


class Redis:
    """Sends commands to a Redis, and is away while it does not answer.

    State: the wire that is in use, if any, and whether a first attempt was made.
    """

    def __init__(self, address: Address, *, patience_s: float = PATIENCE_S) -> None:
        """Begin without a connection; `run` makes it and keeps it.

        Args:
            address: Where the Redis is.
            patience_s: Seconds a command may take.
        """
        self.tried = asyncio.Event()
        self._address = address
        self._patience_s = patience_s
        self._wire: _Wire | None = None

    @property
    def is_up(self) -> bool:
        """Whether it answered last."""
        return self._wire is not None and not self._wire.lost.done()

    def send(self, *command: Argument) -> Answer:
        """Send a command. The future holds its answer, or raises `RedisAway`.

        Raises:
            RedisAway: there is no connection.
        """
        if self._wire is None:
            raise RedisAway(f"the Redis at {self._address} is away")
        return self._wire.send(command)

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Keep a connection until cancelled; `ready` is awaited with every new one."""
        said = ""
        while True:
            wire: _Wire | None = None
            try:
                self._wire = wire = await self._connect()
                await ready()
                if said:
                    log.warning("the Redis at %s answers again", self._address)
                said = ""
                self.tried.set()
                await wire.lost
            except (OSError, TimeoutError, RedisAway) as exc:
                said = self._say(exc, said)
                await asyncio.sleep(RETRY_S)
            finally:
                self._wire = None
                self.tried.set()
                if wire is not None:
                    wire.end()

    def _say(self, exc: Exception, said: str) -> str:
        """Tell once that it is away, not with every attempt."""
        why = str(exc) or "it does not answer"
        if not said:
            log.warning("the Redis at %s is away (%s)", self._address, why)
        return why

    async def _connect(self) -> "_Wire":
        at = self._address
        loop = asyncio.get_running_loop()
        make = lambda: _Wire(at, self._patience_s)  # noqa: E731 -- said twice below
        async with asyncio.timeout(CONNECT_S):
            if at.path is not None:
                _, wire = await loop.create_unix_connection(make, at.path)
            else:
                tls = ssl.create_default_context() if at.tls else None
                _, wire = await loop.create_connection(make, at.host, at.port, ssl=tls)
        try:
            if at.password is not None:
                await wire.send(("AUTH", at.user or "default", at.password))
            if at.database:
                await wire.send(("SELECT", at.database))
            await wire.send(("PING",))
        except RedisAway:
            wire.end()
            raise
        return wire


class _Wire(asyncio.Protocol):
    """A connection.

    State: the transport, the commands that wait for their answer and until when, oldest first, and
    how many in a row were given up.

    Attributes:
        lost: Raises `RedisAway` once the connection is of no use any more.
    """

    def __init__(self, address: Address, patience_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self._address = address
        self._patience_s = patience_s
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[Answer, float]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._strikes = 0

    def send(self, command: tuple[Argument, ...]) -> Answer:
        answer: Answer = self._loop.create_future()
        if self._transport is None:
            answer.set_exception(RedisAway("the connection was lost"))
            return answer
        self._transport.write(_pack(command))
        self._waiting.append((answer, self._loop.time() + self._patience_s))
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience_s, self._give_up)
        return answer

    def end(self) -> None:
        """Close, and let go of everything that waits."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        away = RedisAway("the connection was lost")
        while self._waiting:
            answer, _ = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(away)
        if not self.lost.done():
            self.lost.set_exception(away)
            # Whether anybody waits for it makes no difference.
            self.lost.exception()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand answers out in the order in which they were asked for."""
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                self._strikes = 0
                waiting, _ = self._waiting.popleft()
                if waiting.done():
                    continue
                if isinstance(answer, hiredis.HiredisError):
                    waiting.set_exception(RedisRefused(str(answer)))
                else:
                    waiting.set_result(answer)
        # Whatever this is, it is no Redis.
        except (hiredis.HiredisError, IndexError):
            self.end()

    # asyncio names it
    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.end()

    def _give_up(self) -> None:
        """Let go of commands that wait too long; after a few in a row, of the connection."""
        self._watch = None
        now_s = self._loop.time()
        for answer, end_s in self._waiting:
            if end_s > now_s:
                self._watch = self._loop.call_at(end_s, self._give_up)
                break
            if not answer.done():
                self._strikes += 1
                answer.set_exception(RedisAway(f"no answer in {self._patience_s:g} s"))
        if self._strikes >= STRIKES:
            self.end()
