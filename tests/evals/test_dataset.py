import json
from typing import Any

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Case, Checks, dataset_hash, shuffled
from trimtab.evals.dataset import check_unique, read_cases, write_case

FULL: dict[str, Any] = {
    "id": "q-0017",
    "input": {"question": "Is the fee refundable?"},
    "expected": "Yes, within 14 days",
    "contexts": None,
    "tags": ["refund"],
    "group": "doc-88",
    "checks": {"contains": ["14"], "refuses": False},
    "provenance": {"source": "request", "request_id": "r_01", "redacted": ["EMAIL"]},
}
# Of {"checks":{"contains":["14"],"refuses":false},"contexts":null,"expected":...,"group":...}.
SHA256 = "ac72ca3f900a5cbc906621217d3ea0d4ebb5af04447211a79863b3cda6b05f38"

OTHERS: dict[str, Any] = {
    "input": {"question": "Is it?"},
    "expected": "No",
    "contexts": ["Fees are refundable."],
    "group": None,
    "checks": {},
}


def line(**members: Any) -> str:  # noqa: ANN401
    return json.dumps({**FULL, **members})


def one(text: str) -> Case:
    return read_cases(text, "a.jsonl")[0].case


def faults(text: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as refused:
        read_cases(text, "a.jsonl")
    return str(refused.value).splitlines()


def test_reads_all_members_of_a_case() -> None:
    case = one(line())

    assert (case.id, case.question, case.accepted) == (
        "q-0017",
        "Is the fee refundable?",
        ("Yes, within 14 days",),
    )
    assert case.checks == Checks(contains=("14",), refuses=False)
    assert case.provenance.redacted == ("EMAIL",)
    assert case.contexts is None


def test_a_case_that_is_written_is_read_as_itself() -> None:
    case = one(line())

    assert one(write_case(case)) == case


def test_a_row_of_the_seed_is_a_case_whose_id_is_made_of_the_question() -> None:
    first = one('{"question": "Why?", "expected": "Because."}')
    again = one('{"expected": "So that.", "question": "Why?"}')

    assert first.input == {"question": "Why?"}
    assert first.accepted == ("Because.",)
    assert first.id == again.id != one('{"question": "How?", "expected": "So."}').id


def test_lines_with_nothing_in_them_are_skipped_and_still_counted() -> None:
    placed = read_cases(f"\n{line()}\n\n{line(id='b')}\n", "a.jsonl")

    assert [(it.case.id, it.line) for it in placed] == [("q-0017", 2), ("b", 4)]


def test_a_text_may_hold_separators_that_only_python_takes_for_ends_of_lines() -> None:
    assert one(line(expected="a\u2028b").replace("\\u2028", "\u2028")).expected == "a\u2028b"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"id": "a", "input": }', "1: column 22: this is no JSON (Expecting value); fix it"),
        ("[1]", '1: is no case; write {"id": ..., "input": {...}}'),
        (line(weight=2), "1: weight: is not known here; "),
        (line(expectd="x"), "1: expectd: is not known here; did you mean 'expected'?"),
        (line(input="x"), "1: input: takes object, got text; write that"),
        (line(tags="x"), "1: tags: takes array, got text; write that"),
        (line(contexts=[1]), "1: contexts[0]: takes text, got int; write that"),
        (line(checks={"contain": []}), "1: checks.contain: is not known here; remove it"),
        (line(id="a b"), "1: id: 'a b' is no id; use at most 80 letters, digits, '.', '_' and '-'"),
        (line(id="x" * 81), "1: id: "),
        (line(expected=3), "1: expected: takes text | object | array | nothing, got int; write"),
        (line(expected=[]), "1: expected: accepts nothing; write a text, or leave it out"),
        (line(expected=""), "1: expected: accepts nothing; "),
        (line(input={"choices": "ab"}), "1: input.choices: is no list of at least two texts"),
        (line(input={"choices": ["a"]}), "1: input.choices: is no list of at least two texts"),
        ('{"id": "a", "id": "b", "input": {}}', "1: id: is given twice; keep one"),
        ('{"id": "a", "input": {"x": 1, "x": 2}}', "1: x: is given twice; keep one"),
        ('{"id": "a", "input": {"x": NaN}}', "1: NaN is no JSON; write a number, text or null"),
        ('{"id": "a", "input": {"x": 1e999}}', "1: a value cannot be written as JSON exactly"),
        ('{"id": "a", "input": {"x": 9007199254740993}}', "1: a value cannot be written"),
        ('{"id": "a", "input": {"x": "\\ud800"}}', "1: a value cannot be written"),
        ('{"id": "a", "input": {"x": ' + "9" * 5000 + "}}", "1: is nested too deep, or has"),
        ('{"id": "a", "input": ' + "[" * 100_000, "1: is nested too deep, or has"),
        ('{"id": "a"}', "1: 'input' is missing; add it"),
        ('{"question": 1, "expected": "x"}', "1: question: is no text; write text"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_member(text: str, fault: str) -> None:
    assert [it.startswith(f"a.jsonl:{fault}") for it in faults(text)] == [True], faults(text)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    found = faults(f"{{\n{line(id='')}\n{line()}\n[]")

    assert [it.split(":")[1] for it in found] == ["1", "2", "4"]


def test_an_id_that_is_there_twice_is_refused_with_both_places() -> None:
    placed = [*read_cases(line(), "a.jsonl"), *read_cases(f"\n{line()}", "b.jsonl")]

    with pytest.raises(SettingsInvalid, match=r"b.jsonl:2: id: 'q-0017' is taken, .* a.jsonl:1;"):
        check_unique(placed)


@pytest.mark.parametrize("member", OTHERS)
def test_what_counts_changes_the_hash(member: str) -> None:
    assert one(line(**{member: OTHERS[member]})).hash != one(line()).hash


def test_tags_provenance_id_and_the_order_of_members_do_not_count() -> None:
    other: dict[str, Any] = {**FULL, "tags": [], "provenance": {}, "id": "z"}
    backwards = json.dumps(dict(reversed(other.items())))

    assert one(backwards).hash == one(line()).hash
    assert one(line()).hash == SHA256


def test_the_hash_of_a_dataset_does_not_depend_on_the_order_of_its_cases() -> None:
    cases = (one(line()), one(line(id="b")))

    assert dataset_hash(cases) == dataset_hash(cases[::-1])
    assert dataset_hash(cases) != dataset_hash(cases[:1])
    assert dataset_hash(cases) != dataset_hash((one(line(id="a")), one(line(id="b"))))


def test_choices_are_shuffled_by_the_id_alone() -> None:
    choices = list("abcdefgh")
    case = one(line(input={"question": "?", "choices": choices}))
    renamed = one(line(id="b", input={"question": "?", "choices": choices}))

    assert shuffled(case).choices == ("h", "c", "f", "e", "d", "g", "b", "a")
    assert sorted(shuffled(renamed).choices) == choices
    assert shuffled(renamed).choices != shuffled(case).choices
    assert shuffled(one(line())) == one(line())
