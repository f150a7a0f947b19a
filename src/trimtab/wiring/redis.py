"""What workers share through a Redis; loaded by name, for it imports the engine."""

import os
from pathlib import Path

from trimtab import wiring
from trimtab.domain.clock import Clock
from trimtab.domain.tenant import WhenAway
from trimtab.store.memory.limits import MemoryLimits
from trimtab.store.redis.address import Address
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.idempotency import RedisIdempotency
from trimtab.store.redis.limits import RedisLimits
from trimtab.store.redis.shared import SharedLimits
from trimtab.wiring.record_store import ledger_name
from trimtab.wiring.sharing import Counters, Shared

PATIENCE_S = 2.0


def share(home: Path, address: Address, when_away: WhenAway, clock: Clock, worker: str) -> Shared:
    """Build it, over one connection."""
    redis = Redis(address)
    remote = RedisLimits(redis, host=ledger_name(home))
    # Until they were counted, there are as many as ever were: who starts with the Redis away must
    # not take the share of all.
    remote.workers = max(1, len(list((home / "spool").glob("gateway-*"))))
    limits = SharedLimits(redis, remote, MemoryLimits(clock), when_away, worker)
    return Shared(limits, RedisIdempotency(redis, wiring.tenant_keys(home), os.urandom))


def counters(home: Path, address: Address) -> Counters:
    """Build what reads the counters of budgets, over a connection that has time."""
    redis = Redis(address, patience_s=PATIENCE_S)
    return Counters(RedisLimits(redis, host=ledger_name(home)), redis.run, redis.tried.wait)
