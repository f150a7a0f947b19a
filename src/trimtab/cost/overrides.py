"""Prices that operators set over the list: `prices.overrides` of the settings.

An entry is absolute prices (USD per million tokens), or a `discount`, or a `multiplier` of the
list price, for models that a pattern of `provider/model` with `*` names; a list of entries may
follow one another in time. One of the tenant's own contract, `tenants.X.prices`, wins over all
others; then the one with the fewest wildcards, then the longest pattern, then one for a context,
then the latest `from`. Entries are never combined.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from trimtab.cost.lock import Match, Row, Tier, Units
from trimtab.cost.rates import END_OF_TIME_US, PriceRow, compile_row, instant_us
from trimtab.domain.errors import SettingsInvalid

Context = tuple[tuple[str, str], ...]
"""What kind of service is priced, as sorted pairs; empty is the ordinary one."""

Number = int | float | str

_UNITS = frozenset(Units.__struct_fields__)
_PRICES = frozenset(Tier.__struct_fields__) - {"above_input_tokens"} | _UNITS


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """The part of an entry that is no price."""

    discount: Number | UnsetType = UNSET
    multiplier: Number | UnsetType = UNSET
    start: str | None = field(default=None, name="from")
    end: str | None = field(default=None, name="to")
    context: dict[str, str] | None = None


class Override(Struct, frozen=True, kw_only=True):
    """One entry, understood.

    Attributes:
        row: Absolute prices, or `None`.
        factor: What list prices are multiplied by, if there are no absolute ones.
        context: The service it is for. `None` is the ordinary one for absolute prices, and every
            one the list prices for the others.
        own: Whether it is of one tenant's contract: it wins over everybody's.
    """

    pattern: str
    row: Row | None
    factor: Decimal
    start_us: int
    end_us: int
    context: Context | None
    own: bool = False

    def matches(self, key: str) -> bool:
        """Whether it is for a `provider/model`."""
        pattern = ".*".join(re.escape(part) for part in self.pattern.lower().split("*"))
        return re.fullmatch(pattern, key.lower(), re.DOTALL) is not None

    def fits(self, context: Context) -> bool:
        """Whether it is for that kind of service."""
        if self.context is None:
            return self.row is None or not context
        return self.context == context

    @property
    def rank(self) -> tuple[bool, int, int, bool, int]:
        """The higher one wins."""
        wildcards = self.pattern.count("*")
        return (
            self.own,
            -wildcards,
            len(self.pattern),
            self.context is not None,
            self.start_us,
        )

    def over(self, listed: Row | None, version: str) -> PriceRow | None:
        """Compile what it makes of the list's row; a part of nothing is nothing."""
        own = f"override:{self.pattern}"
        if self.row is not None:
            return compile_row(self.row, version, id_=own)
        if listed is None:
            return None
        return compile_row(listed, version, id_=f"{listed.id} {own}", factor=self.factor)


def parse_overrides(settings: Mapping[str, Any], *, own: bool = False) -> tuple[Override, ...]:
    """Understand `prices.overrides`, or those of one tenant's own contract.

    Raises:
        SettingsInvalid: an entry is none; the message names its pattern.
    """
    return tuple(
        replace(_parse(pattern, entry), own=own)
        for pattern, entries in settings.items()
        for entry in _many(entries)
    )


def _many(entries: object) -> Iterator[object]:
    if isinstance(entries, Sequence) and not isinstance(entries, str):
        yield from entries
    else:
        yield entries


def _parse(pattern: str, entry: object) -> Override:
    if "/" not in pattern:
        raise _invalid(pattern, "is no 'provider/model'")
    if not isinstance(entry, Mapping):
        raise _invalid(pattern, "has no prices")
    given = cast("Mapping[str, Any]", entry)
    prices = {name: value for name, value in given.items() if name in _PRICES}
    try:
        rest = msgspec.convert(
            {name: value for name, value in given.items() if name not in _PRICES}, _Entry
        )
        start_us = instant_us(rest.start) if rest.start else 0
        end_us = instant_us(rest.end) if rest.end else END_OF_TIME_US
    except (msgspec.ValidationError, ValueError) as exc:
        raise _invalid(pattern, f"cannot be read: {exc}") from exc
    if start_us >= end_us:
        raise _invalid(pattern, "ends before it begins")
    if [bool(prices), rest.discount is not UNSET, rest.multiplier is not UNSET].count(True) != 1:
        raise _invalid(pattern, "needs either prices, a discount or a multiplier")
    return Override(
        pattern=pattern,
        row=_row(pattern, prices) if prices else None,
        factor=_factor(pattern, rest),
        start_us=start_us,
        end_us=end_us,
        context=None if rest.context is None else tuple(sorted(rest.context.items())),
    )


def _row(pattern: str, prices: Mapping[str, Any]) -> Row:
    texts = {name: f"{_number(pattern, value):f}" for name, value in prices.items()}
    tokens = {name: text for name, text in texts.items() if name not in _UNITS}
    units = {name: text for name, text in texts.items() if name in _UNITS}
    try:
        return Row(
            id=f"override:{pattern}",
            match=Match(exact=()),
            usd_per_mtok=(msgspec.convert(tokens, Tier),),
            usd_per_unit=msgspec.convert(units, Units),
        )
    except msgspec.ValidationError as exc:
        raise _invalid(pattern, f"cannot be read: {exc}") from exc


def _factor(pattern: str, entry: _Entry) -> Decimal:
    if entry.discount is not UNSET:
        discount = _number(pattern, entry.discount)
        if discount > 1:
            raise _invalid(pattern, "has a discount over 100 %, written '12%' or 0.12")
        return 1 - discount
    return Decimal(1) if entry.multiplier is UNSET else _number(pattern, entry.multiplier)


def _number(pattern: str, value: object) -> Decimal:
    """Read a number as it was written; `str` of a float is its shortest exact form."""
    text = "" if isinstance(value, bool) else str(value).strip()
    try:
        number = Decimal(text.removesuffix("%").rstrip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise _invalid(pattern, "has a price or share that is no number of at least 0")
    return number / 100 if text.endswith("%") else number


def _invalid(pattern: str, fault: str) -> SettingsInvalid:
    return SettingsInvalid(
        f"price override '{pattern}' {fault}; write `provider/model: {{input: 3, output: 15}}`, "
        f"`{{discount: 12%}}` or `{{multiplier: 1.1}}`"
    )
