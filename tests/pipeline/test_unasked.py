import msgspec
import pytest
from tests.pipeline.conftest import (
    CHAT,
    DONE,
    ROLE,
    SIM,
    STOP,
    WARM,
    Rig,
    json_answer,
    streamed,
)

from trimtab.domain.model import ProviderWire, Retry, Wire
from trimtab.testing import ScriptedAnswer

PATIENT = msgspec.structs.replace(CHAT, retry=Retry())


def refusal(message: str, status: int = 400) -> ScriptedAnswer:
    return json_answer(msgspec.json.encode({"error": {"message": message, "type": "x"}}), status)


def bare_stream() -> ScriptedAnswer:
    return streamed(ROLE, WARM, STOP, DONE)


@pytest.mark.parametrize(
    "said",
    [
        refusal("Unrecognized request argument supplied: stream_options"),
        refusal("extra fields not permitted: include_usage", 422),
    ],
)
async def test_a_target_that_cannot_be_asked_for_usage_is_asked_without_from_then_on(
    said: ScriptedAnswer,
) -> None:
    rig = Rig(said, bare_stream(), bare_stream(), model=PATIENT)

    first = await rig.ask()
    second = await rig.ask()

    assert first.data == second.data == ROLE + WARM + STOP + DONE
    asked = [b"stream_options" in body for _, _, body in rig.provider.sent]
    assert asked == [True, False, False]
    assert [it.record.attempt_count for it in rig.finishes] == [2, 1]
    assert {it.record.usage_source for it in rig.finishes} == {"estimated"}
    assert rig.finishes[0].attempts[0].cost_nano == 0


async def test_a_caller_of_the_other_wire_is_served_alike() -> None:
    account = msgspec.structs.replace(SIM, wire=ProviderWire.OPENAI, prices_as="sim")
    rig = Rig(refusal("no stream_options"), bare_stream(), model=PATIENT, provider=account)

    reply = await rig.ask(rig.request({"max_tokens": 9}, wire=Wire.ANTHROPIC_MESSAGES))

    assert reply.error is None
    assert b"stream_options" not in rig.provider.sent[1][2]


async def test_what_the_caller_asked_for_itself_is_not_taken_out() -> None:
    rig = Rig(refusal("no stream_options"), model=PATIENT)

    reply = await rig.ask(rig.request({"stream_options": {"include_usage": True}}))

    assert reply.error
    assert len(rig.provider.sent) == 1


async def test_another_refusal_is_the_answer() -> None:
    rig = Rig(refusal("no such voice"), model=PATIENT)

    await rig.ask()

    assert len(rig.provider.sent) == 1


async def test_who_refuses_without_the_question_too_is_asked_no_third_time() -> None:
    rig = Rig(refusal("no stream_options"), refusal("no stream_options"), model=PATIENT)

    reply = await rig.ask()

    assert reply.error
    assert len(rig.provider.sent) == 2


async def test_a_request_that_may_make_one_call_makes_one_and_the_next_is_served() -> None:
    once = msgspec.structs.replace(CHAT, retry=Retry(in_all=1))
    rig = Rig(refusal("no stream_options"), bare_stream(), model=once)

    assert (await rig.ask()).error
    assert (await rig.ask()).error is None
