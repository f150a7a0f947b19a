import asyncio
from dataclasses import replace as replace_stage

import pytest
from msgspec.structs import replace
from tests.pipeline.conftest import (
    BEGAN,
    DONE,
    FLOOR,
    LIMITED,
    OVER,
    ROLE,
    SAID,
    SIM,
    STOP,
    TOLD,
    USAGE,
    WARM,
    Rig,
    good_stream,
    impatient,
    streamed,
)

from trimtab.domain.model import OnClientGone, Provider, Wire
from trimtab.testing import RecordingReply, ScriptedAnswer

BAD = b"data: {oops\n\n"
UNKNOWN = b'event: brand_new\ndata: {"type":"brand_new","x":[1, 2]}\n\n'


async def test_the_terminal_waits_until_the_charge_is_settled() -> None:
    rig = Rig(streamed(ROLE, WARM, STOP + USAGE + DONE + b": after\n\n"))

    reply = await rig.ask(rig.request(usage_asked=True))

    assert reply.calls[-2:] == ["write", "end_stream"]
    assert reply.data == ROLE + WARM + STOP + USAGE + DONE + b": after\n\n"


async def test_t10_usage_after_the_stop_is_read() -> None:
    rig = Rig(streamed(ROLE, WARM, STOP, USAGE, DONE))

    await rig.ask()

    assert (rig.record.usage_source, rig.record.output_tokens) == ("provider", 3)


async def test_usage_that_was_not_asked_for_is_hidden() -> None:
    rig = Rig(streamed(ROLE, WARM, STOP, USAGE, DONE))

    reply = await rig.ask(rig.request(usage_asked=False))

    assert reply.data == ROLE + WARM + STOP + DONE


async def test_a_malformed_line_is_passed_on_and_does_not_end_the_stream() -> None:
    rig = Rig(streamed(ROLE, WARM, BAD, BAD, WARM, BAD, BAD, STOP, USAGE, DONE))

    reply = await rig.ask(rig.request(usage_asked=True))

    assert reply.data == ROLE + WARM + BAD + BAD + WARM + BAD + BAD + STOP + USAGE + DONE
    assert rig.record.status == "ok"


async def test_an_unknown_event_is_passed_on() -> None:
    rig = Rig(streamed(BEGAN, SAID, UNKNOWN, TOLD + OVER))

    reply = await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert reply.data == BEGAN + SAID + UNKNOWN + TOLD + OVER


async def test_a_caller_who_is_gone_is_drained_for_an_exact_charge() -> None:
    answer = streamed(ROLE, WARM, WARM, STOP, USAGE, DONE)
    rig = Rig(answer, provider=gone_means(OnClientGone.DRAIN), grant=LIMITED)

    reply = await rig.ask(reply=RecordingReply(hang_up_after=1))

    assert reply.data == ROLE + WARM
    assert (rig.record.status, rig.record.usage_source) == ("cancelled", "provider")
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)
    assert not rig.finish.attempts[0].cancelled
    assert await rig.free() == (1,)


async def test_a_caller_who_is_gone_is_cancelled_and_charged_for_what_was_seen() -> None:
    answer = streamed(ROLE, WARM, *[WARM] * 1000)
    rig = Rig(answer, provider=gone_means(OnClientGone.CANCEL), grant=LIMITED)

    await rig.ask(reply=RecordingReply(hang_up_after=1))

    assert answer.closed
    assert (rig.record.status, rig.record.usage_source) == ("cancelled", "estimated")
    assert (rig.record.input_tokens, rig.record.output_tokens) == (FLOOR, 3)
    assert rig.record.cost_nano
    assert rig.finish.attempts[0].cancelled
    assert rig.finish.attempts[0].error_code is None
    assert await rig.free() == (1,)


async def test_own_hardware_that_is_cancelled_costs_nothing() -> None:
    rig = Rig(streamed(ROLE, WARM, WARM), provider=gone_means(OnClientGone.CANCEL_FREE))

    await rig.ask(reply=RecordingReply(hang_up_after=1))

    assert (rig.record.status, rig.record.usage_source) == ("cancelled", "none")
    assert (rig.record.cost_nano, rig.record.output_tokens) == (0, 0)


@pytest.mark.parametrize("policy", list(OnClientGone))
async def test_a_caller_who_was_gone_before_the_first_content_is_noticed(
    policy: OnClientGone,
) -> None:
    rig = Rig(good_stream(), provider=gone_means(policy))
    reply = RecordingReply()
    reply.hang_up()

    await rig.ask(reply=reply)

    assert reply.data == b""
    assert rig.record.status == "cancelled"
    assert rig.record.usage_source == {"drain": "provider", "cancel": "estimated"}.get(
        policy.value, "none"
    )


async def test_a_cancelled_stream_that_told_its_input_is_charged_for_it() -> None:
    rig = Rig(streamed(BEGAN, SAID, SAID), provider=gone_means(OnClientGone.CANCEL))

    await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES), reply=RecordingReply(hang_up_after=1))

    assert (rig.record.usage_source, rig.record.input_tokens) == ("partial", 12)
    assert rig.record.output_tokens == 3


async def test_a_long_stream_is_written_down_now_and_then() -> None:
    rig = Rig(streamed(ROLE, *[WARM] * 10, STOP, USAGE, DONE))

    class Slow(RecordingReply):
        async def write(self, data: bytes) -> None:
            rig.clock.advance(0.75)
            await super().write(data)

    await rig.ask(reply=Slow())

    checkpoints = rig.checkpoints
    assert [check.output_tokens for check in checkpoints] == [7, 15, 22]
    assert {check.request_id for check in checkpoints} == {rig.record.request_id}


async def test_our_own_slowness_is_no_silence_of_the_provider() -> None:
    rig = Rig(good_stream(), model=impatient(between_tokens=0.01))

    class Slow(RecordingReply):
        async def write(self, data: bytes) -> None:
            rig.clock.advance(100)
            await asyncio.sleep(0.02)
            await super().write(data)

    assert (await rig.ask(reply=Slow())).calls[-1] == "end_stream"


async def test_nobody_watches_a_stream_that_ended() -> None:
    closed: list[float] = []

    class Closing(ScriptedAnswer):
        def close(self) -> None:
            closed.append(rig.clock.monotonic_s())
            super().close()

    rig = Rig(Closing([ROLE, WARM, STOP, DONE]), model=impatient(total=0.01))

    await rig.ask()
    rig.clock.advance(1)
    await asyncio.sleep(0.02)

    assert closed == [0.0]


def gone_means(policy: OnClientGone) -> Provider:
    return replace(SIM, on_client_gone=policy)


async def test_a_quiet_stream_is_kept_alive_by_comments_between_its_events() -> None:
    answer = streamed(ROLE, WARM, None)
    rig = Rig(answer, model=impatient(between_tokens=0.5))
    rig.pipeline = replace_stage(
        rig.pipeline, relay=replace_stage(rig.pipeline.relay, keepalive_s=0.05)
    )
    task = asyncio.create_task(rig.ask())
    while not task.done():
        rig.clock.advance(0.01)
        await asyncio.sleep(0.01)
    reply = await task

    kept = reply.data.removeprefix(ROLE + WARM)
    assert kept.startswith(b": keepalive\n\n" * 3)
    assert rig.record.error_code == "stream_stalled"
