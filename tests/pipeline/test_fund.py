from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import (
    FLOOR,
    GRANT,
    LIMITED,
    MESSAGES,
    OF_ACME,
    ROLE,
    WARM,
    Rig,
    good_stream,
    json_answer,
    streamed,
)

from trimtab.domain.errors import ParallelLimited, RateLimited, TrimtabError, TryLater
from trimtab.domain.tenant import Limits
from trimtab.domain.transport import ConnectTimedOut
from trimtab.pipeline.handoff import Funded, Screened
from trimtab.store.base.limits import NOBODY, Asker, Held, Need
from trimtab.store.memory.limits import MemoryLimits
from trimtab.testing import ScriptedAnswer


def screened(rig: Rig, messages: bytes = MESSAGES) -> Screened:
    request = rig.request({"messages": Raw(messages)})
    pipeline = rig.pipeline
    return Screened(pipeline.plan(pipeline.admit(pipeline.identify(request))))


async def hold(rig: Rig, messages: bytes = MESSAGES) -> Funded:
    return await rig.pipeline.fund(screened(rig, messages))


async def tokens_left(rig: Rig) -> int:
    need = Need(name="", scope="tokens/acme", kind="bucket", size=6000, amount=0)
    held = await rig.limits.hold("probe", [need], lease_s=60)
    await rig.limits.settle("probe", [0])
    return held.left[0]


async def test_a_tenant_without_limits_holds_nothing() -> None:
    assert (await hold(Rig())).holds == ()


async def test_holds_every_limit_that_is_set() -> None:
    rig = Rig(grant=LIMITED)

    funded = await hold(rig)

    assert [need.kind for need in funded.holds] == ["slots", "bucket", "bucket"]
    assert funded.input_floor == FLOOR
    assert await tokens_left(rig) == 6000 - FLOOR


@pytest.mark.parametrize("limit", [it for it in Limits.__struct_fields__ if it != "shadow"])
async def test_t02_every_limit_that_can_be_set_is_enforced(limit: str) -> None:
    rig = Rig(grant=replace(GRANT, limits=msgspec.structs.replace(Limits(), **{limit: 1})))

    await hold(rig)

    with pytest.raises(TryLater, match=limit.partition("_")[0]):
        await hold(rig)


async def test_all_slots_taken_says_how_many_and_no_time() -> None:
    rig = Rig(grant=LIMITED)
    await hold(rig)
    await hold(rig)

    with pytest.raises(ParallelLimited, match="all 2 parallel requests of tenant 'acme'") as raised:
        await hold(rig)

    assert raised.value.wait_s is None


async def test_a_rate_used_up_tells_the_true_wait() -> None:
    rig = Rig(grant=replace(GRANT, limits=Limits(requests_per_minute=1)))
    await hold(rig)
    rig.clock.advance(45)

    with pytest.raises(RateLimited, match="requests per minute") as raised:
        await hold(rig)

    assert raised.value.wait_s == pytest.approx(15)


async def test_what_was_refused_holds_nothing() -> None:
    rig = Rig(grant=replace(GRANT, limits=Limits(parallel=1, requests_per_minute=1)))
    first = await hold(rig)
    await rig.pipeline.fund.settle(first, tokens=1, cost_nano=None)

    with pytest.raises(RateLimited):
        await hold(rig)

    rig.clock.advance(60)
    assert await hold(rig)


async def test_a_request_larger_than_the_bucket_takes_all_of_it_and_owes_the_rest() -> None:
    rig = Rig(grant=replace(GRANT, limits=Limits(tokens_per_minute=100)))
    large = msgspec.json.encode([{"role": "user", "content": "x" * 4000}])

    funded = await hold(rig, large)
    await rig.pipeline.fund.settle(funded, tokens=150, cost_nano=None)

    rig.clock.advance(29)
    with pytest.raises(RateLimited):
        await hold(rig)
    rig.clock.advance(30)
    assert await hold(rig)


@pytest.mark.parametrize(("tokens", "left"), [(None, 6000 - FLOOR), (15, 5985), (0, 6000)])
async def test_settling_books_what_was_really_used(tokens: int | None, left: int) -> None:
    rig = Rig(grant=LIMITED)
    funded = await hold(rig)

    await rig.pipeline.fund.settle(funded, tokens=tokens, cost_nano=None)

    assert await tokens_left(rig) == left
    assert await rig.free() == (1,)


async def test_settling_twice_books_once() -> None:
    rig = Rig(grant=LIMITED)
    funded = await hold(rig)

    await rig.pipeline.fund.settle(funded, tokens=1000, cost_nano=None)
    await rig.pipeline.fund.settle(funded, tokens=1000, cost_nano=None)

    assert await tokens_left(rig) == 5000


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        pytest.param(good_stream, 15, id="in and out"),
        pytest.param(lambda: json_answer(b"{}", 500), 0, id="nothing for an error"),
        pytest.param(lambda: ConnectTimedOut("late"), 0, id="nothing that was not sent"),
        pytest.param(lambda: streamed(ROLE, WARM), FLOOR + 3, id="an estimate for a cut"),
    ],
)
async def test_a_request_books_the_tokens_it_used(
    answer: Callable[[], ScriptedAnswer | Exception], used: int
) -> None:
    rig = Rig(answer(), grant=LIMITED)

    await rig.ask()

    assert await tokens_left(rig) == 6000 - used


async def test_a_request_that_was_not_sent_books_no_token() -> None:
    rig = Rig(grant=LIMITED)
    rig.spool.full = True

    await rig.ask()

    assert await tokens_left(rig) == 6000


async def test_a_limit_is_told_as_a_rejection_with_nothing_sent() -> None:
    rig = Rig(good_stream(), grant=replace(GRANT, limits=Limits(requests_per_minute=1)))
    await rig.ask()

    reply = await rig.ask()

    assert isinstance(reply.error, TrimtabError)
    assert rig.finishes[1].record.status == "rejected"
    assert rig.finishes[1].record.http_status == 429
    assert (rig.finishes[1].lines, rig.finishes[1].attempts) == ((), ())
    assert len(rig.provider.sent) == len(rig.begins) == 1


def test_a_paid_call_without_a_hold_does_not_type_check() -> None:
    rig = Rig(streamed())
    planned = screened(rig)

    with pytest.raises(AttributeError):
        rig.pipeline.call(planned, None).send(None)  # pyright: ignore[reportArgumentType]

    assert rig.provider.sent == []


async def test_a_throttled_tenant_gets_so_many_requests_a_minute_and_a_time_to_come_back() -> None:
    rig = Rig(*[ConnectTimedOut("late")] * 3, grant=LIMITED)
    rig.suspend(OF_ACME, requests_per_minute=2)

    replies = [await rig.ask() for _ in range(3)]

    assert [isinstance(reply.error, RateLimited) for reply in replies] == [False, False, True]
    assert isinstance(replies[-1].error, RateLimited)
    assert replies[-1].error.wait_s == 30


async def test_what_this_worker_refuses_by_itself_is_not_remembered_as_the_rate_of_all() -> None:
    class Alone(MemoryLimits):
        async def hold(
            self, request_id: str, needs: Sequence[Need], *, lease_s: float, asker: Asker = NOBODY
        ) -> Held:
            held = await super().hold(request_id, needs, lease_s=lease_s, asker=asker)
            return msgspec.structs.replace(held, is_degraded=True)

    grant = replace(GRANT, limits=Limits(requests_per_minute=1))
    rig = Rig(grant=grant)
    alone = replace(rig.pipeline.fund, limits=Alone(rig.clock))
    rig.pipeline = replace(rig.pipeline, fund=alone)
    await hold(rig)

    with pytest.raises(RateLimited):
        await hold(rig)

    alone.check(grant, rig.clock.now_us())


async def test_limits_that_only_count_refuse_nobody_and_say_whom_they_would_have() -> None:
    limits = Limits(requests_per_minute=1, parallel=1, shadow=True)
    rig = Rig(json_answer(), json_answer(), grant=replace(GRANT, limits=limits))

    first = await rig.ask(rig.request(stream=False))
    second = await rig.ask(rig.request(stream=False))

    told = [reply.facts.shadowed if reply.facts else None for reply in (first, second)]
    assert told == [(), ("requests",)]
    assert [it.detail.shadowed for it in rig.finishes] == [(), ("requests",)]
    assert {it.record.status for it in rig.finishes} == {"ok"}
