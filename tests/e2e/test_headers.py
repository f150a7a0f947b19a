"""What headers ask for and tell, as the official SDKs send and see them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.e2e

Ask = Callable[..., Any]
"""Asks a model with more headers; gives the raw answer, or raises the SDK's own error."""


@pytest.fixture(params=["openai", "anthropic"])
def ask(request: pytest.FixtureRequest, stack: Stack, key: str) -> Iterator[Ask]:
    """Ask in either wire."""
    openai_client = OpenAI(base_url=f"{stack.url}/v1", api_key=key, max_retries=0)
    anthropic_client = Anthropic(base_url=stack.url, api_key=key, max_retries=0)

    def in_openai(model: str, headers: Mapping[str, str], text: str = "Hi") -> Any:  # noqa: ANN401
        return openai_client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": text}], extra_headers=headers
        )

    def in_anthropic(model: str, headers: Mapping[str, str], text: str = "Hi") -> Any:  # noqa: ANN401
        return anthropic_client.messages.with_raw_response.create(
            model=model,
            max_tokens=50,
            messages=[{"role": "user", "content": text}],
            extra_headers=headers,
        )

    with openai_client, anthropic_client:
        yield in_openai if request.param == "openai" else in_anthropic


def test_a_deadline_ends_a_call_and_no_sdk_tries_again(ask: Ask, stack: Stack) -> None:
    with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as raised:
        ask("chat!hang", {"x-trimtab-deadline-ms": "150"})

    answer = raised.value.response
    assert answer.status_code == 504
    assert answer.headers["x-trimtab-error"] == "deadline_exceeded"
    assert answer.headers["x-should-retry"] == "false"
    record = stack.record(answer.headers["x-trimtab-request-id"])
    assert (record["error_code"], record["attempt_count"]) == ("deadline_exceeded", 1)
    assert record["latency_us"] < 1_000_000


@pytest.mark.parametrize("value", ["0", "-1", "2s", "9999999999"])
def test_a_deadline_that_is_none_is_refused(ask: Ask, value: str) -> None:
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)) as raised:
        ask("chat", {"x-trimtab-deadline-ms": value})

    assert "x-trimtab-deadline-ms" in str(raised.value)
