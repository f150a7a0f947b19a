import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.evals.suites import row, suite_of
from tests.telemetry.shapes import record

from trimtab.control.prompts import Prompts
from trimtab.domain.errors import ContentExpired, InvalidRequest, SettingsInvalid
from trimtab.evals.adding import Frame, Wanted, append_case, frame_of, like, make_case
from trimtab.evals.case import Case, texts_of
from trimtab.evals.dataset import read_cases, write_case
from trimtab.evals.personal import personal
from trimtab.registry.format import read_file

RECORD = record(7)
WANTED = Wanted(by="ana", at="2026-04-26", expected=("No",), tags=("regression", "regression"))
MAIL, CARD = "mia@acme.io", 4111111111111111


def made(variables: object = None, body: object = None, frame: Frame = Frame()) -> Case:  # noqa: B008
    return make_case(RECORD, (encoded(variables), encoded(body)), WANTED, frame).case


def encoded(value: object) -> bytes | None:
    return None if value is None else json.dumps(value).encode()


def user(text: object) -> dict[str, object]:
    return {"role": "user", "content": text}


def test_variables_of_the_prompt_are_the_input() -> None:
    case = made({"question": "Is the fee refundable?", "top": 3}, {"messages": [user("rendered")]})

    assert case.input == {"question": "Is the fee refundable?", "top": 3}
    assert (case.expected, case.tags, case.contexts) == ("No", ("regression",), None)
    assert case.id == f"q-{RECORD.request_id[-12:].lower()}"
    assert read_cases(write_case(case), "x")[0].case == case


def test_it_is_known_where_a_case_comes_from() -> None:
    wanted = Wanted(by="ana", at="2026-04-26", incident_id="i_7")

    case = make_case(RECORD, (encoded({"q": MAIL}), None), wanted, Frame()).case

    told = case.provenance
    assert (told.source, told.request_id) == ("request", RECORD.request_id)
    assert (told.added_by, told.added_at, told.incident_id) == ("ana", "2026-04-26", "i_7")
    assert told.redacted == ("EMAIL",)
    assert case.expected is None


def test_what_was_retrieved_is_frozen() -> None:
    given_ = {"question": "q", "context": ["one", {"doc": "two"}], "more": "three", "none": ""}

    case = made(given_, frame=Frame(retrieved=("context", "more", "none", "absent")))

    assert case.contexts == ("one", '{"doc":"two"}', "three")
    assert case.input["context"] == given_["context"]


@pytest.mark.parametrize(
    ("body", "input_"),
    [
        ({"messages": [user("Why?")]}, {"question": "Why?"}),
        (
            {"messages": [user("Hi"), {"role": "assistant", "content": "Hello"}, user("Why?")]},
            {
                "question": "Why?",
                "history": [user("Hi"), {"role": "assistant", "content": "Hello"}],
            },
        ),
        (
            {"system": "Be brief.", "messages": [user([{"type": "text", "text": "Why?"}])]},
            {"question": "Why?", "history": [{"role": "system", "content": "Be brief."}]},
        ),
        (
            {"instructions": "Be brief.", "input": "Why?"},
            {"question": "Why?", "history": [{"role": "system", "content": "Be brief."}]},
        ),
    ],
)
def test_without_variables_the_last_question_is_asked(
    body: object, input_: Mapping[str, object]
) -> None:
    assert made(body=body).input == input_


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"messages": []},
        {"messages": [user("q"), {"role": "tool", "content": "4711"}]},
        {"messages": [user([{"type": "text", "text": "See"}, {"type": "image_url"}])]},
        {"messages": [user(None)]},
        {"input": [0.5]},
    ],
)
def test_what_does_not_end_with_a_question_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequest, match="does not end with a question in words"):
        made(body=body)


def test_a_body_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="is no JSON"):
        make_case(RECORD, (None, b"\xff"), WANTED, Frame())


def test_without_content_there_is_no_case() -> None:
    with pytest.raises(ContentExpired, match="is not kept"):
        made()
    with pytest.raises(ContentExpired, match="is not kept"):
        made({"q": "x"}, frame=Frame(takes=True))


PROMPT = """\
name: chat
version: 1.0.0
description: d
owner: o
variables: {docs: {type: string, x-trust: retrieved}, q: {type: string}}
messages:
  - {role: system, content: one}
  - {role: system, content: two $docs}
  - {role: user, content: before}
  - {placeholder: own}
  - {role: user, content: $q}
"""


@pytest.mark.parametrize(
    "systems",
    [
        {"messages": [{"role": "system", "content": "one"}, {"role": "system", "content": "two"}]},
        {"system": "onetwo", "messages": []},
    ],
)
def test_what_a_prompt_put_around_is_no_history(systems: dict[str, Any]) -> None:
    file = read_file(PROMPT, "p.yaml")
    version = file.published_as(file.content)
    prompts = Prompts(versions={"chat": {"1.0.0": version}})
    asked = record(7, prompt_name="chat", prompt_version="1.0.0")
    said = [user("mine"), {"role": "assistant", "content": "too"}]
    body = {**systems, "messages": [*systems["messages"], user("before"), *said, user("asked")]}

    frame = frame_of(prompts, asked)
    case = make_case(asked, (encoded({"docs": "d", "q": "asked"}), encoded(body)), WANTED, frame)

    assert case.case.input == {"docs": "d", "q": "asked", "history": said}
    assert case.case.contexts == ("d",)


def test_an_unknown_prompt_puts_nothing_around() -> None:
    assert frame_of(Prompts(), record(7, prompt_name="x", prompt_version="1.0.0")) == Frame()
    assert frame_of(Prompts(), RECORD) == Frame()


def test_nothing_personal_is_left_anywhere() -> None:
    asked = {
        "question": f"I am {MAIL}",
        "n": CARD,
        "deep": [{"x": f"{CARD}", MAIL: None}],
        "b": True,
    }
    wanted = Wanted(by="ana", at="2026-04-26", expected=(f"Write to {MAIL}",))

    got = make_case(RECORD, (encoded(asked), None), wanted, Frame(retrieved=("question",)))

    assert got.case.input == {
        "question": "I am [EMAIL]",
        "n": "[CARD]",
        "deep": [{"x": "[CARD]", "[EMAIL]": None}],
        "b": True,
    }
    assert (got.case.contexts, got.case.expected) == (("I am [EMAIL]",), "Write to [EMAIL]")
    assert got.case.provenance.redacted == ("CARD", "EMAIL")
    assert got.redacted == {"EMAIL": 3, "CARD": 2}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.text(max_size=20)
    | st.just(f"{MAIL} 4111-1111-1111-1111"),
    lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(max_size=9), it, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=9), JSON, max_size=3))
def test_whatever_was_asked_becomes_a_case_without_personal_data(asked: dict[str, object]) -> None:
    try:
        case = made(asked)
    except SettingsInvalid as exc:
        assert "choices" in asked
        assert "input.choices" in str(exc)  # noqa: PT017
        return

    [placed] = read_cases(write_case(case), "x")
    assert placed.case == case
    assert not any(map(personal, texts_of(case.input)))


def test_a_case_that_asks_nearly_the_same_is_found() -> None:
    long = "Is the fee for the early booking of a room with a view refundable within two weeks"
    known = [Case(id=f"q-{n}", input={"question": it}) for n, it in enumerate(("Other?", long))]
    twin = Case(id="new", input={"question": f"{long.upper()}"})

    assert like(twin, known) == known[1]
    assert like(Case(id="new", input={"question": "What is new?"}), known) is None
    assert like(twin, []) is None


def test_two_known_twins_do_not_hide_the_third() -> None:
    known = [Case(id=it, input={"question": "The same?"}) for it in ("a", "b")]

    found = like(Case(id="c", input={"question": "the same?"}), known)

    assert found is not None


def test_a_case_is_appended_as_a_line(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, rows=[row(0), row(1)])
    path = tmp_path / "cases.jsonl"
    before = path.read_text()
    path.chmod(0o644)

    append_case(suite, made({"question": "New?"}))

    assert path.read_text().startswith(before + "\n")
    assert len(read_cases(path.read_text(), "x")) == 3
    assert path.stat().st_mode & 0o777 == 0o644
    assert sorted(it.name for it in tmp_path.iterdir()) == ["cases.jsonl", "suite.yaml"]


def test_no_case_is_added_twice(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)
    append_case(suite, made({"question": "New?"}))
    before = (tmp_path / "cases.jsonl").read_bytes()

    with pytest.raises(SettingsInvalid, match="already; change it there"):
        append_case(suite, made({"question": "Newer?"}))
    assert (tmp_path / "cases.jsonl").read_bytes() == before


def test_those_who_add_at_once_lose_nothing(tmp_path: Path) -> None:
    suite = suite_of(tmp_path)

    def add(number: int) -> None:
        append_case(suite, Case(id=f"n-{number}", input={"question": str(number)}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))

    assert len(read_cases((tmp_path / "cases.jsonl").read_text(), "x")) == 13
