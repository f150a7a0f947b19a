import json
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from trimtab.domain.errors import UnsupportedByTarget
from trimtab.providers.litellm import fields

NAMES = Path(__file__).with_name("names.txt").read_text().split()
SCHEMAS = {"chat": fields.CHAT, "embeddings": fields.EMBEDDINGS}
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
PNG = "data:image/png;base64,iVBORw0KGgo="


def members(**given: object) -> dict[str, Raw]:
    return {name: Raw(msgspec.json.encode(value)) for name, value in given.items()}


def said(content: object, **more: object) -> dict[str, Raw]:
    return members(messages=[{"role": "user", "content": content, **more}])


def test_there_are_more_than_200_names() -> None:
    assert len(set(NAMES)) > 200


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_name_that_means_something_to_the_library_is_passed(schema: str) -> None:
    for name in NAMES:
        with pytest.raises(UnsupportedByTarget) as refused:
            fields.check(members(**{name: "http://127.0.0.1"}), SCHEMAS[schema])
        assert refused.value.param == name
        assert fields.passed(members(**{name: 1}), SCHEMAS[schema]) == {}


def test_nor_inside_a_message_or_a_tool() -> None:
    for name in NAMES:
        for inside in (said("hi", **{name: "x"}), members(tools=[{**TOOL, name: "x"}])):
            with pytest.raises(UnsupportedByTarget):
                fields.check(inside, fields.CHAT)


@pytest.mark.parametrize(
    ("content", "at"),
    [
        ([{"type": "image_url", "image_url": {"url": "https://h/a.png"}}], "[0].image_url.url"),
        ([{"type": "file", "file": {"file_id": "https://h/a.pdf"}}], "[0].file"),
        ([{"type": "file", "file": {"file_data": "gs://b/a.pdf"}}], "[0].file.file_data"),
        ([{"type": "video_url", "video_url": {"url": PNG}}], "[0].type"),
        ([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}], "[0]"),
    ],
)
def test_what_it_would_fetch_or_misread_is_refused_by_its_path(content: object, at: str) -> None:
    with pytest.raises(UnsupportedByTarget) as refused:
        fields.check(said(content), fields.CHAT)

    assert refused.value.param == f"messages[0].content{at}"
    assert "https://h" not in str(refused.value)


@pytest.mark.parametrize("kind", ["mcp", "web_search", "computer"])
def test_tools_that_run_elsewhere_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedByTarget):
        fields.check(members(tools=[{**TOOL, "type": kind}]), fields.CHAT)


def test_what_an_sdk_sends_passes_with_its_very_bytes() -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
    answer = {"role": "assistant", "content": None, "tool_calls": [called], "annotations": []}
    given = members(
        messages=[
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
            {**answer, "refusal": None, "audio": None, "function_call": None},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        tools=[TOOL],
        temperature=0.5,
    )

    assert fields.check(given, fields.CHAT) == ()
    assert fields.passed(given, fields.CHAT) == given
    assert fields.check(members(input=[[1, 2], [3]], dimensions=8), fields.EMBEDDINGS) == ()


def test_hints_are_named_and_left_out() -> None:
    given = members(metadata={"a": "b"}, store=True, temperature=1)

    assert [loss.name for loss in fields.check(given, fields.CHAT)] == ["metadata", "store"]
    assert list(fields.passed(given, fields.CHAT)) == ["temperature"]


def test_a_refusal_is_short_and_printable() -> None:
    name = json.loads('"\\u0007"') + "x" * 1000

    with pytest.raises(UnsupportedByTarget) as refused:
        fields.check(members(**{name: 1}), fields.CHAT)

    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
