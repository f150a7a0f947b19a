from typing import Any

import msgspec
import pytest

from trimtab.sim.anthropic_request import UNLIMITED, read_count, read_messages
from trimtab.sim.openai_request import read_chat
from trimtab.sim.request import Mark, Refused, Request
from trimtab.sim.text import tokens_of

KEEP = {"type": "ephemeral"}
KEEP_LONG = {"type": "ephemeral", "ttl": "1h"}
HI = [{"role": "user", "content": "Hi"}]


def _read(**members: object) -> Request:
    body: dict[str, Any] = {"model": "sim/large", "max_tokens": 9, "messages": HI}
    return read_messages(msgspec.json.encode({**body, **members}))


def test_a_plain_conversation_is_the_same_prompt_on_both_wires() -> None:
    said = [*HI, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Why?"}]
    system = {"role": "developer", "content": "Be brief."}

    ours = _read(messages=said, system="Be brief.")
    theirs = read_chat(msgspec.json.encode({"model": "large", "messages": [system, *said]}))

    assert ours.prompt == theirs.prompt


def test_breakpoints_follow_tools_system_and_messages() -> None:
    request = _read(
        tools=[{"name": "f", "input_schema": {"type": "object"}, "cache_control": KEEP_LONG}],
        system=[{"type": "text", "text": "Be brief.", "cache_control": KEEP_LONG}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": KEEP}]}
        ],
    )

    assert [mark.hour for mark in request.marks] == [True, True, False]
    assert request.marks[-1] == Mark(len(request.prompt), hour=False)
    assert [mark.at for mark in request.marks] == list(request.blocks)


def test_one_breakpoint_for_the_whole_request_is_put_at_its_end() -> None:
    request = _read(cache_control=KEEP_LONG)

    assert request.marks == (Mark(len(request.prompt), hour=True),)


def test_the_question_is_not_the_result_of_a_tool() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "4"}]}

    request = _read(messages=[*HI, {"role": "user", "content": [result]}])

    assert request.question == "Hi"
    assert request.answered_tools
    assert request.prompt.endswith("4")


def test_images_are_counted() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}

    request = _read(messages=[{"role": "user", "content": [image]}])

    assert tokens_of(request.prompt) == 1_334 + tokens_of("<|user|>")


@pytest.mark.parametrize(
    ("thinking", "most"),
    [
        (None, None),
        ({"type": "disabled"}, None),
        ({"type": "enabled", "budget_tokens": 1_024}, 1_024),
        ({"type": "adaptive"}, UNLIMITED),
    ],
)
def test_thinking_is_asked_for_or_not(thinking: object, most: int | None) -> None:
    assert _read(thinking=thinking).thinking == most


@pytest.mark.parametrize(
    ("choice", "must", "may"),
    [
        ({"type": "auto"}, None, True),
        ({"type": "any"}, "", True),
        ({"type": "tool", "name": "f"}, "f", True),
        ({"type": "none"}, None, False),
    ],
)
def test_tool_choices_are_told_apart(choice: object, must: str | None, *, may: bool) -> None:
    request = _read(tool_choice=choice)

    assert (request.must_call, request.may_call) == (must, may)


def _kept(*caches: object) -> list[dict[str, Any]]:
    blocks = [{"type": "text", "text": "x", "cache_control": cache} for cache in caches]
    return [{"role": "user", "content": blocks}]


@pytest.mark.parametrize(
    ("members", "status"),
    [
        pytest.param({"model": "claude"}, 404, id="unknown model"),
        pytest.param({"model": "sim/embed"}, 404, id="no chat model"),
        pytest.param({"messages": []}, 400, id="no messages"),
        pytest.param({"max_tokens": None}, 400, id="no limit"),
        pytest.param({"max_tokens": 0}, 400, id="limit too low"),
        pytest.param({"messages": _kept(*[KEEP] * 5)}, 400, id="too many breakpoints"),
        pytest.param({"messages": _kept(KEEP, KEEP_LONG)}, 400, id="longer after shorter"),
        pytest.param(
            {"messages": _kept({"type": "ephemeral", "ttl": "2h"})}, 400, id="unknown lifetime"
        ),
    ],
)
def test_a_wrong_call_is_refused(members: dict[str, Any], status: int) -> None:
    with pytest.raises(Refused) as raised:
        _read(**members)

    assert raised.value.status == status


def test_counting_needs_no_limit() -> None:
    body = msgspec.json.encode({"model": "large", "messages": HI})

    assert read_count(body).max_tokens is None
