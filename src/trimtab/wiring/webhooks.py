"""Builds the webhooks that the settings name."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.signing import read_secret
from trimtab.domain.transport import Transport
from trimtab.registry.outbox import Outbox
from trimtab.registry.webhooks import Subscriber, Webhook
from trimtab.settings import Settings, WebhookSettings, resolve
from trimtab.store.base.control import ChangeLog
from trimtab.wiring.following import proxy_of


def webhooks(
    home: Path,
    settings: Settings,
    changes: ChangeLog,
    current: Callable[[], Snapshot],
    clock: Clock,
    transport: Transport,
) -> list[Webhook]:
    """Build them all over one change log.

    Raises:
        SettingsInvalid: a secret is not there or is none, or a URL cannot be used.
    """
    return [
        Webhook(
            subscriber(it),
            Outbox(it.name, changes, current, home),
            transport,
            clock,
            random.Random(),  # noqa: S311 -- spreads tries
        )
        for it in settings.registry.webhooks
    ]


def subscriber(settings: WebhookSettings) -> Subscriber:
    """Read who is told, with the secret.

    Raises:
        SettingsInvalid: the secret is not there, or is none.
    """
    try:
        secret = read_secret(resolve(settings.secret, os.environ).reveal())
    except SettingsInvalid as exc:
        raise SettingsInvalid(f"webhook '{settings.name}': '{settings.secret}': {exc}") from exc
    return Subscriber(
        name=settings.name,
        url=settings.url,
        secret=secret,
        allow_private=settings.allow_private_network,
        proxy=proxy_of(settings.url),
    )
