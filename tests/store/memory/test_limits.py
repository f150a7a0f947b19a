"""What only limits in memory do; the rest is in the suite of all stores."""

from trimtab.store.base.limits import Held, Need
from trimtab.store.memory.limits import MemoryLimits
from trimtab.testing import FrozenClock

LEASE_S = 60.0
FAR_US = 4_000_000_000_000_000
BUDGET = Need(name="budget", scope="spend/acme", kind="window", size=10, amount=2, ends_us=FAR_US)


async def test_what_a_dead_process_held_counts_until_nothing_runs_and_is_then_read_anew() -> None:
    limits = MemoryLimits(FrozenClock())
    await limits.prime(BUDGET, 1, {"lost": 6})
    await limits.hold("r1", [BUDGET], lease_s=LEASE_S)

    await limits.renew(lease_s=LEASE_S)
    assert (await limits.hold("r2", [BUDGET], lease_s=LEASE_S)).denied == 0

    await limits.settle("r1", [2])
    await limits.renew(lease_s=LEASE_S)
    assert await limits.hold("r2", [BUDGET], lease_s=LEASE_S) == Held(unknown=0)


async def test_what_is_known_is_not_read_anew() -> None:
    limits = MemoryLimits(FrozenClock())
    await limits.prime(BUDGET, 1)

    await limits.renew(lease_s=LEASE_S)

    assert (await limits.hold("r1", [BUDGET], lease_s=LEASE_S)).left == (7,)


async def test_who_holds_nothing_of_a_window_that_is_read_anew_ends_all_the_same() -> None:
    limits = MemoryLimits(FrozenClock())
    free = Need(name="b", scope="spend/acme", kind="window", size=10, amount=0, ends_us=FAR_US)
    await limits.prime(free, 1, {"lost": 6})
    await limits.hold("r1", [free], lease_s=LEASE_S)
    await limits.renew(lease_s=LEASE_S)

    await limits.settle("r1", [0])

    assert (await limits.hold("r2", [free], lease_s=LEASE_S)).unknown == 0
