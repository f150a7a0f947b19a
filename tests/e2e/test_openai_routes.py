"""The official OpenAI SDK on the routes beside chat: responses, embeddings and moderations."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import openai
import pytest
from openai import OpenAI
from openai.types.responses import (
    FunctionToolParam,
    Response,
    ResponseCreatedEvent,
    ResponseErrorEvent,
    ResponseFailedEvent,
    ResponseFunctionToolCall,
    ResponseInputItemParam,
    ResponseTextDeltaEvent,
)
from pydantic import BaseModel
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in
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
)

pytestmark = pytest.mark.e2e

HELLO = "What is a trim tab?"
CALLS_TWO = '[[sim: tool=lookup({"query":"tab"}), tool=lookup({"query":"rudder"})]]'
QUERIES = ['{"query":"tab"}', '{"query":"rudder"}']
TOOL: FunctionToolParam = {
    "type": "function",
    "name": "lookup",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
    "strict": True,
}
NAMES_A_CALL = ("id", "item_id", "call_id", "created_at")
"""What two answers to one question differ in."""


class Port(BaseModel):
    name: str
    berths: int


@pytest.fixture
def client(stack: Stack, key: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture
def other(stack: Stack) -> Iterator[OpenAI]:
    """A client of another tenant."""
    with OpenAI(base_url=f"{stack.url}/v1", api_key=stack.key("globex"), max_retries=0) as client:
        yield client


def test_a_response_is_answered_recorded_and_charged(client: OpenAI, stack: Stack) -> None:
    raw = client.responses.with_raw_response.create(
        model="chat", input=HELLO, instructions="Be brief.", max_output_tokens=500
    )

    answer = raw.parse()
    request_id = raw.headers["x-request-id"]
    record, content = stack.record(request_id), stack.content(request_id)
    assert answer.output_text
    assert answer.usage
    assert (record["operation"], record["wire"]) == ("chat", "openai.responses")
    assert record["response_id"] == answer.id
    assert record["input_tokens"] == answer.usage.input_tokens
    assert record["output_tokens"] == answer.usage.output_tokens
    assert record["cost_nano"] == stack.billed(answer.id)
    assert json.loads(record["params"]) == {"max_output_tokens": 500}
    assert json.loads(content["input"])["instructions"] == "Be brief."
    assert answer.output_text in content["output"]


@pytest.mark.parametrize("model", ["chat", "sim/reasoner"])
def test_a_stream_says_the_same_and_costs_the_same(
    client: OpenAI, stack: Stack, model: str
) -> None:
    whole = client.responses.with_raw_response.create(model=model, input=HELLO)

    with client.responses.stream(model=model, input=HELLO) as stream:
        pieces = [it.delta for it in stream if it.type == "response.output_text.delta"]
        final = stream.get_final_response()

    said = whole.parse()
    assert "".join(pieces) == final.output_text == said.output_text
    assert final.usage == said.usage
    assert stack.billed(final.id) == stack.billed(said.id)


@pytest.mark.parametrize("fault", ["", "!args_in_first_delta", "!args_only_in_done"])
def test_calls_of_tools_are_whole_however_they_come(
    client: OpenAI, stack: Stack, fault: str
) -> None:
    events = client.responses.create(
        model=f"chat{fault}", input=CALLS_TWO, tools=[TOOL], stream=True
    )

    request_id = events.response.headers["x-request-id"]
    final = next(it.response for it in events if it.type == "response.completed")
    assert [call.arguments for call in _calls(final)] == QUERIES
    record = stack.record(request_id)
    assert (record["tool_call_count"], record["finish_reasons"]) == (2, "tool_calls")
    assert record["cost_nano"] == stack.billed(final.id)
    parts = json.loads(stack.content(request_id)["output"])["parts"]
    assert [part["arguments"] for part in parts] == QUERIES


def test_a_conversation_goes_on_by_the_id_of_its_last_answer(client: OpenAI, stack: Stack) -> None:
    first = client.responses.create(model="chat", input=CALLS_TWO, tools=[TOOL])
    results: list[ResponseInputItemParam] = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "a surface"}
        for call in _calls(first)
    ]

    raw = client.responses.with_raw_response.create(
        model="chat", input=results, tools=[TOOL], previous_response_id=first.id
    )

    second = raw.parse()
    record = stack.record(raw.headers["x-request-id"])
    assert second.output_text
    assert second.previous_response_id == first.id
    assert record["cost_nano"] == stack.billed(second.id)
    assert record["replay_gaps"] == "provider_state"


def test_a_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    with stack_in(tmp_path, "--config", str(CONFIG)) as stack:
        key = stack.key()
        with OpenAI(base_url=f"{stack.url}/v1", api_key=key) as client:
            first = client.responses.create(model="chat", input="Remember the harbour.")
            [pid] = [pid for pid, line in processes_of(stack.home).items() if " gateway " in line]
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: pid not in processes_of(stack.home), "the worker has gone")
            eventually(lambda: stack.status("/v1/models", key) == 200, "a new worker serves")

            second = client.responses.create(
                model="chat", input="Why?", previous_response_id=first.id
            )

    assert second.output_text


def test_another_tenants_conversation_is_not_there(
    client: OpenAI, other: OpenAI, stack: Stack
) -> None:
    theirs = client.responses.create(model="chat", input="Our plans for the harbour")
    before = stack.sim("calls")["count"]

    for response_id in (theirs.id, "resp_nobodys"):
        with pytest.raises(openai.NotFoundError) as raised:
            other.responses.create(model="chat", input="And?", previous_response_id=response_id)
        assert raised.value.code == "not_found"
        assert raised.value.param == "previous_response_id"
        record = stack.record(str(raised.value.request_id))
        assert (record["status"], record["error_code"]) == ("rejected", "not_found")
    assert stack.sim("calls")["count"] == before


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("background", True, "unsupported"),
        ("conversation", "conv_1", "unsupported"),
        ("tools", [{"type": "web_search"}], "field_not_allowed"),
        ("input", [{"type": "item_reference", "id": "msg_1"}], "unsupported"),
    ],
)
def test_what_is_not_served_of_responses_is_refused_by_name(
    client: OpenAI, stack: Stack, member: str, value: object, code: str
) -> None:
    before = stack.sim("calls")["count"]

    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="chat", input=HELLO, extra_body={member: value})

    assert raised.value.code == code
    assert str(raised.value.param).startswith(member)
    assert stack.sim("calls")["count"] == before


def test_a_prompt_that_is_openais_own_is_not_found(client: OpenAI, stack: Stack) -> None:
    before = stack.sim("calls")["count"]

    with pytest.raises(openai.NotFoundError, match="there is no prompt 'pmpt_1'") as raised:
        client.responses.create(model="chat", prompt={"id": "pmpt_1"})

    assert raised.value.code == "prompt_not_found"
    assert stack.sim("calls")["count"] == before


def test_stored_responses_are_not_served(client: OpenAI) -> None:
    answer = client.responses.create(model="chat", input=HELLO)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_structured_output_is_parsed(client: OpenAI) -> None:
    answer = client.responses.parse(model="chat", input="Which port is this?", text_format=Port)

    assert isinstance(answer.output_parsed, Port)


@pytest.mark.parametrize("failure", [*ALWAYS, *WHOLE], ids=str)
def test_a_failure_is_an_error_of_the_sdk(client: OpenAI, stack: Stack, failure: Failure) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.responses.create(model=failure.model, input=HELLO)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("failure", [*ALWAYS, *STREAMED_OPENAI], ids=str)
def test_a_stream_that_never_begins_is_an_error_of_the_sdk(
    client: OpenAI, stack: Stack, failure: Failure
) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.responses.create(model=failure.model, input=HELLO, stream=True)

    _check_raised(stack, failure, raised.value)


@pytest.mark.parametrize("cut", CUT, ids=str)
def test_a_stream_that_breaks_off_ends_as_failed(client: OpenAI, stack: Stack, cut: Cut) -> None:
    stream = client.responses.create(model=cut.model, input=HELLO, stream=True)
    request_id = stream.response.headers["x-request-id"]

    events = list(stream)

    created, *_, error, failed = events
    assert isinstance(created, ResponseCreatedEvent)
    assert isinstance(error, ResponseErrorEvent)
    assert error.code == cut.code
    assert isinstance(failed, ResponseFailedEvent)
    assert failed.response.status == "failed"
    assert failed.response.id == created.response.id
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(it.delta for it in events if isinstance(it, ResponseTextDeltaEvent))
    # The terminal that does not come is what tells usage on this wire.
    check_cut(stack, request_id, replace(cut, complete=False), text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("success", FINE, ids=str)
def test_what_the_provider_does_wrong_is_charged_right(
    client: OpenAI, stack: Stack, success: Success, *, stream: bool
) -> None:
    if stream:
        events = client.responses.create(model=success.model, input=HELLO, stream=True)
        request_id = events.response.headers["x-request-id"]
        answer = next(it.response for it in events if it.type == "response.completed")
    else:
        raw = client.responses.with_raw_response.create(model=success.model, input=HELLO)
        request_id, answer = raw.headers["x-request-id"], raw.parse()

    assert answer.output_text
    check_fine(stack, request_id, success, len(answer.output_text))


def test_embeddings_are_packed_as_the_sdk_asks_and_charged(client: OpenAI, stack: Stack) -> None:
    raw = client.embeddings.with_raw_response.create(model="embed", input=["near", "nearer"])
    plain = client.embeddings.create(model="embed", input="near", encoding_format="float")

    answer = raw.parse()
    record = stack.record(raw.headers["x-request-id"])
    assert answer.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert record["operation"] == "embeddings"
    assert record["wire"] == "openai.embeddings"
    assert record["target"] == "sim/embed-2026-01-15"
    assert (record["input_tokens"], record["output_tokens"]) == (answer.usage.prompt_tokens, 0)
    assert record["usage_source"] == "provider"
    assert json.loads(record["params"]) == {"encoding_format": "base64"}
    # An embedding has no id of its own: it is the latest of the bill.
    lines = [line for line in stack.sim("bill")["lines"] if line["model"] == "sim/embed"]
    assert lines[-2]["cost_nano"] == record["cost_nano"] > 0
    content = stack.content(raw.headers["x-request-id"])
    assert json.loads(content["input"])["input"] == ["near", "nearer"]
    assert content["output"] is None


@pytest.mark.parametrize(
    ("fault", "usage"), [("no_usage", "estimated"), ("usage_zero", "provider")]
)
def test_embeddings_without_usage_are_estimated(
    client: OpenAI, stack: Stack, fault: str, usage: str
) -> None:
    raw = client.embeddings.with_raw_response.create(model=f"embed!{fault}", input="near " * 40)

    record = stack.record(raw.headers["x-request-id"])
    assert record["usage_source"] == usage
    assert bool(record["cost_nano"]) == (usage == "estimated")


def test_moderations_are_free_and_recorded(client: OpenAI, stack: Stack) -> None:
    raw = client.moderations.with_raw_response.create(input=["kind words", "plain violence"])

    answer = raw.parse()
    request_id = raw.headers["x-request-id"]
    record = stack.record(request_id)
    assert [result.flagged for result in answer.results] == [False, True]
    assert (record["operation"], record["wire"]) == ("moderations", "openai.moderations")
    assert record["response_id"] == answer.id
    assert (record["cost_nano"], record["usage_source"]) == (0, "none")
    assert [line["cost_nano"] for line in stack.ledger(request_id)] == [0]
    assert raw.headers["x-trimtab-cost-usd"] == "0"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        pytest.param("responses", {"model": "sim/large", "input": HELLO}, id="a response"),
        pytest.param(
            "responses", {"model": "sim/large", "input": HELLO, "stream": True}, id="a stream"
        ),
        pytest.param(
            "responses",
            {"model": "sim/large", "input": CALLS_TWO, "tools": [TOOL], "stream": True},
            id="calls of tools",
        ),
        pytest.param("embeddings", {"model": "sim/embed", "input": "near"}, id="an embedding"),
        pytest.param("moderations", {"model": "sim/moderation", "input": "hi"}, id="a moderation"),
    ],
)
def test_what_is_said_direct_and_through_the_gateway_is_the_same(
    stack: Stack, key: str, route: str, body: dict[str, Any]
) -> None:
    _, _, through = stack.post(f"/v1/{route}", json.dumps(body).encode(), key)
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.sim_port}/v1/{route}", json.dumps(body).encode()
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        direct = answer.read()

    assert _alike(through) == _alike(direct)


def _alike(body: bytes) -> list[Any]:
    """Read the JSON of a body or of a stream's events, without what names one call."""
    if not body.startswith(b"event: "):
        return [_unnamed(json.loads(body))]
    events = [event for event in body.split(b"\n\n") if event.startswith(b"event: ")]
    return [
        (event.partition(b"\n")[0], _unnamed(json.loads(event.partition(b"\ndata: ")[2])))
        for event in events
    ]


def _unnamed(value: object) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: _unnamed(it) for name, it in members.items() if name not in NAMES_A_CALL}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_unnamed(it) for it in items]
    return value


def _calls(response: Response) -> list[ResponseFunctionToolCall]:
    return [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]


def _check_raised(stack: Stack, failure: Failure, error: openai.APIStatusError) -> None:
    headers = error.response.headers
    assert error.status_code == failure.status
    assert headers["x-trimtab-error"] == failure.code
    assert headers["x-should-retry"] == "false"
    if failure.code != "provider_refused":
        assert error.code == failure.code
    check_failed(stack, str(error.request_id), failure, failure.status)
