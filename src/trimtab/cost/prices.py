"""Which price holds: for a model of a provider, at an instant, for a kind of service."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec.structs import replace

from trimtab.cost.lock import Lock, Row, price_version
from trimtab.cost.overrides import Context, Override, parse_overrides
from trimtab.cost.rates import END_OF_TIME_US, PriceRow, compile_row, span_us
from trimtab.domain.model import Provider, Target
from trimtab.domain.usage import Usage

ORDINARY: Context = ()
"""The kind of service that list prices are for."""

_ORDINARY_TIERS = frozenset({None, "default", "standard", "on_demand"})
ORDINARY_SPEEDS = frozenset({None, "standard"})
ORDINARY_REGIONS = frozenset({None, "global", "not_available"})
_BATCH = ("batch", "true")
_DATED = re.compile(
    r"(.+)[-@](?:20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))"
)
_REMEMBERED = 4096


def context_of(usage: Usage) -> Context:
    """Name the kind of service that was given. Words nobody knows stay, and find no price."""
    tier, speed, region = usage.service_tier, usage.speed, usage.region
    if tier in _ORDINARY_TIERS and speed in ORDINARY_SPEEDS and region in ORDINARY_REGIONS:
        return ORDINARY
    pairs: list[tuple[str, str]] = []
    if tier == "batch":
        pairs.append(_BATCH)
    elif tier and tier not in _ORDINARY_TIERS:
        pairs.append(("service_tier", tier))
    if speed and speed not in ORDINARY_SPEEDS:
        pairs.append(("speed", speed))
    if region and region not in ORDINARY_REGIONS:
        pairs.append(("region", region))
    return tuple(sorted(pairs))


class ListPrice(NamedTuple):
    """What ordinary tokens cost, in nano-USD per million; an output of `None` is unknown."""

    input: int
    output: int | None


class PriceList:
    """The lock with overrides laid over it.

    Holds the rows it compiled, for they are asked for again: a found price costs one look-up in a
    dict and one comparison of dates.

    Attributes:
        version: Names the whole set; equal if and only if lock and overrides are.
        overrides: What is laid over the lock.
    """

    __slots__ = ("_found", "_rows", "overrides", "version")

    def __init__(self, lock: Lock, overrides: Mapping[str, Any] | None = None) -> None:
        self.overrides = parse_overrides(overrides or {})
        self._rows: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in lock.rows:
            for name in row.match.exact:
                self._rows[row.provider, name].append(row)
        self._found: dict[tuple[str, str, Context], tuple[PriceRow, ...]] = {}
        self.version = (
            price_version(lock.price_version, overrides) if overrides else lock.price_version
        )

    def find(
        self, provider: str, model: str, *, at_us: int, context: Context = ORDINARY
    ) -> PriceRow | None:
        """Find the price of a model as its provider names it; `None` is unknown, never free.

        Args:
            provider: The provider's name in the price list.
            model: Case does not matter. A dated name is priced as its family if it has no row.
            at_us: When the attempt started, in microseconds since the epoch.
            context: Kind of service, see `context_of`. One without a row has no price.
        """
        key = (provider, model, context)
        rows = self._found.get(key)
        if rows is None:
            rows = self._remember(key)
        for row in rows:
            if row.start_us <= at_us < row.end_us:
                return row
        return None

    def list_price(self, provider: Provider, target: Target, at_us: int) -> ListPrice | None:
        """Tell what a target's tokens cost, those of short requests; `None` is unknown."""
        # From `!` on a name asks a simulator for a fault and does not change what it costs.
        row = self.find(provider.priced_as, target.model.partition("!")[0], at_us=at_us)
        return None if row is None else ListPrice(row.rates(0).input, row.rates(0).output)

    def of_contract(self, overrides: Mapping[str, Any]) -> "PriceList":
        """Lay the prices of one tenant's own contract over this list; it shares the rows."""
        made = copy(self)
        made.overrides = (*self.overrides, *parse_overrides(overrides, own=True))
        made._found = {}  # noqa: SLF001 -- of its own kind
        made.version = price_version(self.version, overrides)
        return made

    def rows(self, provider: str, model: str) -> tuple[Row, ...]:
        """List the rows that a model is priced by, of every time and kind of service."""
        return tuple(self._listed(provider, model.lower())[1])

    @property
    def remembered(self) -> int:
        """How many look-ups are remembered; bounded, for callers choose the names."""
        return len(self._found)

    def _remember(self, key: tuple[str, str, Context]) -> tuple[PriceRow, ...]:
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        rows = self._found[key] = self._look_up(*key)
        return rows

    def _look_up(self, provider: str, model: str, context: Context) -> tuple[PriceRow, ...]:
        """Compile every span of time of a key, in order."""
        name, rows = self._listed(provider, model.lower())
        keys = {f"{provider}/{model}", f"{provider}/{name}"}
        overrides = [
            override
            for override in self.overrides
            if override.fits(context) and any(override.matches(key) for key in keys)
        ]
        listed = [row for row in rows if tuple(sorted(row.context.items())) == context]
        if not overrides:
            return tuple(compile_row(row, self.version, id_=row.id) for row in listed)
        ordinary = [row for row in rows if not row.context]
        return self._overlay(listed, ordinary, overrides)

    def _listed(self, provider: str, model: str) -> tuple[str, list[Row]]:
        """Find the rows of a name, or of its family if it is a dated one; and whose they are."""
        exact = self._rows.get((provider, model))
        if exact is not None:
            return model, exact
        dated = _DATED.fullmatch(model)
        if dated is None:
            return model, []
        family = dated[1]
        rows = self._rows.get((provider, family), [])
        return family, [row for row in rows if row.match.dated]

    def _overlay(
        self, listed: Sequence[Row], ordinary: Sequence[Row], overrides: Sequence[Override]
    ) -> tuple[PriceRow, ...]:
        """Cut time wherever anything changes, and price each piece."""
        spans, ordinary_spans = _spans(listed), _spans(ordinary)
        cuts = {0, END_OF_TIME_US}
        for start_us, end_us, _ in (*spans, *ordinary_spans):
            cuts |= {start_us, end_us}
        for override in overrides:
            cuts |= {override.start_us, override.end_us}
        pieces: list[PriceRow] = []
        for start_us, end_us in pairwise(sorted(cuts)):
            row = self._piece(
                _at(spans, start_us), _at(ordinary_spans, start_us), overrides, start_us
            )
            if row is not None:
                pieces.append(replace(row, start_us=start_us, end_us=end_us))
        return tuple(pieces)

    def _piece(
        self, listed: Row | None, ordinary: Row | None, overrides: Sequence[Override], at_us: int
    ) -> PriceRow | None:
        active = [entry for entry in overrides if entry.start_us <= at_us < entry.end_us]
        if active:
            winner = max(active, key=lambda entry: entry.rank)
            # A share of the price of a service the list does not know is a share of the ordinary.
            return winner.over(listed or (ordinary if winner.context else None), self.version)
        return None if listed is None else compile_row(listed, self.version, id_=listed.id)


_Span = tuple[int, int, Row]


def _spans(rows: Sequence[Row]) -> list[_Span]:
    return [(*span_us(row), row) for row in rows]


def _at(spans: Sequence[_Span], at_us: int) -> Row | None:
    return next((row for start_us, end_us, row in spans if start_us <= at_us < end_us), None)
