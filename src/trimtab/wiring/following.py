"""What every role does with the configuration: follow it, and price by it."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from trimtab.control.propagate import Follower
from trimtab.control.snapshot import Snapshot
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ProviderAuth, SettingsInvalid
from trimtab.settings import resolve
from trimtab.wiring.membership import LAST_GOOD, acknowledgements, control_store
from trimtab.wiring.pricing import Priced, price_lists, priced


def follower(home: Path, clock: Clock, worker_id: str) -> Follower:
    """Follow the change log of a state directory, in the name of a worker."""
    store = control_store(home)
    kept = home / LAST_GOOD / f"{worker_id}.json"
    return Follower(store, acknowledgements(home, store), clock, worker_id=worker_id, file=kept)


def meter(following: Follower) -> Meter:
    """Price by the shipped list, and what the configuration in force lays over it."""
    lock = shipped_lock()
    made = Meter(PriceList(lock))
    known = Priced()

    def reprice(snapshot: Snapshot) -> None:
        nonlocal known
        wanted = priced(snapshot)
        # Most changes are not of prices: what was compiled stays.
        if wanted != known:
            lists = price_lists(lock, wanted)
            made.prices, made.contracts, known = lists.prices, lists.contracts, wanted

    following.on_change(reprice)
    return made


def secret(reference: str) -> str:
    """Read a provider's credential.

    Raises:
        ProviderAuth: it is not there.
    """
    try:
        return resolve(reference, os.environ).reveal()
    except SettingsInvalid as exc:
        raise ProviderAuth(
            "the provider's credential is not set on this worker; an operator must set it",
            raw_reason="no_credential",
        ) from exc


def https_proxy() -> Callable[[str], str | None]:
    """Give the proxy for a host, as `HTTPS_PROXY` and `NO_PROXY` say."""
    url = getproxies().get("https")
    return lambda host: None if url is None or proxy_bypass(host) else url


def proxy_of(address: str) -> str | None:
    """Give the proxy for a URL: `https_proxy` for an https:// one, else none."""
    url = urlsplit(address)
    return https_proxy()(url.hostname or "") if url.scheme == "https" else None
