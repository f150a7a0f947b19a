"""What headers ask for and tell, as the official SDKs send and see them."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.e2e.conftest import Stack
from tests.e2e.raw_http import ANTHROPIC, OPENAI, chat, request, send

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


def test_a_call_sent_twice_is_carried_out_and_paid_once(ask: Ask, stack: Stack) -> None:
    key = {"idempotency-key": f"{ask.__name__}-twice"}
    first, second = (ask("chat", key) for _ in range(2))

    assert first.http_response.content == second.http_response.content
    assert second.headers["x-trimtab-replayed"] == "true"
    replayed = stack.record(second.headers["x-trimtab-request-id"])
    assert (replayed["cost_nano"], replayed["attempt_count"]) == (0, 0)
    assert replayed["origin_request_id"] == first.headers["x-trimtab-request-id"]


def test_a_key_in_use_is_a_conflict_and_one_for_another_body_no_request(ask: Ask) -> None:
    key = {"idempotency-key": f"{ask.__name__}-reused"}
    ask("chat", key)

    mismatch = (openai.UnprocessableEntityError, anthropic.UnprocessableEntityError)
    with pytest.raises(mismatch) as raised:
        ask("chat", key, "something else")

    assert raised.value.response.headers["x-trimtab-error"] == "idempotency_mismatch"


def test_of_two_at_once_one_is_carried_out_and_the_other_told_to_come_back(ask: Ask) -> None:
    key = {"idempotency-key": f"{ask.__name__}-twins"}
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(ask, "chat!slow_first:0.5", key) for _ in range(2)]
    (conflict,) = [error for error in (it.exception() for it in both) if error]
    (answer,) = [it.result() for it in both if not it.exception()]

    assert isinstance(conflict, openai.ConflictError | anthropic.ConflictError)
    assert conflict.response.headers["x-trimtab-error"] == "idempotency_in_flight"
    assert conflict.response.headers["retry-after"] == "1"
    assert conflict.response.headers["x-should-retry"] == "true"
    assert ask("chat!slow_first:0.5", key).http_response.content == answer.http_response.content


def test_a_beta_that_is_not_allowed_is_a_bad_request(ask: Ask) -> None:
    name = "openai-beta" if ask.__name__ == "in_openai" else "anthropic-beta"
    with pytest.raises((openai.BadRequestError, anthropic.BadRequestError)) as raised:
        ask("chat", {name: "context-1m-2025-08-07"})

    assert raised.value.response.headers["x-trimtab-error"] == "field_not_allowed"
    assert "context-1m-2025-08-07" in str(raised.value)


@pytest.mark.parametrize("path", [OPENAI, ANTHROPIC])
def test_t32_nobody_gets_the_answer_of_another_tenant_or_of_another_system_prompt(
    stack: Stack, key: str, path: str
) -> None:
    other = stack.key("globex")
    name = ("idempotency-key", f"t32-{path}")
    asked = chat("What is a trim tab?")
    system = [{"role": "system", "content": "You are a pirate."}] if path == OPENAI else None
    messages = [*(system or ()), {"role": "user", "content": "What is a trim tab?"}]
    pirate = chat(messages=messages, **({} if system else {"system": "You are a pirate."}))
    before = stack.sim("calls")["count"]

    mine, theirs = (send(stack.port, request(it, asked, path, name)) for it in (key, other))
    again = send(stack.port, request(other, asked, path, name))
    changed = send(stack.port, request(key, pirate, path, name))

    assert (mine.status, theirs.status, again.status, changed.status) == (200, 200, 200, 422)
    assert "x-trimtab-replayed" not in theirs.headers
    assert again.headers["x-trimtab-replayed"] == "true"
    assert (again.body, theirs.json["id"] != mine.json["id"]) == (theirs.body, True)
    assert stack.sim("calls")["count"] == before + 2
