"""The official SDKs against providers of the other wire, through a whole Trimtab."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from anthropic.types import Message, MessageParam, TextBlock, ToolParam, ToolUseBlock
from openai import OpenAI
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageParam,
    ParsedChatCompletion,
)
from pydantic import BaseModel
from tests.e2e.conftest import Stack, eventually, stack_of

pytestmark = pytest.mark.e2e

CONFIG = Path(__file__).with_name("translation.yaml")
MODELS = ["either", "gpt", "claude"]
SCHEMA: dict[str, object] = {
    "type": "object",
    "properties": {"query": {"type": "string"}},
    "required": ["query"],
    "additionalProperties": False,
}
FUNCTION: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "lookup", "parameters": SCHEMA, "strict": True},
}
TOOL: ToolParam = {"name": "lookup", "input_schema": SCHEMA}
HELLO = "What is a trim tab?"
CALLS_TWO = '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"rüd"})]]'
ARGUMENTS = ['{"query":"tab"}', '{"query":"rüd"}']
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)
PDF = "JVBERi0xLjQKJSVFT0Y="


class Port(BaseModel):
    name: str
    berths: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_of(tmp_path_factory.mktemp("translation"), CONFIG.read_text()) as running:
        yield running


@pytest.fixture(scope="module")
def chat(running: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{running.url}/v1", api_key=running.key(), max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def messages(running: Stack) -> Iterator[Anthropic]:
    with Anthropic(base_url=running.url, api_key=running.key(), max_retries=0) as client:
        yield client


def completion(
    chat: OpenAI,
    model: str,
    said: list[ChatCompletionMessageParam],
    *,
    stream: bool,
    tools: list[ChatCompletionFunctionToolParam] | None = None,
    max_tokens: int | None = None,
) -> ParsedChatCompletion[None]:
    """Ask with OpenAI's SDK, and give the whole answer however it came."""
    if stream:
        with chat.chat.completions.stream(
            model=model,
            messages=said,
            tools=tools or openai.omit,
            max_completion_tokens=max_tokens,
            stream_options={"include_usage": True},
        ) as events:
            events.until_done()
            return events.get_final_completion()
    return chat.chat.completions.parse(
        model=model,
        messages=said,
        tools=tools or openai.omit,
        max_completion_tokens=max_tokens,
    )


def message(
    messages: Anthropic,
    model: str,
    said: list[MessageParam],
    *,
    stream: bool,
    tools: list[ToolParam] | None = None,
    max_tokens: int = 400,
) -> Message:
    """Ask with Anthropic's SDK, and give the whole answer however it came."""
    if stream:
        with messages.messages.stream(
            model=model, max_tokens=max_tokens, messages=said, tools=tools or anthropic.omit
        ) as events:
            return events.get_final_message()
    return messages.messages.create(
        model=model, max_tokens=max_tokens, messages=said, tools=tools or anthropic.omit
    )


def text_of(answer: Message) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, TextBlock))


both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
each = pytest.mark.parametrize("model", MODELS)


@both
@each
def test_t09_usage_is_equal_on_every_wire_and_of_every_provider(
    running: Stack, chat: OpenAI, messages: Anthropic, model: str, *, stream: bool
) -> None:
    asked = completion(
        chat, model, [{"role": "user", "content": HELLO}], stream=stream, max_tokens=400
    )
    told = message(messages, model, [{"role": "user", "content": HELLO}], stream=stream)

    assert asked.usage is not None
    assert asked.choices[0].message.content == text_of(told)
    for answer_id, given, wrote in (
        (asked.id, asked.usage.prompt_tokens, asked.usage.completion_tokens),
        (told.id, told.usage.input_tokens, told.usage.output_tokens),
    ):
        record = _record_of(running, answer_id)
        assert (record["input_tokens"], record["output_tokens"]) == (given, wrote)
        assert record["usage_source"] == "provider"
        assert record["cost_nano"] == running.billed(answer_id)
    assert asked.usage.completion_tokens == told.usage.output_tokens
    assert asked.usage.total_tokens == asked.usage.prompt_tokens + asked.usage.completion_tokens
    assert (asked.choices[0].finish_reason, told.stop_reason) == ("stop", "end_turn")


@both
@each
def test_t28_arguments_of_parallel_calls_arrive_as_the_model_wrote_them(
    chat: OpenAI, messages: Anthropic, model: str, *, stream: bool
) -> None:
    asked = completion(
        chat,
        model,
        [{"role": "user", "content": CALLS_TWO}],
        stream=stream,
        tools=[FUNCTION],
        max_tokens=400,
    )
    told = message(
        messages, model, [{"role": "user", "content": CALLS_TWO}], stream=stream, tools=[TOOL]
    )

    calls = asked.choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == ARGUMENTS
    assert asked.choices[0].finish_reason == "tool_calls"
    uses = [block for block in told.content if isinstance(block, ToolUseBlock)]
    assert [use.input for use in uses] == [json.loads(arguments) for arguments in ARGUMENTS]
    assert told.stop_reason == "tool_use"
    assert len({call.id for call in calls}) == len({use.id for use in uses}) == 2


@both
@pytest.mark.parametrize("call", ["lookup()", "lookup({})"])
@each
def test_a_call_without_arguments_has_an_empty_object_of_them(
    chat: OpenAI, messages: Anthropic, model: str, call: str, *, stream: bool
) -> None:
    script = f"[[sim: tool={call}]]"

    asked = completion(
        chat,
        model,
        [{"role": "user", "content": script}],
        stream=stream,
        tools=[FUNCTION],
        max_tokens=400,
    )
    told = message(
        messages, model, [{"role": "user", "content": script}], stream=stream, tools=[TOOL]
    )

    calls = asked.choices[0].message.tool_calls or []
    assert [made.function.arguments for made in calls] == ["{}"]
    [use] = told.content
    assert isinstance(use, ToolUseBlock)
    assert use.input == {}


@both
def test_a_conversation_with_tools_goes_on_across_wires(
    chat: OpenAI, messages: Anthropic, *, stream: bool
) -> None:
    said: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": CALLS_TWO},
    ]
    first = completion(chat, "claude", said, stream=stream, tools=[FUNCTION])
    calls = first.choices[0].message.tool_calls or []
    said.append(
        {
            "role": "assistant",
            "content": first.choices[0].message.content,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {
                        "name": call.function.name,
                        "arguments": call.function.arguments,
                    },
                }
                for call in calls
            ],
        }
    )
    results: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": "Found."} for call in calls
    ]
    said += results
    assert (
        completion(chat, "claude", said, stream=stream, tools=[FUNCTION]).choices[0].message.content
    )

    asked: list[MessageParam] = [{"role": "user", "content": CALLS_TWO}]
    answer = message(messages, "gpt", asked, stream=stream, tools=[TOOL])
    asked.append({"role": "assistant", "content": answer.content})
    asked.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": block.id, "content": "Found."}
                for block in answer.content
                if isinstance(block, ToolUseBlock)
            ],
        }
    )
    assert text_of(message(messages, "gpt", asked, stream=stream, tools=[TOOL]))


@both
def test_images_and_documents_are_carried_over(
    running: Stack, chat: OpenAI, messages: Anthropic, *, stream: bool
) -> None:
    assert (
        completion(
            chat,
            "claude",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {
                            "type": "image_url",
                            "image_url": {"url": f"data:image/png;base64,{PIXEL}"},
                        },
                        {
                            "type": "file",
                            "file": {
                                "filename": "a.pdf",
                                "file_data": f"data:application/pdf;base64,{PDF}",
                            },
                        },
                    ],
                }
            ],
            stream=stream,
        )
        .choices[0]
        .message.content
    )
    assert _last_body(running)["messages"][0]["content"][1:] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            "title": "a.pdf",
        },
    ]

    assert text_of(
        message(
            messages,
            "gpt",
            [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "url", "url": "https://example.com/a.png"},
                        },
                        {"type": "text", "text": "What is this?"},
                    ],
                }
            ],
            stream=stream,
        )
    )
    assert _last_body(running)["messages"][0]["content"][0] == {
        "type": "image_url",
        "image_url": {"url": "https://example.com/a.png"},
    }


def test_structured_output_is_parsed_across_wires(chat: OpenAI, messages: Anthropic) -> None:
    asked = chat.chat.completions.parse(
        model="claude",
        messages=[{"role": "user", "content": "A port?"}],
        response_format=Port,
    )
    told = messages.messages.parse(
        model="gpt",
        max_tokens=400,
        messages=[{"role": "user", "content": "A port?"}],
        output_format=Port,
    )

    assert isinstance(asked.choices[0].message.parsed, Port)
    assert isinstance(told.parsed_output, Port)


@both
def test_a_refusal_and_a_limit_are_told_in_the_callers_words(
    chat: OpenAI, messages: Anthropic, *, stream: bool
) -> None:
    said: list[ChatCompletionMessageParam] = [{"role": "user", "content": HELLO}]
    with chat.chat.completions.create(model="claude!refusal", messages=said, stream=True) as chunks:
        reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    asked = chat.chat.completions.create(model="claude", messages=said, max_tokens=3)
    refused = message(messages, "gpt!refusal", [{"role": "user", "content": HELLO}], stream=stream)
    forced = message(
        messages, "gpt!refusal:stop", [{"role": "user", "content": HELLO}], stream=stream
    )
    cut = message(
        messages, "gpt", [{"role": "user", "content": HELLO}], stream=stream, max_tokens=3
    )

    assert reasons[-1] == "content_filter"
    assert asked.choices[0].finish_reason == "length"
    assert refused.stop_reason == forced.stop_reason == "refusal"
    assert text_of(refused)
    assert cut.stop_reason == "max_tokens"


def test_reasoning_is_counted_and_not_shown(running: Stack, chat: OpenAI) -> None:
    raw = chat.chat.completions.with_raw_response.create(
        model="anthropic/reasoner",
        messages=[{"role": "user", "content": HELLO}],
        reasoning_effort="low",
    )
    answer = raw.parse()

    assert answer.choices[0].message.content
    assert _last_body(running)["output_config"] == {"effort": "low"}
    assert running.record(str(raw.request_id))["cost_nano"] == running.billed(answer.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_has_no_equal_is_refused_by_name_and_costs_nothing(
    running: Stack, chat: OpenAI, messages: Anthropic, *, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as seeded:
        chat.chat.completions.create(
            model="claude", messages=[{"role": "user", "content": HELLO}], seed=7, stream=stream
        )
    with pytest.raises(anthropic.BadRequestError) as narrowed:
        messages.messages.create(
            model="gpt",
            max_tokens=9,
            messages=[{"role": "user", "content": HELLO}],
            extra_body={"top_k": 4},
            stream=stream,
        )

    assert (seeded.value.code, seeded.value.param) == ("unsupported_by_target", "seed")
    assert "`top_k`" in narrowed.value.message
    for request_id in (seeded.value.request_id, narrowed.value.request_id):
        record = running.record(str(request_id))
        assert (record["status"], record["error_code"]) == ("rejected", "unsupported_by_target")
        assert running.ledger(record["request_id"]) == []


@both
def test_what_has_no_equal_is_dropped_and_told_where_the_model_says_so(
    running: Stack, chat: OpenAI, *, stream: bool
) -> None:
    raw = chat.chat.completions.with_raw_response.create(
        model="lenient-claude",
        messages=[{"role": "user", "content": HELLO}],
        seed=7,
        service_tier="auto",
        stream=stream,
    )

    assert sorted(raw.headers["x-trimtab-dropped"].split(", ")) == ["seed", "service_tier"]
    raw.http_response.close()
    running.record(str(raw.request_id))
    detail = running.admin(f"records/{raw.request_id}")["detail"]
    assert sorted(detail["dropped"]) == ["seed", "service_tier"]
    assert "seed" not in _last_body(running)


@pytest.mark.parametrize(("status", "code"), [(400, "status:400"), (404, "status:404")])
def test_a_providers_refusal_is_told_in_the_callers_words(
    chat: OpenAI, messages: Anthropic, status: int, code: str
) -> None:
    with pytest.raises(openai.APIStatusError) as asked:
        chat.chat.completions.create(
            model=f"claude!{code}", messages=[{"role": "user", "content": HELLO}]
        )
    with pytest.raises(anthropic.APIStatusError) as told:
        messages.messages.create(
            model=f"gpt!{code}", max_tokens=9, messages=[{"role": "user", "content": HELLO}]
        )

    assert asked.value.status_code == told.value.status_code == status
    assert asked.value.type == "invalid_request_error"
    assert "simulated" in asked.value.message
    assert told.value.body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": f"simulated error {status}"},
    }


def test_a_cut_stream_ends_with_an_error_of_the_callers_wire(
    chat: OpenAI, messages: Anthropic
) -> None:
    with pytest.raises(openai.APIError) as asked:
        list(
            chat.chat.completions.create(
                model="claude!cut_after:3",
                messages=[{"role": "user", "content": HELLO}],
                stream=True,
            )
        )
    with (
        pytest.raises(anthropic.APIStatusError) as told,
        messages.messages.stream(
            model="gpt!cut_after:3", max_tokens=400, messages=[{"role": "user", "content": HELLO}]
        ) as events,
    ):
        events.until_done()

    assert asked.value.code == "stream_truncated"
    assert told.value.type == "api_error"


@pytest.mark.parametrize("fault", ["bad_line", "args_in_first_delta", "usage_repeated"])
def test_quirks_of_a_provider_do_not_reach_the_other_wire(messages: Anthropic, fault: str) -> None:
    answer = message(
        messages,
        f"gpt!{fault}",
        [{"role": "user", "content": CALLS_TWO}],
        stream=True,
        tools=[TOOL],
    )

    uses = [block.input for block in answer.content if isinstance(block, ToolUseBlock)]
    assert uses == [json.loads(arguments) for arguments in ARGUMENTS]


def _last_body(running: Stack) -> dict[str, Any]:
    """What the simulator was sent last."""
    body: dict[str, Any] = json.loads(running.sim("calls")["calls"][-1]["body"])
    return body


def _record_of(running: Stack, answer_id: str) -> dict[str, Any]:
    found = eventually(
        lambda: running.rows("SELECT * FROM request WHERE response_id = ?", answer_id),
        f"the record of {answer_id} is there",
    )
    return found[0]
