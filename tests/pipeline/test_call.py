import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import (
    ANSWER,
    BEGAN,
    CHAT,
    COST_NANO,
    DONE,
    LIMITED,
    MESSAGES,
    OVER,
    PING,
    ROLE,
    SAID,
    SIM,
    STOP,
    TOLD,
    USAGE,
    WARM,
    Rig,
    delta,
    good_stream,
    impatient,
    json_answer,
    sse,
    streamed,
)

from trimtab.domain.errors import (
    ProviderBadOutput,
    ProviderRefused,
    ProviderTimeout,
    UnsupportedByTarget,
)
from trimtab.domain.model import Fallback, Model, ProviderWire, Retry, Wire
from trimtab.domain.transport import (
    AddressRefused,
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    TransportError,
)
from trimtab.pipeline.call import MAX_ERROR_BODY
from trimtab.testing import RecordingReply, ScriptedAnswer

REFUSAL = b'{"error":{"message":"too long","type":"invalid_request_error","code":"x"}}'


async def test_sends_the_callers_members_with_the_targets_model() -> None:
    rig = Rig(good_stream())
    odd = Raw(b'{"a": 1.50,  "a":2}')

    await rig.ask(rig.request({"new_field": odd, "trimtab": {"feature": "x"}}))

    origin, head, body = rig.provider.sent[0]
    assert (origin.host, origin.port) == ("127.0.0.1", 9000)
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert body == (
        b'{"model":"large","messages":'
        + MESSAGES
        + b',"stream":true,"new_field":{"a": 1.50,  "a":2},'
        b'"stream_options":{"include_usage":true}}'
    )


async def test_a_preamble_is_kept_back_until_the_first_content() -> None:
    calls_at_content: list[str] = []
    reply = RecordingReply()

    class Telling(ScriptedAnswer):
        async def read(self) -> bytes:
            block = await super().read()
            if block == SAID:
                calls_at_content.extend(reply.calls)
            return block

    rig = Rig(Telling([BEGAN, PING, b": keepalive\n\n", SAID, TOLD + OVER]))

    await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES), reply)

    assert calls_at_content == []
    assert reply.data == BEGAN + PING + b": keepalive\n\n" + SAID + TOLD + OVER


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(delta(content="x"), id="text"),
        pytest.param(delta(reasoning_content="x"), id="reasoning"),
        pytest.param(delta(refusal="x"), id="refusal"),
        pytest.param(
            delta(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "look"}}]),
            id="tool call",
        ),
        pytest.param(
            delta(tool_calls=[{"index": 0, "function": {"arguments": "{"}}]), id="tool arguments"
        ),
    ],
)
async def test_the_first_content_of_any_kind_commits(content: object) -> None:
    rig = Rig(streamed(ROLE, sse(content)))

    reply = await rig.ask()

    assert reply.calls == ["begin_stream", "write", "cut"]
    assert rig.record.ttft_us == 0


@pytest.mark.parametrize("lost", [ConnectFailed("no"), AddressRefused("private")])
async def test_what_was_never_sent_costs_nothing_and_has_no_ledger_line(
    lost: TransportError,
) -> None:
    rig = Rig(lost)

    await rig.ask()

    assert (rig.record.usage_source, rig.record.cost_nano) == ("none", 0)
    assert rig.finish.lines == ()
    assert rig.finish.attempts[0].raw_reason == type(lost).__name__


@pytest.mark.parametrize(
    "lost", [ConnectionLost("reset", before_headers=True), BadResponse("no HTTP")]
)
async def test_what_was_sent_and_got_lost_is_estimated(lost: TransportError) -> None:
    rig = Rig(lost)

    await rig.ask()

    assert rig.record.usage_source == "estimated"
    assert len(rig.finish.lines) == 1
    assert rig.finish.lines[0].cost_nano == rig.record.cost_nano != 0


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_a_refusal_of_the_provider_is_passed_on_as_it_is(status: int) -> None:
    rig = Rig(json_answer(REFUSAL, status), grant=LIMITED)

    reply = await rig.ask()

    assert isinstance(reply.error, ProviderRefused)
    assert (reply.error.status, reply.error.body) == (status, REFUSAL)
    assert rig.record.http_status == status
    assert (rig.record.usage_source, rig.record.cost_nano) == ("none", 0)
    assert rig.finish.attempts[0].raw_reason == "invalid_request_error"
    assert await rig.free() == (1,)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>413 Request Entity Too Large</html>", id="a page of some proxy"),
        pytest.param(b"", id="empty"),
        pytest.param(b'["no object"]', id="another shape"),
        pytest.param(b'{"error":"\xff"}', id="invalid UTF-8"),
        pytest.param(b'{"detail":"no"}', id="no error in it"),
        pytest.param(b'{"error":"no"}', id="an error that is a text"),
        pytest.param(b'{"error":{"message":null}}', id="an error without a message"),
        pytest.param(b'{"a":"' + b"x" * MAX_ERROR_BODY + b'"}', id="huge"),
        pytest.param(b"[" * 100_000, id="nested too deep"),
    ],
)
async def test_a_refusal_that_is_no_error_of_the_wire_is_told_in_our_words(body: bytes) -> None:
    rig = Rig(json_answer(body, 400))

    reply = await rig.ask()

    assert isinstance(reply.error, ProviderRefused)
    assert reply.error.body == b""
    assert rig.record.http_status == 400


async def test_an_endless_error_is_not_read_to_its_end() -> None:
    answer = ScriptedAnswer([b"x" * MAX_ERROR_BODY] * 1000, status=500)
    rig = Rig(answer)

    await rig.ask()

    assert answer.closed
    assert rig.record.error_code == "provider_error"


async def test_names_the_provider_chose_are_short_and_visible() -> None:
    headers = ((b"x-request-id", b"\x00\x1b[31m" + b"r" * 10_000),)
    wordy = {"error": {"message": "m", "type": "t\n" + "x" * 10_000}}
    body = msgspec.json.encode(wordy)
    rig = Rig(ScriptedAnswer([body], status=500, headers=headers))

    reply = await rig.ask()

    attempt = rig.finish.attempts[0]
    assert attempt.provider_request_id == "??[31m" + "r" * 250
    assert attempt.raw_reason == "t?" + "x" * 254
    assert len(str(reply.error)) < 400


@pytest.mark.parametrize("name", [b"x-request-id", b"request-id"])
async def test_remembers_the_providers_id_of_the_request(name: bytes) -> None:
    rig = Rig(ScriptedAnswer([ROLE, WARM, DONE], headers=((name, b"req_1"),)))

    await rig.ask()

    assert rig.finish.attempts[0].provider_request_id == "req_1"
    assert rig.finish.lines[0].provider_request_id == "req_1"


async def test_a_whole_answer_to_a_stream_is_passed_on_whole_and_metered() -> None:
    rig = Rig(json_answer())

    reply = await rig.ask(rig.request(stream=True))

    assert (reply.calls, reply.data) == (["whole"], ANSWER)
    assert (rig.record.input_tokens, rig.record.usage_source) == (12, "provider")


async def test_a_stream_nobody_asked_for_is_a_bad_answer() -> None:
    rig = Rig(good_stream())

    reply = await rig.ask(rig.request(stream=False))

    assert isinstance(reply.error, ProviderBadOutput)
    assert rig.record.usage_source == "estimated"


async def test_an_answer_that_is_no_text_is_a_bad_answer() -> None:
    rig = Rig(json_answer(ANSWER.replace(b'"model":"', b'"model":"\xff')))

    reply = await rig.ask()

    assert isinstance(reply.error, ProviderBadOutput)
    assert rig.record.usage_source == "estimated"


async def test_a_content_type_is_read_whatever_its_case() -> None:
    rig = Rig(ScriptedAnswer([ROLE, WARM, DONE], content_type=b"Text/Event-Stream; charset=utf-8"))

    assert (await rig.ask()).calls[0] == "begin_stream"


async def test_an_empty_answer_is_an_answer() -> None:
    rig = Rig(streamed(ROLE, STOP, USAGE, DONE))

    reply = await rig.ask()

    assert reply.data == ROLE + STOP + DONE
    assert (rig.record.status, rig.record.finish_reasons) == ("ok", "stop")


async def test_a_whole_answer_has_all_the_time_of_the_model_and_no_more() -> None:
    answer = ScriptedAnswer([None], content_type=b"application/json")
    rig = Rig(answer, model=impatient(total=0.02))

    reply = await rig.ask(rig.request(stream=False))

    assert isinstance(reply.error, ProviderTimeout)
    assert answer.closed


async def test_sends_the_key_of_the_account() -> None:
    provider = msgspec.structs.replace(SIM, key="env:KEY")
    rig = Rig(good_stream(), provider=provider)

    await rig.ask()

    assert b"authorization: Bearer sk-secret\r\n" in rig.provider.sent[0][1]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b'data: {"id":"\xff","choices":[]}\n\n', id="in a name"),
        pytest.param(b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', id="in text"),
        pytest.param(b'data: {"error":{"message":"\xff"}}\n\n', id="in an error"),
        pytest.param(
            b'data: {"choices":[],"usage":{"service_tier":"\xff","prompt_tokens":12}}\n\n',
            id="in usage",
        ),
    ],
)
async def test_bytes_that_are_no_text_are_no_bug_of_ours(block: bytes) -> None:
    rig = Rig(streamed(ROLE, WARM, block, STOP, DONE))

    reply = await rig.ask(rig.request(usage_asked=True))

    assert block in reply.data
    assert rig.record.error_code != "internal"
    assert rig.finish.lines[0].cost_nano


OTHER = msgspec.structs.replace(SIM, name="other", url="http://127.0.0.1:9001/v1")
THIRD = msgspec.structs.replace(SIM, name="third", url="http://127.0.0.1:9002/v1")
PATIENT = msgspec.structs.replace(
    CHAT,
    retry=Retry(),
    fallback=Fallback(when_error=("other/large", "third/large"), when_refused=("third/bold",)),
)
LONG = b'{"error":{"message":"no","type":"x","code":"context_length_exceeded"}}'


def broken() -> ScriptedAnswer:
    return json_answer(b'{"error":{"type":"server_error"}}', 500)


def travelled(*answers: ScriptedAnswer | Exception, model: Model = PATIENT) -> Rig:
    return Rig(*answers, model=model, others=(OTHER, THIRD), reject_unpriced=False)


def asked(rig: Rig) -> list[str]:
    return [attempt.target for attempt in rig.finish.attempts]


async def test_t26_what_fails_before_its_first_content_is_asked_again_and_then_elsewhere() -> None:
    rig = travelled(
        streamed(ROLE, ConnectionLost("cut", before_headers=False)),
        streamed(ROLE, sse({"error": {"type": "overloaded"}})),
        streamed(ROLE),
        good_stream(),
    )

    reply = await rig.ask()

    assert reply.calls == ["begin_stream", "write", "write", "end_stream"]
    assert asked(rig) == ["sim/large", "sim/large", "other/large", "other/large"]
    assert (rig.record.status, rig.record.attempt_count) == ("ok", 4)
    assert (rig.record.fallback_used, rig.record.target) == (True, "other/large")
    assert WARM in reply.data


async def test_every_attempt_is_a_line_of_its_own_and_the_record_their_sum() -> None:
    rig = travelled(ConnectionLost("cut", before_headers=True), good_stream())

    await rig.ask()

    first, second = rig.finish.lines
    assert [first.line_id[-11:], second.line_id[-11:]] == ["/1/charge/0", "/2/charge/0"]
    assert (first.usage_source, second.usage_source) == ("estimated", "provider")
    assert rig.record.cost_nano == (first.cost_nano or 0) + (second.cost_nano or 0)
    assert second.cost_nano == COST_NANO


@pytest.mark.parametrize("keys", [("env:A", "env:B"), ("env:B", "env:A")])
async def test_a_line_names_its_credential_the_same_in_whatever_order_they_stand(
    keys: tuple[str, str],
) -> None:
    key, other = keys
    rig = Rig(
        good_stream(),
        good_stream(),
        provider=msgspec.structs.replace(SIM, key=key, more_keys=(other,)),
    )

    await rig.ask()
    await rig.ask()

    assert {line.account for it in rig.finishes for line in it.lines} == {"env:A", "env:B"}
    assert [it.account for it in rig.begins] == [it.lines[0].account for it in rig.finishes]


async def test_a_line_of_an_account_that_needs_no_credential_names_none() -> None:
    rig = Rig(good_stream())

    await rig.ask()

    assert rig.finish.lines[0].account == ""


@pytest.mark.parametrize(
    ("first", "sure"),
    [
        pytest.param(ConnectionLost("cut", before_headers=True), "estimated", id="a guess"),
        pytest.param(json_answer(b"{}", 503), "provider", id="not billed"),
    ],
)
async def test_a_cost_is_as_sure_as_the_least_sure_attempt_that_is_paid_for(
    first: ScriptedAnswer | Exception, sure: str
) -> None:
    rig = travelled(first, good_stream())

    await rig.ask()

    assert len(rig.finish.lines) == 2
    assert rig.record.usage_source == sure


async def test_what_earlier_attempts_cost_is_written_down_before_the_next() -> None:
    rig = travelled(ConnectionLost("cut", before_headers=True), good_stream())

    await rig.ask()

    first, second = rig.begins
    assert (first.n, first.attempts, first.lines) == (1, (), ())
    assert second.n == 2
    assert (second.attempts, second.lines) == (
        rig.finish.attempts[:1],
        rig.finish.lines[:1],
    )


async def test_the_last_failure_is_told_when_nobody_answers() -> None:
    rig = travelled(broken(), broken(), json_answer(b"{}", 503), ConnectFailed("no"))

    reply = await rig.ask()

    assert reply.error is not None
    assert reply.error.code == "provider_error"
    assert asked(rig) == ["sim/large", "sim/large", "other/large", "other/large"]


async def test_t30_a_long_retry_after_is_not_waited_for() -> None:
    limited = ScriptedAnswer([b"{}"], status=429, headers=((b"retry-after", b"7200"),))
    rig = travelled(limited, good_stream())

    await rig.ask()

    assert (asked(rig), rig.slept) == (["sim/large", "other/large"], [])


async def test_a_short_retry_after_is() -> None:
    limited = ScriptedAnswer([b"{}"], status=429, headers=((b"retry-after", b"2"),))
    rig = travelled(limited, good_stream())

    await rig.ask()

    assert asked(rig) == ["sim/large", "sim/large"]
    assert rig.slept == pytest.approx([2.05])


async def test_no_wait_goes_beyond_the_deadline_and_another_target_is_asked() -> None:
    limited = ScriptedAnswer([b"{}"], status=429, headers=((b"retry-after", b"2"),))
    rig = travelled(limited, good_stream())

    await rig.ask(rig.request(ends_s=1.0))

    assert (asked(rig), rig.slept) == (["sim/large", "other/large"], [])


async def test_a_deadline_that_passed_ends_all_attempts() -> None:
    rig = travelled(streamed(None), good_stream())

    await rig.ask(rig.request(ends_s=0.02))

    assert asked(rig) == ["sim/large"]
    assert rig.record.error_code == "deadline_exceeded"


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (Wire.OPENAI_CHAT, LONG),
        (Wire.OPENAI_CHAT, b'{"error":{"message":"maximum context length is 8"}}'),
        (Wire.ANTHROPIC_MESSAGES, b'{"error":{"message":"prompt is too long: 9 > 8"}}'),
    ],
)
async def test_a_request_that_is_too_long_goes_where_the_model_says(
    wire: Wire, body: bytes
) -> None:
    longer = msgspec.structs.replace(
        CHAT, fallback=Fallback(when_error=("other/large",), when_context_too_long=("third/long",))
    )
    rig = travelled(json_answer(body, 400), json_answer(b"{}", 400), model=longer)

    await rig.ask(rig.request(wire=wire))

    assert asked(rig) == ["sim/large", "third/long"]


async def test_a_refusal_by_the_model_is_shopped_only_if_the_model_says_so() -> None:
    shy = sse(delta("content_filter"))
    rig = travelled(streamed(ROLE, shy, USAGE, DONE), good_stream())
    await rig.ask()
    assert asked(rig) == ["sim/large", "third/bold"]
    assert rig.finish.attempts[0].error_code == "model_refused"

    strict = msgspec.structs.replace(PATIENT, fallback=Fallback(when_error=("other/large",)))
    rig = travelled(streamed(ROLE, shy, USAGE, DONE), model=strict)
    await rig.ask()
    assert asked(rig) == ["sim/large"]


async def test_a_refusal_is_the_answer_if_nobody_else_has_one() -> None:
    shy = msgspec.json.decode(ANSWER)
    shy["choices"][0]["finish_reason"] = "content_filter"
    refusal = msgspec.json.encode(shy)
    rig = travelled(json_answer(refusal), broken(), broken(), broken())

    reply = await rig.ask(rig.request(stream=False))

    assert reply.data == refusal
    assert (rig.record.status, rig.record.target, rig.record.refusal) == ("ok", "sim/large", True)
    assert [attempt.n for attempt in rig.finish.attempts] == [1, 2, 3, 4]
    assert rig.finish.attempts[0].error_code is None


async def test_a_streamed_refusal_is_read_to_its_end_and_whole_if_nobody_else_answers() -> None:
    no, usage = sse(delta(refusal="I will not.")), USAGE
    rig = travelled(streamed(ROLE, no, STOP, usage, DONE), broken(), broken(), broken())

    reply = await rig.ask(rig.request(usage_asked=True))

    assert reply.data == ROLE + no + STOP + usage + DONE
    assert (rig.record.status, rig.record.target) == ("ok", "sim/large")
    assert rig.finish.attempts[0].usage_source == "provider"


async def test_a_refusal_that_is_cut_is_a_failure_and_no_refusal() -> None:
    no = sse(delta(refusal="I will"))
    rig = travelled(streamed(ROLE, no), good_stream())

    await rig.ask()

    assert asked(rig) == ["sim/large", "sim/large"]
    assert rig.finish.attempts[0].error_code == "provider_error"


async def test_a_stream_that_is_cut_counts_against_its_target() -> None:
    rig = Rig(*(streamed(ROLE, WARM) for _ in range(20)))

    for _ in range(20):
        await rig.ask()

    (route,) = rig.pipeline.plan(rig.pipeline.admit(rig.pipeline.identify(rig.request()))).routes
    assert not rig.health.enter(route)


CLAUDE = msgspec.structs.replace(SIM, wire=ProviderWire.ANTHROPIC)


async def test_a_stream_of_another_wire_is_told_in_the_callers() -> None:
    rig = Rig(streamed(BEGAN, PING, SAID, TOLD, OVER), provider=CLAUDE)

    reply = await rig.ask(rig.request({"service_tier": "auto"}))

    _, head, body = rig.provider.sent[0]
    assert head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert b'"max_tokens"' in body
    assert b'"content":"21 degrees"' in reply.data
    assert reply.data.endswith(b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)
    assert rig.record.wire == Wire.OPENAI_CHAT
    assert reply.facts is not None
    assert reply.facts.dropped == rig.finish.detail.dropped == ("service_tier",)


async def test_an_answer_of_another_wire_is_told_in_the_callers() -> None:
    rig = Rig(json_answer(), provider=msgspec.structs.replace(SIM, wire=ProviderWire.OPENAI))

    reply = await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES, stream=False))

    told = msgspec.json.decode(reply.data)
    assert told["content"] == [{"type": "text", "text": "21 degrees"}]
    assert told["usage"] == {"input_tokens": 12, "output_tokens": 3}
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)


async def test_an_answer_that_the_callers_wire_cannot_tell_fails_and_is_charged() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}
    body = {
        "id": "c",
        "choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    }
    provider = msgspec.structs.replace(SIM, wire=ProviderWire.OPENAI)
    rig = Rig(json_answer(msgspec.json.encode(body)), provider=provider)

    reply = await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES, stream=False))

    assert isinstance(reply.error, ProviderBadOutput)
    assert (rig.record.input_tokens, rig.record.output_tokens) == (12, 3)


async def test_a_refusal_of_another_wire_is_told_in_the_callers() -> None:
    said = b'{"type":"error","error":{"type":"not_found_error","message":"no such model"}}'
    rig = Rig(json_answer(said, 404), provider=CLAUDE)

    reply = await rig.ask()

    assert isinstance(reply.error, ProviderRefused)
    assert reply.error.body == (
        b'{"error":{"message":"no such model","type":"invalid_request_error","param":null,'
        b'"code":"not_found_error"}}'
    )


async def test_what_cannot_be_translated_is_refused_before_anything_is_held() -> None:
    rig = Rig(provider=CLAUDE, grant=LIMITED)

    reply = await rig.ask(rig.request({"seed": 7}))

    assert isinstance(reply.error, UnsupportedByTarget)
    assert rig.begins == []
    assert rig.record.error_code == "unsupported_by_target"
    assert await rig.free() == (1,)


async def test_a_target_of_another_wire_is_fallen_back_to_and_told_in_the_callers() -> None:
    other = msgspec.structs.replace(CLAUDE, name="other")
    model = msgspec.structs.replace(
        CHAT, retry=Retry(per_target=1), fallback=Fallback(when_error=("other/large",))
    )
    failing = json_answer(b"{}", 500)
    rig = Rig(
        failing,
        streamed(BEGAN, SAID, TOLD, OVER),
        model=model,
        others=(other,),
        reject_unpriced=False,
    )

    reply = await rig.ask(rig.request({"service_tier": "auto"}))

    first, second = (head for _, head, _ in rig.provider.sent)
    assert first.startswith(b"POST /v1/chat/completions ")
    assert second.startswith(b"POST /v1/messages ")
    assert reply.data.endswith(b"data: [DONE]\n\n")
    assert rig.finish.detail.dropped == ("service_tier",)
