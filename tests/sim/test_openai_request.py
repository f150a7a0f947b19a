from typing import Any

import msgspec
import pytest

from trimtab.sim.openai_request import read_chat
from trimtab.sim.request import Refused, Request, Tool
from trimtab.sim.text import tokens_of


def _read(**members: object) -> Request:
    body: dict[str, Any] = {"model": "sim/large", "messages": [{"role": "user", "content": "Hi"}]}
    return read_chat(msgspec.json.encode({**body, **members}))


def test_the_fault_is_no_part_of_the_model() -> None:
    request = _read(model="sim/large!cut_after:3!bad_line")

    assert request.served.model.name == "sim/large"
    assert request.fault == "cut_after:3!bad_line"


def test_the_question_is_the_last_thing_the_user_said() -> None:
    request = _read(
        messages=[
            {"role": "user", "content": "First"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
            {"role": "user", "content": [{"type": "text", "text": "Second"}]},
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ]
    )

    assert request.question == "Second"
    assert request.answered_tools


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ],
)
def test_files_and_sound_are_counted(part: dict[str, Any]) -> None:
    request = _read(messages=[{"role": "user", "content": [part]}])

    assert tokens_of(request.prompt) == 1_000 + tokens_of("<|user|>")


@pytest.mark.parametrize(
    ("detail", "tokens"), [("low", 85), ("high", 765), ("auto", 765), (None, 765)]
)
def test_images_are_counted(detail: str | None, tokens: int) -> None:
    image = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AA", "detail": detail},
    }
    plain = _read(messages=[{"role": "user", "content": ""}])

    request = _read(messages=[{"role": "user", "content": [image]}])

    assert tokens_of(request.prompt) - tokens_of(plain.prompt) == tokens


def test_options_are_read() -> None:
    request = _read(
        stream=True,
        stream_options={"include_usage": True},
        max_completion_tokens=9,
        max_tokens=5,
        n=2,
        stop="x",
        parallel_tool_calls=False,
        reasoning_effort="low",
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )

    assert (request.stream, request.usage_asked, request.parallel) == (True, True, False)
    assert (request.max_tokens, request.choices, request.stops) == (9, 2, ("x",))
    assert (request.effort, request.must_call) == ("low", "f")
    assert request.tools == (Tool("f", {"type": "object"}),)


@pytest.mark.parametrize(
    ("choice", "must", "may"),
    [("auto", None, True), ("required", "", True), ("none", None, False), (None, None, True)],
)
def test_tool_choices_are_told_apart(choice: str, must: str | None, *, may: bool) -> None:
    request = _read(tool_choice=choice)

    assert (request.must_call, request.may_call) == (must, may)


@pytest.mark.parametrize(
    ("members", "status"),
    [
        pytest.param({"model": "gpt-4"}, 404, id="unknown model"),
        pytest.param({"model": "sim/embed"}, 404, id="no chat model"),
        pytest.param({"messages": []}, 400, id="no messages"),
        pytest.param({"messages": "Hi"}, 400, id="messages of a wrong type"),
        pytest.param({"max_tokens": 0}, 400, id="no tokens"),
        pytest.param({"n": 129}, 400, id="too many choices"),
        pytest.param({"stop": ["a", "b", "c", "d", "e"]}, 400, id="too many stops"),
        pytest.param({"stream_options": {}}, 400, id="stream options without a stream"),
        pytest.param({"tools": [{"type": "web_search"}]}, 400, id="tool without a function"),
        pytest.param({"response_format": {"type": "json_schema"}}, 400, id="no schema"),
    ],
)
def test_a_wrong_call_is_refused(members: dict[str, Any], status: int) -> None:
    with pytest.raises(Refused) as raised:
        _read(**members)

    assert raised.value.status == status


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(Refused):
        read_chat(b'{"model": ')
