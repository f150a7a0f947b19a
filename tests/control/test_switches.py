import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.control.conftest import (
    ACME,
    BY,
    HOUR_US,
    LOOP,
    OF_ACME,
    WHO,
    WHY,
    FragileLog,
    having,
    small_company,
)

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.keyring import Keyring
from trimtab.control.switches import Switches
from trimtab.domain.change import Change
from trimtab.domain.errors import ChangeConflict, InvalidRequest, NotFound, TrimtabError
from trimtab.domain.suspension import (
    OF_A_TENANT,
    WHOLE_SITE,
    Scope,
    ScopeKind,
    Suspension,
    scope_of,
)
from trimtab.domain.tenant import KeyTerms, Limits, Tenant
from trimtab.testing import FrozenClock, seeded_entropy

SEARCH = Scope(ScopeKind.FEATURE, "search", ACME)
SOMEBODY = Scope(ScopeKind.USER, "5f" * 16, ACME)
CHAT = Scope(ScopeKind.MODEL, "chat")
DIRECT = Scope(ScopeKind.MODEL, "sim/large")
SIM = Scope(ScopeKind.PROVIDER, "sim")
SCOPES = (WHOLE_SITE, OF_ACME, SEARCH, SOMEBODY, CHAT, DIRECT, SIM)
SLOW = Suspension(reason="because", requests_per_minute=10)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.pointer.name)
async def test_whatever_can_be_stopped_is_suspended_and_resumed(
    filled: Control, switches: Switches, scope: Scope
) -> None:
    change = await switches.suspend(scope, LOOP, **WHO)

    assert scope_of(change.pointer) == scope
    assert (change.author, change.reason) == ("ana", "because")
    assert (await filled.snapshot()).suspensions == {scope: LOOP}

    await switches.resume(scope, **WHY)
    assert not (await filled.snapshot()).suspensions


async def test_a_key_is_suspended_by_its_name(
    filled: Control, switches: Switches, keyring: Keyring
) -> None:
    made = await keyring.create(KeyTerms(name="app", tenant=ACME), **WHY)

    await switches.suspend(Scope(ScopeKind.KEY, "app"), LOOP, **WHO)
    assert Scope(ScopeKind.KEY, made.id) in (await filled.snapshot()).suspensions

    await switches.resume(Scope(ScopeKind.KEY, "app"), **WHY)
    assert not (await filled.snapshot()).suspensions


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        pytest.param(Scope(ScopeKind.TENANT, "acmee"), "did you mean 'acme'", id="tenant"),
        pytest.param(Scope(ScopeKind.KEY, "nobody"), "no key 'nobody'", id="key"),
        pytest.param(Scope(ScopeKind.MODEL, "zzz"), "no model 'zzz'; there is chat", id="model"),
        pytest.param(Scope(ScopeKind.PROVIDER, "zzz"), "there is sim", id="provider"),
        pytest.param(Scope(ScopeKind.FEATURE, "a", "zzz"), "no tenant 'zzz'", id="whose feature"),
        pytest.param(Scope(ScopeKind.FEATURE, "A B", ACME), "no name of a feature", id="feature"),
    ],
)
async def test_what_is_not_there_is_neither_suspended_nor_resumed(
    filled: Control, switches: Switches, scope: Scope, says: str
) -> None:
    with pytest.raises(TrimtabError, match=says):
        await switches.suspend(scope, LOOP, **WHO)
    with pytest.raises(TrimtabError, match=says):
        await switches.resume(scope, **WHY)

    assert not (await filled.snapshot()).suspensions


async def test_what_was_suspended_twice_for_one_reason_gives_the_first_change(
    filled: Control, switches: Switches
) -> None:
    first = await switches.suspend(OF_ACME, LOOP, **WHO)

    assert await switches.suspend(OF_ACME, LOOP, **WHO) == first
    assert (await filled.history())[0] == first


@pytest.mark.parametrize("until_us", [0, 1_790_000_000_000_000_000])
async def test_a_suspension_ends_in_time_to_come(
    filled: Control, switches: Switches, clock: FrozenClock, until_us: int
) -> None:
    end_us = clock.now_us() + HOUR_US

    await switches.suspend(OF_ACME, replace(LOOP, until_us=end_us), **WHO)

    with pytest.raises(InvalidRequest, match="in microseconds since 1970"):
        await switches.suspend(OF_ACME, replace(LOOP, until_us=until_us), **WHO)
    assert (await filled.snapshot()).suspensions[OF_ACME].until_us == end_us


@pytest.mark.usefixtures("filled")
async def test_what_runs_is_not_resumed(switches: Switches) -> None:
    with pytest.raises(NotFound, match="tenant 'acme' is not suspended"):
        await switches.resume(OF_ACME, **WHY)


async def test_what_was_removed_while_suspended_can_still_be_resumed(
    filled: Control, switches: Switches, company: Desired
) -> None:
    await switches.suspend(OF_ACME, LOOP, **WHO)
    gone = {where: value for where, value in company.items() if str(where) != "tenant/acme"}
    await filled.apply_file(gone, **BY)

    await switches.resume(OF_ACME, **WHY)

    assert not (await filled.snapshot()).suspensions


async def test_only_the_suspension_that_was_seen_is_taken_back(
    filled: Control, switches: Switches
) -> None:
    seen = await switches.suspend(OF_ACME, LOOP, **WHO)
    await switches.resume(OF_ACME, **WHY)
    await switches.suspend(OF_ACME, replace(LOOP, reason="another incident"), **WHO)

    with pytest.raises(ChangeConflict):
        await switches.resume(OF_ACME, **WHY, expected_seq=seen.seq)

    assert OF_ACME in (await filled.snapshot()).suspensions


@pytest.mark.parametrize(
    ("own", "rate"),
    [
        pytest.param(None, 10, id="unlimited before"),
        pytest.param(300, 10, id="faster before"),
        pytest.param(4, 4, id="slower before"),
    ],
)
async def test_a_throttle_lowers_a_rate_until_it_ends_or_is_taken_back(
    filled: Control, switches: Switches, keyring: Keyring, own: int | None, rate: int
) -> None:
    limits = Limits(parallel=4, requests_per_minute=own)
    tenant = Tenant(id=ACME, tier="free", limits=limits)
    await filled.apply_file(having(small_company(), "tenant/acme", tenant), **BY)
    made = await keyring.create(KeyTerms(name="app", tenant=ACME), **WHY)
    end_us = switches.clock.now_us() + HOUR_US

    await switches.suspend(OF_ACME, replace(SLOW, until_us=end_us), **WHO)

    grant = (await filled.snapshot()).grants[made.id]
    assert grant.limits_at(end_us - 1) == replace(limits, requests_per_minute=rate)
    assert grant.limits_at(end_us) == limits
    await switches.resume(OF_ACME, **WHY)
    assert (await filled.snapshot()).grants[made.id].limits_at(0) == limits


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("scope", "wanted", "says"),
    [
        pytest.param(CHAT, SLOW, "cannot be slowed down", id="a model"),
        pytest.param(WHOLE_SITE, SLOW, "cannot be slowed down", id="the site"),
        pytest.param(OF_ACME, replace(SLOW, running=True), "cannot be slowed", id="what runs"),
        pytest.param(
            OF_ACME,
            replace(SLOW, requests_per_minute=1_000_001),
            "at most 1000000",
            id="no throttle",
        ),
    ],
)
async def test_refuses_a_throttle_that_makes_no_sense(
    switches: Switches, scope: Scope, wanted: Suspension, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says):
        await switches.suspend(scope, wanted, **WHO)


async def test_a_throttle_does_not_let_a_suspended_tenant_in(
    filled: Control, switches: Switches, clock: FrozenClock
) -> None:
    await switches.suspend(OF_ACME, replace(LOOP, until_us=clock.now_us() + HOUR_US), **WHO)

    with pytest.raises(InvalidRequest, match="a throttle would let it in"):
        await switches.suspend(OF_ACME, SLOW, **WHO)
    clock.advance(3600)
    await switches.suspend(OF_ACME, SLOW, **WHO)

    assert (await filled.snapshot()).suspensions[OF_ACME] == SLOW


VERBS = {"suspend": LOOP, "end": replace(LOOP, running=True), "throttle": SLOW, "resume": None}


@given(st.lists(st.tuples(st.sampled_from(SCOPES), st.sampled_from(sorted(VERBS))), max_size=8))
def test_every_move_is_undone_and_done_again_exactly(moves: list[tuple[Scope, str]]) -> None:
    async def run() -> None:
        clock = FrozenClock()
        control = Control(FragileLog(), clock, seeded_entropy())
        switches = Switches(control, clock)
        await control.apply_file(small_company(), **BY)
        for scope, verb in moves:
            before = await control.snapshot()
            change = await _move(switches, scope, VERBS[verb])
            if change is None or change.seq <= before.config_seq:
                continue
            after = await control.snapshot()
            undone = await control.undo(change.seq, **WHY)
            assert (await control.snapshot()).suspensions == before.suspensions
            await control.undo(undone.seq, **WHY)
            assert (await control.snapshot()).suspensions == after.suspensions

    asyncio.run(run())


async def _move(switches: Switches, scope: Scope, wanted: Suspension | None) -> Change | None:
    try:
        if wanted is None:
            return await switches.resume(scope, **WHY)
        return await switches.suspend(scope, wanted, **WHO)
    except (InvalidRequest, NotFound):
        return None


@given(st.sampled_from(ScopeKind), st.text(min_size=1), st.text("ab-.", min_size=1))
def test_a_scope_is_read_back_from_its_pointer(kind: ScopeKind, name: str, tenant: str) -> None:
    scope = Scope(kind, name, tenant if kind in OF_A_TENANT else "")

    assert scope_of(scope.pointer) == scope
