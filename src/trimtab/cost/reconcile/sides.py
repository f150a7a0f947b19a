"""Both sides brought to the same places, so that they can be compared."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from trimtab.cost.reconcile.statement import (
    Charged,
    Label,
    Ownership,
    Place,
    Statement,
    TokenClass,
    canonical,
)
from trimtab.store.base.ledger import Billed


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of a place.

    Attributes:
        nano: Money; ours is not known by kind of token and stands under `other`.
        models: The names it was told under.
        is_ours: Whether the account and key are ours.
        guessed: Ledger lines that are in part our guess.
    """

    tokens: Mapping[TokenClass, int] = field(default_factory=dict[TokenClass, int])
    nano: Mapping[TokenClass, int] = field(default_factory=dict[TokenClass, int])
    models: frozenset[str] = frozenset()
    is_ours: bool = True
    guessed: int = 0

    @property
    def money(self) -> int:
        """All of it, in nano-USD."""
        return sum(self.nano.values())

    @property
    def all_tokens(self) -> int:
        """Tokens of all kinds."""
        return sum(self.tokens.values())

    def plus(self, other: "Side") -> "Side":
        """Add up."""
        return Side(
            tokens=summed((self.tokens, other.tokens)),
            nano=summed((self.nano, other.nano)),
            models=self.models | other.models,
            is_ours=self.is_ours and other.is_ours,
            guessed=self.guessed + other.guessed,
        )


NOTHING = Side()
Sides = Mapping[Place, Side]


def summed(parts: Iterable[Mapping[TokenClass, int]]) -> dict[TokenClass, int]:
    """Add up by kind of token."""
    total: defaultdict[TokenClass, int] = defaultdict(int)
    for part in parts:
        for kind, amount in part.items():
            total[kind] += amount
    return dict(total)


def our_side(rows: Iterable[Billed], owned: Mapping[str, Ownership]) -> Sides:
    """Put sums of ledger lines in their places; providers that are not owned are left out."""
    sides: dict[Place, Side] = {}
    for row in rows:
        if row.provider in owned:
            account = owned[row.provider].of_line(row.account)
            place = Place(row.day, row.provider, account, canonical(row.model_sent))
            sides[place] = sides.get(place, NOTHING).plus(_of_row(row))
    return sides


def _of_row(row: Billed) -> Side:
    writes = {
        TokenClass.WRITE_5M: row.cache_write_5m,
        TokenClass.WRITE_30M: row.cache_write_30m,
        TokenClass.WRITE_1H: row.cache_write_1h,
        TokenClass.WRITE_12H: row.cache_write_12h,
    }
    return Side(
        tokens={
            TokenClass.INPUT: row.input_tokens - row.cached_tokens - sum(writes.values()),
            TokenClass.CACHED: row.cached_tokens,
            **writes,
            TokenClass.OUTPUT: row.output_tokens,
        },
        nano={TokenClass.OTHER: row.cost_nano},
        models=frozenset({row.model_sent.partition("!")[0]}),
        guessed=row.n_estimated,
    )


def their_side(statement: Statement, owned: Ownership) -> Sides:
    """Put what a provider told in its places."""
    sides: dict[Place, Side] = {}
    sharers: defaultdict[tuple[str, str, str], set[Label]] = defaultdict(set)
    for used in statement.used:
        label = owned.of_row(used.account, used.key_id)
        place = Place(used.day, statement.provider, label.name, canonical(used.model))
        sharers[used.day, used.account, place.model].add(label)
        told = Side(
            {used.token_class: used.tokens}, {}, frozenset({used.model}), is_ours=label.is_ours
        )
        sides[place] = sides.get(place, NOTHING).plus(told)
    for row in _summed_rows(statement.charged):
        model = canonical(row.model)
        labels = sorted(sharers[row.day, row.account, model])
        if row.key_id is not None or not labels:
            labels = [owned.of_row(row.account, row.key_id)]
        places = [Place(row.day, statement.provider, it.name, model) for it in labels]
        for place, label, nano in zip(places, labels, _shares(row, places, sides), strict=True):
            told = Side({}, {row.token_class: nano}, is_ours=label.is_ours)
            sides[place] = sides.get(place, NOTHING).plus(told)
    return sides


def _summed_rows(rows: Iterable[Charged]) -> Iterable[Charged]:
    """Make one row of those that are alike, so that they are parted once."""
    total: dict[Charged, int] = {}
    for row in rows:
        alike = replace(row, nano=0)
        total[alike] = total.get(alike, 0) + row.nano
    return [replace(alike, nano=nano) for alike, nano in total.items()]


def _shares(row: Charged, places: Sequence[Place], sides: Sides) -> list[int]:
    """Part the money of an account among its keys, by the tokens that each has used."""
    if len(places) == 1:
        return [row.nano]
    weights = [sides[place].tokens.get(row.token_class, 0) for place in places]
    total = sum(weights)
    if not total:
        return [row.nano, *[0] * (len(places) - 1)]
    parts = [row.nano * weight // total for weight in weights]
    parts[weights.index(max(weights))] += row.nano - sum(parts)
    return parts
