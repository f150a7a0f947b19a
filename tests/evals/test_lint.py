import time
from pathlib import Path
from typing import Any

import pytest
from tests.evals.suites import row, suite_of

from trimtab.evals.lint import RULES, Level, lint

MANY = [row(it) for it in range(60)]
LONG = "It may be given back within fourteen days, with the receipt"


def told(
    folder: Path, body: str = "", rows: list[dict[str, Any]] = MANY, prompt: str = ""
) -> list[str]:
    suite = suite_of(folder, body, rows)
    return [str(it).replace(f"{folder}/", "") for it in lint(suite, prompt=prompt)]


def test_finds_nothing_in_what_is_good(tmp_path: Path) -> None:
    body = "judge: {model: j, embeddings: e}\nmetrics: {exact_match: {}, answer_relevancy: {}}\n"

    assert told(tmp_path, body, prompt="Answer the question.") == []


CHOICES = [
    row(it, input={**row(it)["input"], "choices": list("abcd")}, expected="a") for it in range(60)
]


@pytest.mark.parametrize(
    ("body", "rows", "finding"),
    [
        pytest.param(
            "metrics: {token_f1: {}}\n",
            [*MANY, row(60, expected=None)],
            "cases.jsonl:61: E001 error q-60: has no expected text, and token_f1 needs one; add it",
            id="nothing expected",
        ),
        pytest.param(
            "",
            [*MANY, row(60, input={"q": MANY[3]["input"]["question"].replace("?", "!")})],
            "cases.jsonl:61: E002 warn q-60: asks nearly what 'q-3' asks; remove one of them",
            id="twins",
        ),
        pytest.param(
            "",
            [*MANY, row(60, contexts=["mia@acme.io"], provenance={"redacted": ["CARD"]})],
            "cases.jsonl:61: E003 error q-60: has what looks like EMAIL; take it out, and name it"
            " in provenance.redacted",
            id="personal data",
        ),
        pytest.param(
            "",
            MANY[:49],
            "suite.yaml:3: E004 warn cases: are 49, too few to see any but large differences; have"
            " at least 50",
            id="too few",
        ),
        pytest.param(
            "",
            [*MANY, row(60, expected=["Yes", LONG])],
            "cases.jsonl:61: E005 error q-60: is answered by the prompt itself; take it out",
            id="leaked",
        ),
        pytest.param(
            "shuffle_choices: false\n",
            CHOICES,
            "suite.yaml:4: E006 error shuffle_choices: choice 1 is right in 60 of 60; leave them"
            " shuffled",
            id="order of choices",
        ),
        pytest.param(
            "metrics:\n  refuses: {}\n",
            MANY,
            "suite.yaml:5: E007 error metrics.refuses: needs a judge; name its model",
            id="no judge",
        ),
        pytest.param(
            "judge: {model: j}\nmetrics: {embedding_similarity: {}}\n",
            MANY,
            "suite.yaml:5: E007 error metrics.embedding_similarity: needs an embedding model; name"
            " it in judge.embeddings",
            id="no embeddings",
        ),
        pytest.param(
            "metrics: {token_f1: {when: {tag: de}}}\n",
            MANY,
            "suite.yaml:4: E008 warn metrics.token_f1: is for no case, as none has its tag; add"
            " cases, or remove it",
            id="idle metric",
        ),
        pytest.param(
            "quarantine: {q-99: gone}\n",
            MANY,
            "suite.yaml:4: E009 error quarantine.q-99: is no case; remove it",
            id="unknown in quarantine",
        ),
        pytest.param(
            "quarantine: {q-0: a, q-1: b, q-2: c, q-3: d}\n",
            MANY,
            "suite.yaml:4: E009 error quarantine: holds 4 cases, and may hold 3; repair or remove"
            " some",
            id="too many in quarantine",
        ),
    ],
)
def test_tells_what_makes_a_verdict_worth_less(
    tmp_path: Path, body: str, rows: list[dict[str, Any]], finding: str
) -> None:
    assert told(tmp_path, body, rows, f"Answer. {LONG.upper()}!") == [finding]


def test_a_case_that_a_metric_is_not_for_needs_no_expected_text(tmp_path: Path) -> None:
    rows = [row(it, tags=["de"]) for it in range(60)] + [row(60, expected=None)]

    assert told(tmp_path, "metrics: {token_f1: {when: {tag: de}}}\n", rows) == []


def test_every_rule_has_a_level() -> None:
    assert {it.level for it in RULES.values()} == {*Level}


def test_choices_that_are_shuffled_give_nothing_away(tmp_path: Path) -> None:
    assert told(tmp_path, "", CHOICES) == []


def test_personal_data_that_is_named_is_there_on_purpose(tmp_path: Path) -> None:
    rows = [*MANY, row(60, contexts=["mia@acme.io"], provenance={"redacted": ["EMAIL"]})]

    assert told(tmp_path, "", rows) == []


def test_two_thousand_cases_take_about_a_second(tmp_path: Path) -> None:
    words = [f"{it * 7919 % 10_007:05d}" for it in range(16_000)]
    rows = [
        row(it, input={"question": "What of " + " and ".join(words[8 * it : 8 * it + 8])})
        for it in range(2000)
    ]
    suite = suite_of(tmp_path, "metrics: {token_f1: {}}\n", rows)
    before = time.process_time()

    found = lint(suite)

    assert found == []
    assert time.process_time() - before < 6
