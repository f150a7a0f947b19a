from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import (
    CHAT,
    COMPLETED,
    CREATED,
    GRANT,
    KEY,
    RESPONDED,
    WROTE,
    Rig,
    json_answer,
    streamed,
)

from trimtab.domain.errors import TryLater
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Provider, ProviderWire, Target, Wire
from trimtab.domain.record import RequestRecord
from trimtab.pipeline import recall
from trimtab.pipeline.handoff import Request
from trimtab.testing import RecordingReply

ANSWER = msgspec.json.encode(RESPONDED)
OTHER = Provider(name="other", wire=ProviderWire.OPENAI, url="http://127.0.0.1:1", prices_as="sim")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "PAUSES_S", (0.0, 0.0))


def asking(rig: Rig, previous: str | None = None, **changes: object) -> Request:
    members = {"input": "hi"}
    return rig.request(members, wire=Wire.OPENAI_RESPONSES, previous=previous, **changes)


async def answered_once(rig: Rig) -> RequestRecord:
    """Let a worker make `resp_1` and forget it, so that only the store knows it."""
    await rig.ask(asking(rig, stream=False))
    made = rig.record
    rig.pipeline = replace(rig.pipeline, recall=recall.Recall(rig.stored_answer))
    rig.spool.frames.clear()
    return made


def target_of(rig: Rig) -> bytes:
    return msgspec.json.decode(rig.provider.sent[-1][2])["model"]


async def test_goes_on_where_the_answer_was_made() -> None:
    rig = Rig(streamed(CREATED, WROTE, COMPLETED), json_answer(ANSWER))
    await rig.ask(asking(rig))
    moved = msgspec.structs.replace(CHAT, to=Target("other", "small"))
    rig.snapshot = replace(
        rig.snapshot, models={"chat": moved}, providers={**rig.snapshot.providers, "other": OTHER}
    )

    reply = await rig.ask(asking(rig, "resp_1", stream=False))

    assert reply.error is None
    assert [finish.record.target for finish in rig.finishes] == ["sim/large", "sim/large"]
    assert rig.finishes[1].record.replay_gaps == ""


async def test_what_another_worker_made_is_looked_up_in_the_store() -> None:
    rig = Rig(json_answer(ANSWER), json_answer(ANSWER))
    made = await answered_once(rig)
    rig.stored["acme", "resp_1"] = made

    reply = await rig.ask(asking(rig, "resp_1", stream=False))

    assert reply.error is None
    assert rig.record.target == "sim/large"


async def test_an_answer_on_its_way_to_the_store_is_waited_for() -> None:
    rig = Rig(json_answer(ANSWER), json_answer(ANSWER))
    made = await answered_once(rig)
    looks: list[str] = []

    async def stored(_tenant_id: str, response_id: str) -> RequestRecord | None:
        looks.append(response_id)
        return made if len(looks) > 1 else None

    rig.pipeline = replace(rig.pipeline, recall=recall.Recall(stored))
    reply = await rig.ask(asking(rig, "resp_1", stream=False))

    assert reply.error is None
    assert looks == ["resp_1", "resp_1"]


async def test_another_tenants_answer_is_not_there() -> None:
    rig = Rig(json_answer(ANSWER))
    await rig.ask(asking(rig, stream=False))
    globex = replace(GRANT, tenant=msgspec.structs.replace(GRANT.tenant, id=TenantId("globex")))
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: globex})

    theirs = await rig.ask(asking(rig, "resp_1"))
    nobodys = await rig.ask(asking(rig, "resp_2"))

    assert _code(theirs) == _code(nobodys) == "not_found"
    assert str(theirs.error).replace("resp_1", "") == str(nobodys.error).replace("resp_2", "")
    assert len(rig.provider.sent) == 1
    assert [it.record.status for it in rig.finishes[1:]] == ["rejected", "rejected"]


async def test_a_store_that_is_away_is_no_unknown_answer() -> None:
    async def away(_tenant_id: str, _response_id: str) -> None:
        raise TryLater("the store is away")

    rig = Rig()
    rig.pipeline = replace(rig.pipeline, recall=recall.Recall(away))

    reply = await rig.ask(asking(rig, "resp_1"))

    assert _code(reply) == "recorder_unavailable"


async def test_under_another_name_only_the_same_account_goes_on() -> None:
    rig = Rig(json_answer(ANSWER), json_answer(ANSWER))
    made = await answered_once(rig)
    rig.stored["acme", "resp_1"] = msgspec.structs.replace(made, model_requested="dear")
    here = await rig.ask(asking(rig, "resp_1", stream=False))
    rig.stored["acme", "resp_2"] = msgspec.structs.replace(
        made, model_requested="dear", target="other/large", response_id="resp_2"
    )

    elsewhere = await rig.ask(asking(rig, "resp_2", stream=False))

    assert here.error is None
    assert rig.finishes[0].record.target == "sim/large"
    assert _code(elsewhere) == "unsupported_by_target"
    assert "'dear'" in str(elsewhere.error)


async def test_no_more_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "MAX_REMEMBERED", 2)
    rig = Rig(json_answer(ANSWER), json_answer(ANSWER))
    made = await answered_once(rig)
    for number in range(3):
        named = msgspec.structs.replace(made, response_id=f"resp_{number}")
        rig.pipeline.recall.remember(named)

    oldest = await rig.ask(asking(rig, "resp_0", stream=False))
    latest = await rig.ask(asking(rig, "resp_2", stream=False))

    assert _code(oldest) == "not_found"
    assert latest.error is None


def _code(reply: RecordingReply) -> str:
    assert reply.error is not None
    return reply.error.code
