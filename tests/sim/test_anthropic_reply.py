"""The official Anthropic SDK against the simulator, and the bytes it reads."""

import json
from typing import Any

import anthropic as sdk
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, TextBlockParam, ToolParam
from tests.sim.conftest import ANTHROPIC_VERSION, Sim

LOOKUP: ToolParam = {
    "name": "lookup",
    "input_schema": {
        "type": "object",
        "properties": {"q": {"type": "string"}},
        "required": ["q"],
    },
}
TWO_CALLS = '[[sim: answer=Wait., tool=lookup({"q":"a"}), tool=other({})]]'


def _ask(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def _events(sim: Sim, **members: object) -> list[tuple[str, dict[str, Any]]]:
    """Stream without an SDK, and give name and data of every event."""
    body = {
        "model": "sim/large",
        "max_tokens": 100,
        "stream": True,
        "messages": _ask("[[sim: answer=Hello]]"),
    }
    answer = sim.call("POST", "/v1/messages", {**body, **members}, ANTHROPIC_VERSION)
    raw = answer.body.decode()
    assert raw.endswith("\n\n")
    events: list[tuple[str, dict[str, Any]]] = []
    for event in raw[:-2].split("\n\n"):
        name, data = event.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


@pytest.mark.parametrize("model", ["sim/small", "sim/large", "sim/reasoner"])
def test_a_stream_says_and_bills_the_same_as_a_whole_answer(
    anthropic: Anthropic, sim: Sim, model: str
) -> None:
    whole = anthropic.messages.create(model=model, max_tokens=400, messages=_ask("Why?"))

    with anthropic.messages.stream(model=model, max_tokens=400, messages=_ask("Why?")) as stream:
        final = stream.get_final_message()

    assert [block.type for block in whole.content] == ["text"]
    assert final.content[0].model_dump(include={"text"}) == whole.content[0].model_dump(
        include={"text"}
    )
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.stop_reason == whole.stop_reason == "end_turn"
    first, second = sim.billed()
    assert (first["id"], second["id"]) == (whole.id, final.id)
    assert first["cost_nano"] == second["cost_nano"] > 0
    assert first["output_tokens"] == whole.usage.output_tokens


def test_a_stream_is_framed_as_the_provider_frames_it(sim: Sim) -> None:
    events = _events(sim)

    assert [name for name, _ in events] == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert all(data["type"] == name for name, data in events)
    start, end = events[0][1]["message"], events[6][1]
    assert start["usage"]["output_tokens"] == 1
    assert start["content"] == []
    assert end["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert end["usage"]["output_tokens"] == 2
    assert end["usage"]["input_tokens"] == start["usage"]["input_tokens"]


def test_an_empty_answer_has_no_blocks(sim: Sim) -> None:
    events = _events(sim, model="large!empty")

    assert [name for name, _ in events] == [
        *("message_start", "ping", "message_delta", "message_stop"),
    ]


def test_prompt_caching_is_read_written_and_billed_by_lifetime(
    anthropic: Anthropic, sim: Sim
) -> None:
    system: list[TextBlockParam] = [
        {
            "type": "text",
            "text": "word " * 2_000,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        {"type": "text", "text": "rule " * 400, "cache_control": {"type": "ephemeral"}},
    ]

    written, read = (
        anthropic.messages.create(
            model="large", max_tokens=9, system=system, messages=_ask("[[sim: answer=Yes]]")
        ).usage
        for _ in range(2)
    )

    assert written.cache_creation is not None
    assert written.cache_creation.ephemeral_1h_input_tokens == 2_503
    assert written.cache_creation.ephemeral_5m_input_tokens == 500
    assert written.cache_creation_input_tokens == 3_003
    assert (read.cache_read_input_tokens, read.cache_creation_input_tokens) == (3_003, 0)
    assert written.input_tokens == read.input_tokens
    assert [line["cost_nano"] for line in sim.billed()] == [
        written.input_tokens * 3_000 + 2_503 * 6_000 + 500 * 3_750 + 15_000,
        read.input_tokens * 3_000 + 3_003 * 300 + 15_000,
    ]


def test_tools_are_called_alike_whole_and_streamed(anthropic: Anthropic) -> None:
    whole = anthropic.messages.create(
        model="large", max_tokens=99, messages=_ask(TWO_CALLS), tools=[LOOKUP]
    )
    with anthropic.messages.stream(
        model="large", max_tokens=99, messages=_ask(TWO_CALLS), tools=[LOOKUP]
    ) as stream:
        final = stream.get_final_message()

    for message in (whole, final):
        assert message.stop_reason == "tool_use"
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        inputs = [block.input for block in message.content if block.type == "tool_use"]
        assert inputs == [{"q": "a"}, {}]


def test_a_forced_tool_gets_arguments_of_its_schema(anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(
        model="large",
        max_tokens=99,
        messages=_ask("Why?"),
        tools=[LOOKUP],
        tool_choice={"type": "tool", "name": "lookup"},
    )

    [block] = answer.content
    assert block.type == "tool_use"
    assert list(block.input) == ["q"]


def test_structured_output_satisfies_its_schema(anthropic: Anthropic) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"ok": {"const": 5}},
        "required": ["ok"],
    }

    answer = anthropic.messages.create(
        model="large",
        max_tokens=99,
        messages=_ask("Why?"),
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )

    [block] = answer.content
    assert block.type == "text"
    assert json.loads(block.text) == {"ok": 5}


def test_thinking_is_shown_when_asked_for_and_counted(anthropic: Anthropic, sim: Sim) -> None:
    with anthropic.messages.stream(
        model="reasoner",
        max_tokens=4_000,
        messages=_ask("Why?"),
        thinking={"type": "enabled", "budget_tokens": 1_024},
    ) as stream:
        final = stream.get_final_message()

    thought, text = final.content
    assert thought.type == "thinking"
    assert thought.signature
    assert text.type == "text"
    [line] = sim.billed()
    assert final.usage.output_tokens == line["output_tokens"]
    assert 0 < line["reasoning_tokens"] < line["output_tokens"]
    assert line["reasoning_tokens"] == -(-len(thought.thinking) // 4)


def test_most_tokens_and_stops_are_kept(anthropic: Anthropic) -> None:
    short = anthropic.messages.create(
        model="large", max_tokens=7, messages=_ask("[[sim: tokens=50]]")
    )
    stopped = anthropic.messages.create(
        model="large",
        max_tokens=50,
        messages=_ask("[[sim: answer=one two]]"),
        stop_sequences=[" two"],
    )

    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 7)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " two")


def test_tokens_are_counted_as_a_call_counts_them_and_for_nothing(
    anthropic: Anthropic, sim: Sim
) -> None:
    counted = anthropic.messages.count_tokens(model="large", messages=_ask("Why?"), system="Hm.")
    assert sim.billed() == []

    used = anthropic.messages.create(
        model="large", max_tokens=9, messages=_ask("Why?"), system="Hm."
    ).usage

    assert counted.input_tokens == used.input_tokens


def test_usage_is_repeated_after_every_block_and_at_the_end(sim: Sim) -> None:
    events = _events(sim, model="large!usage_repeated", messages=_ask(TWO_CALLS))

    counts = [
        (data["delta"]["stop_reason"], data["usage"]["output_tokens"])
        for name, data in events
        if name == "message_delta"
    ]
    assert counts == [(None, 2), (None, 7), (None, 10), ("tool_use", 10), ("tool_use", 10)]


def test_arguments_may_come_with_the_beginning_of_a_block(sim: Sim) -> None:
    events = _events(sim, model="large!args_in_first_delta", messages=_ask(TWO_CALLS))

    started = [data["content_block"] for name, data in events if name == "content_block_start"]
    assert [block.get("input") for block in started] == [None, {"q": "a"}, {}]
    assert not any(
        data["delta"]["type"] == "input_json_delta"
        for name, data in events
        if name == "content_block_delta"
    )


def test_a_refusal_is_a_stop_reason(anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(model="large!refusal", max_tokens=9, messages=_ask("Why?"))

    assert answer.stop_reason == "refusal"


@pytest.mark.parametrize(
    ("model", "error", "kind"),
    [
        pytest.param("nothing", sdk.NotFoundError, "not_found_error", id="no such model"),
        pytest.param("large!401", sdk.AuthenticationError, "authentication_error", id="401"),
        pytest.param("large!retry_after:7", sdk.RateLimitError, "rate_limit_error", id="429"),
        pytest.param("large!status:500", sdk.InternalServerError, "api_error", id="500"),
        pytest.param("large!status:529", sdk.InternalServerError, "overloaded_error", id="529"),
    ],
)
def test_errors_are_the_sdks_own_and_cost_nothing(
    anthropic: Anthropic, sim: Sim, model: str, error: type[sdk.APIStatusError], kind: str
) -> None:
    with pytest.raises(error) as raised:
        anthropic.messages.create(model=model, max_tokens=9, messages=_ask("Why?"))

    told = raised.value.response.json()
    assert told["error"]["type"] == kind
    assert told["request_id"] == raised.value.request_id
    assert sim.billed() == []


def test_too_long_a_prompt_is_refused_in_the_providers_words(anthropic: Anthropic) -> None:
    with pytest.raises(sdk.BadRequestError, match="prompt is too long: 1282"):
        anthropic.messages.create(model="small", max_tokens=9, messages=_ask("x" * 513_000))
