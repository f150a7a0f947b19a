"""Two books of the same calls: our ledger's sums, and what a provider would tell."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from trimtab.cost.reconcile.statement import (
    Charged,
    Owned,
    Ownership,
    Statement,
    TokenClass,
    Used,
)
from trimtab.domain.money import NANO_PER_USD
from trimtab.store.base.ledger import Billed

DAY, BEFORE, AFTER = "2026-11-22", "2026-11-21", "2026-11-23"
MODELS = ("gpt-5", "gpt-5-mini", "claude-sonnet-4-5")
PRICES = {
    TokenClass.INPUT: 3 * NANO_PER_USD,
    TokenClass.CACHED: 3 * NANO_PER_USD // 10,
    TokenClass.OUTPUT: 15 * NANO_PER_USD,
}
"""Nano-USD per million tokens, of every model."""

OWNED = Ownership((Owned(account="proj_apps", credential="env:ONE", key_id="key_ours"),))


def now_us(hours: float) -> int:
    """So many hours after the end of the day."""
    end = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    return round((end + hours * 3600) * 1e6)


@dataclass(frozen=True)
class Cell:
    """What was used of a model on a day."""

    model: str = "gpt-5"
    day: str = DAY
    input: int = 4_000_000
    cached: int = 1_000_000
    output: int = 500_000
    account: str = "proj_apps"
    key_id: str = "key_ours"

    def times(self, factor: float) -> "Cell":
        return replace(
            self,
            input=round(self.input * factor),
            cached=round(self.cached * factor),
            output=round(self.output * factor),
        )

    @property
    def tokens(self) -> dict[TokenClass, int]:
        return {
            TokenClass.INPUT: self.input,
            TokenClass.CACHED: self.cached,
            TokenClass.OUTPUT: self.output,
        }

    @property
    def nano(self) -> dict[TokenClass, int]:
        return {kind: count * PRICES[kind] // 1_000_000 for kind, count in self.tokens.items()}


def ledger(cells: Iterable[Cell], *, guessed: int = 0) -> list[Billed]:
    """Sum cells up as the store does."""
    return [
        Billed(
            day=it.day,
            provider="p",
            account="env:ONE",
            model_sent=it.model,
            n=10,
            n_estimated=guessed,
            input_tokens=it.input + it.cached,
            cached_tokens=it.cached,
            output_tokens=it.output,
            cost_nano=sum(it.nano.values()),
        )
        for it in cells
    ]


def bill(cells: Iterable[Cell], *, priced: float = 1, keyless: bool = False) -> Statement:
    """Tell cells as a provider does; `keyless` costs do not say of which key they are."""
    cells = list(cells)
    used = [
        Used(
            day=it.day,
            account=it.account,
            key_id=it.key_id,
            model=f"{it.model}-2025-08-07" if it.model[-1].isalpha() else it.model,
            token_class=kind,
            tokens=count,
        )
        for it in cells
        for kind, count in it.tokens.items()
        if count
    ]
    charged = [
        Charged(
            day=it.day,
            account=it.account,
            key_id=None if keyless else it.key_id,
            model=it.model,
            token_class=kind,
            nano=round(nano * priced),
        )
        for it in cells
        for kind, nano in it.nano.items()
        if nano
    ]
    return Statement(provider="p", used=tuple(used), charged=tuple(charged))


def chance_cells(seed: int) -> list[Cell]:
    """Three days of three models, each of a size of its own."""
    chance = Random(seed)  # noqa: S311 -- repeatable on purpose
    return [
        Cell(
            model=model,
            day=day,
            input=chance.randrange(2_000_000, 50_000_000),
            cached=chance.randrange(1_000_000, 9_000_000),
            output=chance.randrange(400_000, 4_000_000),
        )
        for day in (BEFORE, DAY, AFTER)
        for model in MODELS
    ]
