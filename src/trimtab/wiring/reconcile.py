"""Builds what holds the ledger against the bills of providers."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from trimtab import wiring
from trimtab.control.snapshot import Snapshot
from trimtab.cost.prices import PriceList
from trimtab.cost.provider_bills import anthropic, openai
from trimtab.cost.provider_bills.pages import Desk, Sleep
from trimtab.cost.reconcile.compare import Prices
from trimtab.cost.reconcile.kept import Kept
from trimtab.cost.reconcile.report import Report
from trimtab.cost.reconcile.statement import Owned, Ownership, TokenClass
from trimtab.domain.adjustment import Adjustment
from trimtab.domain.change import Change, Source
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.transport import Transport
from trimtab.jobs.reconcile import Acceptance, Billing, Reconciliation
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import BillingSettings, Settings, resolve
from trimtab.store.base.ledger import LedgerReader
from trimtab.wiring.following import proxy_of
from trimtab.wiring.pricing import lists_in_force

DIRECTORY = "reconcile"

_READERS = {ProviderWire.OPENAI: openai, ProviderWire.ANTHROPIC: anthropic}


def kept(home: Path) -> Kept:
    """Open the reports of a state directory."""
    return Kept(home / DIRECTORY)


def reconciliation(
    home: Path,
    settings: Settings,
    prices: Prices,
    clock: Clock,
    transport: Transport,
    sleep: Sleep = asyncio.sleep,
) -> Reconciliation:
    """Build it for all providers whose bills the settings say how to read.

    Raises:
        SettingsInvalid: an admin key is not there.
    """
    billings = [_billing(settings.providers[it.provider], it) for it in settings.billings]
    ledger: LedgerReader = wiring.records(home)
    return Reconciliation(
        ledger,
        billings,
        kept(home),
        transport=transport,
        clock=clock,
        prices=prices,
        sleep=sleep,
    )


async def accept(
    home: Path, adjustment_id: str, *, reason: str, author: str, source: Source
) -> tuple[Adjustment, Change | None]:
    """Book what was proposed; see `Acceptance.accept`."""
    with closing(wiring.ledger(home)) as ledger:
        accepting = Acceptance(kept(home), wiring.control(home), ledger)
        return await accepting.accept(adjustment_id, reason=reason, author=author, source=source)


def _billing(provider: Provider, settings: BillingSettings) -> Billing:
    reader = _READERS[provider.wire]
    try:
        admin_key = resolve(settings.admin_key, os.environ).reveal()
    except SettingsInvalid as exc:
        raise SettingsInvalid(
            f"reconcile.providers.{provider.name}.admin_key: '{settings.admin_key}': {exc}"
        ) from exc
    url = settings.url or provider.url
    desk = Desk(
        provider=provider.name,
        url=url,
        admin_key=admin_key,
        allow_private=provider.allow_private_network,
        ca_file=provider.ca_file,
        proxy=proxy_of(url),
    )
    owned = tuple(
        Owned(
            account=it.account,
            credential=it.key,
            place=_place(provider, it.key),
            key_id=it.key_id,
        )
        for it in settings.accounts
    )
    return Billing(desk, reader.headers(admin_key), reader.read, Ownership(owned))


def _place(provider: Provider, reference: str | None) -> str:
    """Name a credential as older lines do: the first by nothing, the others by their place."""
    if reference is None:
        return ""
    place = provider.keys.index(reference)
    return str(place) if place else ""


def listed(current: Callable[[], Snapshot], prices: Callable[[], PriceList]) -> Prices:
    """Tell what we booked tokens by: the list that workers price by, whatever laid over it."""

    def find(provider: str, model: str, at_us: int) -> Mapping[TokenClass, int]:
        known = current().providers.get(provider)
        if known is None:
            return {}
        row = prices().find(known.priced_as, model, at_us=at_us)
        if row is None:
            return {}
        rates = row.rates(0)
        told = {
            TokenClass.INPUT: rates.input,
            TokenClass.CACHED: rates.cache_read,
            TokenClass.WRITE_5M: rates.cache_write_5m,
            TokenClass.WRITE_30M: rates.cache_write_30m,
            TokenClass.WRITE_1H: rates.cache_write_1h,
            TokenClass.WRITE_12H: rates.cache_write_12h,
            TokenClass.OUTPUT: rates.output,
        }
        return {kind: nano for kind, nano in told.items() if nano is not None}

    return find


async def reconcile_now(
    home: Path, settings: Settings, days: Sequence[str], provider: str | None = None
) -> Report:
    """Compare days at once, as the keeper does at night.

    Raises:
        SettingsInvalid: the settings do not say how to read the bill.
        TryLater: the ledger cannot be read.
    """
    snapshot = await wiring.control(home).snapshot()
    transport, prices = Http1Transport(), lists_in_force(snapshot).prices
    told = listed(lambda: snapshot, lambda: prices)
    job = reconciliation(home, settings, told, wiring.SystemClock(), transport)
    if not job.providers or provider not in (None, *job.providers):
        named = "any provider" if provider is None else f"'{provider}'"
        raise SettingsInvalid(
            f"the file does not say how to read the bill of {named}; add"
            " `reconcile.providers.NAME.admin_key`"
        )
    try:
        return await job.compare(days, () if provider is None else (provider,))
    finally:
        transport.close()
