"""Counters of budgets that workers share, held against the ledger of this host.

Requests end all the time, so the two are never read at one instant. What was in the ledger before
a counter was read must be in the counter; what is not in the ledger afterwards must not. Between
these two bounds nothing is known, and nothing is done; while no request ends, they are one.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trimtab.domain.clock import Clock
from trimtab.domain.money import usd_text
from trimtab.pipeline.money import Claim
from trimtab.store.base.limits import Already, Counter, CounterStore, Spending

GAP_S = 0.5
"""Longer than a settlement and its record are apart, wherever either waits."""

EVERY_S, RETURNED_S = 60.0, 10.0
UNEXPLAINED_S = 120.0
"""Two leases."""

log = logging.getLogger("trimtab")


class Books(Protocol):
    """What the records of this host say."""

    async def already(self, budgets: Sequence[Spending]) -> list[Already]:
        """Sum up the lines of budgets and what runs against them, as of after the call began."""
        ...

    async def ended(self, request_ids: Iterable[str]) -> set[str]:
        """Tell which requests are in the ledger."""
        ...


@dataclass(frozen=True, slots=True)
class Compared:
    """One counter beside the ledger.

    Attributes:
        ledger: What the ledger said after the counter was read.
        more_nano: What must be booked to be within what is certain; below zero is too much.
        estimated: Whether it may count more than the ledger: an estimate where that has no price,
            or what another host did not store yet. Too much is no mistake then.
        ended: Requests that are in the ledger and still hold something.
        unexplained: Requests that hold something and neither run nor ended; whether their lease
            still runs.
    """

    claim: Claim
    counter: Counter
    ledger: Already
    more_nano: int = 0
    estimated: bool = False
    ended: tuple[str, ...] = ()
    unexplained: Mapping[str, bool] = field(default_factory=dict[str, bool])

    @property
    def certain_nano(self) -> int:
        """What nobody need be asked about."""
        return 0 if self.estimated and self.more_nano < 0 else self.more_nano

    @property
    def orphaned(self) -> tuple[str, ...]:
        """Requests that count as spent, and of which there is no trace."""
        return tuple(name for name, is_leased in self.unexplained.items() if not is_leased)

    @property
    def differs(self) -> bool:
        """Whether it says anything that the ledger does not."""
        return bool(
            self.certain_nano or self.ended or self.orphaned or self.counter.astray != (0, 0)
        )

    def told(self) -> str:
        """Say by how much it was off."""
        spent, held = self.counter.astray
        off = spent - self.certain_nano
        parts = [f"{usd_text(abs(off))} USD too {'much' if off > 0 else 'little'}"] if off else []
        parts += [f"{usd_text(held)} USD held by nobody"] if held else []
        gone = len(self.ended) + len(self.orphaned)
        parts += [f"{gone} requests that ended hold something"] if gone else []
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares counters with the ledger, and mends them.

    Attributes:
        is_whole: Whether the books are all there is. What other hosts wrote and did not store yet
            cannot be read here, so too much is no mistake then.
    """

    counters: CounterStore
    books: Books
    sleep: Callable[[float], Awaitable[None]]
    is_whole: bool = True

    async def look(self, claims: Iterable[Claim]) -> list[Compared]:
        """Read both once, for who wants to see: what ends just now is a difference, too."""
        looked = await self._counters(claims)
        ledgers = await self.books.already([claim.spending for claim, _ in looked])
        return [Compared(*it, ledger) for it, ledger in zip(looked, ledgers, strict=True)]

    async def compare(self, claims: Iterable[Claim]) -> list[Compared]:
        """Tell of every counter what is certainly wrong with it; takes two gaps.

        Raises:
            LimitsUnavailable: the counters or the ledger cannot be read.
        """
        first = await self._counters(claims)
        if not first:
            return []
        ended = await self.books.ended({it for _, seen in first for it in seen.requests})
        budgets = [claim.spending for claim, _ in first]
        early = await self.books.already(budgets)
        await self.sleep(GAP_S)
        looked = [await self.counters.look(claim.need) for claim, _ in first]
        await self.sleep(GAP_S)
        late = await self.books.already(budgets)
        return [
            self._judged(Compared(claim, counter, after), before, ended & seen.requests.keys())
            for (claim, seen), counter, before, after in zip(
                first, looked, early, late, strict=True
            )
            if counter is not None
        ]

    async def mend(self, found: Compared, more_nano: int, gone: Sequence[str]) -> bool:
        """Book what is missing, and let go of requests; `False` if it moved meanwhile."""
        return await self.counters.mend(found.claim.need, more_nano, gone)

    async def _counters(self, claims: Iterable[Claim]) -> list[tuple[Claim, Counter]]:
        looked = [(claim, await self.counters.look(claim.need)) for claim in claims]
        return [(claim, counter) for claim, counter in looked if counter is not None]

    def _judged(self, found: Compared, early: Already, ended: set[str]) -> Compared:
        counter, late = found.counter, found.ledger
        least, most = sorted((early.spent, late.spent))
        more_nano = max(least - counter.booked, 0) or min(most - counter.booked, 0)
        # Their settlement may have been booked, and their record waits for a disk.
        is_awaited = (early.held.keys() & late.held.keys()) - counter.requests.keys()
        if more_nano < 0 and is_awaited:
            more_nano = 0
        runs = early.held.keys() | late.held.keys() | ended
        return Compared(
            found.claim,
            counter,
            late,
            more_nano,
            estimated=bool(late.unpriced) or not self.is_whole,
            ended=tuple(it for it in counter.requests if it in ended),
            unexplained={name: it for name, it in counter.requests.items() if name not in runs},
        )


@dataclass(slots=True)
class CounterJob:
    """Mends counters every minute, and at once when the store that workers share is back.

    State: how many were mended, when it looked last and when the store came back, and since when
    requests hold something that neither run nor ended.

    Attributes:
        claims: Names the budgets that may have counters.
    """

    comparison: Comparison
    claims: Callable[[], Iterable[Claim]]
    clock: Clock
    repaired: int = 0
    _looked_s: float | None = None
    _returned_s: float = field(init=False)
    _unexplained: dict[tuple[str, str], float] = field(
        init=False, default_factory=dict[tuple[str, str], float]
    )

    def __post_init__(self) -> None:
        self._returned_s = self.clock.monotonic_s()

    async def returned(self) -> None:
        """Take note that the store is back; perhaps it forgot everything."""
        self._returned_s = self.clock.monotonic_s()
        self._looked_s = None

    async def run(self) -> None:
        """Look if it is time to. Raises `LimitsUnavailable`."""
        now_s = self.clock.monotonic_s()
        is_fresh = now_s - self._returned_s < RETURNED_S
        if self._looked_s is not None and now_s - self._looked_s < EVERY_S and not is_fresh:
            return
        found = await self.comparison.compare(self.claims())
        self._looked_s = now_s
        seen = {(it.claim.need.scope, name) for it in found for name in it.unexplained}
        self._unexplained = {it: self._unexplained.get(it, now_s) for it in seen}
        for it in found:
            await self._mend(it, now_s)

    async def _mend(self, found: Compared, now_s: float) -> None:
        scope = found.claim.need.scope
        lost = [
            name
            for name in found.unexplained
            if now_s - self._unexplained[scope, name] >= UNEXPLAINED_S
        ]
        more_nano, gone = found.certain_nano, [*found.ended, *lost]
        if not (more_nano or gone or found.counter.astray != (0, 0)):
            return
        # Whatever led to it may not be over.
        self._looked_s = None
        if await self.comparison.mend(found, more_nano, gone):
            self.repaired += 1
            log.warning(
                "the counter of the %s differed from the ledger: %s; it was mended",
                found.claim.need.name,
                found.told(),
            )
