"""One call for all who want the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from trimtab.domain.errors import TrimtabError
from trimtab.evals.judging import JudgeError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Shares what is being made, its failure too. State: what is being made, by name."""

    def __init__(self) -> None:
        self._made: dict[str, asyncio.Future[T]] = {}

    def __contains__(self, name: str) -> bool:
        """Whether somebody makes it."""
        return name in self._made

    async def once(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """Make something, or wait for who does; if that one is cancelled, the next makes it.

        Raises:
            JudgeError: it cannot be made. TrimtabError: the same.
        """
        while (made := self._made.get(name)) is not None:
            # unlike awaiting it, this neither cancels it nor is cancelled with it
            _ = await asyncio.wait([made])
            if not made.cancelled():
                return made.result()
        made = self._made[name] = asyncio.get_running_loop().create_future()
        try:
            made.set_result(await make())
        except (JudgeError, TrimtabError) as exc:
            made.set_exception(exc)
        finally:
            _ = made.cancel()
            del self._made[name]
        return made.result()
