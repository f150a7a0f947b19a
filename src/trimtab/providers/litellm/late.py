"""Two transports in one: the native one, and that of `litellm`, which takes seconds to import.

It is imported in a thread once a provider needs it, never for a request, and never where none does.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future

from trimtab.domain.transport import (
    ConnectFailed,
    ConnectTimedOut,
    Origin,
    Response,
    Transport,
)
from trimtab.providers.litellm.account import SCHEME


class Transports:
    """`domain.transport.Transport` that chooses by scheme. State: the one that is being loaded."""

    def __init__(self, native: Transport, load: Callable[[], Transport]) -> None:
        """Begin with the native one alone; `load` imports and starts the other, for seconds."""
        self._native = native
        self._load = load
        self._loaded: Future[Transport] | None = None

    def prepare(self) -> Future[Transport]:
        """Have it loaded, once."""
        if self._loaded is None:
            self._loaded = Future()
            threading.Thread(
                target=self._fill, args=(self._loaded,), name="import litellm", daemon=True
            ).start()
        return self._loaded

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Response:
        """See `Transport.send`."""
        transport = self._native
        if origin.scheme == SCHEME:
            transport = await self._ready(origin, connect_timeout_s)
        return await transport.send(origin, head, body, connect_timeout_s=connect_timeout_s)

    async def _ready(self, origin: Origin, timeout_s: float) -> Transport:
        if self._loaded is None:
            raise ConnectFailed(f"litellm was not loaded for '{origin.host}'; try again later")
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(asyncio.wrap_future(self._loaded))
        except TimeoutError as exc:
            raise ConnectTimedOut("litellm is still being imported; try again") from exc
        except Exception as exc:
            raise ConnectFailed("litellm cannot be imported; run `trimtab check`") from exc

    def _fill(self, loaded: Future[Transport]) -> None:
        try:
            loaded.set_result(self._load())
        except BaseException as exc:  # noqa: BLE001 -- whoever waits for it raises it
            loaded.set_exception(exc)
