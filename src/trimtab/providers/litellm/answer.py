"""An answer that is made on one loop and read on another."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

from trimtab.domain.transport import ConnectionLost, Poked

T = TypeVar("T")


class Answer:
    """`domain.transport.Response` whose blocks are made on another loop, one when it is asked for.

    State: the block that is on its way.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        status: int,
        headers: tuple[tuple[bytes, bytes], ...],
        blocks: AsyncGenerator[bytes],
    ) -> None:
        self.status = status
        self.headers = headers
        self._loop = loop
        self._blocks = blocks
        self._coming: asyncio.Future[bytes] | None = None
        self._poke: asyncio.Future[None] | None = None
        self._closed = False

    async def read(self) -> bytes:
        """See `Response.read`."""
        if self._closed:
            raise ConnectionLost("the answer was given up", before_headers=False)
        if self._coming is None:
            self._coming = elsewhere(_next(self._blocks), self._loop)
        coming, poke = self._coming, asyncio.get_running_loop().create_future()
        self._poke = poke
        try:
            await asyncio.wait((coming, poke), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._poke = None
        if coming.cancelled():
            raise ConnectionLost("the answer was given up", before_headers=False)
        if not coming.done():
            raise Poked
        self._coming = None
        return coming.result()

    def poke(self) -> None:
        """See `Response.poke`."""
        if self._poke is not None and not self._poke.done():
            self._poke.set_result(None)

    async def body(self) -> bytes:
        """See `Response.body`."""
        blocks: list[bytes] = []
        while block := await self.read():
            blocks.append(block)
        return b"".join(blocks)

    def close(self) -> None:
        """See `Response.close`."""
        if self._closed:
            return
        self._closed = True
        if self._coming is not None:
            self._coming.cancel()
        asyncio.run_coroutine_threadsafe(_shut(self._blocks), self._loop)


def elsewhere(
    coming: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop
) -> "asyncio.Future[T]":
    """Run on another loop; to cancel the future is to cancel it there."""
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coming, loop))


async def _next(blocks: AsyncIterator[bytes]) -> bytes:
    try:
        return await anext(blocks, b"")
    except Exception as exc:  # noqa: BLE001 -- the seam to an engine that raises anything
        raise ConnectionLost(
            f"the connection broke off: {type(exc).__name__}", before_headers=False
        ) from None


async def _shut(blocks: AsyncGenerator[bytes]) -> None:
    try:
        await blocks.aclose()
    except RuntimeError:
        # It runs, was cancelled, and shuts itself.
        return
