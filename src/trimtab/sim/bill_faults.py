"""What may go wrong with what the simulator tells about its bill.

Asked for like other faults, as rules, `bill_price:0.9!bill_alias`; they hit everybody who asks.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import NamedTuple

from trimtab.sim.faults import BadFault

PREFIX = "bill_"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFaults:
    """What goes wrong. Hours are `_h`.

    Attributes:
        late_h: Calls younger than this are not told yet.
        revised: A bucket tells half of its calls when first asked for, and all of them later.
        dropped: The model whose calls are never told.
        outside: Input tokens of calls with a key of somebody else, each day.
        price: What prices are multiplied with.
        cents: Amounts come in the unit of the other provider.
        string: Amounts come in the type of the other provider.
        alias: Half the tokens of each model are told under another date.
        shift_h: Buckets begin so many hours before those of UTC.
        cut: A page says that more follows, and not where.
        twice: Each page leads to itself.
        empty: Usage is empty, costs are not.
        gap: The last bucket of each page is left out.
        refused: So many calls are answered 429.
    """

    late_h: int = 0
    revised: bool = False
    dropped: str = ""
    outside: int = 0
    price: Fraction = Fraction(1)
    cents: bool = False
    string: bool = False
    alias: bool = False
    shift_h: int = 0
    cut: bool = False
    twice: bool = False
    empty: bool = False
    gap: bool = False
    refused: int = 0


ALL_WELL = BillFaults()


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text):
        raise ValueError
    return int(text)


def _hours(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,2}", text):
        raise ValueError
    return int(text)


def _factor(text: str) -> Fraction:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,6})?", text):
        raise ValueError
    return Fraction(text)


class Kind(NamedTuple):
    """Where a fault goes, how its value is read, the value it has unsaid, and its form."""

    field: str
    read: Callable[[str], object] | None = None
    default: object = True
    form: str = ""


KINDS: Mapping[str, Kind] = {
    "bill_late": Kind("late_h", _count, 6, "hours"),
    "bill_revised": Kind("revised"),
    "bill_dropped": Kind("dropped", str, "large", "a model"),
    "bill_outside": Kind("outside", _count, 10_000_000, "a number of tokens"),
    "bill_price": Kind("price", _factor, Fraction(9, 10), "a factor"),
    "bill_cents": Kind("cents"),
    "bill_string": Kind("string"),
    "bill_alias": Kind("alias"),
    "bill_local_time": Kind("shift_h", _hours, 9, "hours east of UTC"),
    "bill_cut": Kind("cut"),
    "bill_twice": Kind("twice"),
    "bill_empty": Kind("empty"),
    "bill_gap": Kind("gap"),
    "bill_refused": Kind("refused", _count, 1, "a number of calls"),
}


class BillBoard:
    """Says what goes wrong now. State: the rules, calls still to be refused, buckets told once."""

    def __init__(self, rules: Sequence[str] = ()) -> None:
        self.set(rules)

    def set(self, rules: Sequence[str]) -> None:
        """Replace all rules.

        Raises:
            BadFault: one cannot be read; the old ones stay.
        """
        faults = ALL_WELL
        for rule in rules:
            for part in rule.split("!"):
                faults = _read(part, faults)
        self.rules = list(rules)
        self.faults = faults
        self.told: set[tuple[str, int]] = set()
        self._to_refuse = faults.refused

    def refuses(self) -> bool:
        """Whether the call that comes now is answered 429."""
        self._to_refuse -= 1
        return self._to_refuse >= 0


def _read(part: str, before: BillFaults) -> BillFaults:
    name, colon, text = part.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise BadFault(f"there is no fault '{name}'; choose from {', '.join(KINDS)}")
    if not colon:
        return replace(before, **{kind.field: kind.default})
    if kind.read is None:
        raise BadFault(f"fault '{name}' takes no value; write it without '{text}'")
    try:
        return replace(before, **{kind.field: kind.read(text)})
    except ValueError:
        raise BadFault(f"'{name}' cannot be '{text}'; give {kind.form}") from None


assert {kind.field for kind in KINDS.values()} == {it.name for it in fields(BillFaults)}  # noqa: S101
