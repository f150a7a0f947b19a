"""The official OpenAI SDK against a whole Trimtab, unchanged but for its URL and key."""

import json
from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
    ChatCompletionToolMessageParam,
)
from pydantic import BaseModel
from tests.e2e.conftest import Stack, eventually
from tests.e2e.outcomes import (
    ALWAYS,
    CUT,
    FINE,
    STREAMED_OPENAI,
    WHOLE,
    Cut,
    Failure,
    Success,
    check_cut,
    check_failed,
    check_fine,
    fault_names,
)

from trimtab.sim.faults import NAMES

pytestmark = pytest.mark.e2e

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a trim tab?"}]
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
CALLS_TWO: list[ChatCompletionMessageParam] = [
    {
        "role": "user",
        "content": '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"rudder"})]]',
    }
]
QUERIES = ['{"query":"tab"}', '{"query":"rudder"}']
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
    504: openai.InternalServerError,
}


class Port(BaseModel):
    name: str
    berths: int


@pytest.fixture
def client(stack: Stack, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
async def asynchronous(stack: Stack, key: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0) as client:
        yield client


def test_answers_and_names_the_request(client: OpenAI, stack: Stack) -> None:
    raw = client.chat.completions.with_raw_response.create(model="chat", messages=HELLO)
    answer = raw.parse()

    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert raw.headers["x-trimtab-request-id"] == raw.request_id
    assert raw.headers["x-trimtab-target"] == "sim/large"
    record = stack.record(str(raw.request_id))
    assert record["status"] == "ok"
    assert record["wire"] == "openai.chat"
    assert record["response_id"] == answer.id
    assert record["model_response"] == answer.model
    assert record["input_tokens"] == answer.usage.prompt_tokens
    assert record["output_tokens"] == answer.usage.completion_tokens
    assert record["cost_nano"] == stack.billed(answer.id)
    assert float(raw.headers["x-trimtab-cost-usd"]) == pytest.approx(record["cost_nano"] / 1e9)


def test_streams_the_same_text_with_usage_when_asked(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO)

    chunks = list(
        client.chat.completions.create(
            model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    assert _text(chunks) == whole.choices[0].message.content
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_stream_tells_no_usage_unasked(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_the_stream_helper_gathers_text_usage_and_reason(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO)

    with client.chat.completions.stream(
        model="chat", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()

    assert "".join(pieces) == final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None


def test_instructions_and_earlier_turns_reach_the_model(client: OpenAI, stack: Stack) -> None:
    turns: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "You are a pilot."},
        {"role": "developer", "content": "Answer in one sentence."},
        {"role": "user", "content": "What is a trim tab?"},
        {"role": "assistant", "content": "A small surface."},
        {"role": "user", "content": "And a rudder?"},
    ]

    raw = client.chat.completions.with_raw_response.create(model="chat", messages=turns)
    alone = client.chat.completions.create(model="chat", messages=turns[-1:])

    answer = raw.parse()
    assert answer.choices[0].message.content != alone.choices[0].message.content
    content = stack.content(str(raw.request_id))
    assert json.loads(content["input"])["messages"] == turns
    assert answer.choices[0].message.content in content["output"]


def test_calls_tools_in_parallel_whole_and_streamed(client: OpenAI, stack: Stack) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat", messages=CALLS_TWO, tools=[TOOL]
    )
    with client.chat.completions.stream(model="chat", messages=CALLS_TWO, tools=[TOOL]) as stream:
        streamed = stream.get_final_completion()

    for choice in (raw.parse().choices[0], streamed.choices[0]):
        calls = choice.message.tool_calls
        assert calls is not None
        assert choice.finish_reason == "tool_calls"
        assert [call.function.name for call in calls if call.type == "function"] == ["lookup"] * 2
        assert [call.function.arguments for call in calls if call.type == "function"] == QUERIES
        assert len({call.id for call in calls}) == 2
    record = stack.record(str(raw.request_id))
    assert record["tool_call_count"] == 2
    assert record["finish_reasons"] == "tool_calls"


@pytest.mark.parametrize("fault", ["", "!args_in_first_delta"])
def test_fragments_of_arguments_add_up(client: OpenAI, stack: Stack, fault: str) -> None:
    with client.chat.completions.create(
        model=f"chat{fault}", messages=CALLS_TWO, tools=[TOOL], stream=True
    ) as stream:
        request_id = stream.response.headers["x-request-id"]
        chunks = list(stream)

    arguments = ["", ""]
    for chunk in chunks:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            arguments[call.index] += call.function.arguments or ""
    assert arguments == QUERIES
    assert stack.record(request_id)["tool_call_count"] == 2


def test_the_result_of_a_tool_leads_to_an_answer(client: OpenAI) -> None:
    first = client.chat.completions.create(model="chat", messages=CALLS_TWO, tools=[TOOL])
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    turns: list[ChatCompletionMessageParam] = [
        *CALLS_TWO,
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": "lookup", "arguments": call.function.arguments},
                }
                for call in calls
                if isinstance(call, ChatCompletionMessageFunctionToolCall)
            ],
        },
        *(
            ChatCompletionToolMessageParam(
                role="tool", tool_call_id=call.id, content="a small surface"
            )
            for call in calls
        ),
    ]

    second = client.chat.completions.create(model="chat", messages=turns, tools=[TOOL])

    assert second.choices[0].finish_reason == "stop"
    assert second.choices[0].message.content


def test_takes_images_and_parses_structured_output(client: OpenAI) -> None:
    looking: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Which port is this?"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            ],
        }
    ]

    answer = client.chat.completions.parse(model="chat", messages=looking, response_format=Port)
    with client.chat.completions.stream(
        model="chat", messages=looking, response_format=Port
    ) as stream:
        streamed = stream.get_final_completion()

    assert isinstance(answer.choices[0].message.parsed, Port)
    assert streamed.choices[0].message.parsed == answer.choices[0].message.parsed


def test_several_choices_are_each_whole(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO, n=3)

    streamed = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(model="chat", messages=HELLO, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""

    assert [choice.message.content for choice in whole.choices] == list(streamed.values())
    assert len(set(streamed.values())) == 3


def test_limits_and_stop_words_are_the_models_to_obey(client: OpenAI, stack: Stack) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat", messages=HELLO, max_completion_tokens=3, temperature=0.5
    )

    answer = raw.parse()
    assert answer.choices[0].finish_reason == "length"
    record = stack.record(str(raw.request_id))
    assert record["finish_reasons"] == "length"
    assert record["output_tokens"] == 3
    assert json.loads(record["params"]) == {"max_completion_tokens": 3, "temperature": 0.5}
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="chat", messages=HELLO, response_format=Port, max_completion_tokens=1
        )


def test_what_apps_say_about_a_request_is_recorded(client: OpenAI, stack: Stack) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat",
        messages=HELLO,
        safety_identifier="ana@example.com",
        extra_headers={"x-trimtab-feature": "overruled"},
        extra_body={
            "trimtab": {"feature": "support", "conversation": "c-17", "tags": {"team": "blue"}}
        },
    )

    record = stack.record(str(raw.request_id))
    assert record["feature"] == "support"
    assert record["conversation_id"] == "c-17"
    assert json.loads(record["tags"]) == {"team": "blue"}
    assert len(record["user_hash"]) == 32
    assert b"ana@example.com" not in (stack.home / "records.db").read_bytes()
    sent = json.loads(stack.content(str(raw.request_id))["input"])
    assert "trimtab" not in sent
    assert sent["model"] == "large"


async def test_the_asynchronous_client_works_alike(asynchronous: AsyncOpenAI) -> None:
    answer = await asynchronous.chat.completions.create(model="chat", messages=HELLO)
    stream = await asynchronous.chat.completions.create(model="chat", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    async with asynchronous.chat.completions.stream(model="chat", messages=HELLO) as helper:
        final = await helper.get_final_completion()
    parsed = await asynchronous.chat.completions.parse(
        model="chat", messages=HELLO, response_format=Port
    )
    called = await asynchronous.chat.completions.create(
        model="chat", messages=CALLS_TWO, tools=[TOOL]
    )
    names = [model.id async for model in asynchronous.models.list()]

    said = answer.choices[0].message.content
    assert said
    assert _text(chunks) == final.choices[0].message.content == said
    assert isinstance(parsed.choices[0].message.parsed, Port)
    assert len(called.choices[0].message.tool_calls or []) == 2
    assert "chat" in names


async def test_the_asynchronous_client_raises_alike(asynchronous: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await asynchronous.chat.completions.create(model="chat!status:429", messages=HELLO)
    stream = await asynchronous.chat.completions.create(
        model="chat!cut_after:3", messages=HELLO, stream=True
    )
    with pytest.raises(openai.APIError) as raised:
        _ = [chunk async for chunk in stream]

    assert raised.value.code == "stream_truncated"


def test_lists_the_models_of_the_key(client: OpenAI, stack: Stack) -> None:
    raw = client.models.with_raw_response.list()
    names = [model.id for model in raw.parse()]

    assert "chat" in names
    assert "forbidden" not in names
    assert client.models.retrieve("chat").id == "chat"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("forbidden")
    assert raised.value.code == "model_not_found"
    record = stack.record(str(raw.request_id))
    assert record["operation"] == "models"
    assert record["cost_nano"] == 0


def test_what_is_not_served_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as images:
        client.images.generate(model="chat", prompt="a")
    with pytest.raises(openai.NotFoundError) as stored:
        client.responses.retrieve("resp_1")
    with pytest.raises(openai.NotFoundError) as files:
        client.files.list()

    assert {raised.value.code for raised in (images, stored, files)} == {"not_found"}


@pytest.mark.parametrize("failure", [*ALWAYS, *WHOLE], ids=str)
def test_a_failure_raises_the_sdks_own_error(
    client: OpenAI, stack: Stack, failure: Failure
) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=failure.model, messages=HELLO)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("failure", [*ALWAYS, *STREAMED_OPENAI], ids=str)
def test_a_stream_that_fails_before_its_first_word_has_a_status(
    client: OpenAI, stack: Stack, failure: Failure
) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=failure.model, messages=HELLO, stream=True)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("cut", CUT, ids=str)
def test_a_stream_that_breaks_off_ends_in_an_error(client: OpenAI, stack: Stack, cut: Cut) -> None:
    chunks: list[ChatCompletionChunk] = []
    with (
        client.chat.completions.create(model=cut.model, messages=HELLO, stream=True) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        chunks.extend(stream)

    assert raised.value.code == cut.code
    assert _text(chunks)
    check_cut(stack, stream.response.headers["x-request-id"], cut, _text(chunks))


@pytest.mark.parametrize("cut", CUT, ids=str)
def test_the_stream_helper_raises_alike(client: OpenAI, cut: Cut) -> None:
    with (
        client.chat.completions.stream(model=cut.model, messages=HELLO) as stream,
        pytest.raises(openai.APIError) as raised,
    ):
        stream.until_done()

    assert raised.value.code == cut.code


def test_a_cut_stream_is_charged_within_a_tenth_of_the_bill(client: OpenAI, stack: Stack) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Sail on. " * 1000}]
    with (
        client.chat.completions.create(
            model="chat!cut_after:20", messages=long, stream=True
        ) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)

    record = stack.record(stream.response.headers["x-request-id"])
    assert record["usage_source"] == "estimated"
    assert record["cost_nano"] == pytest.approx(stack.billed(record["response_id"]), rel=0.1)


@pytest.mark.parametrize("success", FINE, ids=str)
def test_an_odd_answer_is_still_an_answer(client: OpenAI, stack: Stack, success: Success) -> None:
    raw = client.chat.completions.with_raw_response.create(model=success.model, messages=HELLO)

    text = raw.parse().choices[0].message.content
    assert text
    check_fine(stack, str(raw.request_id), success, len(text))


@pytest.mark.parametrize("success", FINE, ids=str)
def test_an_odd_stream_is_still_a_stream(client: OpenAI, stack: Stack, success: Success) -> None:
    with client.chat.completions.create(model=success.model, messages=HELLO, stream=True) as stream:
        chunks = list(stream)

    assert _text(chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    check_fine(stack, stream.response.headers["x-request-id"], success, len(_text(chunks)))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_empty_answer_is_an_answer(client: OpenAI, stack: Stack, *, stream: bool) -> None:
    text, request_id = _ask(client, "chat!empty", stream=stream)

    record = stack.record(request_id)
    assert text == ""
    assert record["status"] == "ok"
    assert record["output_tokens"] == 0
    assert record["usage_source"] == "provider"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_huge_answer_arrives_whole(client: OpenAI, stack: Stack, *, stream: bool) -> None:
    text, request_id = _ask(client, "chat!huge:5000", stream=stream)

    record = stack.record(request_id)
    assert len(text) == 20_000
    assert record["output_tokens"] == 5000
    assert record["cost_nano"] == stack.billed(record["response_id"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_another_model_than_asked_is_told(client: OpenAI, stack: Stack, *, stream: bool) -> None:
    _, request_id = _ask(client, "chat!wrong_model", stream=stream)

    record = stack.record(request_id)
    assert record["model_response"] == "sim/small-2026-01-15"
    assert record["target"] == "sim/large!wrong_model"
    assert record["cost_nano"] == stack.billed(record["response_id"])


@pytest.mark.parametrize("reason", ["content_filter", "stop"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_refusal_of_the_model_is_told(
    client: OpenAI, stack: Stack, reason: str, *, stream: bool
) -> None:
    asked = f"chat!refusal:{reason}"
    if stream:
        with client.chat.completions.create(model=asked, messages=HELLO, stream=True) as events:
            request_id = events.response.headers["x-request-id"]
            refusal = "".join(chunk.choices[0].delta.refusal or "" for chunk in events)
    else:
        raw = client.chat.completions.with_raw_response.create(model=asked, messages=HELLO)
        request_id, refusal = str(raw.request_id), raw.parse().choices[0].message.refusal

    record = stack.record(request_id)
    assert refusal == "I can't help with that."
    assert record["status"] == "ok"
    assert record["finish_reasons"] == reason
    # A model refuses structured output with `refusal` and `stop`, not with a finish reason.
    assert record["refusal"] == 1


def test_one_malformed_line_is_passed_on_and_three_are_not(client: OpenAI, stack: Stack) -> None:
    with (
        client.chat.completions.create(
            model="chat!bad_line", messages=HELLO, stream=True
        ) as stream,
        # What the SDK makes of it when asked directly, too.
        pytest.raises(json.JSONDecodeError),
    ):
        list(stream)

    record = stack.record(stream.response.headers["x-request-id"])
    assert record["usage_source"] == "provider"
    assert record["cost_nano"] == stack.billed(record["response_id"])


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        pytest.param("nothing", 404, "model_not_found", id="no such model"),
        pytest.param("sim", 404, "model_not_found", id="a provider alone"),
        pytest.param("forbidden", 403, "model_not_allowed", id="not for this tenant"),
        pytest.param("unpriced", 403, "price_unknown", id="without a price"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_request_denied_costs_nothing(
    client: OpenAI, stack: Stack, model: str, status: int, code: str, *, stream: bool
) -> None:
    with pytest.raises(ERRORS[status]) as raised:
        client.chat.completions.create(model=model, messages=HELLO, stream=stream)

    assert raised.value.code == code
    record = stack.record(str(raised.value.request_id))
    assert record["status"] == "rejected"
    assert record["error_code"] == code
    assert record["http_status"] == status
    assert record["attempt_count"] == record["cost_nano"] == 0
    assert stack.ledger(record["request_id"]) == []


def test_a_key_that_is_wrong_is_refused(stack: Stack) -> None:
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key="tt_dev_wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        client.chat.completions.create(model="chat", messages=HELLO)

    assert raised.value.code == "invalid_api_key"


def test_a_failure_is_not_tried_again_by_the_sdk(client: OpenAI, stack: Stack) -> None:
    patient = client.with_options(max_retries=2)

    with pytest.raises(openai.InternalServerError):
        patient.chat.completions.create(
            model="chat!status:500",
            messages=HELLO,
            extra_headers={"x-trimtab-feature": "once-openai"},
        )
    eventually(lambda: _of_feature(stack, "once-openai"), "the record is there")

    assert len(_of_feature(stack, "once-openai")) == 1


def test_our_own_limits_say_when_to_come_back(stack: Stack) -> None:
    with OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key("limited"), max_retries=0) as client:
        for _ in range(2):
            client.chat.completions.create(model="chat", messages=HELLO)
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(model="chat", messages=HELLO)

    headers = raised.value.response.headers
    assert raised.value.code == "rate_limit_exceeded"
    assert headers["x-trimtab-error"] == "rate_limited"
    assert headers["x-should-retry"] == "true"
    assert 0 < int(headers["retry-after"]) <= 31
    assert 0 <= int(headers["retry-after"]) * 1000 - int(headers["retry-after-ms"]) < 1000
    record = stack.record(str(raised.value.request_id))
    assert (record["status"], record["error_code"]) == ("rejected", "rate_limited")
    assert stack.ledger(record["request_id"]) == []


def test_the_sdk_waits_for_a_slot_and_gets_it(stack: Stack) -> None:
    with (
        OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key("busy"), max_retries=2) as client,
        client.chat.completions.create(
            model="chat!stall_after:1", messages=HELLO, stream=True
        ) as stream,
    ):
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as raised:
            client.with_options(max_retries=0).chat.completions.create(model="chat", messages=HELLO)
        stream.close()
        answer = client.chat.completions.create(model="chat", messages=HELLO)

    assert raised.value.response.headers["x-trimtab-error"] == "parallel_limited"
    assert raised.value.response.headers["retry-after"] == "1"
    assert answer.choices[0].message.content
    held = stack.record(stream.response.headers["x-request-id"])
    assert held["status"] == "cancelled"


def test_every_fault_of_the_menu_is_asked_for() -> None:
    assert fault_names() == set(NAMES)


def _text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _ask(client: OpenAI, model: str, *, stream: bool) -> tuple[str, str]:
    """Give the text of an answer and the id of its request."""
    if stream:
        with client.chat.completions.create(model=model, messages=HELLO, stream=True) as events:
            return _text(list(events)), events.response.headers["x-request-id"]
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    return raw.parse().choices[0].message.content or "", str(raw.request_id)


def _of_feature(stack: Stack, feature: str) -> list[dict[str, object]]:
    return stack.rows("SELECT * FROM request WHERE feature = ?", feature)


def _check_raised(stack: Stack, failure: Failure, error: openai.APIStatusError) -> None:
    headers = error.response.headers
    assert type(error) is ERRORS[failure.status]
    assert error.status_code == failure.status
    assert headers["x-trimtab-error"] == failure.code
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
    assert "Traceback" not in error.message
    if failure.code == "provider_refused":
        assert f"simulated error {failure.status}" in error.message
    else:
        assert error.code == failure.code
    check_failed(stack, str(error.request_id), failure, failure.status)
