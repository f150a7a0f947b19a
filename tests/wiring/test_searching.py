from collections.abc import Awaitable, Callable

import pytest

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import SearchPolicy, Tenant, Tier
from trimtab.store.base.recording import Unstorable
from trimtab.wiring.searching import AT_ONCE, search_job


class Index:
    """So many requests wait; a call takes them, and asks of each tenant."""

    def __init__(self, due: int, tenants: tuple[str, ...] = ()) -> None:
        self.due = due
        self.tenants = tenants
        self.calls = 0
        self.allowed: list[str] = []

    async def index(self, allows: Callable[[str], bool], *, limit: int) -> int:
        self.calls += 1
        self.allowed += [it for it in self.tenants if allows(it)]
        taken = min(limit, self.due)
        self.due -= taken
        return taken


def snapshot() -> Snapshot:
    tiers = {
        "open": Tier(name="open"),
        "shut": Tier(name="shut", search=SearchPolicy.OFF),
    }
    tenants = {
        "a": Tenant(id=TenantId("a"), tier="open"),
        "b": Tenant(id=TenantId("b"), tier="open", search=SearchPolicy.OFF),
        "c": Tenant(id=TenantId("c"), tier="shut"),
        "d": Tenant(id=TenantId("d"), tier="shut", search=SearchPolicy.PLAIN),
    }
    return Snapshot(config_seq=1, tiers=tiers, tenants={it.id: it for it in tenants.values()})


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def test_all_that_waits_is_taken_little_by_little() -> None:
    index = Index(due=AT_ONCE * 2 + 1)

    await search_job(index, snapshot, lambda: False, yes).run()

    assert (index.due, index.calls) == (0, 3)


async def test_a_tenant_says_whether_it_can_be_searched_or_its_tier_does() -> None:
    index = Index(due=1, tenants=("a", "b", "c", "d", "gone"))

    await search_job(index, snapshot, lambda: False, yes).run()

    assert index.allowed == ["a", "d"]


@pytest.mark.parametrize(("is_behind", "leads"), [(True, yes), (False, no)])
async def test_the_recorder_goes_first_and_one_keeper_does_it(
    *, is_behind: bool, leads: Callable[[], Awaitable[bool]]
) -> None:
    index = Index(due=1)

    await search_job(index, snapshot, lambda: is_behind, leads).run()

    assert index.calls == 0


async def test_what_fits_no_index_does_not_end_the_keeper() -> None:
    class Full(Index):
        async def index(self, allows: Callable[[str], bool], *, limit: int) -> int:
            raise Unstorable(f"too much of {limit}, {allows}")

    with pytest.raises(TryLater, match="words fit no index"):
        await search_job(Full(1), snapshot, lambda: False, yes).run()


async def test_while_content_is_sealed_nobody_can_be_searched() -> None:
    index = Index(due=3, tenants=("a", "d"))

    await search_job(index, snapshot, lambda: False, yes, is_sealed=True).run()

    # What waits is taken all the same: it must not pile up.
    assert (index.allowed, index.due) == ([], 0)
