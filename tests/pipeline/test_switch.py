"""What a kill switch keeps out, and which streams it ends."""

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.pipeline.conftest import (
    ACME,
    GRANT,
    LIMITED,
    OF_ACME,
    ROLE,
    SIM,
    STOP,
    WARM,
    Rig,
    good_stream,
    json_answer,
)

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import ModelSuspended, TenantSuspended, TrimtabError
from trimtab.domain.model import OnClientGone, Provider
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind
from trimtab.domain.tenant import Durability
from trimtab.pipeline.handoff import Request
from trimtab.store.base.limits import Need
from trimtab.testing import RecordingReply, ScriptedAnswer

WHO: Any = {"feature": "search", "end_user": "u-4711"}
KEY = Scope(ScopeKind.KEY, GRANT.key.id)
SEARCH = Scope(ScopeKind.FEATURE, "search", ACME.id)
USER = Scope(ScopeKind.USER, "9b6bc4ad24b20a8b0ee2ae9f7ad3d4dc", ACME.id)
CHAT = Scope(ScopeKind.MODEL, "chat")
DIRECT = Scope(ScopeKind.MODEL, "sim/large")
PROVIDER = Scope(ScopeKind.PROVIDER, "sim")
OTHERS = (
    Scope(ScopeKind.TENANT, "globex"),
    Scope(ScopeKind.KEY, "another"),
    Scope(ScopeKind.FEATURE, "support", ACME.id),
    Scope(ScopeKind.FEATURE, "search", "globex"),
    Scope(ScopeKind.USER, USER.name, "globex"),
    Scope(ScopeKind.MODEL, "chat-small"),
    Scope(ScopeKind.PROVIDER, "openai"),
)
ALL = (
    pytest.param(WHOLE_SITE, TenantSuspended, id="site"),
    pytest.param(OF_ACME, TenantSuspended, id="tenant"),
    pytest.param(KEY, TenantSuspended, id="key"),
    pytest.param(SEARCH, TenantSuspended, id="feature"),
    pytest.param(USER, TenantSuspended, id="user"),
    pytest.param(CHAT, ModelSuspended, id="model"),
    pytest.param(DIRECT, ModelSuspended, id="direct model"),
    pytest.param(PROVIDER, ModelSuspended, id="provider"),
)


def user_scope(rig: Rig, scope: Scope) -> Scope:
    """Give the scope of the user that asks, whose hash depends on the tenant's key."""
    if scope != USER:
        return scope
    hashed = rig.journal.user_hash(ACME.id, WHO["end_user"])
    return scope._replace(name=hashed or "")


def stalled() -> ScriptedAnswer:
    """A stream that says something, and then nothing until it is closed."""
    return ScriptedAnswer([ROLE, WARM, None])


async def running(
    rig: Rig, request: Request | None = None
) -> tuple[asyncio.Task[RecordingReply], RecordingReply]:
    """Start a request, and wait until its answer has begun."""
    reply = RecordingReply()
    task = asyncio.create_task(rig.ask(request or rig.request(**WHO), reply))
    await until(lambda: "write" in reply.calls)
    return task, reply


async def until(come_true: Callable[[], bool]) -> None:
    """Let the others run until a condition comes true."""
    for _ in range(100):
        if come_true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come true")


@pytest.mark.parametrize(("scope", "error"), ALL)
async def test_what_is_suspended_is_not_asked_of_a_provider(
    scope: Scope, error: type[TrimtabError]
) -> None:
    rig = Rig(good_stream())
    rig.suspend(user_scope(rig, scope))

    reply = await rig.ask(rig.request(**WHO))

    assert isinstance(reply.error, error)
    assert not rig.provider.sent
    assert (rig.record.status, rig.record.http_status) == ("rejected", 403)
    assert rig.record.error_code == error.code


@pytest.mark.parametrize("scope", OTHERS, ids=lambda scope: scope.pointer.name)
async def test_what_is_suspended_of_others_concerns_nobody_else(scope: Scope) -> None:
    rig = Rig(good_stream())
    rig.suspend(scope, running=True)

    assert (await rig.ask(rig.request(**WHO))).error is None


async def test_a_suspension_that_has_ended_stops_no_model() -> None:
    rig = Rig(good_stream())
    rig.suspend(CHAT, until_us=rig.clock.now_us())

    assert (await rig.ask()).error is None


async def test_a_throttle_keeps_nobody_out() -> None:
    rig = Rig(good_stream())
    rig.suspend(OF_ACME, requests_per_minute=10)

    assert (await rig.ask()).error is None


@pytest.mark.parametrize("model", ["sim/large!cut_after:3", "chat!cut_after:3"])
async def test_a_fault_asked_of_a_simulator_gets_round_no_switch(model: str) -> None:
    rig = Rig(good_stream())
    rig.suspend(DIRECT)

    reply = await rig.ask(rig.request(model=model))

    assert isinstance(reply.error, ModelSuspended)


@pytest.mark.parametrize(("scope", "error"), ALL)
async def test_a_stream_that_runs_is_ended_settled_once_and_gives_its_slot_back(
    scope: Scope, error: type[TrimtabError]
) -> None:
    answer = stalled()
    rig = Rig(answer, grant=LIMITED)
    task, reply = await running(rig, rig.request(**WHO))

    rig.suspend(user_scope(rig, scope), running=True)
    await task

    assert reply.calls[-1] == "cut"
    assert isinstance(reply.error, error)
    assert answer.closed
    assert (rig.record.status, rig.record.error_code) == ("truncated", error.code)
    assert (rig.record.usage_source, rig.record.output_tokens) == ("estimated", 3)
    assert len(rig.finish.lines) == 1
    assert rig.finish.attempts[0].cancelled
    assert await slots_left(rig) == 2


async def test_a_stream_is_left_alone_unless_it_is_to_be_ended() -> None:
    rig = Rig(ScriptedAnswer([ROLE, WARM, *[WARM] * 20, STOP, b"data: [DONE]\n\n"]))
    task, reply = await running(rig)

    rig.suspend(OF_ACME)
    await task

    assert (reply.error, reply.calls[-1]) == (None, "end_stream")


@pytest.mark.parametrize("scope", OTHERS, ids=lambda scope: scope.pointer.name)
async def test_streams_of_others_run_on(scope: Scope) -> None:
    rig = Rig(ScriptedAnswer([ROLE, WARM, *[WARM] * 20, STOP, b"data: [DONE]\n\n"]))
    task, reply = await running(rig, rig.request(**WHO))

    rig.suspend(scope, running=True)
    await task

    assert reply.error is None


async def test_the_provider_is_left_before_the_charge_is_settled() -> None:
    answer = stalled()
    rig = Rig(answer, grant=dataclasses.replace(GRANT, durability=Durability.STRICT))
    rig.spool.hangs = asyncio.Event()
    task, _ = await running(rig)

    rig.suspend(OF_ACME, running=True)
    await until(lambda: bool(rig.spool.waited))

    assert answer.closed
    rig.spool.hangs.set()
    await task


async def test_a_stream_that_is_being_settled_is_not_interrupted() -> None:
    rig = Rig(good_stream(), grant=dataclasses.replace(GRANT, durability=Durability.STRICT))
    rig.spool.hangs = asyncio.Event()
    reply = RecordingReply()
    task = asyncio.create_task(rig.ask(reply=reply))
    await until(lambda: bool(rig.spool.waited))

    rig.suspend(OF_ACME, running=True)
    rig.spool.hangs.set()
    await task

    assert (reply.error, reply.calls[-1]) == (None, "end_stream")
    assert rig.record.status == "ok"


async def test_a_stream_that_has_said_nothing_yet_is_refused() -> None:
    answer = ScriptedAnswer([None])
    rig = Rig(answer)
    reply = RecordingReply()
    task = asyncio.create_task(rig.ask(reply=reply))
    await until(lambda: bool(rig.provider.sent))

    rig.suspend(OF_ACME, running=True)
    await task

    assert (reply.calls, answer.closed) == (["refuse"], True)
    assert (rig.record.status, rig.record.http_status) == ("error", 403)
    assert len(rig.finish.lines) == 1


async def test_what_is_no_stream_runs_to_its_end() -> None:
    rig = Rig(json_answer())
    reply = RecordingReply()
    task = asyncio.create_task(rig.ask(rig.request(stream=False), reply))
    await until(lambda: bool(rig.provider.sent))

    rig.suspend(OF_ACME, running=True)
    await task

    assert (reply.error, reply.calls) == (None, ["whole"])


async def test_own_hardware_bills_nothing_for_a_stream_that_was_ended() -> None:
    free: Provider = replace(SIM, on_client_gone=OnClientGone.CANCEL_FREE)
    rig = Rig(stalled(), provider=free)
    task, _ = await running(rig)

    rig.suspend(OF_ACME, running=True)
    await task

    assert rig.record.cost_nano == 0


async def test_an_old_suspension_ends_nothing_anew_when_something_else_moves() -> None:
    rig = Rig(good_stream())
    rig.suspend(OF_ACME, running=True, until_us=rig.clock.now_us())

    task, reply = await running(rig)
    rig.switch.end_running(rig.snapshot)
    await task

    assert reply.error is None


@pytest.mark.parametrize("grant", [GRANT, LIMITED], ids=["unlimited", "limited"])
async def test_a_task_that_was_broken_off_is_not_left_cancelled(grant: Grant) -> None:
    rig = Rig(stalled(), grant=grant)
    task, _ = await running(rig)

    rig.suspend(OF_ACME, running=True)
    await task

    assert task.cancelling() == 0
    assert not task.cancelled()


async def slots_left(rig: Rig) -> int:
    need = Need(name="", scope="slots/acme", kind="slots", size=2, amount=0)
    return (await rig.limits.hold("probe", [need], lease_s=60)).left[0]
