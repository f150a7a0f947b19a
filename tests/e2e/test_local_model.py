"""A real model on this machine, asked by the official SDKs on both wires."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.e2e.conftest import Stack, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

HELLO = "What is gravity?"


@pytest.fixture(scope="module")
def home(pytestconfig: pytest.Config) -> Path:
    """A state directory with the model, kept across runs; a pull checks its hash each time."""
    assert pytestconfig.cache is not None
    path = Path(pytestconfig.cache.mkdir("trimtab-local-models"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "trimtab", "local-models", "pull", "smollm2"),
            *("--home", str(path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return path


@contextmanager
def _serving(home: Path) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Serve the model until the end of the block; gives its URL and process."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "trimtab", "local-models", "serve", "smollm2"),
            *("--port", "0", "--home", str(home)),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("smollm2 on http://127.0.0.1:"), line
        try:
            yield line.split()[2], process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with _serving(home) as (url, _):
        yield url


@pytest.fixture(scope="module")
def trimtab(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A whole Trimtab that serves the model beside the simulator."""
    fresh = tmp_path_factory.mktemp("local")
    (fresh / "models").mkdir()
    for model in (home / "models").glob("*.gguf"):
        _put(model, fresh / "models" / model.name)
    with stack_in(fresh, "--local-model") as running:
        yield running


@pytest.fixture
def openai(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def test_answers_on_the_openai_wire(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="smollm2",
        messages=[{"role": "user", "content": HELLO}],
        max_completion_tokens=30,
        temperature=0,
    )

    assert answer.choices[0].message.content
    assert answer.model == "smollm2"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 10
    assert 0 < answer.usage.completion_tokens <= 30


def test_streams_on_the_openai_wire_with_usage(openai: OpenAI) -> None:
    chunks = list(
        openai.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": HELLO}],
            max_completion_tokens=30,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert chunks[-1].usage is not None
    assert len([text for text in texts if text]) > 3
    assert 0 < chunks[-1].usage.completion_tokens <= 30


def test_answers_on_the_anthropic_wire(anthropic: Anthropic) -> None:
    answer = anthropic.messages.create(
        model="smollm2",
        max_tokens=30,
        messages=[{"role": "user", "content": HELLO}],
    )

    assert answer.content[0].type == "text"
    assert answer.content[0].text
    assert answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0) > 10
    assert 0 < answer.usage.output_tokens <= 30


def test_streams_on_the_anthropic_wire_with_usage(anthropic: Anthropic) -> None:
    with anthropic.messages.stream(
        model="smollm2",
        max_tokens=30,
        messages=[{"role": "user", "content": HELLO}],
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert text
    assert final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0) > 10
    assert 0 < final.usage.output_tokens <= 30


def test_is_free_through_the_gateway_on_the_openai_wire(trimtab: Stack) -> None:
    with OpenAI(base_url=f"{trimtab.url}/v1", api_key=trimtab.key(), max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="smollm2",
            messages=[{"role": "user", "content": HELLO}],
            max_completion_tokens=20,
        )

    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 10
    _check_free(
        trimtab, str(raw.request_id), answer.usage.prompt_tokens, answer.usage.completion_tokens
    )


def test_is_free_through_the_gateway_on_the_anthropic_wire(trimtab: Stack) -> None:
    with (
        Anthropic(base_url=trimtab.url, api_key=trimtab.key("hobby"), max_retries=0) as client,
        client.messages.stream(
            model="smollm2", max_tokens=20, messages=[{"role": "user", "content": HELLO}]
        ) as stream,
    ):
        usage = stream.get_final_message().usage

    given = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    assert given > 10
    _check_free(trimtab, stream.response.headers["request-id"], given, usage.output_tokens)


def _check_free(trimtab: Stack, request_id: str, given: int, wrote: int) -> None:
    record = trimtab.record(request_id)
    assert record["status"] == "ok"
    assert record["provider"] == "local"
    assert record["usage_source"] == "provider"
    assert record["input_tokens"] == given
    assert record["output_tokens"] == wrote
    assert 0 < wrote <= 20
    assert record["cost_nano"] == 0
    assert {line["cost_nano"] for line in trimtab.ledger(request_id)} == {0}


def _put(source: Path, target: Path) -> None:
    """Link a file, or copy it to another file system."""
    try:
        os.link(source, target)
    except OSError:
        target.write_bytes(source.read_bytes())


def test_stops_at_once_while_it_answers(home: Path) -> None:
    with (
        _serving(home) as (url, process),
        OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client,
        client.chat.completions.create(
            model="smollm2",
            messages=[{"role": "user", "content": "Tell me a long story."}],
            stream=True,
            extra_body={"ignore_eos": True},
        ) as stream,
    ):
        next(iter(stream))
        process.terminate()

        # Far less than the 20 s and more that the answer would take.
        assert process.wait(5) == 0
