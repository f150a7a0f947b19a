"""What is made for each SDK is what that SDK's own `create` takes."""

import inspect
from dataclasses import replace
from typing import Any

import anthropic
import openai
import pytest

from trimtab.sdk import Prompt, Source

FUNCTION = {
    "name": "look_up",
    "description": "Looks a document up.",
    "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
}
TOOL = {"type": "function", "function": FUNCTION}
PARAMS = {
    "temperature": 0,
    "top_p": 0.9,
    "top_k": 40,
    "max_tokens": 1024,
    "stop": "END",
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "reasoning_effort": "low",
    "verbosity": "low",
    "parallel_tool_calls": False,
    "tool_choice": "required",
}
PROMPT = Prompt(
    messages=[
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
        {"role": "assistant", "content": "Because."},
    ],
    text=None,
    name="rag-answer",
    version="3.2.0",
    label="production",
    scope="default",
    hash="74b300726fa80858713a9fec0857104ba05bbf59c350b6d89c7e5e5cee505a5d",
    rendered_hash="0" * 64,
    source=Source.MEMORY,
    age_s=0.5,
    stale=False,
    params=PARAMS,
    model="answers",
    tools=(TOOL,),
)
HEADERS = {
    "x-trimtab-prompt": "rag-answer@3.2.0; label=production; hash=74b300726fa8; source=memory"
}


def test_chat_completions() -> None:
    assert PROMPT.openai() == {
        "model": "answers",
        "messages": PROMPT.messages,
        "tools": [TOOL],
        "extra_body": {"top_k": 40},
        "extra_headers": HEADERS,
        **{name: value for name, value in PARAMS.items() if name != "top_k"},
    }


def test_responses() -> None:
    assert PROMPT.responses() == {
        "model": "answers",
        "input": PROMPT.messages,
        "tools": [{"type": "function", **FUNCTION}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_output_tokens": 1024,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "temperature": 0,
        "top_p": 0.9,
        "extra_headers": HEADERS,
    }


def test_messages_of_anthropic() -> None:
    assert PROMPT.anthropic() == {
        "model": "answers",
        "system": "Be brief.",
        "messages": PROMPT.messages[1:],
        "max_tokens": 1024,
        "stop_sequences": ["END"],
        "tools": [
            {
                "name": "look_up",
                "description": "Looks a document up.",
                "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
            }
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low"},
        "extra_body": {"temperature": 0, "top_p": 0.9, "top_k": 40},
        "extra_headers": HEADERS,
    }


def test_the_schema_of_an_answer_is_asked_for_on_every_wire() -> None:
    schema = {"type": "object", "additionalProperties": False}
    prompt = replace(PROMPT, output_schema=schema)
    strict = {"name": "answer", "schema": schema, "strict": True}

    assert prompt.openai()["response_format"] == {"type": "json_schema", "json_schema": strict}
    assert prompt.responses()["text"] == {
        "verbosity": "low",
        "format": {"type": "json_schema", **strict},
    }
    assert prompt.anthropic()["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": schema},
    }


def test_the_sdks_take_every_argument() -> None:
    with openai.OpenAI(api_key="k") as theirs, anthropic.Anthropic(api_key="k") as others:
        for create, sent in (
            (theirs.chat.completions.create, PROMPT.openai()),
            (theirs.responses.create, PROMPT.responses()),
            (others.messages.create, replace(PROMPT, output_schema={}).anthropic()),
        ):
            inspect.signature(create).bind(**sent)


def test_a_plain_prompt_sends_little() -> None:
    plain = replace(PROMPT, params={}, tools=(), model=None)

    assert plain.openai().keys() == {"messages", "extra_headers"}
    assert plain.responses().keys() == {"input", "extra_headers"}
    assert plain.anthropic().keys() == {"system", "messages", "max_tokens", "extra_headers"}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        pytest.param("auto", {"type": "auto"}, id="auto"),
        pytest.param("none", {"type": "none"}, id="none"),
        pytest.param(
            {"type": "function", "function": {"name": "look_up"}},
            {"type": "tool", "name": "look_up"},
            id="one",
        ),
    ],
)
def test_a_choice_of_tools_in_anthropics_words(choice: object, told: dict[str, Any]) -> None:
    assert replace(PROMPT, params={"tool_choice": choice}).anthropic()["tool_choice"] == told


def test_a_chosen_tool_in_the_words_of_responses() -> None:
    choice = {"type": "function", "function": {"name": "look_up"}}

    sent = replace(PROMPT, params={"tool_choice": choice}).responses()

    assert sent["tool_choice"] == {"type": "function", "name": "look_up"}


def test_system_messages_become_one_text_or_blocks() -> None:
    two = [*PROMPT.messages, {"role": "system", "content": "Cite."}]
    blocks = [{"type": "text", "text": "Cite."}]

    text = replace(PROMPT, messages=two).anthropic()
    parts = replace(PROMPT, messages=[two[0], {"role": "system", "content": blocks}]).anthropic()

    assert text["system"] == "Be brief.\n\nCite."
    assert text["messages"] == PROMPT.messages[1:]
    assert parts["system"] == [{"type": "text", "text": "Be brief."}, *blocks]


def test_no_effort_is_no_thinking() -> None:
    sent = replace(PROMPT, params={"reasoning_effort": "none"}).anthropic()

    assert sent["thinking"] == {"type": "disabled"}
    assert "output_config" not in sent


def test_a_named_version_has_no_label_in_its_header() -> None:
    named = replace(PROMPT, label=None, scope=None, source=Source.LIVE)

    assert named.header == "rag-answer@3.2.0; hash=74b300726fa8; source=live"
