"""What workers share through a Redis; loaded by name, for it imports the engine."""

import os
import socket
from pathlib import Path

from trimtab import wiring
from trimtab.domain.clock import Clock
from trimtab.domain.tenant import WhenAway
from trimtab.store.memory_limits import MemoryLimits
from trimtab.store.redis.address import Address
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.idempotency import RedisIdempotency
from trimtab.store.redis.limits import RedisLimits
from trimtab.store.redis.shared import SharedLimits
from trimtab.wiring.sharing import Shared


def share(home: Path, address: Address, when_away: WhenAway, clock: Clock, worker: str) -> Shared:
    """Build it, over one connection."""
    redis = Redis(address)
    host = f"{socket.gethostname()}:{home.absolute()}"
    limits = SharedLimits(
        redis, RedisLimits(redis, host=host), MemoryLimits(clock), when_away, worker
    )
    return Shared(limits, RedisIdempotency(redis, wiring.tenant_keys(home), os.urandom))
