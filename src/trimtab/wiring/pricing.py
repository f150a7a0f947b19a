"""Prices of a configuration: the shipped list, what was applied over it, and overrides."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.cost.applied import lay_over
from trimtab.cost.lock import Lock, shipped_lock
from trimtab.cost.prices import ListPrice, PriceList
from trimtab.domain.model import Provider, Target


class Priced(NamedTuple):
    """What a configuration says about prices.

    Attributes:
        applied: What another list lays over the shipped one.
        contracts: Overrides of single tenants.
    """

    applied: Mapping[str, Any] = {}
    overrides: Mapping[str, Any] = {}
    contracts: Mapping[str, Mapping[str, Any]] = {}


def priced(snapshot: Snapshot) -> Priced:
    """Read what a configuration says about prices."""
    contracts = {str(it.id): it.prices for it in snapshot.tenants.values() if it.prices}
    return Priced(snapshot.price_list, snapshot.price_overrides, contracts)


def price_lists(shipped: Lock, wanted: Priced) -> tuple[PriceList, Mapping[str, PriceList]]:
    """Build everybody's list, and those of the tenants with a contract of their own."""
    prices = PriceList(lay_over(shipped, wanted.applied), wanted.overrides)
    return prices, {it: prices.of_contract(own) for it, own in wanted.contracts.items()}


def pricing(snapshot: Snapshot) -> Callable[[Provider, Target], ListPrice | None]:
    """Tell what the tokens of a target cost now."""
    prices, _ = price_lists(shipped_lock(), priced(snapshot))
    now_us = wiring.SystemClock().now_us()
    return lambda provider, target: prices.list_price(provider, target, now_us)
