"""The official OpenAI SDK against the simulator, and the bytes it reads."""

import json
from typing import Any

import openai as sdk
import pytest
from openai import OpenAI
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageParam,
)
from pydantic import BaseModel
from tests.sim.conftest import Sim

LOOKUP: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {
            "type": "object",
            "properties": {"q": {"type": "string"}, "most": {"type": "integer", "minimum": 5}},
            "required": ["q", "most"],
        },
    },
}
TWO_CALLS = '[[sim: tool=lookup({"q":"a"}), tool=other({})]]'


def _ask(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def _stream(client: OpenAI, text: str, model: str = "sim/large") -> list[ChatCompletionChunk]:
    return list(
        client.chat.completions.create(
            model=model,
            messages=_ask(text),
            stream=True,
            stream_options={"include_usage": True},
        )
    )


def _text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _data(sim: Sim, **members: object) -> list[Any]:
    """Stream without an SDK, and give the `data` of every event."""
    body = {"model": "sim/large", "stream": True, "messages": _ask("[[sim: answer=Hello]]")}
    raw = sim.post("/v1/chat/completions", {**body, **members}).body.decode()
    assert raw.endswith("\n\n")
    events = raw[:-2].split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    data = [event.removeprefix("data: ") for event in events]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


@pytest.mark.parametrize("model", ["sim/small", "sim/large", "sim/reasoner"])
def test_a_stream_says_and_bills_the_same_as_a_whole_answer(
    openai: OpenAI, sim: Sim, model: str
) -> None:
    whole = openai.chat.completions.create(model=model, messages=_ask("Why?"))

    chunks = _stream(openai, "Why?", model)

    assert _text(chunks) == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.model == f"{model}-2026-01-15"
    first, second = sim.billed()
    assert (first["id"], second["id"]) == (whole.id, chunks[0].id)
    assert first["cost_nano"] == second["cost_nano"] > 0


def test_usage_is_what_was_billed(openai: OpenAI, sim: Sim) -> None:
    usage = openai.chat.completions.create(model="reasoner", messages=_ask("Why?")).usage

    [line] = sim.billed()
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.prompt_tokens == line["input_tokens"]
    assert usage.completion_tokens == line["output_tokens"]
    assert usage.completion_tokens_details.reasoning_tokens == line["reasoning_tokens"] > 0
    assert line["cost_nano"] == usage.prompt_tokens * 2_000 + usage.completion_tokens * 8_000


def test_a_long_prompt_is_cached_for_its_account(openai: OpenAI, sim: Sim) -> None:
    asked = _ask("word " * 2_000)
    openai.chat.completions.create(model="large", messages=asked)

    again = openai.chat.completions.create(model="large", messages=asked).usage
    other = openai.with_options(api_key="other").chat.completions.create(
        model="large", messages=asked
    )

    assert again is not None
    assert other.usage is not None
    assert again.prompt_tokens_details is not None
    assert other.usage.prompt_tokens_details is not None
    cached = again.prompt_tokens_details.cached_tokens
    assert cached == 2_432
    assert other.usage.prompt_tokens_details.cached_tokens == 0
    line = sim.billed()[1]
    assert (line["input_tokens"], line["cached_tokens"]) == (again.prompt_tokens - cached, cached)


def test_tools_are_called_alike_whole_and_streamed(openai: OpenAI) -> None:
    whole = openai.chat.completions.create(
        model="large", messages=_ask(TWO_CALLS), tools=[LOOKUP]
    ).choices[0]
    with openai.chat.completions.stream(
        model="large", messages=_ask(TWO_CALLS), tools=[LOOKUP]
    ) as stream:
        streamed = stream.get_final_completion().choices[0]

    for choice in (whole, streamed):
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        calls = choice.message.tool_calls or []
        assert [
            (call.function.name, call.function.arguments)
            for call in calls
            if isinstance(call, ChatCompletionMessageFunctionToolCall)
        ] == [("lookup", '{"q":"a"}'), ("other", "{}")]


def test_a_forced_tool_gets_arguments_of_its_schema(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="large", messages=_ask("Why?"), tools=[LOOKUP], tool_choice="required"
    )

    [call] = answer.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["q"], str)
    assert arguments["most"] >= 5


def test_structured_output_is_parsed(openai: OpenAI) -> None:
    class Port(BaseModel):
        name: str
        berths: list[int]

    answer = openai.chat.completions.parse(
        model="large", messages=_ask("Which port?"), response_format=Port
    )

    assert isinstance(answer.choices[0].message.parsed, Port)


def test_most_tokens_and_stops_are_kept(openai: OpenAI) -> None:
    short = openai.chat.completions.create(
        model="large", messages=_ask("[[sim: tokens=50]]"), max_tokens=7
    )
    stopped = openai.chat.completions.create(
        model="large", messages=_ask("[[sim: answer=one two]]"), stop=[" two"]
    )

    assert short.choices[0].finish_reason == "length"
    assert short.usage is not None
    assert short.usage.completion_tokens == 7
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == "one"


def test_several_choices_take_turns_in_a_stream(openai: OpenAI) -> None:
    whole = openai.chat.completions.create(model="large", messages=_ask("Why?"), n=3)
    texts = ["", "", ""]
    order: list[int] = []
    for chunk in openai.chat.completions.create(
        model="large", messages=_ask("Why?"), n=3, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            order.append(choice.index)

    assert texts == [choice.message.content for choice in whole.choices]
    assert order[:6] == [0, 1, 2, 0, 1, 2]


def test_a_stream_is_framed_as_the_provider_frames_it(sim: Sim) -> None:
    chunks = _data(sim)

    assert chunks[-1] == "[DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hell"},
        {"content": "o"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [
        *(None, None, None, "stop"),
    ]
    assert all("usage" not in chunk for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks[:-1]}) == 1


def test_usage_that_was_asked_for_comes_last_and_is_null_before(sim: Sim) -> None:
    chunks = _data(sim, stream_options={"include_usage": True})

    assert [chunk["usage"] for chunk in chunks[:-2]] == [None] * 4
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["total_tokens"] > 0


def test_running_usage_grows_to_the_final_one(sim: Sim) -> None:
    chunks = _data(sim, model="sim/large!usage_repeated", stream_options={"include_usage": True})

    assert [chunk["usage"]["completion_tokens"] for chunk in chunks[:-1]] == [0, 1, 2, 2, 2]


def test_arguments_may_come_with_the_first_delta(sim: Sim) -> None:
    chunks = _data(sim, model="large!args_in_first_delta", messages=_ask(TWO_CALLS))

    calls = [
        call["function"]
        for chunk in chunks[:-1]
        for call in chunk["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert calls == [
        {"name": "lookup", "arguments": '{"q":"a"}'},
        {"name": "other", "arguments": "{}"},
    ]


def test_a_refusal_is_told_apart_from_content(openai: OpenAI) -> None:
    whole = openai.chat.completions.create(model="large!refusal:stop", messages=_ask("Why?"))
    chunks = _stream(openai, "Why?", "large!refusal")

    message = whole.choices[0].message
    assert (message.content, whole.choices[0].finish_reason) == (None, "stop")
    assert message.refusal == "".join(
        chunk.choices[0].delta.refusal or "" for chunk in chunks if chunk.choices
    )
    assert chunks[-2].choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("model", "error"),
    [
        pytest.param("nothing", sdk.NotFoundError, id="no such model"),
        pytest.param("large!explode", sdk.BadRequestError, id="no such fault"),
        pytest.param("large!401", sdk.AuthenticationError, id="401"),
        pytest.param("large!status:403", sdk.PermissionDeniedError, id="403"),
        pytest.param("large!status:409", sdk.ConflictError, id="409"),
        pytest.param("large!retry_after:7", sdk.RateLimitError, id="429"),
        pytest.param("large!status:503", sdk.InternalServerError, id="503"),
    ],
)
def test_errors_are_the_sdks_own_and_cost_nothing(
    openai: OpenAI, sim: Sim, model: str, error: type[sdk.APIStatusError]
) -> None:
    with pytest.raises(error) as raised:
        openai.chat.completions.create(model=model, messages=_ask("Why?"))

    assert raised.value.type
    assert raised.value.request_id
    assert sim.billed() == []


def test_too_long_a_prompt_is_refused_in_the_providers_words(openai: OpenAI) -> None:
    with pytest.raises(sdk.BadRequestError) as raised:
        openai.chat.completions.create(model="small", messages=_ask("x" * 513_000))

    assert raised.value.code == "context_length_exceeded"
