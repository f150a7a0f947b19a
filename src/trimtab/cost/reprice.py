"""A price that changed for a time that is past: by how much each line is off.

Nothing that was written is rewritten; a signed line sets it right.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from trimtab.cost.lines import PRICED_KINDS, price_line
from trimtab.cost.prices import PriceList
from trimtab.domain.record import LedgerLine
from trimtab.store.rollup import ADJUSTMENT


class Proposal(NamedTuple):
    """A line that is off.

    Attributes:
        line: What was booked.
        booked_nano: What it cost with all its adjustments until now; `None` was unknown.
        should_nano: What it costs by the prices in force at its instant.
        n: How many adjustments it has.
    """

    line: LedgerLine
    n: int
    booked_nano: int | None
    should_nano: int
    price_version: str
    price_row: str | None

    @property
    def difference_nano(self) -> int:
        """What is missing; too much is negative."""
        return self.should_nano - (self.booked_nano or 0)

    def adjustment(self, config_seq: int) -> LedgerLine:
        """Write the line that sets it right. It counts no tokens: those were counted.

        Its id is made of the line and the number of adjustments before, so that it is booked once.
        """
        return replace(
            self.line,
            line_id=f"{self.line.line_id}/{ADJUSTMENT}/{self.n}",
            kind=ADJUSTMENT,
            config_seq=config_seq,
            input_tokens=None,
            cached_tokens=None,
            cache_write_5m=None,
            cache_write_30m=None,
            cache_write_1h=None,
            cache_write_12h=None,
            output_tokens=None,
            reasoning_tokens=None,
            extras="",
            cost_nano=self.difference_nano,
            price_version=self.price_version,
            price_row=self.price_row,
            flags="reprice",
        )


@dataclass(slots=True)
class Repricing:
    """Looks for lines that are off.

    State: what was found, and how many lines could not be judged.

    Attributes:
        now: Gives the list of a tenant in force now.
        then: Gives a list by its price version; `None` if it is not known any more.
        priced_as: Gives a provider's name in the lists; `None` if it is configured no more.
        n_inexact: Lines that their own list gives another price than was booked: what they were
            priced by is not all in them, so they are left alone.
        n_unknown: Lines whose list is not known any more, or that have no price now.
    """

    now: Callable[[str], PriceList]
    then: Callable[[str], PriceList | None]
    priced_as: Callable[[str], str | None]
    n: int = 0
    n_inexact: int = 0
    n_unknown: int = 0
    found: list[Proposal] = field(default_factory=list[Proposal])

    def look(self, lines: Iterable[LedgerLine]) -> None:
        """Judge lines; those of a request come together with their adjustments."""
        lines = tuple(lines)
        adjusted: defaultdict[str, list[int]] = defaultdict(list)
        for line in lines:
            if line.kind == ADJUSTMENT:
                adjusted[_origin(line)].append(line.cost_nano or 0)
        for line in lines:
            if line.kind in PRICED_KINDS:
                self._judge(line, adjusted.get(line.line_id, ()))

    def _judge(self, line: LedgerLine, adjusted: Sequence[int]) -> None:
        self.n += 1
        prices = self.now(line.tenant_id)
        if line.price_version == prices.version and not adjusted:
            return
        priced_as = self.priced_as(line.provider) or line.provider
        then = self.then(line.price_version or "")
        should = price_line(line, prices, priced_as, line.ts_us)
        if then is None or should.cost_nano is None:
            self.n_unknown += 1
            return
        if price_line(line, then, priced_as, line.ts_us).cost_nano != line.cost_nano:
            self.n_inexact += 1
            return
        booked = line.cost_nano
        if booked is not None or adjusted:
            booked = (booked or 0) + sum(adjusted)
        if booked != should.cost_nano:
            found = Proposal(
                line, len(adjusted), booked, should.cost_nano, prices.version, should.row_id
            )
            self.found.append(found)


def _origin(line: LedgerLine) -> str:
    """Name the line that an adjustment of ours is of; of others, nothing."""
    return line.line_id.partition(f"/{ADJUSTMENT}/")[0]
