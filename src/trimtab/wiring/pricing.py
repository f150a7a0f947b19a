"""Prices of a configuration: the shipped list, what was applied over it, and overrides.

A shipped list that was ever in force is kept in the state directory, and what was laid over it is
in the change log: the prices behind every `price_version` can be read for ever.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

import msgspec

from trimtab import wiring
from trimtab.control.changes import Control
from trimtab.control.snapshot import PRICE_LIST, PRICE_OVERRIDES, Snapshot
from trimtab.cost.applied import lay_over
from trimtab.cost.lock import (
    Lock,
    build_lock,
    decode_lock,
    encode_lock,
    price_version,
    shipped_lock,
)
from trimtab.cost.prices import ListPrice, PriceList
from trimtab.domain.change import Change, PointerKind
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider, Target
from trimtab.domain.record import LedgerLine
from trimtab.domain.tenant import Tenant
from trimtab.store.base.ledger import LineReader
from trimtab.store.base.reading import Cursor
from trimtab.store.files import replace_file

KEPT = "prices"
EVER = 1 << 62
PAGE = 5_000


class Priced(NamedTuple):
    """What a configuration says about prices.

    Attributes:
        applied: What another list lays over the shipped one.
        contracts: Overrides of single tenants.
    """

    applied: Mapping[str, Any] = {}
    overrides: Mapping[str, Any] = {}
    contracts: Mapping[str, Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Lists:
    """The price list of everybody, and those of tenants with a contract of their own.

    Attributes:
        lock: The rows that they all begin with.
    """

    lock: Lock
    prices: PriceList
    contracts: Mapping[str, PriceList]

    def of(self, tenant: str) -> PriceList:
        """Find the list of a tenant."""
        return self.contracts.get(tenant, self.prices)


def priced(snapshot: Snapshot) -> Priced:
    """Read what a configuration says about prices."""
    contracts = {str(it.id): it.prices for it in snapshot.tenants.values() if it.prices}
    return Priced(snapshot.price_list, snapshot.price_overrides, contracts)


def price_lists(shipped: Lock, wanted: Priced) -> Lists:
    """Build the lists of a configuration."""
    lock = lay_over(shipped, wanted.applied)
    prices = PriceList(lock, wanted.overrides)
    own = {it: prices.of_contract(entries) for it, entries in wanted.contracts.items()}
    return Lists(lock, prices, own)


def lists_in_force(snapshot: Snapshot) -> Lists:
    """Build the lists that workers price by now."""
    return price_lists(shipped_lock(), priced(snapshot))


def pricing(snapshot: Snapshot) -> Callable[[Provider, Target], ListPrice | None]:
    """Tell what the tokens of a target cost now."""
    prices = lists_in_force(snapshot).prices
    now_us = wiring.SystemClock().now_us()
    return lambda provider, target: prices.list_price(provider, target, now_us)


def keep_shipped(home: Path) -> None:
    """Keep the list of this version of the program, for what is priced by it."""
    lock = shipped_lock()
    path = home / KEPT / f"{lock.price_version}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, encode_lock(lock))


def read_lock(path: Path) -> Lock:
    """Read a price list of a file.

    Raises:
        SettingsInvalid: it is none.
        OSError: it cannot be read.
    """
    return decode_lock(path.read_bytes())


def installed_lock() -> Lock:
    """Read the list that the installed genai-prices has.

    Raises:
        SettingsInvalid: it is not installed.
    """
    try:
        source = resolve_name("trimtab.cost.genai")
    except ImportError as exc:
        raise SettingsInvalid(
            "genai-prices is not installed; install `trimtab[prices]`, or name a file with --lock"
        ) from exc
    return build_lock(source.source_name(), source.rows(wiring.now().date()))


async def sets_ever(home: Path, control: Control) -> Callable[[str], PriceList | None]:
    """Find the prices behind a `price_version`, of everybody or of one tenant's contract."""
    kept = [read_lock(path) for path in sorted((home / KEPT).glob("*.json"))]
    shipped = {lock.price_version: lock for lock in (*kept, shipped_lock())}
    changes = await control.history(limit=EVER)
    recipes: dict[str, tuple[Lock, Priced, str | None]] = {}
    laid: dict[tuple[str, bytes], Lock] = {}
    for said in _ever(reversed(changes)):
        for lock in shipped.values():
            key = lock.price_version, msgspec.json.encode(said.applied)
            over = laid[key] = laid.get(key) or lay_over(lock, said.applied)
            version = over.price_version
            if said.overrides:
                version = price_version(version, said.overrides)
            recipes[version] = over, said, None
            for tenant, own in said.contracts.items():
                recipes[price_version(version, own)] = over, said, tenant

    built: dict[str, PriceList | None] = {}

    def find(version: str) -> PriceList | None:
        if version not in built:
            recipe = recipes.get(version)
            built[version] = None if recipe is None else _cooked(*recipe)
        return built[version]

    return find


async def pages(
    reading: LineReader, *, since_us: int, until_us: int = EVER, size: int = PAGE
) -> AsyncIterator[Sequence[LedgerLine]]:
    """Read the ledger tenant by tenant; lines of one instant are never parted."""
    for tenant in await reading.payers():
        after: Cursor | None = None
        held: list[LedgerLine] = []
        while page := await reading.ledger(
            tenant_id=tenant, since_us=since_us, until_us=until_us, after=after, limit=size
        ):
            last = page[-1]
            after = Cursor(last.ts_us, last.line_id)
            held += page
            ready = [line for line in held if line.ts_us < last.ts_us]
            held = held[len(ready) :]
            if ready:
                yield ready
        if held:
            yield held


def _cooked(lock: Lock, said: Priced, tenant: str | None) -> PriceList:
    prices = PriceList(lock, said.overrides)
    return prices if tenant is None else prices.of_contract(said.contracts[tenant])


def _ever(changes: Iterable[Change]) -> Iterable[Priced]:
    """Tell what was ever said about prices, oldest first."""
    said = Priced()
    yield said
    for change in changes:
        pointer = change.pointer
        after: Any = None if change.after is None else msgspec.json.decode(change.after)
        if pointer.kind is PointerKind.PRICES and pointer.name == PRICE_LIST:
            said = said._replace(applied=after or {})
        elif pointer.kind is PointerKind.PRICES and pointer.name == PRICE_OVERRIDES:
            said = said._replace(overrides=after or {})
        elif pointer.kind is PointerKind.TENANT:
            own: Mapping[str, Any] = msgspec.convert(after, Tenant).prices if after else {}
            if own == said.contracts.get(pointer.name, {}):
                continue
            others = {it: value for it, value in said.contracts.items() if it != pointer.name}
            said = said._replace(contracts={**others, pointer.name: own} if own else others)
        else:
            continue
        yield said
