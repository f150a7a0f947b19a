"""The official OpenAI SDK against a whole Trimtab, unchanged but for its URL and key."""

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.e2e

HELLO = [{"role": "user", "content": "What is a trim tab?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "lookup",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    },
}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def client(stack: Stack, key: str) -> OpenAI:
    return OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0)


def test_answers_and_names_the_request(client: OpenAI, stack: Stack) -> None:
    answer = client.chat.completions.create(model="chat", messages=HELLO)

    assert answer.choices[0].message.content
    assert answer.usage is not None
    record = stack.record(str(answer._request_id))
    assert record["status"] == "ok"
    assert record["input_tokens"] == answer.usage.prompt_tokens
    assert record["output_tokens"] == answer.usage.completion_tokens
    assert record["cost_nano"] > 0


def test_streams_the_same_text_with_usage_when_asked(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO)

    chunks = list(
        client.chat.completions.create(
            model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_stream_tells_no_usage_unasked(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_calls_tools_whole_and_streamed(client: OpenAI) -> None:
    asked = [{"role": "user", "content": '[[sim: tool=lookup({"query":"tab"})]]'}]

    whole = client.chat.completions.create(model="chat", messages=asked, tools=[TOOL])
    chunks = list(
        client.chat.completions.create(model="chat", messages=asked, tools=[TOOL], stream=True)
    )

    calls = whole.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.arguments == '{"query":"tab"}'
    fragments = [
        call.function.arguments or ""
        for chunk in chunks
        for call in chunk.choices[0].delta.tool_calls or []
        if call.function
    ]
    assert "".join(fragments) == '{"query":"tab"}'


def test_takes_images_and_parses_structured_output(client: OpenAI) -> None:
    class Port(BaseModel):
        name: str
        berths: int

    answer = client.chat.completions.parse(
        model="chat",
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Which port is this?"},
                    {"type": "image_url", "image_url": {"url": PIXEL}},
                ],
            }
        ],
        response_format=Port,
    )

    assert isinstance(answer.choices[0].message.parsed, Port)


async def test_the_asynchronous_client_works_alike(stack: Stack, key: str) -> None:
    async with AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0) as client:
        answer = await client.chat.completions.create(model="chat", messages=HELLO)
        stream = await client.chat.completions.create(model="chat", messages=HELLO, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert text == answer.choices[0].message.content


def test_lists_the_models_of_the_key(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]

    assert "chat" in names
    assert client.models.retrieve("chat").id == "chat"


@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        pytest.param("nothing", openai.NotFoundError, "model_not_found", id="no such model"),
        pytest.param(
            "sim/large!status:500", openai.InternalServerError, "provider_error", id="500"
        ),
        pytest.param(
            "sim/large!status:503", openai.InternalServerError, "provider_overloaded", id="503"
        ),
        pytest.param(
            "sim/large!retry_after:7", openai.RateLimitError, "provider_rate_limited", id="429"
        ),
        pytest.param("sim/large!401", openai.InternalServerError, "provider_auth", id="401"),
        pytest.param("sim/large!reset", openai.InternalServerError, "provider_error", id="reset"),
    ],
)
def test_every_failure_raises_the_sdks_own_error(
    client: OpenAI, model: str, error: type[openai.APIStatusError], code: str
) -> None:
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=HELLO)

    assert raised.value.code == code
    assert raised.value.response.headers["x-trimtab-request-id"].startswith("r_")
    assert "Traceback" not in raised.value.message


def test_a_stream_cut_by_the_provider_ends_in_an_error(client: OpenAI, stack: Stack) -> None:
    stream = client.chat.completions.create(
        model="sim/large!cut_after:3", messages=HELLO, stream=True
    )
    request_id = stream.response.headers["x-trimtab-request-id"]

    with pytest.raises(openai.APIError) as raised:
        list(stream)

    assert "cut" in raised.value.message
    record = stack.record(request_id)
    assert record["status"] == "truncated"
    assert record["error_code"] == "stream_truncated"
    assert record["output_tokens"] > 0


def test_a_key_that_is_wrong_is_refused(stack: Stack) -> None:
    client = OpenAI(base_url=f"{stack.url}/v1", api_key="tt_dev_wrong", max_retries=0)

    with pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="chat", messages=HELLO)
