from contextlib import suppress

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import Content, Requirement, Variable
from trimtab.registry.adapters.base import (
    Foreign,
    convert,
    count,
    counted,
    from_version,
    name_from,
    slug,
)
from trimtab.registry.adapters.source import Place, Source
from trimtab.registry.format import read_file

FILE = """\
name: p
version: 1.2.3
description: What it does
owner: me
evals: [e.yaml]
labels_policy: {production: {requires: [review]}}
template: Hi $name
required_vars: [name]
"""


def prompt(schema: dict[str, object]) -> Foreign:
    names = {"a": Variable(required=True, json_schema=schema)}
    return Foreign(name="p", version=None, content=Content(template="$a", variables=names))


def test_a_prompt_without_a_version_is_the_first() -> None:
    assert read_file(convert(prompt({"type": "string"})), "f").version == "1.0.0"


def test_a_version_of_the_registry_becomes_the_file_it_was() -> None:
    file = read_file(FILE, "p.prompt.yaml")

    foreign = from_version(file.published_as(file.content))
    back = read_file(convert(foreign), "f")

    assert (back.name, back.version, back.content) == (file.name, file.version, file.content)
    assert (back.description, back.owner, back.evals) == ("What it does", "me", ("e.yaml",))
    assert back.labels_policy == {"production": (Requirement.REVIEW,)}


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        pytest.param({"type": "string", "minLength": "x"}, "no good JSON Schema", id="length"),
        pytest.param({"type": "text"}, "no good JSON Schema", id="type"),
        pytest.param({"$ref": "http://127.0.0.1/x"}, "no good JSON Schema", id="elsewhere"),
        pytest.param({"type": "string", "x-trust": "all"}, "is no mark; take author", id="mark"),
        pytest.param({"const": 2**60}, "cannot be written as JSON exactly", id="number"),
    ],
)
def test_refuses_what_no_prompt_file_says(schema: dict[str, object], fault: str) -> None:
    with pytest.raises(SettingsInvalid, match=fault):
        convert(prompt(schema), "doc")


@pytest.mark.parametrize("text", ["a\x85b", "\u2028b\nx", "b\n\r", "a\x00\nb", " \n a \n "])
def test_a_text_is_kept_to_the_letter_or_refused(text: str) -> None:
    foreign = Foreign(name="p", version=None, content=Content(template=text))

    with suppress(SettingsInvalid):
        assert read_file(convert(foreign), "f").content.template == text


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param("movie-critic", "movie-critic", id="one of ours"),
        pytest.param("Team/Movie Critic", "team-movie-critic", id="words"),
        pytest.param("__x.", "x", id="ends"),
        pytest.param("é", "prompt", id="nothing left"),
        pytest.param("events", "events-prompt", id="reserved"),
        pytest.param("a" * 99, "a" * 64, id="long"),
    ],
)
def test_any_name_has_one_of_ours(theirs: str, ours: str) -> None:
    assert slug(theirs) == ours


def test_the_file_names_a_prompt_that_does_not() -> None:
    source = Source("prompts/Greeting.v2.prompty")

    assert name_from(Place(source, "name", None)) == "greeting"
    assert source.losses == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(3, "3.0.0"), ("12", "12.0.0"), (0, None), (True, None), ("1.5", None), ("²", None)],
)
def test_a_count_of_versions_becomes_majors(theirs: object, ours: str | None) -> None:
    assert counted(Place(Source("f"), "version", theirs)) == ours


@pytest.mark.parametrize(
    ("version", "number"), [("3.0.0", 3), ("3.1.0", None), ("0.0.0", None), (None, None)]
)
def test_only_a_major_that_was_counted_is_a_count(version: str | None, number: int | None) -> None:
    assert count(version) == number
