"""What several workers share, built only where a Redis is named."""

import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, NamedTuple

from trimtab.control.snapshot import Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import GatewaySettings, resolve
from trimtab.settings.secrets import REFERENCE
from trimtab.store.base.idempotency import IdempotencyStore
from trimtab.store.base.limits import CounterStore, SharedLimitStore
from trimtab.store.redis.address import Address, parse

SHARE, COUNTERS = "trimtab.wiring.redis:share", "trimtab.wiring.redis:counters"


class Shared(NamedTuple):
    """What must be the same for all workers."""

    limits: SharedLimitStore
    idempotency: IdempotencyStore


class Counters(NamedTuple):
    """The counters of budgets, and the connection they are read over.

    Attributes:
        run: Keeps the connection until cancelled; awaits what it is given with every new one.
        tried: Waits until it is known whether the Redis answers.
    """

    store: CounterStore
    run: Callable[[Callable[[], Awaitable[None]]], Coroutine[object, object, None]]
    tried: Callable[[], Awaitable[object]]


def counters(home: Path, settings: GatewaySettings) -> Counters | None:
    """Build what reads the counters that workers share; `None` where there is one worker.

    Raises:
        SettingsInvalid: the extra is missing, or a reference leads to no URL of a Redis.
    """
    if settings.redis is None:
        return None
    found: Counters = _found(COUNTERS)(home, _address(settings.redis))
    return found


def shared(home: Path, settings: GatewaySettings, clock: Clock, worker_id: str) -> Shared | None:
    """Build what a worker shares with others; `None` where there is one worker.

    Raises:
        SettingsInvalid: the extra is missing, or a reference leads to no URL of a Redis.
    """
    if settings.redis is None:
        return None
    name = f"{socket.gethostname()}:{home.absolute()}:{worker_id}"
    address = _address(settings.redis)
    built: Shared = _found(SHARE)(home, address, settings.when_redis_is_down, clock, name)
    return built


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
        _found(SHARE)


def _found(name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = resolve_name(name)
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
