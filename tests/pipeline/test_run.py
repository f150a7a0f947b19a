import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

import pytest
from tests.pipeline.conftest import (
    ANSWER,
    BEGAN,
    COST_NANO,
    DONE,
    FLOOR,
    LIMITED,
    OF_ACME,
    OVER,
    PING,
    PRICES,
    ROLE,
    SAID,
    STOP,
    SUSPENDED,
    TOLD,
    USAGE,
    WARM,
    Rig,
    good_stream,
    impatient,
    json_answer,
    streamed,
)

from trimtab.cost.meter import Meter
from trimtab.domain.chat import UsageReport
from trimtab.domain.errors import (
    Draining,
    ModelNotFound,
    ProviderOverloaded,
    ProviderTimeout,
    RecorderUnavailable,
    TrimtabError,
    Unauthenticated,
)
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Wire
from trimtab.domain.transport import ConnectionLost, ConnectTimedOut
from trimtab.domain.usage import Usage
from trimtab.domain.verdict import Finding
from trimtab.pipeline.bill import Biller
from trimtab.pipeline.handoff import Identified, Planned
from trimtab.pipeline.reply import Facts
from trimtab.pipeline.settle import Refusals
from trimtab.testing import RecordingReply, ScriptedAnswer

RESET = ConnectionLost("reset", before_headers=False)


class Boom:
    """A guard with a bug."""

    async def check(self, planned: Planned) -> tuple[Finding, ...]:
        raise ZeroDivisionError(planned.model.name)


async def test_a_stream_passes_byte_for_byte_and_leaves_one_record() -> None:
    rig = Rig(good_stream())

    reply = await rig.ask(rig.request(usage_asked=True))

    assert reply.calls == ["begin_stream", "write", "write", "write", "end_stream"]
    assert reply.data == ROLE + WARM + STOP + USAGE + DONE
    assert len(rig.begins) == 1
    assert (rig.record.status, rig.record.http_status) == ("ok", 200)
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)
    assert rig.record.cost_nano == COST_NANO


async def test_a_stream_of_the_other_wire_passes_byte_for_byte_and_leaves_one_record() -> None:
    rig = Rig(streamed(BEGAN, PING, SAID, TOLD + OVER))

    reply = await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert reply.calls == ["begin_stream", "write", "write", "end_stream"]
    assert reply.data == BEGAN + PING + SAID + TOLD + OVER
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)
    assert rig.record.cost_nano == COST_NANO


async def test_a_whole_answer_passes_byte_for_byte_and_leaves_one_record() -> None:
    rig = Rig(json_answer())

    reply = await rig.ask(rig.request(stream=False))

    assert (reply.calls, reply.data) == (["whole"], ANSWER)
    assert reply.facts is not None
    assert (reply.facts.cost_nano, reply.facts.usage_source) == (COST_NANO, "provider")
    assert (rig.record.status, rig.record.cost_nano) == ("ok", COST_NANO)


async def test_the_outcome_is_written_before_the_last_byte() -> None:
    rig = Rig(good_stream())
    finishes: list[int] = []

    class Watching(RecordingReply):
        async def write(self, data: bytes) -> None:
            finishes.append(len(rig.finishes))
            await super().write(data)

        async def end_stream(self, terminal: bytes, facts: Facts) -> None:
            finishes.append(len(rig.finishes))
            await super().end_stream(terminal, facts)

    await rig.ask(reply=Watching())

    assert finishes == [0, 0, 1]


async def test_a_key_nobody_knows_is_counted_and_leaves_no_record() -> None:
    rig = Rig()

    reply = await rig.ask(rig.request(key="tt_test_guess"))

    assert isinstance(reply.error, Unauthenticated)
    assert rig.spool.frames == []
    assert rig.spool.notes == {"unauthenticated": 1}


@pytest.mark.parametrize(
    ("until_s", "served"),
    [
        pytest.param(None, False, id="without end"),
        pytest.param(10, False, id="still on"),
        pytest.param(0, True, id="just over"),
    ],
)
async def test_the_kill_switch_holds_until_its_end(*, until_s: int | None, served: bool) -> None:
    rig = Rig(good_stream())
    until_us = None if until_s is None else rig.clock.now_us() + until_s * 1_000_000
    rig.suspend(OF_ACME, until_us=until_us)

    reply = await rig.ask()

    assert (reply.error is None) == served
    assert len(rig.provider.sent) == served
    assert rig.record.error_code == (None if served else "tenant_suspended")
    assert rig.record.http_status == (200 if served else 403)


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        pytest.param(ConnectTimedOut("late"), "provider_error", 502, id="no connection"),
        pytest.param(RESET, "provider_error", 502, id="reset"),
        pytest.param(streamed(ROLE), "provider_error", 502, id="end before content"),
        pytest.param(streamed(ROLE, RESET), "provider_error", 502, id="cut before content"),
        pytest.param(
            streamed(b'data: {"error":{"message":"m","type":"overloaded_error"}}\n\n'),
            "provider_overloaded",
            503,
            id="error event before content",
        ),
        pytest.param(
            streamed(b"data: {\n\ndata: {\n\ndata: {\n\n"), "provider_bad_output", 502, id="junk"
        ),
        pytest.param(json_answer(b"{}", 401), "provider_auth", 502, id="our key is bad"),
        pytest.param(json_answer(b"{}", 402), "provider_auth", 502, id="our account is empty"),
        pytest.param(json_answer(b"{}", 429), "provider_rate_limited", 429, id="limited"),
        pytest.param(json_answer(b"{}", 500), "provider_error", 502, id="broken"),
        pytest.param(json_answer(b"{}", 529), "provider_overloaded", 503, id="overloaded"),
        pytest.param(json_answer(b"{}", 504), "provider_timeout", 504, id="timed out"),
        pytest.param(json_answer(b"{}", 302), "provider_error", 502, id="redirect"),
        pytest.param(json_answer(b"not json"), "provider_bad_output", 502, id="bad body"),
    ],
)
async def test_a_failure_before_the_first_content_is_a_status(
    error: ScriptedAnswer | Exception, code: str, status: int
) -> None:
    rig = Rig(error, grant=LIMITED)

    reply = await rig.ask()

    assert reply.calls == ["refuse"]
    assert reply.data == b""
    assert reply.error is not None
    assert reply.error.code == code
    assert (rig.record.status, rig.record.error_code) == ("error", code)
    assert rig.record.http_status == status
    assert await rig.free() == (1,)


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        pytest.param((RESET,), False, id="cut"),
        pytest.param((), False, id="end without terminal"),
        pytest.param((STOP + USAGE,), False, id="end after usage without terminal"),
        pytest.param((b'data: {"error":{"message":"m"}}\n\n',), True, id="error event"),
        pytest.param((b"data: {\n\n" * 3,), False, id="three malformed lines"),
    ],
)
async def test_a_failure_after_the_first_content_is_an_error_event_never_silence(
    *, blocks: tuple[bytes | Exception, ...], told: bool
) -> None:
    rig = Rig(streamed(ROLE, WARM, *blocks), grant=LIMITED)

    reply = await rig.ask()

    assert reply.calls[-1] == "cut"
    assert reply.told == told
    assert reply.data.startswith(ROLE + WARM)
    assert DONE not in reply.data
    assert (rig.record.status, rig.record.http_status) == ("truncated", 200)
    assert rig.record.cost_nano
    assert await rig.free() == (1,)


async def test_a_provider_s_error_in_the_block_of_the_first_content_reaches_the_caller() -> None:
    failed = b'data: {"error":{"message":"m","type":"server_error"}}\n\n'
    rig = Rig(streamed(ROLE + WARM + failed))

    reply = await rig.ask()

    assert (reply.calls[-1], reply.told) == ("cut", True)
    assert reply.data == ROLE + WARM + failed


async def test_what_follows_the_terminal_changes_nothing() -> None:
    failed = b'data: {"error":{"message":"m","type":"server_error"}}\n\n'
    rig = Rig(streamed(ROLE + WARM + STOP + USAGE + DONE + failed))

    reply = await rig.ask()

    assert reply.calls[-1] == "end_stream"
    assert rig.record.status == "ok"


async def test_an_overloaded_provider_has_the_status_each_wire_knows() -> None:
    rig = Rig(json_answer(b"{}", 503))

    reply = await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert isinstance(reply.error, ProviderOverloaded)
    assert rig.record.http_status == 529


async def test_a_slow_first_token_is_a_timeout_and_gives_up_the_answer() -> None:
    answer = streamed(ROLE, None)
    rig = Rig(answer, model=impatient(first_token=0.02), grant=LIMITED)

    reply = await rig.ask()

    assert isinstance(reply.error, ProviderTimeout)
    assert answer.closed
    assert (rig.record.status, rig.record.http_status) == ("error", 504)
    assert (rig.record.usage_source, rig.record.input_tokens) == ("estimated", FLOOR)
    assert await rig.free() == (1,)


async def test_a_silence_between_tokens_is_a_stall() -> None:
    answer = streamed(ROLE, WARM, None)
    rig = Rig(answer, model=impatient(between_tokens=0.02))

    reply = await rig.ask_while_time_passes()

    assert reply.calls[-1] == "cut"
    assert answer.closed
    assert (rig.record.status, rig.record.error_code) == ("truncated", "stream_stalled")
    assert rig.finish.attempts[0].raw_reason == "silence"


async def test_a_stream_that_does_not_come_to_its_end_is_cut_when_its_time_is_up() -> None:
    endless = streamed(ROLE, *[WARM] * 100_000)
    rig = Rig(endless, model=impatient(total=0.02))

    reply = await rig.ask_while_time_passes()

    assert reply.calls[-1] == "cut"
    assert (rig.record.status, rig.record.error_code) == ("truncated", "provider_timeout")
    assert rig.finish.attempts[0].raw_reason == "total"


@pytest.mark.parametrize("wire", [Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_deadline_that_passes_before_the_first_content_is_a_504(
    wire: Wire, *, stream: bool
) -> None:
    rig = Rig(streamed(None), grant=LIMITED)

    reply = await rig.ask(rig.request(wire=wire, stream=stream, ends_s=0.02))

    assert reply.calls == ["refuse"]
    assert (rig.record.error_code, rig.record.http_status) == ("deadline_exceeded", 504)
    assert len(rig.finish.attempts) == 1
    assert await rig.free() == (1,)


async def test_a_deadline_that_passes_in_a_stream_ends_it_in_an_error_event() -> None:
    rig = Rig(streamed(ROLE, WARM, None))

    reply = await rig.ask_while_time_passes(rig.request(ends_s=2.0))

    assert reply.calls[-1] == "cut"
    assert (rig.record.status, rig.record.error_code) == ("truncated", "deadline_exceeded")
    assert len(rig.provider.sent) == 1


async def test_a_request_whose_time_is_up_is_not_sent() -> None:
    rig = Rig(good_stream(), grant=LIMITED)

    reply = await rig.ask(rig.request(ends_s=0.0))

    assert reply.error
    assert (reply.error.code, rig.provider.sent) == ("deadline_exceeded", [])
    assert rig.record.cost_nano == 0
    assert await rig.free() == (1,)


async def test_a_request_that_cannot_be_written_down_is_not_sent() -> None:
    rig = Rig(good_stream(), grant=LIMITED)
    rig.spool.full = True

    reply = await rig.ask()

    assert isinstance(reply.error, RecorderUnavailable)
    assert reply.calls == ["refuse"]
    assert rig.provider.sent == []
    assert rig.spool.notes == {"recorder_unavailable": 1}
    assert await rig.free() == (1,)


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_cannot_be_written_down_is_not_acknowledged(*, stream: bool) -> None:
    rig = Rig(good_stream() if stream else json_answer(), grant=LIMITED)
    rig.spool.room_for_finishes = 0

    reply = await rig.ask(rig.request(stream=stream))

    assert reply.calls[-1] == ("cut" if stream else "refuse")
    assert isinstance(reply.error, RecorderUnavailable)
    assert DONE not in reply.data
    assert rig.finishes == []
    assert await rig.free() == (1,)


@pytest.mark.parametrize("stream", [True, False])
async def test_an_outcome_that_could_not_be_written_is_written_with_the_next(
    *, stream: bool
) -> None:
    rig = Rig(good_stream() if stream else json_answer(), good_stream())
    rig.spool.room_for_finishes = 0
    await rig.ask(rig.request(stream=stream))
    rig.spool.room_for_finishes = 9

    await rig.ask()

    kept, after = rig.finishes
    assert kept.lines[0].cost_nano == COST_NANO
    assert kept.record.error_code == "recorder_unavailable"
    assert kept.record.status == ("truncated" if stream else "error")
    assert kept.record.http_status == (200 if stream else 503)
    assert (kept.content, kept.record.output_ref) == ((), None)
    assert kept.record.content_state == "truncated"
    assert after.record.status == "ok"
    assert [begin.request_id for begin in rig.begins] == [
        kept.record.request_id,
        after.record.request_id,
    ]


async def test_a_failure_that_cannot_be_written_down_is_told_as_what_it_is() -> None:
    rig = Rig(json_answer(b"{}", 529), good_stream())
    rig.spool.room_for_finishes = 0
    reply = await rig.ask()
    rig.spool.room_for_finishes = 9

    await rig.ask()

    assert isinstance(reply.error, ProviderOverloaded)
    assert rig.finishes[0].record.error_code == "provider_overloaded"
    assert rig.finishes[0].record.http_status == 503


async def test_a_checkpoint_that_cannot_be_written_does_not_end_the_stream() -> None:
    answer = good_stream()
    rig = Rig(answer)

    class Slow(RecordingReply):
        async def write(self, data: bytes) -> None:
            rig.spool.full = not self.data.endswith(WARM)
            rig.clock.advance(3)
            await super().write(data)

    reply = await rig.ask(reply=Slow())

    assert reply.calls[-1] == "end_stream"
    assert rig.record.status == "ok"


@pytest.mark.parametrize(
    ("blocks", "calls", "status"),
    [
        pytest.param((None,), ["refuse"], "error", id="before the head of the stream"),
        pytest.param((ROLE, WARM, None), ["begin_stream", "write", "cut"], "truncated", id="after"),
    ],
)
async def test_a_request_that_is_cut_off_by_a_shutdown_settles_once(
    blocks: tuple[bytes | None, ...], calls: list[str], status: str
) -> None:
    silent = asyncio.Event()

    left = len(blocks)

    class Silent(ScriptedAnswer):
        async def read(self) -> bytes:
            nonlocal left
            left -= 1
            if not left:
                silent.set()
            return await super().read()

    answer = Silent(blocks)
    rig = Rig(answer, grant=LIMITED)
    reply = RecordingReply()
    task = asyncio.create_task(rig.pipeline(rig.request(), reply))
    await silent.wait()

    task.cancel()
    await task

    assert reply.calls == calls
    assert isinstance(reply.error, Draining)
    assert answer.closed
    assert (rig.record.status, rig.record.error_code) == (status, "draining")
    assert rig.record.usage_source == "estimated"
    assert rig.record.input_tokens == FLOOR
    assert len(rig.finish.lines) == 1
    assert await rig.free() == (1,)


async def test_a_bug_becomes_an_answer_and_a_record(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(guards=[Boom()], grant=LIMITED)

    with caplog.at_level(logging.ERROR, "trimtab"):
        reply = await rig.ask()

    assert reply.calls == ["refuse"]
    assert type(reply.error) is TrimtabError
    assert (rig.record.status, rig.record.error_code) == ("error", "internal")
    assert rig.record.http_status == 500
    assert "ZeroDivisionError" in caplog.text
    assert await rig.free() == (1,)


async def test_a_bug_while_settling_is_told_and_frees_what_was_held() -> None:
    rig = Rig(good_stream(), grant=LIMITED)

    class BrokenMeter(Meter):
        def usage(self, wire: Wire, reports: Sequence[UsageReport]) -> Usage | None:
            raise ZeroDivisionError(wire, reports)

    settle = replace(rig.pipeline.settle, bill=Biller(BrokenMeter(PRICES)))
    rig.pipeline = replace(rig.pipeline, settle=settle)

    reply = await rig.ask()

    assert reply.calls[-1] == "cut"
    assert reply.error is not None
    assert reply.error.code == "internal"
    assert await rig.free() == (1,)


async def test_the_connection_of_a_stream_that_ended_is_read_to_its_end() -> None:
    heard: list[bytes] = []

    class Heard(ScriptedAnswer):
        async def read(self) -> bytes:
            heard.append(await super().read())
            return heard[-1]

    rig = Rig(Heard([ROLE, WARM, STOP + USAGE + DONE, b": bye\n\n"]))

    reply = await rig.ask()

    assert reply.calls[-1] == "end_stream"
    assert heard[-2:] == [b": bye\n\n", b""]


async def test_the_connection_of_a_stream_that_failed_is_given_up_at_once() -> None:
    answer = streamed(ROLE, WARM, b"data: {\n\n" * 3, None)
    rig = Rig(answer)

    async with asyncio.timeout(1):
        reply = await rig.ask()

    assert isinstance(reply.error, TrimtabError)
    assert answer.closed


async def test_looking_needs_a_good_key_and_leaves_a_record() -> None:
    rig = Rig()

    request = rig.request(operation="models", model="")
    shown = await rig.pipeline.look(request, lambda known: known.grant.tenant.id)

    assert shown == TenantId("acme")
    assert (rig.record.operation, rig.record.status) == ("models", "ok")
    assert rig.record.cost_nano == 0


async def test_looking_obeys_the_kill_switch() -> None:
    rig = Rig(grant=SUSPENDED)

    with pytest.raises(TrimtabError, match="suspended"):
        await rig.pipeline.look(rig.request(operation="models"), lambda known: known)

    assert (rig.record.status, rig.record.http_status) == ("rejected", 403)


async def test_looking_at_what_is_not_there_is_recorded_as_the_caller_saw_it() -> None:
    rig = Rig()

    def show(known: Identified) -> str:
        raise ModelNotFound(known.grant.tenant.id)

    with pytest.raises(ModelNotFound):
        await rig.pipeline.look(rig.request(operation="models"), show)

    assert (rig.record.status, rig.record.http_status) == ("rejected", 404)


async def test_a_request_that_cannot_be_read_leaves_a_record_if_its_key_is_known() -> None:
    rig = Rig()

    await rig.pipeline.turned_away(rig.request(members={}), Unauthenticated("no"))
    await rig.pipeline.turned_away(rig.request(key=""), Unauthenticated("no"))

    assert (rig.record.status, rig.record.http_status) == ("rejected", 401)
    assert rig.spool.notes == {"unauthenticated": 1}


async def test_the_last_call_of_a_reply_is_never_missing() -> None:
    endings = {"whole", "refuse", "end_stream", "cut"}
    answers = [good_stream(), json_answer(), json_answer(b"{}", 500), RESET, streamed(ROLE, WARM)]
    rig = Rig(*answers)

    for _ in answers:
        reply = await rig.ask()

        assert endings & set(reply.calls) == {reply.calls[-1]}
    assert len(rig.finishes) == len(answers)


class Bug(Exception):
    """Something nobody thought of."""


async def broken(*_args: object, **_more: object) -> NoReturn:
    raise Bug


def broken_at_once(*_args: object) -> NoReturn:
    raise Bug


@pytest.mark.parametrize(
    ("stage", "bug", "calls"),
    [
        pytest.param("admit", broken_at_once, ["refuse"], id="admit"),
        pytest.param("plan", broken_at_once, ["refuse"], id="plan"),
        pytest.param("screen", broken, ["refuse"], id="screen"),
        pytest.param("fund", broken, ["refuse"], id="fund"),
        pytest.param("call", broken, ["refuse"], id="call"),
        pytest.param("relay", broken, ["refuse"], id="relay"),
    ],
)
async def test_t08_a_bug_in_any_stage_leaves_one_record_and_nothing_held(
    stage: str, bug: Callable[..., object], calls: list[str]
) -> None:
    answer = good_stream()
    rig = Rig(answer, grant=LIMITED)
    rig.pipeline = replace(rig.pipeline, **{stage: bug})

    reply = await rig.ask()

    assert reply.calls == calls
    assert (rig.record.error_code, rig.record.http_status) == ("internal", 500)
    assert len(rig.finish.lines) == (stage == "relay")
    assert answer.closed == (stage == "relay")
    assert await rig.free() == (1,)


async def test_a_bug_before_anybody_is_known_is_counted() -> None:
    rig = Rig()
    rig.pipeline = replace(rig.pipeline, identify=broken_at_once)

    reply = await rig.ask()

    assert reply.calls == ["refuse"]
    assert rig.spool.notes == {"internal": 1}


async def test_many_at_once_get_no_more_than_the_tenant_may_have() -> None:
    rig = Rig(*[good_stream() for _ in range(50)], grant=LIMITED)

    replies = await asyncio.gather(*[rig.ask() for _ in range(50)])

    served = [reply for reply in replies if reply.error is None]
    assert len(served) == len(rig.provider.sent) == len(rig.begins) == 2
    assert len(rig.finishes) == 2 + Refusals.MOST_LIMITED
    assert rig.spool.notes == {"parallel_limited": 48 - Refusals.MOST_LIMITED}
    assert {finish.record.error_code for finish in rig.finishes} == {None, "parallel_limited"}
    assert await rig.free() == (1,)
