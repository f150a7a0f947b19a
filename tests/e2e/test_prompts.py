"""Prompts as applications use them: named in requests of the SDKs, and rendered by ours."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.e2e.conftest import Stack, eventually, stack_in
from tests.prompts import CHAT, SEED

CONFIG = Path(__file__).with_name("trimtab.yaml")
SEEDS_CLIENT = Path(__file__).with_name("prompt_registry.txt")
REQUEST_ID = "x-trimtab-request-id"
VARIABLES = {"question": "why?", "context": "because", "persona": "clerk"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Trimtab with two prompts, two versions of one, and production on the older."""
    with stack_in(tmp_path_factory.mktemp("shop"), "--config", str(CONFIG)) as stack:
        files = stack.home / "prompts"
        files.mkdir()
        (files / "a.prompt.yaml").write_text(SEED)
        (files / "b.prompt.yaml").write_text(
            SEED.replace("3.2.0", "3.3.0").replace("Cite", "Never cite")
        )
        (files / "c.prompt.yaml").write_text(CHAT)
        stack.run("prompts", "publish", *map(str, sorted(files.iterdir())))
        promote(stack, "3.2.0")
        yield stack


@pytest.fixture(scope="module")
def app(shop: Stack) -> str:
    """A key of an application."""
    return shop.key()


def promote(stack: Stack, version: str, *more: str) -> dict[str, Any]:
    """Move production, for everybody or for a scope."""
    return stack.json(
        *("prompts", "promote", "rag-answer", version, "--override", "--reason", "test", *more)
    )


def prompt_of(stack: Stack, request_id: str | None) -> tuple[str, str, str]:
    """Tell which prompt a request got, by its record."""
    record = stack.record(request_id or "")
    return record["prompt_name"], record["prompt_version"], record["prompt_hash"][:12]


def sent(stack: Stack, request_id: str | None) -> Any:  # noqa: ANN401 -- what was asked
    """Tell what the provider was asked."""
    return json.loads(stack.content(request_id or "")["input"])


def test_chat_completions_name_a_prompt(shop: Stack, app: str) -> None:
    with openai.OpenAI(base_url=f"{shop.url}/v1", api_key=app, max_retries=0) as client:
        answer = client.chat.completions.with_raw_response.create(
            model="chat",
            messages=[],
            extra_body={"trimtab": {"prompt": "rag-answer", "variables": VARIABLES}},
        )

    assert prompt_of(shop, answer.headers[REQUEST_ID]) == ("rag-answer", "3.2.0", "74b300726fa8")
    (message,) = sent(shop, answer.headers[REQUEST_ID])["messages"]
    assert message["content"].startswith("You are a clerk. Use ONLY the context")


def test_responses_name_a_prompt_in_their_own_field(shop: Stack, app: str) -> None:
    with openai.OpenAI(base_url=f"{shop.url}/v1", api_key=app, max_retries=0) as client:
        answer = client.responses.with_raw_response.create(
            model="chat",
            prompt={"id": "rag-answer", "version": "3.3.0", "variables": dict(VARIABLES)},
        )

    assert prompt_of(shop, answer.headers[REQUEST_ID])[1] == "3.3.0"
    assert "prompt" not in sent(shop, answer.headers[REQUEST_ID])


def test_messages_name_a_prompt_and_it_streams(shop: Stack, app: str) -> None:
    with (
        anthropic.Anthropic(base_url=shop.url, api_key=app, max_retries=0) as client,
        client.messages.stream(
            model="chat",
            max_tokens=64,
            messages=[{"role": "user", "content": "earlier"}],
            extra_body={
                "trimtab": {
                    "prompt": {"id": "triage", "version": "1.0.0", "variables": {"ticket": "t"}}
                }
            },
        ) as stream,
    ):
        text = stream.get_final_text()
        request_id = stream.request_id

    assert text
    body = sent(shop, request_id)
    assert body["system"] == "You sort tickets."
    assert [it["content"] for it in body["messages"]] == ["earlier", "Ticket: t"]


def test_a_count_of_tokens_counts_the_prompt(shop: Stack, app: str) -> None:
    with anthropic.Anthropic(base_url=shop.url, api_key=app, max_retries=0) as client:
        bare = client.messages.count_tokens(
            model="chat", messages=[{"role": "user", "content": "x"}]
        )
        full = client.messages.count_tokens(
            model="chat",
            messages=[{"role": "user", "content": "x"}],
            extra_body={"trimtab": {"prompt": "rag-answer", "variables": VARIABLES}},
        )

    assert full.input_tokens > bare.input_tokens + 40


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [
        ({"prompt": "nobody", "variables": {}}, 404, "prompt_not_found"),
        ({"prompt": "rag-answer@staging"}, 404, "prompt_not_found"),
        ({"prompt": "rag-answer", "variables": {"question": "q"}}, 400, "prompt_variables_invalid"),
        (
            {"prompt": "rag-answer", "variables": {**VARIABLES, "x": "y"}},
            400,
            "prompt_variables_invalid",
        ),
        ({"prompt": {"id": "rag-answer"}, "variables": {}}, 400, "prompt_ambiguous"),
    ],
)
def test_what_cannot_be_rendered_is_told_in_the_callers_form(
    shop: Stack, app: str, prompt: dict[str, Any], status: int, code: str
) -> None:
    with (
        openai.OpenAI(base_url=f"{shop.url}/v1", api_key=app, max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as told,
    ):
        client.chat.completions.create(model="chat", messages=[], extra_body={"trimtab": prompt})
    with (
        anthropic.Anthropic(base_url=shop.url, api_key=app, max_retries=0) as other,
        pytest.raises(anthropic.APIStatusError) as said,
    ):
        other.messages.create(
            model="chat", max_tokens=9, messages=[], extra_body={"trimtab": prompt}
        )

    assert (told.value.status_code, told.value.code) == (status, code)
    assert said.value.status_code == status
    assert said.value.response.json()["error"]["details"]["error_code"] == code


def test_the_seeds_client_works_with_its_url_changed(shop: Stack, app: str) -> None:
    url = f"http://app:{app}@127.0.0.1:{shop.port}/prompts"
    program = SEEDS_CLIENT.read_text().replace("https://api.smith.langchain.com/prompts", url)
    use = 'print(render("rag-answer", "3.2.0", RagAnswerPrompt(question="q", context="c")))'

    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{use}"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith('("You are a concise technical assistant. Use ONLY')
    assert done.stdout.rstrip().endswith("'f53726208f30')")


APP = """\
import sys
from openai import OpenAI
from anthropic import Anthropic
from wrappers import RagAnswerPrompt
from trimtab.sdk import configure

url, key = sys.argv[1:]
configure(url, key)
prompt = RagAnswerPrompt(question="why?", context="because", persona="clerk").render()
with OpenAI(base_url=url + "/v1", api_key=key) as client:
    made = {**prompt.openai(), "model": "chat"}
    print(client.chat.completions.create(**made)._request_id)
with Anthropic(base_url=url, api_key=key) as client:
    made = {**prompt.anthropic(), "model": "chat"}
    print(client.messages.create(**made)._request_id)
try:
    RagAnswerPrompt(question="why?")
except ValueError as error:
    print(type(error).__name__)
"""


def test_a_typed_wrapper_renders_and_the_record_knows(shop: Stack, app: str) -> None:
    shop.run("prompts", "codegen", "--out", "wrappers")

    done = subprocess.run(
        [sys.executable, "-c", APP, shop.url, app],
        cwd=shop.home,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, second, error = done.stdout.split()
    assert prompt_of(shop, first) == prompt_of(shop, second)
    assert prompt_of(shop, first)[0] == "rag-answer"
    assert error == "ValidationError"


def test_a_rollback_is_what_the_next_request_gets(shop: Stack) -> None:
    scope = ("--scope", "tenant:globex")
    globex = shop.key("globex")
    body = json.dumps(
        {"model": "chat", "trimtab": {"prompt": "rag-answer", "variables": VARIABLES}}
    ).encode()

    def version() -> str:
        _, headers, _ = shop.post("/v1/chat/completions", body, globex)
        return prompt_of(shop, headers[REQUEST_ID])[1]

    promote(shop, "3.3.0", *scope)
    new = version()
    shop.run("prompts", "rollback", "rag-answer", *scope, "--reason", "worse")

    assert (new, version()) == ("3.3.0", "3.2.0")


def test_a_request_keeps_the_version_it_began_with(shop: Stack, app: str) -> None:
    body = json.dumps(
        {
            "model": "chat!slow_first:1",
            "trimtab": {"prompt": "rag-answer", "variables": VARIABLES},
        }
    ).encode()
    before = shop.sim("calls")["count"]
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(shop.post, "/v1/chat/completions", body, app)
        eventually(lambda: shop.sim("calls")["count"] > before, "the provider was asked")
        change = promote(shop, "3.3.0")["change"]
        _, headers, _ = asked.result()
    shop.run("prompts", "rollback", "rag-answer", "--reason", "back")

    request_id = headers[REQUEST_ID]
    assert prompt_of(shop, request_id)[1] == "3.2.0"
    assert shop.record(request_id)["config_seq"] < change["seq"]


def test_trace_and_explain_tell_the_prompt(shop: Stack, app: str) -> None:
    body = json.dumps(
        {"model": "chat", "trimtab": {"prompt": "rag-answer", "variables": VARIABLES}}
    ).encode()
    _, headers, _ = shop.post("/v1/chat/completions", body, app)
    request_id = headers[REQUEST_ID]
    shop.record(request_id)

    told = eventually(lambda: shop.run("trace", request_id).stdout, "it is traced")

    assert "prompt rag-answer@3.2.0  hash 74b300726fa8  label production in scope default" in told
    assert "label production in scope default, change " in shop.run("explain", request_id).stdout
