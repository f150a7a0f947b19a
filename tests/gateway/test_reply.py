import asyncio

import msgspec
import pytest
from tests.gateway.conftest import Caller

from trimtab.domain.allowance import Allowance
from trimtab.domain.errors import ProviderRefused, RateLimited, StreamTruncated, TrimtabError
from trimtab.domain.model import Wire
from trimtab.gateway import reply as module
from trimtab.gateway.reply import AsgiReply, Message, allowed
from trimtab.pipeline.reply import Facts

BEFORE = Facts(request_id="r_1", trace_id="ab", config_seq=7, target="sim/ü", attempts=1)
AFTER = msgspec.structs.replace(BEFORE, cost_nano=9_414_000, usage_source="provider")
UNPRICED = msgspec.structs.replace(BEFORE, usage_source="estimated")


def reply_to(caller: Caller, wire: Wire = Wire.OPENAI_CHAT) -> AsgiReply:
    return AsgiReply(wire, caller.receive, caller.send)


async def test_a_whole_answer_tells_its_cost_in_headers() -> None:
    caller = Caller([])

    await reply_to(caller).whole(b"{}", AFTER)

    assert caller.answer.headers == {
        "content-type": "application/json",
        "content-length": "2",
        "x-trimtab-request-id": "r_1",
        "x-request-id": "r_1",
        "request-id": "r_1",
        "x-trimtab-trace-id": "ab",
        "traceresponse": "00-ab-b13a28ca0d7ef8d6-02",
        "x-trimtab-config": "7",
        "x-trimtab-target": "sim/?",
        "x-trimtab-attempts": "1",
        "x-trimtab-usage": "provider",
        "x-trimtab-cost-usd": "0.009414",
    }


async def test_what_was_dropped_is_told_in_a_header_of_an_answer_and_of_a_stream() -> None:
    whole, streamed = Caller([]), Caller([])
    lost = msgspec.structs.replace(AFTER, dropped=("seed", "messages[].name"))

    await reply_to(whole).whole(b"{}", lost)
    await reply_to(streamed).begin_stream(lost)
    await reply_to(streamed).end_stream(b"", lost)

    for caller in (whole, streamed):
        assert caller.answer.headers["x-trimtab-dropped"] == "seed, messages[].name"


async def test_an_unknown_cost_is_not_told() -> None:
    whole, streamed = Caller([]), Caller([])
    stream = reply_to(streamed)

    await reply_to(whole).whole(b"{}", UNPRICED)
    await stream.begin_stream(BEFORE)
    await stream.end_stream(b"", UNPRICED)

    assert "x-trimtab-cost-usd" not in whole.answer.headers
    assert b'"cost_usd":null' in streamed.answer.body


async def test_a_stream_tells_its_cost_just_before_its_terminal() -> None:
    caller = Caller([])
    reply = reply_to(caller)

    await reply.begin_stream(BEFORE)
    await reply.write(b"data: 1\n\n")
    await reply.end_stream(b"data: [DONE]\n\n", AFTER)

    answer = caller.answer
    assert answer.headers["x-accel-buffering"] == "no"
    assert "x-trimtab-cost-usd" not in answer.headers
    assert answer.body == (
        b'data: 1\n\n: trimtab {"request_id":"r_1","cost_usd":"0.009414","usage":"provider",'
        b'"target":"sim/\xc3\xbc","attempts":1}\n\ndata: [DONE]\n\n'
    )


@pytest.mark.parametrize("told", [True, False])
async def test_a_cut_stream_ends_in_one_error_event(*, told: bool) -> None:
    caller = Caller([])
    reply = reply_to(caller, Wire.ANTHROPIC_MESSAGES)

    await reply.begin_stream(BEFORE)
    await reply.cut(StreamTruncated("cut"), told=told, facts=AFTER)

    assert caller.answer.body.startswith(b": trimtab {")
    assert caller.answer.body.count(b"event: error\n") == (not told)


async def test_a_refusal_tells_whether_to_try_again() -> None:
    caller = Caller([])

    await reply_to(caller).refuse(RateLimited("slow down", wait_s=2.0), BEFORE)

    assert caller.answer.status == 429
    assert caller.answer.headers["retry-after"] == "2"
    assert caller.answer.json["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("body", "message"), [(b'{"error":{"message":"theirs"}}', "theirs"), (b"", "ours")]
)
async def test_a_refusal_of_the_provider_is_its_own_or_else_ours(body: bytes, message: str) -> None:
    caller = Caller([])

    await reply_to(caller).refuse(ProviderRefused("ours", status=422, body=body), BEFORE)

    assert caller.answer.status == 422
    assert caller.answer.json["error"]["message"] == message


async def test_a_bug_says_nothing_of_itself_but_its_code() -> None:
    caller = Caller([])

    await reply_to(caller).refuse(TrimtabError("request 'r_1' met a bug"), BEFORE)

    assert caller.answer.status == 500
    assert caller.answer.headers["x-trimtab-error"] == "internal"
    assert caller.answer.headers["x-should-retry"] == "false"


async def test_a_caller_who_hangs_up_is_noticed_and_written_to_no_more() -> None:
    caller = Caller([], hangs_up=True)
    reply, acts = reply_to(caller), Acts()
    reply.when_gone(acts)

    await reply.begin_stream(BEFORE)
    await asyncio.sleep(0)
    await reply.write(b"data: 1\n\n")
    await reply.end_stream(b"", AFTER)

    assert (reply.gone, acts.count) == (True, 1)
    assert [message["type"] for message in caller.sent] == ["http.response.start"]


async def test_one_who_asks_after_the_hang_up_is_told_at_once() -> None:
    caller = Caller([], hangs_up=True)
    reply, acts = reply_to(caller), Acts()
    await reply.begin_stream(BEFORE)
    await asyncio.sleep(0)

    reply.when_gone(acts)

    assert acts.count == 1


async def test_a_write_that_fails_is_a_hang_up() -> None:
    async def broken(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise BrokenPipeError

    reply, acts = AsgiReply(Wire.OPENAI_CHAT, Caller([]).receive, broken), Acts()
    reply.when_gone(acts)

    await reply.begin_stream(BEFORE)
    await reply.write(b"data: 1\n\n")
    await reply.write(b"data: 2\n\n")
    await reply.end_stream(b"", AFTER)

    assert (reply.gone, acts.count) == (True, 1)


async def test_a_caller_who_does_not_read_is_gone_and_the_request_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STALLED_WRITE_S", 0.005)

    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    reply, acts = AsgiReply(Wire.OPENAI_CHAT, Caller([]).receive, stuck), Acts()
    reply.when_gone(acts)
    await reply.begin_stream(BEFORE)

    async with asyncio.timeout(1):
        await reply.write(b"data: 1\n\n")
    await reply.end_stream(b"", AFTER)

    assert (reply.gone, acts.count) == (True, 1)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_caller_who_reads_slowly_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALLED_WRITE_S", 0.02)

    async def slow(_message: Message) -> None:
        await asyncio.sleep(0.004)

    reply = AsgiReply(Wire.OPENAI_CHAT, Caller([]).receive, slow)
    await reply.begin_stream(BEFORE)

    for _ in range(15):
        await reply.write(b"data: 1\n\n")
    await reply.end_stream(b"", AFTER)

    assert not reply.gone


async def test_a_shutdown_is_no_slow_caller() -> None:
    async def stuck(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    reply = AsgiReply(Wire.OPENAI_CHAT, Caller([]).receive, stuck)
    await reply.begin_stream(BEFORE)
    task = asyncio.ensure_future(reply.write(b"data: 1\n\n"))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not reply.gone


async def test_a_reply_leaves_no_task_and_no_timer_behind() -> None:
    before = asyncio.all_tasks()
    reply = reply_to(Caller([]))

    await reply.begin_stream(BEFORE)
    await reply.end_stream(b"", AFTER)

    assert asyncio.all_tasks() == before


class Acts:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def rated(wire: Wire, reset_s: float) -> dict[str, str]:
    facts = Facts(
        request_id="r_1",
        trace_id="t",
        ts_us=1_767_225_600_000_000,
        allowances=(Allowance("requests", 60, 59, reset_s), Allowance("tokens", 6000, -4, 60.0)),
    )
    return {name.decode(): value.decode() for name, value in allowed(facts, wire)}


@pytest.mark.parametrize(
    ("reset_s", "told"), [(0.017, "17ms"), (7.66, "7.66s"), (1.0, "1s"), (60.0, "1m0s")]
)
def test_what_is_left_of_the_rates_is_told_as_openai_does(reset_s: float, told: str) -> None:
    assert rated(Wire.OPENAI_CHAT, reset_s) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": told,
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m0s",
    }


def test_what_is_left_of_the_rates_is_told_as_anthropic_does() -> None:
    assert rated(Wire.ANTHROPIC_MESSAGES, 1.0) == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "59",
        "anthropic-ratelimit-requests-reset": "2026-01-01T00:00:01Z",
        "anthropic-ratelimit-tokens-limit": "6000",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-tokens-reset": "2026-01-01T00:01:00Z",
    }
