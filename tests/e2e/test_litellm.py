"""Providers that the library calls: by its own mocks, and by two of its wires to the simulator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.e2e.conftest import Stack, eventually, stack_of

pytestmark = pytest.mark.e2e

CONFIG = Path(__file__).with_name("litellm.yaml")
NAMES = Path(__file__).parents[1] / "providers" / "litellm" / "names.txt"
SECRET = "an-account-of-the-tests"  # noqa: S105 -- of the simulator, which takes any
START_S = 50.0
HELLO = "What is a trim tab?"
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": HELLO}]}
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("litellm")
    (home / "key").write_text(SECRET)
    text = CONFIG.read_text().replace("file:KEY", f"file:{home}/key")
    with stack_of(home, text, START_S) as running:
        yield running


@pytest.fixture(scope="module")
def key(running: Stack) -> str:
    return running.key()


def ask(
    running: Stack, key: str, model: str, path: str = "/v1/chat/completions", **more: object
) -> tuple[int, dict[str, str], bytes]:
    return running.post(path, json.dumps({"model": model, **ASKED, **more}).encode(), key)


@both
@pytest.mark.parametrize("model", ["gpt", "claude"])
def test_an_answer_is_charged_as_the_provider_bills_it(
    running: Stack, key: str, model: str, *, stream: bool
) -> None:
    status, headers, body = ask(running, key, model, stream=stream, max_tokens=400)

    assert status == 200
    record = running.record(headers["x-trimtab-request-id"])
    [line] = running.sim("bill")["lines"][-1:]
    assert (record["status"], record["cost_nano"]) == ("ok", line["cost_nano"])
    assert b"[DONE]" in body if stream else json.loads(body)["usage"]["total_tokens"] > 0
    [seen] = running.sim("calls")["calls"][-1:]
    assert "api_base" not in json.dumps(seen)


@both
def test_its_own_mock_answers_through_the_one_pipeline(
    running: Stack, key: str, *, stream: bool
) -> None:
    with OpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0) as client:
        if stream:
            chunks = client.chat.completions.create(
                model="mocked", stream=True, messages=[{"role": "user", "content": HELLO}]
            )
            text = "".join(it.choices[0].delta.content or "" for it in chunks if it.choices)
        else:
            answer = client.chat.completions.create(
                model="mocked", messages=[{"role": "user", "content": HELLO}]
            )
            text = answer.choices[0].message.content or ""

    assert text == "hello from a mock"


@both
def test_an_app_of_the_anthropic_sdk_is_answered(running: Stack, key: str, *, stream: bool) -> None:
    with Anthropic(base_url=running.url, api_key=key, max_retries=0) as client:
        if stream:
            with client.messages.stream(
                model="mocked", max_tokens=50, messages=[{"role": "user", "content": HELLO}]
            ) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(
                model="mocked", max_tokens=50, messages=[{"role": "user", "content": HELLO}]
            )

    assert [block.text for block in answer.content if block.type == "text"] == ["hello from a mock"]


@both
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("limited", 429, "provider_rate_limited"),
        ("broken", 502, "provider_error"),
        ("silent", 504, "provider_timeout"),
        ("short", 400, "context_length_exceeded"),
        ("gpt/large!status:503", 503, "provider_overloaded"),
    ],
)
def test_its_failures_are_those_of_any_provider(
    running: Stack, key: str, model: str, status: int, code: str, *, stream: bool
) -> None:
    told, headers, body = ask(running, key, model, stream=stream)

    assert (told, json.loads(body)["error"]["code"]) == (status, code)
    assert headers["x-trimtab-cost-usd"] == "0"
    assert SECRET.encode() not in body


def test_attempts_are_counted_by_the_pipeline_alone_and_another_target_answers(
    running: Stack, key: str
) -> None:
    status, headers, _ = ask(running, key, "falls-back")

    assert (status, headers["x-trimtab-attempts"]) == (200, "3")
    assert headers["x-trimtab-target"] == "sim/large"


@pytest.mark.parametrize("model", ["gpt/large!cut_after:3", "claude/large!cut_after:3"])
def test_a_stop_that_the_library_makes_up_for_a_cut_stream_is_an_error_event(
    running: Stack, key: str, model: str
) -> None:
    _, _, body = ask(running, key, model, stream=True)

    assert b"stream_truncated" in body
    assert b"[DONE]" not in body
    assert b'"finish_reason":"stop"' not in body


def test_usage_that_the_library_counts_itself_is_not_called_the_providers(
    running: Stack, key: str
) -> None:
    _, _, body = ask(running, key, "gpt/large!no_usage", stream=True)

    assert b'"usage":"estimated"' in body


def test_a_caller_who_hangs_up_stops_the_provider(running: Stack, key: str) -> None:
    asked = {"messages": [{"role": "user", "content": "[[sim: tokens=4000]]"}], "stream": True}
    with httpx2.stream(
        "POST",
        f"{running.url}/v1/chat/completions",
        json={"model": "cancelled/large", **asked},
        headers={"authorization": f"Bearer {key}"},
    ) as answer:
        request_id = answer.headers["x-trimtab-request-id"]
        next(answer.iter_bytes())

    assert running.record(request_id)["status"] == "cancelled"


def test_embeddings_come_as_the_sdk_asks_for_them(running: Stack, key: str) -> None:
    with OpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0) as client:
        packed = client.embeddings.create(model="embed", input=["a tab", "a rudder"])
        plain = client.embeddings.create(model="embed", input=["a tab"], encoding_format="float")

    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens > 0


def test_no_name_that_means_something_to_the_library_passes_in_any_place(
    running: Stack, key: str
) -> None:
    running.record(ask(running, key, "gpt")[1]["x-trimtab-request-id"])
    before = running.sim("calls")["count"]
    elsewhere = f"http://127.0.0.1:{running.sim_port}/v1"
    for name in NAMES.read_text().split():
        chat = ask(running, key, "mocked", **{name: elsewhere})
        inside = ask(running, key, "mocked", trimtab={name: elsewhere})
        embeddings = ask(running, key, "embed", "/v1/embeddings", input="a", **{name: elsewhere})
        assert [it[0] for it in (chat, inside, embeddings)] == [400, 400, 400], name

    status, _, _ = running.post(
        "/v1/chat/completions",
        json.dumps({"model": "mocked", **ASKED}).encode(),
        key,
        {"api-base": elsewhere, "x-api-base": elsewhere, "extra-headers": elsewhere},
    )
    assert status == 200
    assert running.sim("calls")["count"] == before


def test_other_routes_say_what_to_call(running: Stack, key: str) -> None:
    status, _, body = running.post("/v1/responses", b'{"model":"mocked","input":"hi"}', key)

    assert status == 400
    assert b"by chat completions, messages or embeddings" in body


def test_nothing_of_it_is_in_the_log(running: Stack, key: str) -> None:
    ask(running, key, "gpt/large!status:401")
    eventually(lambda: "refuses our credential" in running.log(), "the alert is printed")

    assert SECRET not in running.log()
    assert "litellm" not in running.log().lower()
