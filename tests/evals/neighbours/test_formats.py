"""Every format by the same rules: nothing is lost unseen, and nothing hostile gets in."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Case, Checks, Kind, Provenance
from trimtab.evals.neighbours import FORMATS, adapter
from trimtab.evals.neighbours.base import Document

ALL = pytest.mark.parametrize("name", list(FORMATS))
BESIDE = ("langsmith", "openai-evals", "promptfoo", "pydantic-evals")
"""Formats with a place for what they do not know: their cases lose nothing."""

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
WORDS = TEXT.filter(bool)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-9, 9) | TEXT,
    lambda it: st.lists(it, max_size=2) | st.dictionaries(TEXT, it, max_size=2),
    max_leaves=4,
)
NAME = TEXT.filter(lambda it: it != "choices")
INPUT = (
    st.fixed_dictionaries({"question": TEXT})
    | st.fixed_dictionaries(
        {
            "question": TEXT,
            "history": st.lists(
                st.fixed_dictionaries(
                    {"role": st.sampled_from(["user", "assistant", "system"]), "content": TEXT}
                ),
                min_size=1,
                max_size=2,
            ),
        }
    )
    | st.dictionaries(NAME, VALUE, max_size=3)
)
CASE = st.builds(
    Case,
    id=st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    input=INPUT,
    expected=st.none()
    | WORDS
    | st.lists(WORDS, min_size=1, max_size=2).map(tuple)
    | st.dictionaries(TEXT, VALUE, min_size=1, max_size=2),
    contexts=st.none() | st.lists(TEXT, max_size=2).map(tuple),
    tags=st.lists(WORDS, max_size=2).map(tuple),
    checks=st.builds(
        Checks,
        contains=st.lists(WORDS, max_size=2).map(tuple),
        not_contains=st.lists(WORDS, max_size=1).map(tuple),
        regex=st.none() | TEXT,
        refuses=st.none() | st.booleans(),
    ),
    group=st.none() | TEXT,
    provenance=st.builds(Provenance, source=TEXT, request_id=st.none() | TEXT),
)
NOTHING: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({})
METRICS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "exact_match": NOTHING | st.just({"floor": 0.9}),
    "faithfulness": NOTHING | st.just({"floor": 0.85, "max_mde": 0.2}),
    "answer_relevancy": st.just({"floor": 0.8}),
    "rubric": st.just({"rubric": "Is it kind?"}) | st.just({"rubric": "Kind?", "scale": 3}),
    "latency_s": st.just({"max": 3.0}) | st.just({"max": 1.5, "advisory": True}),
    "cost_usd": st.just({"max": 0.02}),
    "json_schema": st.just({"schema": "a.json"}) | st.just({"schema": {"type": "object"}}),
    "tone": st.just({"metric": "rubric", "rubric": "Kind?"}),
}
DOCUMENT = st.builds(
    Document,
    name=st.just("rag-golden"),
    kind=st.sampled_from(Kind),
    cases=st.lists(CASE, min_size=1, max_size=3, unique_by=lambda it: it.id).map(tuple),
    metrics=st.fixed_dictionaries({}, optional=METRICS),
)
# Without shrinking, which takes minutes for documents as large as these.
QUICK = settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)


@ALL
@QUICK
@given(document=DOCUMENT)
def test_what_is_not_named_as_lost_comes_back(name: str, document: Document) -> None:
    other = adapter(name)

    lost = {it.member for it in other.unsaid(document)}
    back = other.read(other.form(document), "x")

    assert len(back.cases) == len(document.cases)
    for one, two in zip(document.cases, back.cases, strict=True):
        for member in Case.__struct_fields__:
            assert getattr(one, member) == getattr(two, member) or f"cases.{member}" in lost
    for metric, options in document.metrics.items():
        again = back.metrics.get(metric)
        assert again == options or any(it.startswith(f"metrics.{metric}") for it in lost)
    assert back.kind is document.kind or "class" in lost


@ALL
@QUICK
@given(document=DOCUMENT)
def test_what_came_back_once_is_kept_for_ever(name: str, document: Document) -> None:
    other = adapter(name)
    once = other.read(other.form(document), "x")

    twice = other.read(other.form(once), "x")

    assert (twice.cases, twice.metrics) == (once.cases, once.metrics)


@pytest.mark.parametrize("name", BESIDE)
@QUICK
@given(document=DOCUMENT)
def test_cases_lose_nothing_where_there_is_a_place_beside(name: str, document: Document) -> None:
    lost = {it.member for it in adapter(name).unsaid(document)}

    assert not [it for it in lost if it.startswith("cases.")]


HOSTILE = {
    "nothing": "",
    "half": "{",
    "a list": "[]",
    "deep": "[" * 100_000,
    "deep map": '{"inputs":' * 100_000,
    "alias": "cases: [&a {inputs: x}, *a]\ntests: [&a {vars: {}}, *a]\n",
    "bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\ntests: [*c]\ncases: [*c]\n",
    "tag": "tests: !!python/object/apply:os.system [id]\ncases: !!python/name:os.system\n",
    "null bytes": "\0\0",
    "half a character": '{"inputs": {"q": "\\ud800"}, "input": "\\ud800", "user_input": "\\ud800"}',
    "not a number": '{"inputs": {"a": NaN}, "input": "x", "user_input": "x", "b": NaN}',
    "twice": '{"inputs": {}, "inputs": {}, "input": "", "input": "", "user_input": 1}',
    "long number": '{"inputs": {"a": ' + "9" * 9_999 + '}, "user_input": ' + "9" * 9_999 + "}",
    "wrong": '{"inputs": 7, "input": 7, "user_input": 7, "tests": 7, "cases": 7}',
    "wrong within": '{"tests": [7], "cases": [7], "inputs": [7], "input": [7], "user_input": [7]}',
    "csv": 'user_input,reference\n"x,y\n',
}


@ALL
@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_hostile_is_refused_in_words_or_harmless(name: str, text: str) -> None:
    try:
        found = adapter(name).read(text, "x")
    except SettingsInvalid as exc:
        assert str(exc).startswith(("x", "'x'"))  # noqa: PT017
    else:
        # Of YAML without texts of ours, and of CSV, which takes any text.
        assert all(isinstance(it, Case) for it in found.cases)


@ALL
@QUICK
@given(text=st.text(max_size=60) | VALUE.map(json.dumps))
def test_no_text_ends_in_anything_but_a_sentence(name: str, text: str) -> None:
    try:
        adapter(name).read(text, "x")
    except SettingsInvalid as exc:
        assert str(exc)  # noqa: PT017


@ALL
def test_a_secret_beside_the_cases_is_never_told(name: str) -> None:
    secret = "sk-very-secret"  # noqa: S105
    rows: dict[str, Any] = {
        "langsmith": {"inputs": {"q": "x"}, "api_key": secret, "metadata": {"k": secret}},
        "openai-evals": {"input": "x", "api_key": secret},
        "ragas": {"user_input": "x", "api_key": secret, "response": secret},
        "promptfoo": {"providers": [{"apiKey": secret}], "env": secret, "tests": [{"vars": {}}]},
        "pydantic-evals": {"cases": [{"inputs": "x"}], "evaluators": [{"Judge": secret}]},
    }
    text = f"user_input,key\nx,{secret}\n" if name == "ragas-csv" else json.dumps(rows[name])

    losses = adapter(name).read(text, "x").losses

    assert losses
    assert secret not in "".join(map(str, losses))
