import asyncio

import pytest
from tests.pipeline.conftest import (
    ANSWER,
    COST_NANO,
    LIMITED,
    ROLE,
    WARM,
    Rig,
    good_stream,
    impatient,
    json_answer,
    streamed,
)

from trimtab.domain.errors import ProviderError, RecorderUnavailable, TrimtabError
from trimtab.domain.transport import ConnectFailed, ConnectionLost
from trimtab.pipeline import once
from trimtab.store.base.limits import Need
from trimtab.store.memory.idempotency import MemoryIdempotency
from trimtab.testing import RecordingReply, ScriptedAnswer


async def ask(
    rig: Rig, key: str = "k1", asked: bytes = b"hi", *, stream: bool = False
) -> RecordingReply:
    """Ask for a whole answer under an idempotency key."""
    request = rig.request(idempotency_key=key, asked=asked, stream=stream)
    return await rig.ask(request)


def code(reply: RecordingReply) -> str | None:
    return reply.error.code if reply.error else None


async def test_the_second_gets_the_answer_of_the_first_and_pays_nothing() -> None:
    rig = Rig(json_answer(), grant=LIMITED)

    first = await ask(rig)
    second = await ask(rig)

    assert (first.data, second.data) == (ANSWER, ANSWER)
    assert len(rig.provider.sent) == 1
    assert second.facts
    assert second.facts.replayed
    paid, replayed = (finish.record for finish in rig.finishes)
    assert paid.cost_nano
    assert (replayed.status, replayed.cost_nano, replayed.attempt_count) == ("ok", 0, 0)
    assert replayed.origin_request_id == paid.request_id
    assert replayed.idempotency_key_hash == paid.idempotency_key_hash
    assert "k1" not in str(replayed.idempotency_key_hash)
    assert rig.finishes[1].lines == ()
    assert await rig.free() == (1,)


async def test_without_a_key_every_request_is_its_own() -> None:
    rig = Rig(json_answer(), json_answer())

    await rig.ask(rig.request(stream=False))
    await rig.ask(rig.request(stream=False))

    assert [finish.record.cost_nano for finish in rig.finishes] == [COST_NANO] * 2
    assert rig.finishes[0].record.idempotency_key_hash is None


async def test_while_the_first_runs_the_second_is_told_to_come_back() -> None:
    rig = Rig(streamed(None), json_answer(), model=impatient(total=5), grant=LIMITED)
    first = asyncio.create_task(ask(rig))
    await asyncio.sleep(0.01)

    second = await ask(rig)

    assert code(second) == "idempotency_in_flight"
    assert len(rig.provider.sent) == 1
    first.cancel()
    await first


async def test_another_body_or_route_under_the_same_key_is_refused() -> None:
    rig = Rig(json_answer())
    await ask(rig)

    second = await ask(rig, asked=b"ho")

    assert code(second) == "idempotency_mismatch"
    assert len(rig.provider.sent) == 1


async def test_a_stream_is_carried_out_once_and_cannot_be_given_again() -> None:
    rig = Rig(good_stream())
    await ask(rig, stream=True)

    second = await ask(rig, stream=True)

    assert code(second) == "idempotency_done"
    assert rig.finishes[0].record.request_id in str(second.error)


async def test_a_large_answer_cannot_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "LARGEST_ANSWER", len(ANSWER) - 1)
    rig = Rig(json_answer())
    await ask(rig)

    assert code(await ask(rig)) == "idempotency_done"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(ConnectFailed("no"), id="never sent"),
        pytest.param(json_answer(b"{}", 429), id="rate limited"),
        pytest.param(json_answer(b"{}", 400), id="refused"),
        pytest.param(json_answer(b"{}", 500), id="an error status"),
    ],
)
async def test_what_bought_nothing_runs_anew(failure: ScriptedAnswer | Exception) -> None:
    rig = Rig(failure, json_answer())
    assert (await ask(rig)).error

    assert (await ask(rig)).data == ANSWER


async def test_what_a_limit_refused_runs_anew() -> None:
    rig = Rig(json_answer(), grant=LIMITED)
    need = Need(name="all slots", scope="slots/acme", kind="slots", size=2)
    for other in ("r_1", "r_2"):
        await rig.limits.hold(other, [need], lease_s=60)
    assert code(await ask(rig)) == "parallel_limited"
    await rig.limits.settle("r_1", [1])

    assert (await ask(rig)).data == ANSWER


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(ConnectionLost("reset", before_headers=True), id="lost"),
        pytest.param(json_answer(b"junk"), id="unreadable"),
    ],
)
async def test_what_may_have_been_bought_is_not_bought_again(
    failure: ScriptedAnswer | Exception,
) -> None:
    rig = Rig(failure)
    assert isinstance((await ask(rig)).error, TrimtabError)

    assert code(await ask(rig)) == "idempotency_done"


async def test_a_stream_that_was_cut_is_not_bought_again() -> None:
    rig = Rig(streamed(ROLE, WARM))
    await ask(rig, stream=True)

    assert code(await ask(rig, stream=True)) == "idempotency_done"


async def test_an_answer_that_could_not_be_recorded_is_not_bought_again() -> None:
    rig = Rig(json_answer())
    rig.spool.room_for_finishes = 0
    assert isinstance((await ask(rig)).error, RecorderUnavailable)
    rig.spool.room_for_finishes = 10

    assert code(await ask(rig)) == "idempotency_done"


async def test_after_ten_minutes_a_key_is_new() -> None:
    rig = Rig(json_answer(), json_answer())
    await ask(rig)
    rig.clock.advance(once.KEPT_S)

    await ask(rig)

    assert len(rig.provider.sent) == 2


async def test_an_answer_is_given_though_its_key_cannot_be_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away(MemoryIdempotency):
        async def keep(self, *_args: object, **_more: object) -> None:
            raise ProviderError("the store is away")

    rig = Rig(json_answer())
    object.__setattr__(rig.pipeline.once, "store", Away(rig.clock))

    assert (await ask(rig)).data == ANSWER
    assert "the store is away" in caplog.text
