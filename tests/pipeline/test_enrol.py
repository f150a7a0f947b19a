"""Tenants on first sight."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import ACME, GRANT, KEY, TIER, Rig

from trimtab.control.changes import Control
from trimtab.domain.change import Source
from trimtab.domain.errors import (
    ControlUnavailable,
    InvalidRequest,
    RateLimited,
    TenantNotAllowed,
    TryLater,
    Unauthenticated,
)
from trimtab.domain.ids import TenantId
from trimtab.domain.tenant import Key, Tenant
from trimtab.pipeline.enrol import NEW_PER_MINUTE

BACKEND = Key(id=KEY.id, name="backend", sha256=KEY.sha256, act_for=("*",), new_tenant_tier="free")


async def made(rig: Rig) -> list[str]:
    return [change.pointer.name for change in await rig.log.changes(after=0)]


@pytest.fixture
async def rig() -> Rig:
    """A worker whose only key is a backend's, in a log that knows the tier."""
    rig = Rig()
    await rig.know_tier(TIER)
    rig.snapshot = replace(rig.snapshot, grants={}, acting={KEY.id: BACKEND}, tiers={"free": TIER})
    return rig


async def test_a_tenant_is_made_on_first_sight_and_once(rig: Rig) -> None:
    for _ in range(2):
        await rig.pipeline.enrol(KEY.text, "globex")

    (tier, change) = await rig.log.changes(after=0)
    assert tier.pointer.name == "free"
    assert (str(change.pointer), change.source) == ("tenant/globex", Source.SYSTEM)
    assert (change.author, change.reason) == ("key backend", "first request through key 'backend'")
    grant = rig.pipeline.identify.grant(KEY.text, "globex")
    assert (grant.tenant, grant.key) == (Tenant(id=TenantId("globex"), tier="free"), BACKEND)


async def test_a_crowd_of_first_sights_makes_one_tenant(rig: Rig) -> None:
    await asyncio.gather(*(rig.pipeline.enrol(KEY.text, "globex") for _ in range(100)))

    assert await made(rig) == ["free", "globex"]


async def test_two_workers_that_see_it_first_make_it_once(rig: Rig) -> None:
    blind = rig.snapshot

    await rig.pipeline.enrol(KEY.text, "globex")
    rig.snapshot = blind
    await rig.pipeline.enrol(KEY.text, "globex")

    assert await made(rig) == ["free", "globex"]
    assert "globex" in rig.snapshot.tenants


@pytest.mark.parametrize("name", ["Globex", "a b", "-a", "x" * 64, "trimtab-canary", "trimtab-x"])
async def test_a_name_that_is_none_or_the_systems_own_makes_no_tenant(rig: Rig, name: str) -> None:
    await rig.pipeline.enrol(KEY.text, name)

    assert await made(rig) == ["free"]
    with pytest.raises((InvalidRequest, TenantNotAllowed)):
        rig.pipeline.identify.grant(KEY.text, name)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param({"new_tenant_tier": None}, id="makes none"),
        pytest.param({"act_for": ("acme", "initech")}, id="acts for others"),
    ],
)
async def test_a_key_makes_no_tenant_that_it_may_not(rig: Rig, key: dict[str, object]) -> None:
    rig.snapshot = replace(rig.snapshot, acting={KEY.id: msgspec.structs.replace(BACKEND, **key)})

    await rig.pipeline.enrol(KEY.text, "globex")

    assert await made(rig) == ["free"]
    with pytest.raises(TenantNotAllowed):
        rig.pipeline.identify.grant(KEY.text, "globex")


async def test_a_key_of_one_tenant_makes_none(rig: Rig) -> None:
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: GRANT}, acting={})

    await rig.pipeline.enrol(KEY.text, "globex")

    assert await made(rig) == ["free"]


async def test_a_stranger_makes_no_tenant(rig: Rig) -> None:
    with pytest.raises(Unauthenticated):
        await rig.pipeline.enrol("tt_test_nobody", "globex")

    assert await made(rig) == ["free"]


async def test_tenants_are_made_at_a_bounded_rate(rig: Rig) -> None:
    for n in range(NEW_PER_MINUTE):
        await rig.pipeline.enrol(KEY.text, f"t{n}")

    with pytest.raises(RateLimited) as raised:
        await rig.pipeline.enrol(KEY.text, "one-more")
    rig.clock.advance(raised.value.wait_s or 0)
    await rig.pipeline.enrol(KEY.text, "one-more")

    assert len(await made(rig)) == NEW_PER_MINUTE + 2


async def test_while_the_change_log_is_away_a_new_tenant_is_asked_to_come_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **_named: object) -> None:
        raise TryLater("the control store is away; bring it back")

    rig.snapshot = replace(rig.snapshot, tenants={ACME.id: ACME})
    monkeypatch.setattr(Control, "move", away)

    with pytest.raises(ControlUnavailable, match="tenant 'globex' is new"):
        await rig.pipeline.enrol(KEY.text, "globex")

    await rig.pipeline.enrol(KEY.text, "acme")
    assert rig.pipeline.identify.grant(KEY.text, "acme").tenant == ACME
