"""How the targets of models are doing: figures of their last attempts, prices and breakers."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from trimtab.console.base import Console
from trimtab.control.snapshot import Snapshot
from trimtab.cost.prices import ListPrice
from trimtab.domain.errors import ModelRefused
from trimtab.domain.health import Ailing, BreakerOrder, BreakerState
from trimtab.domain.model import Model, Target
from trimtab.store.base.reading import Tried

HOUR_US = 3_600_000_000
MOST_TRIED = 1000
"""Attempts that are looked at, of each provider."""


@dataclass(frozen=True, slots=True)
class TargetRow:
    """How the attempts at one target went.

    Attributes:
        share: Its part of the model's requests; `None` if it is the only one.
        p50_us: Of the attempts that answered.
        held: That somebody wants it left alone.
        ailing: Workers that leave it alone by themselves.
    """

    target: str
    share: float | None
    n: int
    n_error: int
    n_refused: int
    p50_us: int | None
    p95_us: int | None
    ailing: tuple[Ailing, ...]
    held: BreakerOrder | None
    price: ListPrice | None


class Targets:
    """Figures of targets. State: the attempts they are made from, by target."""

    def __init__(self, console: Console, snapshot: Snapshot, tried: Sequence[Tried]) -> None:
        self._snapshot = snapshot
        self._price = console.price
        self._ailing = [it for it in console.ailing() if it.state is not BreakerState.HELD_OPEN]
        self._now_us = console.clock.now_us()
        self._tried: defaultdict[str, list[Tried]] = defaultdict(list)
        for it in tried:
            # A fault that the simulator was asked for is no target of its own.
            self._tried[it.target.partition("!")[0]].append(it)

    def of(self, model: Model) -> tuple[TargetRow, ...]:
        """Describe the targets of a model."""
        whole = sum(share.weight for share in model.shares)
        weights = {share.target: share.weight / whole for share in model.shares}
        return tuple(self._row(target, weights.get(target)) for target in model.targets)

    def _row(self, target: Target, share: float | None) -> TargetRow:
        tried = self._tried[str(target)]
        took = sorted(it.dur_us for it in tried if it.error_code in _ANSWERED)
        provider = self._snapshot.providers.get(target.provider)
        order = self._snapshot.breakers.get(str(target))
        return TargetRow(
            target=str(target),
            share=share,
            n=len(tried),
            n_error=sum(it.error_code not in _ANSWERED for it in tried),
            n_refused=sum(it.refused for it in tried),
            p50_us=_percentile(took, 0.5),
            p95_us=_percentile(took, 0.95),
            ailing=tuple(it for it in self._ailing if it.target == str(target)),
            held=order if order and order.holds(self._now_us) else None,
            price=self._price(provider, target) if provider else None,
        )


async def recent(console: Console, snapshot: Snapshot) -> tuple[Tried, ...]:
    """Read the attempts of the last hour. Raises `TryLater`."""
    led_to = {it.provider for model in snapshot.models.values() for it in model.targets}
    since_us = console.clock.now_us() - HOUR_US
    return await console.records.tried(
        providers=sorted(led_to), since_us=since_us, limit=MOST_TRIED
    )


def mean_price(rows: Sequence[TargetRow]) -> ListPrice | None:
    """Give the price of a model's tokens, by the shares of its targets; `None` is unknown."""
    parts = [(1.0 if row.share is None else row.share, row.price) for row in rows]
    paid = [(share, price) for share, price in parts if share]
    if any(price is None for _, price in paid):
        return None
    known = [(share, price) for share, price in paid if price is not None]
    outputs = [(share, price.output) for share, price in known if price.output is not None]
    return ListPrice(
        round(sum(share * price.input for share, price in known)),
        round(sum(share * output for share, output in outputs))
        if len(outputs) == len(known)
        else None,
    )


_ANSWERED = (None, ModelRefused.code)


def _percentile(ordered: Sequence[int], share: float) -> int | None:
    """Take the nearest rank; `None` of nothing."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
