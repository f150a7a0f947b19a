"""The official Anthropic SDK against a whole Trimtab, unchanged but for its URL and key."""

import json
from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from anthropic.types import (
    Message,
    MessageParam,
    TextBlock,
    ToolParam,
    ToolResultBlockParam,
    ToolUseBlock,
    ToolUseBlockParam,
)
from pydantic import BaseModel
from tests.e2e.conftest import Stack, eventually
from tests.e2e.outcomes import (
    ALWAYS,
    CUT,
    FINE,
    STREAMED_ANTHROPIC,
    WHOLE,
    Cut,
    Failure,
    Success,
    check_cut,
    check_failed,
    check_fine,
)

pytestmark = pytest.mark.e2e

HELLO: list[MessageParam] = [{"role": "user", "content": "What is a trim tab?"}]
TOOL: ToolParam = {
    "name": "lookup",
    "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
}
CALLS_TWO: list[MessageParam] = [
    {
        "role": "user",
        "content": '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"rudder"})]]',
    }
]
QUERIES = [{"query": "tab"}, {"query": "rudder"}]
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)
ERRORS: dict[int, type[anthropic.APIStatusError]] = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.APIStatusError,
    422: anthropic.UnprocessableEntityError,
    429: anthropic.RateLimitError,
    502: anthropic.InternalServerError,
    504: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
}


class Port(BaseModel):
    name: str
    berths: int


@pytest.fixture
def client(stack: Stack, key: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=stack.url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
async def asynchronous(stack: Stack, key: str) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=stack.url, api_key=key, max_retries=0) as client:
        yield client


def test_answers_and_names_the_request(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.create(model="chat", max_tokens=400, messages=HELLO)
    answer = raw.parse()

    assert _text(answer)
    assert raw.headers["x-trimtab-request-id"] == raw.request_id
    record = stack.record(str(raw.request_id))
    assert record["status"] == "ok"
    assert record["wire"] == "anthropic.messages"
    assert record["response_id"] == answer.id
    assert record["model_response"] == answer.model
    assert record["input_tokens"] == answer.usage.input_tokens
    assert record["output_tokens"] == answer.usage.output_tokens
    assert record["cost_nano"] == stack.billed(answer.id)


def test_a_bearer_token_is_a_key_too(stack: Stack, key: str) -> None:
    with Anthropic(base_url=stack.url, api_key=None, auth_token=key, max_retries=0) as client:
        answer = client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    assert _text(answer)


def test_streams_the_same_text_and_usage(client: Anthropic) -> None:
    whole = client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    with client.messages.stream(model="chat", max_tokens=400, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert text == _text(final) == _text(whole)
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.stop_reason == whole.stop_reason == "end_turn"


def test_a_bare_stream_has_every_event_of_the_wire(client: Anthropic) -> None:
    with client.messages.create(
        model="chat", max_tokens=400, messages=HELLO, stream=True
    ) as stream:
        kinds = [event.type for event in stream]

    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


def test_instructions_and_earlier_turns_reach_the_model(client: Anthropic, stack: Stack) -> None:
    turns: list[MessageParam] = [
        *HELLO,
        {"role": "assistant", "content": "A small surface."},
        {"role": "user", "content": [{"type": "text", "text": "And a rudder?"}]},
    ]

    raw = client.messages.with_raw_response.create(
        model="chat", max_tokens=400, system="You are a pilot.", messages=turns
    )
    alone = client.messages.create(model="chat", max_tokens=400, messages=turns)

    answer = raw.parse()
    assert _text(answer) != _text(alone)
    content = stack.content(str(raw.request_id))
    assert json.loads(content["input"])["messages"] == turns
    assert json.loads(content["input"])["system"] == "You are a pilot."
    assert _text(answer) in content["output"]


@pytest.mark.parametrize("fault", ["", "!args_in_first_delta"])
def test_calls_tools_in_parallel_whole_and_streamed(
    client: Anthropic, stack: Stack, fault: str
) -> None:
    raw = client.messages.with_raw_response.create(
        model=f"chat{fault}", max_tokens=99, messages=CALLS_TWO, tools=[TOOL]
    )
    with client.messages.stream(
        model=f"chat{fault}", max_tokens=99, messages=CALLS_TWO, tools=[TOOL]
    ) as stream:
        streamed = stream.get_final_message()

    for message in (raw.parse(), streamed):
        calls = _calls(message)
        assert [call.input for call in calls] == QUERIES
        assert [call.name for call in calls] == ["lookup", "lookup"]
        assert len({call.id for call in calls}) == 2
        assert message.stop_reason == "tool_use"
    for request_id in (raw.request_id, stream.response.headers["request-id"]):
        record = stack.record(str(request_id))
        assert record["tool_call_count"] == 2
        assert record["finish_reasons"] == "tool_calls"


def test_the_result_of_a_tool_leads_to_an_answer(client: Anthropic) -> None:
    first = client.messages.create(model="chat", max_tokens=99, messages=CALLS_TWO, tools=[TOOL])
    asked = [
        ToolUseBlockParam(type="tool_use", id=call.id, name=call.name, input=call.input)
        for call in _calls(first)
    ]
    results = [
        ToolResultBlockParam(type="tool_result", tool_use_id=call.id, content="a small surface")
        for call in _calls(first)
    ]
    turns: list[MessageParam] = [
        *CALLS_TWO,
        {"role": "assistant", "content": asked},
        {"role": "user", "content": results},
    ]

    second = client.messages.create(model="chat", max_tokens=400, messages=turns, tools=[TOOL])

    assert second.stop_reason == "end_turn"
    assert _text(second)


def test_the_tool_runner_goes_on_until_there_is_an_answer(client: Anthropic) -> None:
    asked: list[str] = []

    @beta_tool
    def lookup(query: str) -> str:
        """Look something up.

        Args:
            query: What to look up.
        """
        asked.append(query)
        return "a small surface"

    final = client.beta.messages.tool_runner(
        model="chat",
        max_tokens=400,
        tools=[lookup],
        messages=[
            {
                "role": "user",
                "content": '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"keel"})]]',
            }
        ],
    ).until_done()

    assert asked == ["tab", "keel"]
    assert final.stop_reason == "end_turn"


def test_takes_images_and_parses_structured_output(client: Anthropic) -> None:
    looking: list[MessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Which port is this?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                },
            ],
        }
    ]

    answer = client.messages.parse(
        model="chat", max_tokens=400, messages=looking, output_format=Port
    )
    with client.messages.stream(
        model="chat", max_tokens=400, messages=looking, output_format=Port
    ) as stream:
        streamed = stream.get_final_message()

    assert isinstance(answer.parsed_output, Port)
    assert streamed.parsed_output == answer.parsed_output


def test_thinking_is_shown_whole_and_streamed(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.create(
        model="chat",
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=HELLO,
    )
    with client.messages.stream(
        model="chat",
        max_tokens=4000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=HELLO,
    ) as stream:
        streamed = stream.get_final_message()

    whole = raw.parse()
    thoughts = [block.thinking for block in whole.content if block.type == "thinking"]
    assert thoughts
    assert thoughts[0]
    assert thoughts == [block.thinking for block in streamed.content if block.type == "thinking"]
    assert _text(streamed) == _text(whole)
    record = stack.record(str(raw.request_id))
    assert record["reasoning_tokens"] == -(-len(thoughts[0]) // 4)
    assert record["cost_nano"] == stack.billed(whole.id)


def test_caches_are_written_read_and_priced(client: Anthropic, stack: Stack) -> None:
    chapter: list[MessageParam] = [
        {
            "role": "user",
            "content": [
                {
                    "type": "text",
                    "text": "The log of the night watch. " * 400,
                    "cache_control": {"type": "ephemeral"},
                },
                {"type": "text", "text": "What is it about?"},
            ],
        }
    ]

    writing = client.messages.with_raw_response.create(
        model="chat", max_tokens=50, messages=chapter
    )
    reading = client.messages.with_raw_response.create(
        model="chat", max_tokens=50, messages=chapter
    )

    first, second = writing.parse(), reading.parse()
    assert first.usage.cache_creation_input_tokens
    assert second.usage.cache_read_input_tokens == first.usage.cache_creation_input_tokens
    wrote, read = stack.record(str(writing.request_id)), stack.record(str(reading.request_id))
    assert wrote["cache_write_tokens"] == first.usage.cache_creation_input_tokens
    assert read["cached_tokens"] == second.usage.cache_read_input_tokens
    assert read["input_tokens"] == second.usage.input_tokens + read["cached_tokens"]
    assert wrote["cost_nano"] == stack.billed(first.id)
    assert read["cost_nano"] == stack.billed(second.id)
    assert read["cost_nano"] < wrote["cost_nano"]


def test_limits_and_stop_words_are_the_models_to_obey(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.create(
        model="chat", max_tokens=3, messages=HELLO, extra_body={"temperature": 0.5}
    )
    stopped = client.messages.create(
        model="chat", max_tokens=400, stop_sequences=[" "], messages=HELLO
    )

    assert raw.parse().stop_reason == "max_tokens"
    assert stopped.stop_reason == "stop_sequence"
    assert stopped.stop_sequence == " "
    record = stack.record(str(raw.request_id))
    assert record["finish_reasons"] == "length"
    assert record["output_tokens"] == 3
    assert json.loads(record["params"]) == {"max_tokens": 3, "temperature": 0.5}


def test_what_apps_say_about_a_request_is_recorded(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.create(
        model="chat",
        max_tokens=400,
        messages=HELLO,
        metadata={"user_id": "ana@example.com"},
        extra_headers={"x-trimtab-conversation": "c-17"},
        extra_body={"trimtab": {"feature": "support"}},
    )

    record = stack.record(str(raw.request_id))
    assert record["feature"] == "support"
    assert record["conversation_id"] == "c-17"
    assert len(record["user_hash"]) == 32
    assert "trimtab" not in json.loads(stack.content(str(raw.request_id))["input"])


async def test_the_asynchronous_client_works_alike(asynchronous: AsyncAnthropic) -> None:
    answer = await asynchronous.messages.create(model="chat", max_tokens=400, messages=HELLO)
    async with asynchronous.messages.stream(model="chat", max_tokens=400, messages=HELLO) as stream:
        text = "".join([piece async for piece in stream.text_stream])
    bare = await asynchronous.messages.create(
        model="chat", max_tokens=400, messages=HELLO, stream=True
    )
    kinds = [event.type async for event in bare]
    parsed = await asynchronous.messages.parse(
        model="chat", max_tokens=400, messages=HELLO, output_format=Port
    )
    called = await asynchronous.messages.create(
        model="chat", max_tokens=99, messages=CALLS_TWO, tools=[TOOL]
    )
    names = [model.id async for model in asynchronous.models.list()]

    assert text == _text(answer)
    assert kinds[-1] == "message_stop"
    assert isinstance(parsed.parsed_output, Port)
    assert [call.input for call in _calls(called)] == QUERIES
    assert "chat" in names


async def test_the_asynchronous_client_raises_alike(asynchronous: AsyncAnthropic) -> None:
    with pytest.raises(anthropic.RateLimitError):
        await asynchronous.messages.create(model="chat!status:429", max_tokens=400, messages=HELLO)
    with pytest.raises(anthropic.APIStatusError) as raised:
        async with asynchronous.messages.stream(
            model="chat!cut_after:3", max_tokens=400, messages=HELLO
        ) as stream:
            await stream.until_done()

    assert raised.value.error_code == "stream_truncated"


def test_lists_models_in_its_own_shape(client: Anthropic) -> None:
    names = [model.id for model in client.models.list()]

    assert "chat" in names
    assert "forbidden" not in names
    assert client.models.retrieve("chat").display_name == "chat"
    with pytest.raises(anthropic.NotFoundError) as raised:
        client.models.retrieve("forbidden")
    assert raised.value.error_code == "model_not_found"


def test_what_is_not_served_is_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as batches:
        client.messages.batches.list()

    assert batches.value.error_code == "not_found"


@pytest.mark.parametrize("failure", [*ALWAYS, *WHOLE], ids=str)
def test_a_failure_raises_the_sdks_own_error(
    client: Anthropic, stack: Stack, failure: Failure
) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model=failure.model, max_tokens=400, messages=HELLO)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("failure", [*ALWAYS, *STREAMED_ANTHROPIC], ids=str)
def test_a_stream_that_fails_before_its_first_word_has_a_status(
    client: Anthropic, stack: Stack, failure: Failure
) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        client.messages.create(model=failure.model, max_tokens=400, messages=HELLO, stream=True)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("cut", CUT, ids=str)
def test_a_stream_that_breaks_off_ends_in_an_error(
    client: Anthropic, stack: Stack, cut: Cut
) -> None:
    pieces: list[str] = []
    with (
        client.messages.stream(model=cut.model, max_tokens=400, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError) as raised,
    ):
        pieces.extend(stream.text_stream)

    text = "".join(pieces)
    request_id = stream.response.headers["request-id"]
    assert raised.value.error_code == cut.code
    assert request_id in str(raised.value.body)
    assert text
    check_cut(stack, request_id, cut, text)


@pytest.mark.parametrize("success", FINE, ids=str)
def test_an_odd_answer_is_still_an_answer(
    client: Anthropic, stack: Stack, success: Success
) -> None:
    raw = client.messages.with_raw_response.create(
        model=success.model, max_tokens=400, messages=HELLO
    )

    text = _text(raw.parse())
    assert text
    check_fine(stack, str(raw.request_id), success, len(text))


@pytest.mark.parametrize("success", FINE, ids=str)
def test_an_odd_stream_is_still_a_stream(client: Anthropic, stack: Stack, success: Success) -> None:
    # The bare stream: the helper of the SDK itself breaks on a `message_start` without usage.
    with client.messages.create(
        model=success.model, max_tokens=400, messages=HELLO, stream=True
    ) as stream:
        text = "".join(
            event.delta.text
            for event in stream
            if event.type == "content_block_delta" and event.delta.type == "text_delta"
        )

    assert text
    check_fine(stack, stream.response.headers["request-id"], success, len(text))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_empty_answer_is_an_answer(client: Anthropic, stack: Stack, *, stream: bool) -> None:
    message, request_id = _ask(client, "chat!empty", stream=stream)

    record = stack.record(request_id)
    assert message.content == []
    assert record["status"] == "ok"
    assert record["output_tokens"] == 0
    assert record["usage_source"] == "provider"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_huge_answer_arrives_whole(client: Anthropic, stack: Stack, *, stream: bool) -> None:
    message, request_id = _ask(client, "chat!huge:5000", stream=stream)

    record = stack.record(request_id)
    assert len(_text(message)) == 20_000
    assert record["output_tokens"] == 5000
    assert record["cost_nano"] == stack.billed(message.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_another_model_than_asked_is_told(client: Anthropic, stack: Stack, *, stream: bool) -> None:
    message, request_id = _ask(client, "chat!wrong_model", stream=stream)

    record = stack.record(request_id)
    assert record["model_response"] == message.model == "sim/small-2026-01-15"
    assert record["cost_nano"] == stack.billed(message.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_refusal_of_the_model_is_told(client: Anthropic, stack: Stack, *, stream: bool) -> None:
    message, request_id = _ask(client, "chat!refusal", stream=stream)

    record = stack.record(request_id)
    assert message.stop_reason == "refusal"
    assert record["status"] == "ok"
    assert record["finish_reasons"] == "content_filter"
    assert record["refusal"] == 1


def test_one_malformed_line_is_passed_on_and_three_are_not(client: Anthropic, stack: Stack) -> None:
    with (
        client.messages.create(
            model="chat!bad_line", max_tokens=400, messages=HELLO, stream=True
        ) as stream,
        # What the SDK makes of it when asked directly, too.
        pytest.raises(json.JSONDecodeError),
    ):
        list(stream)

    record = stack.record(stream.response.headers["request-id"])
    assert record["usage_source"] == "provider"
    assert record["cost_nano"] == stack.billed(record["response_id"])


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        pytest.param("nothing", 404, "model_not_found", id="no such model"),
        pytest.param("forbidden", 403, "model_not_allowed", id="not for this tenant"),
        pytest.param("unpriced", 403, "price_unknown", id="without a price"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_request_denied_costs_nothing(
    client: Anthropic, stack: Stack, model: str, status: int, code: str, *, stream: bool
) -> None:
    with pytest.raises(ERRORS[status]) as raised:
        client.messages.create(model=model, max_tokens=400, messages=HELLO, stream=stream)

    assert raised.value.error_code == code
    record = stack.record(str(raised.value.request_id))
    assert record["status"] == "rejected"
    assert record["error_code"] == code
    assert record["http_status"] == status
    assert record["attempt_count"] == record["cost_nano"] == 0
    assert stack.ledger(record["request_id"]) == []


def test_a_key_that_is_wrong_is_refused(stack: Stack) -> None:
    with (
        Anthropic(base_url=stack.url, api_key="tt_dev_wrong", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError) as raised,
    ):
        client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    assert raised.value.error_code == "unauthenticated"
    assert raised.value.type == "authentication_error"


def test_a_failure_is_not_tried_again_by_the_sdk(client: Anthropic, stack: Stack) -> None:
    patient = client.with_options(max_retries=2)

    with pytest.raises(anthropic.InternalServerError):
        patient.messages.create(
            model="chat!status:529",
            max_tokens=400,
            messages=HELLO,
            extra_headers={"x-trimtab-feature": "once-anthropic"},
        )
    sql = "SELECT * FROM request WHERE feature = 'once-anthropic'"
    found = eventually(lambda: stack.rows(sql), "the record is there")

    assert len(found) == 1


def test_tokens_are_counted_by_the_target_and_for_free(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.count_tokens(
        model="chat", messages=HELLO, system="Be brief."
    )
    answer = client.messages.create(
        model="chat", messages=HELLO, system="Be brief.", max_tokens=400
    )

    counted = raw.parse()
    record = stack.record(str(raw.request_id))
    assert counted.input_tokens == answer.usage.input_tokens
    assert "x-trimtab-estimated" not in raw.headers
    assert raw.headers["x-trimtab-cost-usd"] == "0"
    assert (record["operation"], record["wire"]) == ("count_tokens", "anthropic.count_tokens")
    assert (record["status"], record["cost_nano"]) == ("ok", 0)
    assert record["target"] == "sim/large"
    assert [line["cost_nano"] for line in stack.ledger(record["request_id"])] == [0]


def test_tokens_that_no_target_can_count_are_estimated(client: Anthropic, stack: Stack) -> None:
    raw = client.messages.with_raw_response.count_tokens(model="openai-only", messages=HELLO)

    record = stack.record(str(raw.request_id))
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-trimtab-estimated"] == "true"
    assert (record["status"], record["attempt_count"], record["cost_nano"]) == ("ok", 0, 0)
    assert stack.ledger(record["request_id"]) == []


def test_our_own_limits_say_when_to_come_back(stack: Stack) -> None:
    with Anthropic(base_url=stack.url, api_key=stack.key("limited-too"), max_retries=0) as client:
        for _ in range(2):
            client.messages.create(model="chat", max_tokens=400, messages=HELLO)
        with pytest.raises(anthropic.RateLimitError) as raised:
            client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    headers = raised.value.response.headers
    assert raised.value.error_code == "rate_limited"
    assert headers["x-should-retry"] == "true"
    assert 0 < int(headers["retry-after"]) <= 31
    record = stack.record(str(raised.value.request_id))
    assert (record["status"], record["error_code"]) == ("rejected", "rate_limited")
    assert stack.ledger(record["request_id"]) == []


def _text(message: Message) -> str:
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def _calls(message: Message) -> list[ToolUseBlock]:
    return [block for block in message.content if isinstance(block, ToolUseBlock)]


def _ask(client: Anthropic, model: str, *, stream: bool) -> tuple[Message, str]:
    """Give an answer and the id of its request."""
    if stream:
        with client.messages.stream(model=model, max_tokens=8000, messages=HELLO) as events:
            message = events.get_final_message()
            return message, events.response.headers["request-id"]
    raw = client.messages.with_raw_response.create(model=model, max_tokens=8000, messages=HELLO)
    return raw.parse(), str(raw.request_id)


def _check_raised(stack: Stack, failure: Failure, error: anthropic.APIStatusError) -> None:
    headers, status = error.response.headers, failure.on_anthropic()
    assert isinstance(error, ERRORS[status])
    assert error.status_code == status
    assert headers["x-trimtab-error"] == failure.code
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
    assert "Traceback" not in error.message
    if failure.code == "provider_refused":
        assert f"simulated error {status}" in error.message
    else:
        assert error.error_code == failure.code
    check_failed(stack, str(error.request_id), failure, status)
