"""Builds what passes bills on to Stripe."""

import os
import random
from pathlib import Path

from trimtab import wiring
from trimtab.control.changes import Control
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.transport import Transport
from trimtab.jobs import stripe
from trimtab.jobs.posting import place_of
from trimtab.jobs.push import Books, Invoices, Push
from trimtab.settings import StripeSettings, resolve
from trimtab.store.sqlite.outbox import SqliteOutbox
from trimtab.wiring.following import proxy_of


def outbox(home: Path) -> SqliteOutbox:
    """Open what of bills is still to be passed on."""
    return SqliteOutbox(home)


def books(home: Path, control: Control, opened: SqliteOutbox) -> Books:
    """Look up what tenants owe."""
    return Books(control, wiring.records(home), opened)


def push(found: Books, settings: StripeSettings, clock: Clock, transport: Transport) -> Push:
    """Build the job.

    Raises:
        SettingsInvalid: the key is not there, or the URL cannot be used.
    """
    try:
        key = resolve(settings.key, os.environ).reveal()
    except SettingsInvalid as exc:
        raise SettingsInvalid(f"stripe.key: '{settings.key}': {exc}") from exc
    url = settings.url.rstrip("/") + stripe.PATH
    place = place_of(
        url,
        allow_private=settings.allow_private_network,
        proxy=proxy_of(url),
        whose="section `stripe`",
    )
    return Push(
        found,
        stripe.Stripe(place, stripe.headers(key), settings.event_name, transport),
        clock,
        random.Random(),  # noqa: S311 -- spreads tries
        invoices=Invoices(round(settings.grace_s * 1e6)),
        every_s=settings.every_s,
    )
