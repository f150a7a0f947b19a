"""Prices for commands: the shipped list under the overrides of a configuration."""

from collections.abc import Callable

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.cost.lock import shipped_lock
from trimtab.cost.prices import ListPrice, PriceList
from trimtab.domain.model import Provider, Target


def pricing(snapshot: Snapshot) -> Callable[[Provider, Target], ListPrice | None]:
    """Tell what the tokens of a target cost now."""
    prices = PriceList(shipped_lock(), snapshot.price_overrides)
    now_us = wiring.SystemClock().now_us()
    return lambda provider, target: prices.list_price(provider, target, now_us)
