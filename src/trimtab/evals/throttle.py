"""How many calls run at once: fewer when the other side has enough, slowly more when it has not.

Additive increase, multiplicative decrease, as of TCP (RFC 5681): halved on 429, one more for 20
good calls. One throttle is shared by candidates, judges and embeddings.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from trimtab.domain.clock import Clock

Sleep = Callable[[float], Awaitable[None]]

GOOD_CALLS = 20
LONGEST_PAUSE_S = 300.0


class Throttle:
    """Lets a number of calls run at once, `most` at the beginning and never more.

    State: that number, who runs, who waits in which order, until when nobody begins, and how
    often it was halved. Calls that began before it was halved do not halve it again.
    """

    def __init__(self, most: int, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self.most = most
        self.limit = most
        self._clock = clock
        self._sleep = sleep
        self._running = 0
        self._waiting = deque[asyncio.Future[None]]()
        self._begin_s = 0.0
        self._halved = 0
        self._good = 0

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[int]:
        """Wait for a place, and hold it. Gives what `limited` has to be told."""
        await self._enter()
        try:
            while (pause_s := self._begin_s - self._clock.monotonic_s()) > 0:
                await self._sleep(pause_s)
            yield self._halved
        finally:
            self._leave()

    def good(self) -> None:
        """A call went well."""
        self._good += 1
        if self._good >= GOOD_CALLS:
            self._good = 0
            if self.limit < self.most:
                self.limit += 1
                self._wake()

    def limited(self, slot: int, wait_s: float | None) -> None:
        """A call came too fast: run half as many, and begin none before the wait is over."""
        if slot == self._halved:
            self._halved += 1
            self.limit = max(1, self.limit // 2)
            self._good = 0
        if wait_s is not None:
            until_s = self._clock.monotonic_s() + min(wait_s, LONGEST_PAUSE_S)
            self._begin_s = max(self._begin_s, until_s)

    async def _enter(self) -> None:
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        self._running -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._running < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)
