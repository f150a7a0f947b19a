"""Which target made an earlier answer: what goes on from it must go there, and nowhere else.

The provider keeps the conversation, in our account, for all tenants alike. So an id is looked up
together with its tenant, and the id of another's answer is as good as none.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from trimtab.domain.errors import NotFound, RecorderUnavailable, TryLater
from trimtab.domain.model import Target
from trimtab.domain.record import RequestRecord

MAX_REMEMBERED = 10_000
PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Another worker's answer may still be on its way to the store when the next turn comes here."""


class Made(NamedTuple):
    """Under which name an answer was asked for, and which target made it."""

    model: str
    target: Target


Stored = Callable[[str, str], Awaitable[RequestRecord | None]]
"""Finds the record of a tenant's answer by the provider's id for it."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Find who made an earlier answer. State: the latest answers of this worker."""

    stored: Stored
    _recent: dict[tuple[str, str], Made] = field(default_factory=dict[tuple[str, str], Made])

    async def __call__(self, tenant_id: str, response_id: str) -> Made:
        """Recall the answer of a tenant by the provider's id for it.

        Raises:
            NotFound: the tenant has no such answer.
            RecorderUnavailable: nobody can tell now.
        """
        made = self._recent.get((tenant_id, response_id))
        if made is None:
            made = await self._look_up(tenant_id, response_id)
        if made is None:
            raise NotFound(
                f"response {response_id!r} is not there for this tenant; send the conversation"
                " itself",
                param="previous_response_id",
            )
        return made

    def remember(self, record: RequestRecord) -> None:
        """Remember who made an answer; the oldest are forgotten."""
        if not record.response_id:
            return
        if len(self._recent) >= MAX_REMEMBERED:
            del self._recent[next(iter(self._recent))]
        self._recent[record.tenant_id, record.response_id] = _made(record)

    async def _look_up(self, tenant_id: str, response_id: str) -> Made | None:
        try:
            for pause_s in PAUSES_S:
                await asyncio.sleep(pause_s)
                record = await self.stored(tenant_id, response_id)
                if record is not None:
                    return _made(record)
        except TryLater as exc:
            raise RecorderUnavailable(
                f"nobody can tell now who made response {response_id!r}; try again", wait_s=1.0
            ) from exc
        return None


def _made(record: RequestRecord) -> Made:
    provider, _, model = record.target.partition("/")
    return Made(record.model_requested, Target(provider, model))
