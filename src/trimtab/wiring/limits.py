"""Limits that several workers share, built only where a Redis is named."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import GatewaySettings, resolve
from trimtab.settings.secrets import REFERENCE
from trimtab.store.base import SharedLimitStore
from trimtab.store.memory_limits import MemoryLimits
from trimtab.store.redis.address import parse

SHARED = "trimtab.store.redis.shared:connected"


def shared_limits(
    home: Path, settings: GatewaySettings, clock: Clock, worker_id: str
) -> SharedLimitStore | None:
    """Build the limits of a worker that shares them; `None` where there is one worker.

    Raises:
        SettingsInvalid: the extra is missing, or a reference leads to no URL of a Redis.
    """
    if settings.redis is None:
        return None
    name = f"{socket.gethostname()}:{home.absolute()}:{worker_id}"
    made: SharedLimitStore = _connected()(
        parse(_url(settings.redis)), MemoryLimits(clock), settings.when_redis_is_down, name
    )
    return made


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
        _connected()


def _connected() -> Callable[..., SharedLimitStore]:
    try:
        found: Callable[..., SharedLimitStore] = resolve_name(SHARED)
    except ModuleNotFoundError as exc:
        raise SettingsInvalid(
            "gateway.redis needs an extra that is not installed; run pip install 'trimtab[redis]'"
        ) from exc
    return found


def _url(written: str) -> str:
    if REFERENCE.fullmatch(written) is None:
        return written
    return resolve(written, os.environ).reveal()
