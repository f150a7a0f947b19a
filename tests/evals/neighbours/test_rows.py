"""LangSmith, OpenAI's evals and ragas, as their own tools write them."""

import csv
import io
import json

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Case
from trimtab.evals.neighbours import adapter
from trimtab.evals.neighbours.base import Document


def read(name: str, *rows: object) -> Document:
    return adapter(name).read("\n".join(map(json.dumps, rows)) + "\n", f"my {name}.jsonl")


def test_a_dataset_of_langsmith() -> None:
    found = read(
        "langsmith",
        {"inputs": {"question": "Why?"}, "outputs": {"answer": "So"}, "metadata": {"who": "me"}},
        {"inputs": {"q": 1}, "outputs": {"a": "x", "b": "y"}, "split": ["test"], "id": "7-a"},
        {"inputs": {"question": "Why?"}, "outputs": None},
    )

    one, two, three = found.cases
    assert (one.input, one.expected) == ({"question": "Why?"}, "So")
    assert (two.id, two.tags, two.expected) == ("7-a", ("test",), {"a": "x", "b": "y"})
    assert three.expected is None
    assert three.id == f"{one.id}-2"
    assert found.name == "my-langsmith"
    assert [it.member for it in found.losses] == ["line 1.metadata.who"]


def test_samples_of_openai() -> None:
    system = {"role": "system", "content": "Be brief."}
    found = read(
        "openai-evals",
        {"input": [system, {"role": "user", "content": "Why?"}], "ideal": ["So", "Thus"]},
        {"input": "Why?", "ideal": "So"},
    )

    assert found.cases[0].input == {"question": "Why?", "history": [system]}
    assert [it.expected for it in found.cases] == [("So", "Thus"), "So"]
    with pytest.raises(SettingsInvalid, match="line 1: does not end with what a user says"):
        read("openai-evals", {"input": [system], "ideal": "x"})


def test_samples_of_ragas() -> None:
    talk = [{"content": "Hi", "type": "human"}, {"content": "Hello", "type": "ai"}]
    found = read(
        "ragas",
        {
            "user_input": "Why?",
            "retrieved_contexts": ["one", "two"],
            "response": "So",
            "reference": "Thus",
        },
        {"user_input": [*talk, {"content": "Why?", "type": "human"}]},
    )

    one, two = found.cases
    assert (one.contexts, one.expected) == (("one", "two"), "Thus")
    assert two.input["history"][1] == {"role": "assistant", "content": "Hello"}
    assert [it.member for it in found.losses] == ["line 1.response"]


def test_ragas_as_csv() -> None:
    cases = (Case(id="a", input={"question": 'Why,\n"so"?'}, contexts=("x", "ü")),)
    other = adapter("ragas-csv")

    text = other.form(Document(name="n", cases=cases))

    [row] = csv.DictReader(io.StringIO(text))
    assert row["user_input"] == 'Why,\n"so"?'
    assert json.loads(row["retrieved_contexts"]) == ["x", "ü"]
    assert other.read(text, "x").cases[0].contexts == ("x", "ü")


def test_a_list_in_csv_that_is_no_json_is_told() -> None:
    with pytest.raises(SettingsInvalid, match="is no JSON list; export it as JSON lines"):
        adapter("ragas-csv").read("user_input,retrieved_contexts\nx,\"['a']\"\n", "x.csv")
