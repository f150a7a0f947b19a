"""The official Anthropic SDK against a whole Trimtab, unchanged but for its URL and key."""

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.e2e

HELLO = [{"role": "user", "content": "What is a trim tab?"}]
TOOL = {
    "name": "lookup",
    "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}},
}


@pytest.fixture
def client(stack: Stack, key: str) -> Anthropic:
    return Anthropic(base_url=stack.url, api_key=key, max_retries=0)


def test_answers_and_names_the_request(client: Anthropic, stack: Stack) -> None:
    answer = client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    assert answer.content[0].type == "text"
    record = stack.record(str(answer._request_id))
    assert record["wire"] == "anthropic.messages"
    assert record["input_tokens"] == answer.usage.input_tokens + (
        answer.usage.cache_read_input_tokens or 0
    ) + (answer.usage.cache_creation_input_tokens or 0)
    assert record["output_tokens"] == answer.usage.output_tokens
    assert record["cost_nano"] > 0


def test_streams_the_same_text_and_usage(client: Anthropic) -> None:
    whole = client.messages.create(model="chat", max_tokens=400, messages=HELLO)

    with client.messages.stream(model="chat", max_tokens=400, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert whole.content[0].type == "text"
    assert text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.stop_reason == whole.stop_reason


def test_calls_tools_whole_and_streamed(client: Anthropic) -> None:
    asked = [{"role": "user", "content": '[[sim: tool=lookup({"query":"tab"})]]'}]

    whole = client.messages.create(model="chat", max_tokens=99, messages=asked, tools=[TOOL])
    with client.messages.stream(
        model="chat", max_tokens=99, messages=asked, tools=[TOOL]
    ) as stream:
        final = stream.get_final_message()

    for message in (whole, final):
        [call] = [block for block in message.content if block.type == "tool_use"]
        assert call.input == {"query": "tab"}
        assert message.stop_reason == "tool_use"


async def test_the_asynchronous_client_works_alike(stack: Stack, key: str) -> None:
    async with AsyncAnthropic(base_url=stack.url, api_key=key, max_retries=0) as client:
        answer = await client.messages.create(model="chat", max_tokens=400, messages=HELLO)
        async with client.messages.stream(model="chat", max_tokens=400, messages=HELLO) as stream:
            text = "".join([piece async for piece in stream.text_stream])

    assert answer.content[0].type == "text"
    assert text == answer.content[0].text


def test_lists_models_in_its_own_shape(client: Anthropic) -> None:
    assert "chat" in [model.id for model in client.models.list()]


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        pytest.param("nothing", anthropic.NotFoundError, "model_not_found", id="no such model"),
        pytest.param(
            "sim/large!status:500", anthropic.InternalServerError, "provider_error", id="500"
        ),
        pytest.param(
            "sim/large!status:529", anthropic.InternalServerError, "provider_overloaded", id="529"
        ),
        pytest.param(
            "sim/large!retry_after:7", anthropic.RateLimitError, "provider_rate_limited", id="429"
        ),
        pytest.param("sim/large!401", anthropic.InternalServerError, "provider_auth", id="401"),
    ],
)
def test_every_failure_raises_the_sdks_own_error(
    client: Anthropic, model: str, error: type[anthropic.APIStatusError], code: str
) -> None:
    with pytest.raises(error) as raised:
        client.messages.create(model=model, max_tokens=9, messages=HELLO)

    body = raised.value.body
    assert isinstance(body, dict)
    assert body["error"]["details"]["error_code"] == code
    assert body["request_id"].startswith("r_")


def test_a_stream_cut_by_the_provider_ends_in_an_error(client: Anthropic, stack: Stack) -> None:
    stream = client.messages.create(
        model="sim/large!cut_after:3", max_tokens=400, messages=HELLO, stream=True
    )
    request_id = stream.response.headers["x-trimtab-request-id"]

    with pytest.raises(anthropic.APIError):
        list(stream)

    assert stack.record(request_id)["status"] == "truncated"
