"""What another price list would change: which prices, and what traffic would have cost."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Struct

from trimtab.cost.applied import model_of
from trimtab.cost.lines import PRICED_KINDS, price_line
from trimtab.cost.lock import Lock, Row
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import instant_us
from trimtab.domain.record import LedgerLine

_APART = frozenset({"id", "checked", "usd_per_mtok", "usd_per_unit"})


class Price(NamedTuple):
    """A price or a term that differs; `None` is not there.

    Attributes:
        name: As `output`, `output above 200000`, `web_search`, or `from`.
    """

    name: str
    before: str | None
    after: str | None


class RowDifference(Struct, frozen=True, kw_only=True):
    """A row of two lists that is not the same.

    Attributes:
        kind: `added`, `removed` or `changed`.
        start: First instant it holds at, in the newer list that has it; `None` is always.
        prices: What differs; of a row that is new or gone, all it says of prices.
    """

    id: str
    model: str
    kind: str
    start: str | None
    prices: tuple[Price, ...]


def differences(before: Lock, after: Lock) -> tuple[RowDifference, ...]:
    """Compare two lists row by row, in the order of their ids."""
    old, new = ({row.id: row for row in lock.rows} for lock in (before, after))
    found = (_difference(old.get(it), new.get(it)) for it in sorted(old.keys() | new.keys()))
    return tuple(it for it in found if it is not None)


def _difference(old: Row | None, new: Row | None) -> RowDifference | None:
    row = new or old
    if row is None:
        return None
    was, is_ = dict(_terms(old)), dict(_terms(new))
    prices = tuple(
        Price(name, was.get(name), is_.get(name))
        for name in dict.fromkeys([*was, *is_])
        if was.get(name) != is_.get(name)
    )
    if not prices:
        return None
    kind = "changed" if old and new else "added" if new else "removed"
    return RowDifference(id=row.id, model=model_of(row), kind=kind, start=row.start, prices=prices)


def _terms(row: Row | None) -> Iterator[tuple[str, str]]:
    """Name all that a row says, prices first."""
    if row is None:
        return
    for tier in row.usd_per_mtok:
        above = f" above {tier.above_input_tokens}" if tier.above_input_tokens else ""
        prices: dict[str, str] = msgspec.to_builtins(tier)
        yield from (
            (name + above, it) for name, it in prices.items() if name != "above_input_tokens"
        )
    units: dict[str, str] = msgspec.to_builtins(row.usd_per_unit)
    yield from units.items()
    rest: dict[str, object] = msgspec.to_builtins(row)
    yield from ((name, _text(it)) for name, it in rest.items() if name not in _APART)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def latest_start_us(found: Sequence[RowDifference], now_us: int) -> int:
    """Tell the instant at which all of what differs holds: now, or when the last row begins."""
    return max([now_us, *(instant_us(it.start) for it in found if it.start)])


class Moved(NamedTuple):
    """What some lines cost by two lists, in nano-USD."""

    before_nano: int = 0
    after_nano: int = 0

    @property
    def difference_nano(self) -> int:
        """What more they would cost; less is negative."""
        return self.after_nano - self.before_nano

    def plus(self, other: "Moved") -> "Moved":
        """Add up."""
        return Moved(self.before_nano + other.before_nano, self.after_nano + other.after_nano)


Lists = Callable[[str], PriceList]
"""Gives the price list of a tenant."""


@dataclass(slots=True)
class Effect:
    """What traffic would cost by another list, added up line by line.

    State: the sums. Lines that one of the lists does not price are counted, and not added.

    Attributes:
        before: Gives the lists in force.
        after: Gives the lists compared with them.
        priced_as: Gives a provider's name in the lists; `None` if it is configured no more.
        at_us: The instant whose prices count, for all lines alike.
        n_inexact: Lines that the list they were booked with now gives another price: what they
            were priced by is not all in them.
    """

    before: Lists
    after: Lists
    priced_as: Callable[[str], str | None]
    at_us: int
    n: int = 0
    n_unpriced: int = 0
    n_inexact: int = 0
    total: Moved = field(default_factory=Moved)
    providers: dict[str, Moved] = field(default_factory=dict[str, Moved])
    tenants: dict[str, Moved] = field(default_factory=dict[str, Moved])
    used: defaultdict[tuple[str, str], int] = field(
        default_factory=lambda: defaultdict[tuple[str, str], int](int)
    )

    def add(self, line: LedgerLine) -> None:
        """Add a line, if it says what an attempt used."""
        if line.kind not in PRICED_KINDS:
            return
        priced_as = self.priced_as(line.provider) or line.provider
        self.n += 1
        self.used[priced_as, line.model_sent.partition("!")[0]] += 1
        before, after = self.before(line.tenant_id), self.after(line.tenant_id)
        if line.price_version == before.version:
            booked = price_line(line, before, priced_as, line.ts_us)
            self.n_inexact += booked.cost_nano != line.cost_nano
        was = price_line(line, before, priced_as, self.at_us).cost_nano
        would = price_line(line, after, priced_as, self.at_us).cost_nano
        if was is None or would is None:
            self.n_unpriced += 1
            return
        moved = Moved(was, would)
        self.total = self.total.plus(moved)
        for sums, name in ((self.providers, line.provider), (self.tenants, line.tenant_id)):
            sums[name] = sums.get(name, Moved()).plus(moved)
