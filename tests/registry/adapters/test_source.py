import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.source import Loss, Place, fit, read_front, read_json, write_front

FRONT = "# license\n\n---\nname: p\nmodel:\n  id: 3\n---\nbody\n---\nmore\n"


def refusal(place: Place) -> str:
    with pytest.raises(SettingsInvalid) as refused:
        place.text()
    return str(refused.value)


def test_a_place_names_the_file_the_line_and_the_member() -> None:
    top, body = read_front(FRONT, "a.prompt")

    assert body == "body\n---\nmore\n"
    assert refusal(top.at("model").at("id")) == (
        "a.prompt:6: model.id: is no text; write it in quotes"
    )


def test_a_fault_of_yaml_has_its_line_in_the_whole_file() -> None:
    with pytest.raises(SettingsInvalid, match=r"^a:4: name: is given twice, first in line 3; "):
        read_front("\n---\nname: p\nname: q\n---\n", "a")


def test_a_place_in_json_names_the_file_and_the_member() -> None:
    place = read_json('{"a": [{"b": 1}]}', "a.json").at("a").items()[0].at("b")

    assert refusal(place) == "a.json: a[0].b: is no text; write it in quotes"


def test_a_text_without_front_matter_is_all_body() -> None:
    top, body = read_front("Hi\n---\n", "a")

    assert (top.map(), body) == ({}, "Hi\n---\n")


def test_what_is_left_out_is_noted_without_its_value() -> None:
    top = read_json('{"a": 1, "key": "secret", "none": null}', "a")

    top.only("a")

    assert [it.member for it in top.source.losses] == ["key"]
    assert "secret" not in str(top.source.losses)


def test_a_loss_reads_as_one_line() -> None:
    assert str(Loss("a.b", "has no place", "drop it")) == "a.b: has no place; drop it"


def test_a_grammars_fault_is_told_at_the_place() -> None:
    def never(text: str) -> str:
        raise Wrong(f"{text} is wrong; right it")

    with pytest.raises(SettingsInvalid, match=r"^a: b: x is wrong; right it$"):
        read_json('{"b": "x"}', "a").at("b").read_as(never)


def test_line_ends_are_folded() -> None:
    assert fit("a\r\nb", "a") == "a\nb"
    assert read_json('{"a": "x\\r\\ny"}', "a").at("a").text() == "x\ny"


def test_refuses_what_is_larger_than_a_prompt_may_be() -> None:
    assert fit("x" * 2**20, "a")

    with pytest.raises(SettingsInvalid, match=r"^a: has more than 1048576 bytes; "):
        fit("x" * (2**20 + 1), "a")


def test_refuses_what_is_nested_deeper_than_its_readers_go() -> None:
    assert read_json("[" * 48 + "]" * 48, "a")

    with pytest.raises(SettingsInvalid, match=r"^a: is nested deeper than 48; "):
        read_json("[" * 50 + "]" * 50, "a")


def test_refuses_what_is_no_text() -> None:
    with pytest.raises(SettingsInvalid, match=r"^a: is not UTF-8; "):
        fit("\ud800", "a")


def test_front_matter_that_is_written_reads_the_same() -> None:
    members: dict[str, object] = {"a": "x\n---\ny: &z", "b": [1, None, "on"], "c": {"d": "3"}}

    top, body = read_front(write_front(members, "body"), "a")

    assert (top.map(), body) == (members, "body")
