"""What faults do to an answer on its way, as its caller sees it, and what is billed then."""

import socket
from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from urllib.parse import urlsplit

import openai as openai_sdk
import pytest
from anthropic import Anthropic
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from tests.sim.conftest import ANTHROPIC_VERSION, PATIENCE_S, Sim, running

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "[[sim: tokens=20]]"}]

Eventually = Callable[[Callable[[], bool]], None]


def _stream(client: OpenAI, fault: str) -> Iterator[ChatCompletionChunk]:
    return iter(
        client.chat.completions.create(
            model=f"sim/large!{fault}",
            messages=ASKED,
            stream=True,
            stream_options={"include_usage": True},
        )
    )


def _contents(chunks: Iterator[ChatCompletionChunk]) -> Iterator[str]:
    for chunk in chunks:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


def _raw(sim: Sim, path: str, fault: str) -> bytes:
    """Stream and give all bytes, however they end."""
    body = {"model": f"large!{fault}", "stream": True, "messages": ASKED, "max_tokens": 99}
    return sim.call("POST", path, body, ANTHROPIC_VERSION).body


def test_a_cut_stream_ends_in_the_middle_and_bills_what_was_said(openai: OpenAI, sim: Sim) -> None:
    contents = _contents(_stream(openai, "cut_after:3"))

    assert [next(contents), next(contents), next(contents)]
    with pytest.raises(openai_sdk.APIConnectionError):
        next(contents)
    with pytest.raises(openai_sdk.APIConnectionError):
        next(_contents(_stream(openai, "cut_after:0")))
    assert [line["output_tokens"] for line in sim.billed()] == [3, 0]
    assert all(line["input_tokens"] > 0 for line in sim.billed())


def test_a_cut_message_bills_what_was_said(sim: Sim) -> None:
    with pytest.raises(IncompleteRead) as raised:
        _raw(sim, "/v1/messages", "cut_after:3")

    assert raised.value.partial.count(b'"text_delta"') == 3
    assert [line["output_tokens"] for line in sim.billed()] == [3]


def test_a_cut_reasoner_bills_what_it_thought(openai: OpenAI, sim: Sim) -> None:
    stream = openai.chat.completions.create(
        model="reasoner!cut_after:1", messages=ASKED, stream=True
    )
    with pytest.raises(openai_sdk.APIConnectionError):
        list(stream)

    [line] = sim.billed()
    assert line["output_tokens"] == line["reasoning_tokens"] + 1 > 1


def test_an_answer_cut_in_the_middle_bills_all_of_it(openai: OpenAI, sim: Sim) -> None:
    with pytest.raises(openai_sdk.APIConnectionError):
        openai.chat.completions.create(model="large!cut_after:1", messages=ASKED)

    assert [line["output_tokens"] for line in sim.billed()] == [20]


def test_a_stalled_stream_goes_silent_and_stays_open(openai: OpenAI, sim: Sim) -> None:
    client = openai.with_options(timeout=PATIENCE_S)
    contents = _contents(_stream(client, "stall_after:2"))

    assert [next(contents), next(contents)]
    with pytest.raises(openai_sdk.APITimeoutError):
        next(contents)
    assert [line["output_tokens"] for line in sim.billed()] == [2]


@pytest.mark.parametrize("fault", ["hang", "slow_headers:30", "stall_after:0"])
def test_no_answer_comes_in_time(
    openai: OpenAI, sim: Sim, eventually: Eventually, fault: str
) -> None:
    client = openai.with_options(timeout=PATIENCE_S)

    with pytest.raises(openai_sdk.APITimeoutError):
        client.chat.completions.create(model=f"large!{fault}", messages=ASKED)

    eventually(lambda: len(sim.billed()) == 1)


def test_a_call_that_hangs_bills_its_input(openai: OpenAI, sim: Sim) -> None:
    with pytest.raises(openai_sdk.APITimeoutError):
        next(_stream(openai.with_options(timeout=PATIENCE_S), "hang"))

    [line] = sim.billed()
    assert (line["input_tokens"] > 0, line["output_tokens"]) == (True, 0)


def test_a_stream_whose_caller_left_before_its_head_bills_its_input(
    openai: OpenAI, sim: Sim, eventually: Eventually
) -> None:
    with pytest.raises(openai_sdk.APITimeoutError):
        next(_stream(openai.with_options(timeout=PATIENCE_S), "slow_headers:30"))

    eventually(lambda: [line["output_tokens"] for line in sim.billed()] == [0])


def test_a_slow_first_token_comes_after_the_head(
    openai: OpenAI, sim: Sim, eventually: Eventually
) -> None:
    chunks = _stream(openai.with_options(timeout=PATIENCE_S), "slow_first:30")

    opening = next(chunks)

    assert opening.choices[0].delta.role == "assistant"
    with pytest.raises(openai_sdk.APITimeoutError):
        next(chunks)
    eventually(lambda: [line["output_tokens"] for line in sim.billed()] == [0])


def test_a_slow_answer_does_come(openai: OpenAI, sim: Sim) -> None:
    list(_stream(openai, "slow_headers:0.01!slow_first:0.01"))
    openai.chat.completions.create(model="large!slow_first:0.01", messages=ASKED)

    assert [line["output_tokens"] for line in sim.billed()] == [20, 20]


def test_a_reset_is_one_and_bills_nothing(openai: OpenAI, sim: Sim) -> None:
    with pytest.raises(openai_sdk.APIConnectionError) as raised:
        next(_stream(openai, "reset"))

    assert "reset" in str(raised.value.__cause__).lower()
    assert sim.billed() == []


def test_an_error_after_the_preamble_is_an_event_and_bills_nothing(
    openai: OpenAI, sim: Sim
) -> None:
    chunks = _stream(openai, "error_after_preamble")

    assert next(chunks).choices[0].delta.role == "assistant"
    with pytest.raises(openai_sdk.APIError) as raised:
        next(chunks)
    assert raised.value.type == "server_error"
    assert sim.billed() == []


def test_an_error_after_the_preamble_of_a_message_is_an_event(sim: Sim) -> None:
    raw = _raw(sim, "/v1/messages", "error_after_preamble")

    names = [line[7:] for line in raw.decode().split("\n") if line.startswith("event: ")]
    assert names == ["message_start", "content_block_start", "ping", "error"]
    assert sim.billed() == []


def test_an_error_may_hide_under_a_good_status(sim: Sim) -> None:
    answer = sim.post(
        "/v1/chat/completions", {"model": "large!error_after_preamble", "messages": ASKED}
    )

    assert answer.status == 200
    assert answer.json()["error"]["type"] == "server_error"
    assert sim.billed() == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/v1/chat/completions", b'\n\ndata: {"id":"chatcmpl-broken","object":"chat.compl\n\n'),
        (
            "/v1/messages",
            b'\n\nevent: content_block_delta\ndata: {"type":"content_block_del\n\n',
        ),
    ],
)
def test_bad_lines_come_within_a_stream_that_goes_on(sim: Sim, path: str, line: bytes) -> None:
    whole = _raw(sim, path, "bad_line:2")

    assert whole.count(line[2:]) == 2
    assert line in whole
    assert whole.endswith((b"data: [DONE]\n\n", b'data: {"type":"message_stop"}\n\n'))


def test_an_answer_may_be_no_json(sim: Sim) -> None:
    answer = sim.post("/v1/chat/completions", {"model": "large!bad_line", "messages": ASKED})

    assert answer.status == 200
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        answer.json()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_stream_may_end_without_its_end(sim: Sim, path: str) -> None:
    whole = _raw(sim, path, "no_done")

    assert whole
    assert b"[DONE]" not in whole
    assert b"message_stop" not in whole


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("fault", "there"),
    [
        ("no_usage", None),
        ("usage_zero", b'_tokens":0'),
        ("usage_string", b'_tokens":"20"'),
    ],
)
def test_usage_may_be_missing_zero_or_text_but_is_billed(
    sim: Sim, path: str, fault: str, there: bytes | None, *, stream: bool
) -> None:
    body: dict[str, object] = {"messages": ASKED, "max_tokens": 99, "stream": stream}
    if stream and path == "/v1/chat/completions":
        body["stream_options"] = {"include_usage": True}

    said = sim.call("POST", path, {**body, "model": f"large!{fault}"}, ANTHROPIC_VERSION).body

    assert there is None or there in said
    assert (b'"usage":' in said) == (there is not None)
    assert b'_tokens":20' not in said
    assert [line["output_tokens"] for line in sim.billed()] == [20]


def test_usage_may_come_after_the_finish(openai: OpenAI, anthropic: Anthropic) -> None:
    chunks = list(_stream(openai, "usage_after_finish:0.01"))
    with anthropic.messages.stream(
        model="large!usage_after_finish:0.01",
        max_tokens=99,
        messages=[{"role": "user", "content": "[[sim: tokens=20]]"}],
    ) as stream:
        deltas = [event for event in stream if event.type == "message_delta"]

    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert len(deltas) == 2
    assert deltas[1].usage.output_tokens == 20


def test_another_model_may_answer_at_the_price_of_the_one_asked(openai: OpenAI, sim: Sim) -> None:
    answer = openai.chat.completions.create(model="large!wrong_model", messages=ASKED)

    assert answer.model == "sim/small-2026-01-15"
    assert [line["model"] for line in sim.billed()] == ["sim/large"]


def test_a_huge_answer_is_sent_and_billed_whole(openai: OpenAI, sim: Sim) -> None:
    said = "".join(_contents(_stream(openai, "huge:5000")))

    assert len(said) == 20_000
    assert [line["output_tokens"] for line in sim.billed()] == [5_000]


def test_a_caller_who_hangs_up_is_billed_until_then(eventually: Eventually) -> None:
    for slow in running("chatgpt-like"):
        url = urlsplit(slow.url)
        body = (
            b'{"model":"large","stream":true,'
            b'"messages":[{"role":"user","content":"[[sim: tokens=100000]]"}]}'
        )
        with socket.create_connection((url.hostname, url.port)) as caller:
            caller.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            heard = b""
            while heard.count(b'"content":') < 4:
                heard += caller.recv(4096)

        eventually(lambda running=slow: len(running.billed()) == 1)
        assert 3 <= slow.billed()[0]["output_tokens"] < 100_000


def test_an_answer_with_latency_is_the_same_answer(openai: OpenAI) -> None:
    instant = openai.chat.completions.create(model="large", messages=ASKED)

    for slow in running("chatgpt-like"):
        client = openai.with_options(base_url=f"{slow.url}/v1")
        streamed = "".join(_contents(_stream(client, "")))
        whole = client.chat.completions.create(model="large", messages=ASKED)

        assert streamed == whole.choices[0].message.content == instant.choices[0].message.content
