import re
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result
from tests.cli.evals.stored import BODY, GOOD, RUN, beside, store
from tests.evals.labelled import labels_of, run_of, text_of, values
from tests.evals.suites import row, written

from trimtab.cli import program
from trimtab.evals.desk import Desk
from trimtab.evals.labels import append_labels, read_labels


def label(suite: Path, home: Path, keys: str, *arguments: str) -> Result:
    words = ["evals", "label", str(suite), "--home", str(home), *arguments]
    return CliRunner().invoke(program, words, input=keys)


ANA = ("--run", RUN.run_id, "--metric", "faithfulness", "--rater", "ana")


def test_answers_are_labelled_by_single_keys(suite: Path, home: Path) -> None:
    result = label(suite, home, "15x3q", *ANA)

    assert result.exit_code == 0, result.output
    found = read_labels(beside(suite, "labels.jsonl"))
    assert [it.value for it in found] == [0, 1, 0.5]
    assert len({it.case_id for it in found}) == 3
    assert {(it.rater, it.metric) for it in found} == {("ana", "faithfulness")}
    assert "no value has the key 'x'" in result.output
    assert "3 of 100 answers are labelled; go on any time" in result.output


def test_a_rater_is_told_neither_score_nor_arm(suite: Path, home: Path, desk: Desk) -> None:
    both = run_of(values(GOOD), baseline=values([0.123456] * 100))
    store(desk, both)

    said = label(suite, home, "1" * 30 + "q", *ANA).output

    assert "Once it was" in said
    for word in ("candidate", "baseline", "0.123456", "judge", "rag-answer"):
        assert word not in said.lower().replace(str(suite), "")


def test_labelling_goes_on_where_it_stopped(suite: Path, home: Path) -> None:
    first = label(suite, home, "11q", *ANA).output
    second = label(suite, home, "q", *ANA).output

    assert "2 of 100 labelled" in second
    answers = re.findall(r"Answer \d+", first)
    assert re.findall(r"Answer \d+", second) == answers[2:]


def test_the_last_label_is_taken_back_and_given_anew(suite: Path, home: Path) -> None:
    label(suite, home, "11u5q", *ANA)

    found = read_labels(beside(suite, "labels.jsonl"))

    assert [it.value for it in found] == [0, 0, None, 1]
    assert found[1].key == found[2].key == found[3].key


def test_nothing_is_taken_back_where_nothing_was_said(suite: Path, home: Path) -> None:
    label(suite, home, "u1q", *ANA)

    assert [it.value for it in read_labels(beside(suite, "labels.jsonl"))] == [0]


def test_what_cannot_be_told_is_skipped(suite: Path, home: Path) -> None:
    result = label(suite, home, "s1q", *ANA)

    assert [it.value for it in read_labels(beside(suite, "labels.jsonl"))] == [None, 0]
    assert "1 of 100 labelled, 1 skipped" in result.output


def test_it_ends_with_the_last_answer_and_with_the_input(suite: Path, home: Path) -> None:
    assert "100 of 100 answers are labelled in" in label(suite, home, "1" * 100, *ANA).output
    assert label(suite, home, "", *ANA).exit_code == 0


def test_frozen_contexts_are_read_from_the_suite(tmp_path: Path, home: Path, desk: Desk) -> None:
    samples = [msgspec.structs.replace(it, retrieved=None) for it in RUN.samples]
    store(desk, msgspec.structs.replace(RUN, samples=tuple(samples)))
    rows = [row(it) | {"id": f"q-{it}", "contexts": [f"Frozen {it}."]} for it in range(100)]
    suite = written(tmp_path, BODY, rows)

    said = label(suite, home, "q", *ANA).output

    number = re.findall(r"Frozen (\d+)\.", said)
    assert [text_of(int(it)) for it in number] == re.findall(r"Answer \d+\.", said)


def test_a_rubric_of_many_steps_is_answered_by_a_line(
    tmp_path: Path, home: Path, desk: Desk
) -> None:
    options = {"rubric": "20 is good", "scale": 20}
    store(desk, run_of(values(GOOD), "rubric", options=options))
    body = "judge: {model: j}\nmetrics:\n  rubric: {rubric: 20 is good, scale: 20}\n"
    suite = written(tmp_path, body, [row(it) | {"id": f"q-{it}"} for it in range(100)])

    label(suite, home, "20\n1\nq\n", "--run", RUN.run_id, "--metric", "rubric", "--rater", "ana")

    assert [it.value for it in read_labels(beside(suite, "labels.jsonl"))] == [1, 0]


def test_export_adds_what_the_console_has(suite: Path, home: Path, desk: Desk) -> None:
    append_labels(desk.labels_file("rag-golden"), labels_of(GOOD))

    result = label(suite, home, "", "--export")

    assert result.output.startswith("100 labels were added to ")
    assert len(read_labels(beside(suite, "labels.jsonl"))) == 100


def test_to_label_it_must_be_known_what_by_whom(suite: Path, home: Path) -> None:
    result = label(suite, home, "", "--run", RUN.run_id)

    assert (result.exit_code, "--metric and --rater are needed" in result.output) == (2, True)


def test_a_rater_needs_a_plain_name(suite: Path, home: Path) -> None:
    result = label(suite, home, "1q", *ANA[:-1], "ana and mia")

    assert result.exit_code == 2
    assert "rater" in result.output
    assert not beside(suite, "labels.jsonl").exists()
