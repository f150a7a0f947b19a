"""The official OpenAI SDK against the simulator's responses, and the bytes it reads."""

import json
from collections.abc import Iterator
from typing import Any

import openai as sdk
import pytest
from openai import OpenAI
from openai.types.responses import (
    FunctionToolParam,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseReasoningItem,
    ResponseTextDeltaEvent,
)
from pydantic import BaseModel
from tests.sim.conftest import Sim

LOOKUP: FunctionToolParam = {
    "type": "function",
    "name": "lookup",
    "parameters": {
        "type": "object",
        "properties": {"q": {"type": "string"}},
        "required": ["q"],
        "additionalProperties": False,
    },
    "strict": True,
}
TWO_CALLS = '[[sim: tool=lookup({"q":"a"}), tool=lookup({"q":"b"})]]'
TEXT = [
    *("response.created", "response.in_progress", "response.output_item.added"),
    *("response.content_part.added", "response.output_text.delta", "response.output_text.delta"),
    *("response.output_text.done", "response.content_part.done", "response.output_item.done"),
    "response.completed",
]
CALL = [
    *("response.output_item.added", "response.function_call_arguments.delta"),
    *("response.function_call_arguments.delta", "response.function_call_arguments.delta"),
    *("response.function_call_arguments.done", "response.output_item.done"),
]


def _events(sim: Sim, **members: object) -> list[dict[str, Any]]:
    """Stream without an SDK; every event is named by its type, and they are counted."""
    body = {"model": "large", "stream": True, "input": "[[sim: answer=Hello]]", **members}
    raw = sim.post("/v1/responses", body).body.decode()
    events: list[dict[str, Any]] = []
    for event in raw.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def _types(events: list[dict[str, Any]]) -> Iterator[str]:
    return (event["type"] for event in events)


@pytest.mark.parametrize("model", ["sim/small", "sim/large", "sim/reasoner"])
def test_a_stream_says_and_bills_the_same_as_a_whole_answer(
    openai: OpenAI, sim: Sim, model: str
) -> None:
    whole = openai.responses.create(model=model, input="Why?")

    events = list(openai.responses.create(model=model, input="Why?", stream=True))

    text = "".join(event.delta for event in events if isinstance(event, ResponseTextDeltaEvent))
    assert text == whole.output_text
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.usage == whole.usage
    assert whole.model == f"{model}-2026-01-15"
    first, second = sim.billed()
    assert (first["id"], second["id"]) == (whole.id, last.response.id)
    assert first["cost_nano"] == second["cost_nano"] > 0


def test_a_text_comes_in_the_order_of_the_provider(sim: Sim) -> None:
    assert list(_types(_events(sim))) == TEXT


def test_calls_of_tools_come_in_the_order_of_the_provider(openai: OpenAI, sim: Sim) -> None:
    answer = openai.responses.create(model="large", input=TWO_CALLS, tools=[LOOKUP])

    events = _events(sim, input=TWO_CALLS, tools=[LOOKUP])

    assert list(_types(events)) == [*TEXT[:2], *CALL, *CALL, TEXT[-1]]
    calls = [item for item in answer.output if isinstance(item, ResponseFunctionToolCall)]
    assert [call.arguments for call in calls] == ['{"q":"a"}', '{"q":"b"}']
    assert len({call.call_id for call in calls}) == 2


def test_results_of_tools_are_answered_in_text(openai: OpenAI) -> None:
    first = openai.responses.create(model="large", input=TWO_CALLS, tools=[LOOKUP])

    second = openai.responses.create(
        model="large",
        tools=[LOOKUP],
        previous_response_id=first.id,
        input=[
            {"type": "function_call_output", "call_id": item.call_id, "output": "x"}
            for item in first.output
            if isinstance(item, ResponseFunctionToolCall)
        ],
    )

    assert second.output_text
    assert second.previous_response_id == first.id


def test_a_conversation_that_goes_on_is_read_and_billed_whole(openai: OpenAI) -> None:
    first = openai.responses.create(model="large", input="Remember the harbour. " * 20)
    second = openai.responses.create(model="large", input="Why?", previous_response_id=first.id)
    alone = openai.responses.create(model="large", input="Why?")

    assert first.usage
    assert second.usage
    assert alone.usage
    assert second.usage.input_tokens > first.usage.input_tokens > alone.usage.input_tokens
    assert second.output_text != alone.output_text


def test_what_is_not_stored_cannot_be_gone_on_from(openai: OpenAI, sim: Sim) -> None:
    unkept = openai.responses.create(model="large", input="Hi", store=False)
    kept = openai.responses.create(model="large", input="Hi")

    with pytest.raises(sdk.BadRequestError, match="not found"):
        openai.responses.create(model="large", input="Why?", previous_response_id=unkept.id)
    with (
        OpenAI(base_url=f"{sim.url}/v1", api_key="other", max_retries=0) as other,
        pytest.raises(sdk.BadRequestError, match="not found"),
    ):
        other.responses.create(model="large", input="Why?", previous_response_id=kept.id)


@pytest.mark.parametrize("summary", [True, False])
def test_reasoning_is_billed_and_shown_when_asked(
    openai: OpenAI, sim: Sim, *, summary: bool
) -> None:
    asked: dict[str, str] = {"effort": "low", **({"summary": "auto"} if summary else {})}

    answer = openai.responses.create(
        model="reasoner", input="Why?", extra_body={"reasoning": asked}
    )

    item = answer.output[0]
    assert isinstance(item, ResponseReasoningItem)
    assert bool(item.summary) == summary
    assert answer.usage
    assert (
        answer.usage.output_tokens_details.reasoning_tokens == sim.billed()[0]["reasoning_tokens"]
    )
    events = _events(sim, model="reasoner", reasoning=asked)
    shown = "response.reasoning_summary_text.delta" in _types(events)
    assert shown == summary


def test_a_schema_is_kept_to(openai: OpenAI) -> None:
    class Port(BaseModel):
        name: str
        berths: int

    answer = openai.responses.parse(model="large", input="A port?", text_format=Port)

    assert isinstance(answer.output_parsed, Port)


def test_an_answer_that_is_cut_short_is_incomplete(openai: OpenAI, sim: Sim) -> None:
    answer = openai.responses.create(
        model="large", input="[[sim: tokens=100]]", max_output_tokens=20
    )

    assert answer.status == "incomplete"
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "max_output_tokens"
    events = _events(sim, input="[[sim: tokens=100]]", max_output_tokens=20)
    assert events[-1]["type"] == "response.incomplete"


def test_faults_hit_streams_of_responses(sim: Sim) -> None:
    assert list(_types(_events(sim, model="large!no_done"))) == TEXT[:-1]
    assert list(_types(_events(sim, model="large!error_after_preamble"))) == [*TEXT[:2], "error"]
    done = _events(sim, model="large!args_only_in_done", input=TWO_CALLS, tools=[LOOKUP])
    assert "response.function_call_arguments.delta" not in _types(done)
    assert _events(sim, model="large!no_usage")[-1]["response"]["usage"] is None


@pytest.mark.parametrize(
    "members",
    [
        {"input": ""},
        {"input": 1},
        {"max_output_tokens": 1},
        {"tools": [{"type": "web_search"}]},
        {"model": "embed"},
        {"model": "nothing"},
        {"text": {"format": {"type": "json_schema"}}},
    ],
)
def test_a_wrong_call_is_refused(sim: Sim, members: dict[str, object]) -> None:
    answer = sim.post("/v1/responses", {"model": "large", "input": "Hi", **members})

    assert answer.status in {400, 404}
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert sim.billed() == []
