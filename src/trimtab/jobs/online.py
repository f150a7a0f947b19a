"""Judging samples of live traffic, behind it and at no tenant's cost.

Outcomes come from the recorder, once they are stored. Whom the sampler chooses waits here until it
is judged; what waits when the keeper stops is not judged any more, whoever it is.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from trimtab.domain.annotation import Annotated
from trimtab.domain.clock import Clock
from trimtab.domain.errors import BudgetExhausted
from trimtab.domain.record import Finish, RequestRecord
from trimtab.evals.calling import Gateway, Reply
from trimtab.evals.sampling import Sampler, can_be_judged
from trimtab.store.rollup import DAY_US

AT_ONCE = 4
MOST_WAITING = 1_000
LOOK_S = 1.0
LEDGER_S = 60.0
SILENT_S = 60.0

log = logging.getLogger("trimtab")


@dataclass(slots=True)
class DayPurse:
    """What judging may cost on a UTC day.

    State: the day, what was spent in it, and when the ledger was asked last.

    Attributes:
        in_ledger: Tells what all hosts spent since the beginning of a day.
    """

    most_nano: int
    in_ledger: Callable[[int], Awaitable[int]]
    clock: Clock
    _day: int = -1
    _spent: int = 0
    _asked_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing may be asked any more today."""
        return self._day == self._today and self._spent >= self.most_nano

    async def look(self) -> None:
        """Learn what was spent before, and elsewhere. Raises `TryLater` if nobody knows."""
        today, now_s = self._today, self.clock.monotonic_s()
        if today == self._day and now_s < self._asked_s + LEDGER_S:
            return
        known = await self.in_ledger(today * DAY_US)
        self._spent = max(known, self._spent if today == self._day else 0)
        self._day, self._asked_s = today, now_s

    def pay(self, nano: int | None) -> None:
        """Count a call."""
        self._spent += nano or 0

    @property
    def _today(self) -> int:
        return self.clock.now_us() // DAY_US


@dataclass(frozen=True, slots=True)
class PaidFrom:
    """A gateway that is not called when the purse is empty; what runs then is still paid for."""

    gateway: Gateway
    purse: DayPurse

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        """See `Gateway.call`. Raises `BudgetExhausted`."""
        if self.purse.is_empty:
            raise BudgetExhausted("judging has cost what it may today; it goes on tomorrow")
        reply = await self.gateway.call(path, body, place=place)
        self.purse.pay(reply.cost_nano)
        return reply


class Chosen(NamedTuple):
    """A request to be judged, and the probability with which it was chosen."""

    record: RequestRecord
    probability: float


class Verdicts(NamedTuple):
    """What a judge said of a request, and why of some metrics it said nothing."""

    said: Sequence[Annotated]
    errors: Sequence[str]


Judged = Callable[[Chosen], Awaitable[Verdicts]]


@dataclass(slots=True, kw_only=True)
class Online:
    """Lets samples of live traffic be judged. State: who was chosen and waits, and what was told.

    Attributes:
        allows: Whether the tenant of a request lets it be judged.
        is_behind: Whether the recorder has more to do than it can.
        write: Puts an annotation on its way.
        missed: How many were chosen and not judged, for too many waited or the money was spent.
    """

    sampler: Sampler
    purse: DayPurse
    allows: Callable[[RequestRecord], bool]
    is_behind: Callable[[], bool]
    write: Callable[[Annotated], None]
    missed: int = 0
    _waiting: deque[Chosen] = field(default_factory=deque[Chosen])
    _told: str = ""

    @property
    def waits(self) -> bool:
        """Whether anybody is to be judged."""
        return bool(self._waiting)

    def offer(self, finishes: Iterable[Finish]) -> None:
        """Choose among outcomes that were stored."""
        for finish in finishes:
            record = finish.record
            if not (can_be_judged(record) and self.allows(record)):
                continue
            probability = self.sampler.probability(record)
            if probability is None:
                continue
            if len(self._waiting) >= MOST_WAITING:
                self.missed += 1
                continue
            self._waiting.append(Chosen(record, probability))

    async def step(self, judged: Judged) -> float:
        """Judge who waits, a few at once; gives the seconds to wait before the next step.

        Raises:
            TryLater: nobody knows what was spent today.
        """
        await self.purse.look()
        while self._waiting and not self.is_behind():
            if self.purse.is_empty:
                self._tell("judging has cost what it may today; it goes on tomorrow")
                self.missed += len(self._waiting)
                self._waiting.clear()
                break
            few = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            found = await asyncio.gather(*map(judged, few))
            for it in found:
                for annotated in it.said:
                    self.write(annotated)
            errors = [why for it in found for why in it.errors]
            if errors and not any(it.said for it in found) and not self.purse.is_empty:
                self._tell(f"the judge says nothing ({errors[0]}); it is asked again in a minute")
                return SILENT_S
            if not errors:
                self._told = ""
        return LOOK_S

    def _tell(self, what: str) -> None:
        """Say something, unless it was said last."""
        if what != self._told:
            log.warning("online judge: %s", what)
        self._told = what
