"""What several workers share, built only where a Redis is named."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import GatewaySettings, resolve
from trimtab.settings.secrets import REFERENCE
from trimtab.store.base import IdempotencyStore, SharedLimitStore
from trimtab.store.redis.address import Address, parse

SHARE = "trimtab.wiring.redis:share"


class Shared(NamedTuple):
    """What must be the same for all workers."""

    limits: SharedLimitStore
    idempotency: IdempotencyStore


def shared(home: Path, settings: GatewaySettings, clock: Clock, worker_id: str) -> Shared | None:
    """Build what a worker shares with others; `None` where there is one worker.

    Raises:
        SettingsInvalid: the extra is missing, or a reference leads to no URL of a Redis.
    """
    if settings.redis is None:
        return None
    name = f"{socket.gethostname()}:{home.absolute()}:{worker_id}"
    address = _address(settings.redis)
    return _share()(home, address, settings.when_redis_is_down, clock, name)


def stopped(snapshot: Snapshot) -> tuple[int, Mapping[str, int | None]]:
    """Tell what kill switches stop under a configuration, and until when."""
    return snapshot.config_seq, {
        scope.pointer.name: suspension.until_us
        for scope, suspension in snapshot.suspensions.items()
        if suspension.requests_per_minute is None
    }


def check_workers(settings: GatewaySettings, number: int) -> None:
    """Insist on limits that several workers can share, if there are several.

    Raises:
        SettingsInvalid: there are none, or the extra for them is missing.
    """
    if number > 1 and settings.redis is None:
        raise SettingsInvalid(
            f"--workers {number} would give each worker limits of its own; name a Redis in"
            " gateway.redis, or run one worker"
        )
    if settings.redis is not None:
        _address(settings.redis)
        _share()


def _share() -> Callable[..., Shared]:
    try:
        found: Callable[..., Shared] = resolve_name(SHARE)
    except ModuleNotFoundError as exc:
        raise SettingsInvalid(
            "gateway.redis needs an extra that is not installed; run pip install 'trimtab[redis]'"
        ) from exc
    return found


def _address(written: str) -> Address:
    try:
        return parse(_url(written))
    except SettingsInvalid as exc:
        raise SettingsInvalid(f"gateway.redis: {exc}") from exc


def _url(written: str) -> str:
    if REFERENCE.fullmatch(written) is None:
        return written
    return resolve(written, os.environ).reveal()
