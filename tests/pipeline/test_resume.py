from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import (
    BEGAN,
    CHAT,
    DONE,
    OVER,
    ROLE,
    SAID,
    SIM,
    STOP,
    TOLD,
    USAGE,
    WARM,
    Rig,
    delta,
    json_answer,
    named,
    sse,
    streamed,
)

from trimtab.domain.errors import StreamTruncated
from trimtab.domain.model import AfterFirstToken, Fallback, Model, ProviderWire, Retry, Wire
from trimtab.domain.transport import ConnectionLost
from trimtab.testing import RecordingReply, ScriptedAnswer

OTHER = msgspec.structs.replace(SIM, name="other", prefill=True)
GOES_ON = msgspec.structs.replace(
    CHAT,
    retry=Retry(),
    fallback=Fallback(when_error=("other/large",), after_first_token=AfterFirstToken.CONTINUE),
)
REST = sse(delta(content=" outside"))
CUT = ConnectionLost("cut", before_headers=False)
TOOL = delta(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "look"}}])


def rig(*answers: ScriptedAnswer, model: Model = GOES_ON) -> Rig:
    return Rig(*answers, model=model, others=(OTHER,), reject_unpriced=False)


def rest() -> ScriptedAnswer:
    return streamed(ROLE, REST, STOP, USAGE, DONE)


async def test_a_text_that_was_cut_is_gone_on_with_where_it_was_cut() -> None:
    made = rig(streamed(ROLE, WARM, CUT), rest())

    reply = await made.ask(made.request(usage_asked=True))

    assert reply.data == ROLE + WARM + REST + STOP + USAGE + DONE
    asked = msgspec.json.decode(made.provider.sent[1][2])
    assert asked["messages"][-1] == {"role": "assistant", "content": "21 degrees"}
    assert asked["messages"][0]["content"] == "How warm is it?"
    assert made.record.status == "ok"


async def test_both_attempts_are_charged_and_the_whole_text_is_remembered() -> None:
    made = rig(streamed(ROLE, WARM, CUT), rest())

    await made.ask()

    first, second = made.finish.attempts
    assert (first.error_code, first.usage_source) == ("stream_truncated", "estimated")
    assert (second.error_code, second.usage_source) == (None, "provider")
    assert len(made.finish.lines) == 2
    assert (made.record.attempt_count, made.record.fallback_used) == (2, True)
    stored = b"".join(blob.data for blob in made.finish.content)
    assert b"21 degrees outside" in stored


async def test_the_anthropic_wire_goes_on_in_the_same_block() -> None:
    started = named(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    )
    made = rig(streamed(BEGAN, started, SAID, CUT), streamed(BEGAN, started, SAID, TOLD + OVER))

    reply = await made.ask(made.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert reply.data == BEGAN + started + SAID + SAID + TOLD + OVER


async def test_a_block_that_is_closed_is_not_gone_on_with() -> None:
    closed = named({"type": "content_block_stop", "index": 0})
    made = rig(streamed(BEGAN, SAID, closed, CUT))

    reply = await made.ask(made.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert reply.calls[-1] == "cut"


async def test_t27_by_default_a_stream_that_is_cut_ends_in_an_error() -> None:
    fails = msgspec.structs.replace(GOES_ON, fallback=Fallback(when_error=("other/large",)))
    made = rig(streamed(ROLE, WARM, CUT), model=fails)

    reply = await made.ask()

    assert reply.calls[-1] == "cut"
    assert made.record.error_code == "stream_truncated"


@pytest.mark.parametrize(
    "members",
    [
        {"tools": []},
        {"response_format": {"type": "json_object"}},
        {"reasoning_effort": "low"},
        {"n": 2},
        {"brand_new": 1},
    ],
)
async def test_t27_only_plain_text_is_gone_on_with(members: dict[str, Any]) -> None:
    made = rig(streamed(ROLE, WARM, CUT))

    reply = await made.ask(made.request(members))

    assert reply.calls[-1] == "cut"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(sse(TOOL), id="a tool call"),
        pytest.param(sse(delta(reasoning_content="Hm")) + WARM, id="reasoning"),
        pytest.param(sse(delta(content="21 ")), id="a blank at the end"),
        pytest.param(WARM + STOP, id="a text that has ended"),
        pytest.param(WARM + sse({"error": {"type": "overloaded"}}), id="an error it told itself"),
    ],
)
async def test_what_cannot_be_gone_on_with_ends_in_an_error(said: bytes) -> None:
    made = rig(streamed(ROLE, said, CUT))

    reply = await made.ask()

    assert reply.calls[-1] == "cut"
    assert len(made.provider.sent) == 1


async def test_a_target_that_cannot_go_on_is_not_asked_to() -> None:
    made = Rig(
        streamed(ROLE, WARM, CUT),
        model=GOES_ON,
        others=(msgspec.structs.replace(OTHER, prefill=False),),
        reject_unpriced=False,
    )

    assert (await made.ask()).calls[-1] == "cut"


async def test_it_goes_on_once() -> None:
    made = rig(streamed(ROLE, WARM, CUT), streamed(ROLE, REST, CUT))

    reply = await made.ask()

    assert reply.data == ROLE + WARM + REST
    assert reply.calls[-1] == "cut"
    assert len(made.finish.attempts) == 2


async def test_if_nobody_can_go_on_the_first_failure_is_told() -> None:
    made = rig(streamed(ROLE, WARM, CUT), json_answer(b"{}", 500))

    reply = await made.ask()

    assert reply.error is not None
    assert reply.error.code == "stream_truncated"
    assert len(made.finish.attempts) == 2


async def test_a_whole_answer_does_not_go_on_with_a_stream() -> None:
    made = rig(streamed(ROLE, WARM, CUT), json_answer())

    reply = await made.ask()

    assert reply.error is not None
    assert reply.error.code == "stream_truncated"


async def test_what_cannot_be_written_down_is_not_gone_on_with() -> None:
    class Filling(ScriptedAnswer):
        async def read(self) -> bytes:
            block = await super().read()
            made.spool.full = block == WARM
            return block

    made = rig(Filling([ROLE, WARM, CUT]))

    reply = await made.ask()

    assert reply.error is not None
    assert reply.error.code == "stream_truncated"
    assert len(made.provider.sent) == 1


async def test_nobody_goes_on_for_a_caller_who_is_gone() -> None:
    made = rig(streamed(ROLE, WARM, None))

    await made.ask(reply=RecordingReply(hang_up_after=1))

    assert made.record.status == "cancelled"
    assert Raw(made.provider.sent[0][2])
    assert len(made.provider.sent) == 1


async def test_a_target_of_another_wire_does_not_go_on_with_it() -> None:
    bridged = msgspec.structs.replace(OTHER, wire=ProviderWire.ANTHROPIC)
    made = Rig(
        streamed(ROLE, WARM, CUT), rest(), model=GOES_ON, others=(bridged,), reject_unpriced=False
    )

    reply = await made.ask(made.request())

    assert isinstance(reply.error, StreamTruncated)
    assert len(made.provider.sent) == 1
