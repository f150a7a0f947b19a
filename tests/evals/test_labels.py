import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from tests.evals.labelled import label

from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.evals.labels import (
    append_labels,
    bring_over,
    in_force,
    labels_beside,
    labels_hash,
    read_labels,
)

ONE = label(1, 0.5)
LATER = ONE.at + timedelta(seconds=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels" / "rag-golden.labels.jsonl"


def test_labels_are_read_as_they_were_added(path: Path) -> None:
    append_labels(path, [ONE])
    append_labels(path, [label(2, None), label(3, 1)])

    assert read_labels(path) == (ONE, label(2, None), label(3, 1))
    members = list(json.loads(path.read_text().splitlines()[0]))
    assert members == ["case_id", "answer_hash", "metric", "rater", "value", "at"]


def test_where_nobody_has_labelled_there_are_none(path: Path) -> None:
    assert read_labels(path) == ()
    append_labels(path, [])
    assert not path.exists()


def test_the_file_lies_beside_the_suite() -> None:
    assert labels_beside(Path("evals/rag-golden.yaml")) == Path("evals/rag-golden.labels.jsonl")


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        pytest.param("value", 1.5, "value: takes `float` <= 1.0", id="above one"),
        pytest.param("value", -0.1, "value: takes `float` >= 0.0", id="below zero"),
        pytest.param("value", True, "value: takes", id="a truth"),
        pytest.param("answer_hash", "abc", "answer_hash: takes", id="no hash"),
        pytest.param("rater", "mia and tom", "rater: takes", id="no name"),
        pytest.param("at", "2026-11-30T12:00:00", "at: takes", id="no zone"),
        pytest.param("at", "yesterday", "at: ", id="no time"),
        pytest.param("score", 0.5, "score: is not known here", id="unknown member"),
    ],
)
def test_a_malformed_member_is_told_with_its_line(
    path: Path, member: str, value: object, said: str
) -> None:
    append_labels(path, [ONE, ONE])
    row = json.loads(path.read_text().splitlines()[0]) | {member: value}
    with path.open("a") as file:
        file.write(f"\n{json.dumps(row)}\n")

    with pytest.raises(SettingsInvalid) as refused:
        read_labels(path)

    assert str(refused.value).replace("`", "").startswith(f"{path}:4: {said.replace('`', '')}")


def test_all_faults_are_told_at_once(path: Path) -> None:
    append_labels(path, [ONE])
    with path.open("a") as file:
        file.write('{"case_id": "q-1"}\n{"case_id":\n[]\n')

    with pytest.raises(SettingsInvalid) as refused:
        read_labels(path)

    told = str(refused.value).splitlines()
    assert [line.split(":")[1] for line in told] == ["2", "3", "4"]
    assert "'answer_hash' is missing; add it" in told[0]


def test_a_file_of_other_bytes_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff")

    with pytest.raises(SettingsInvalid, match="not UTF-8"):
        read_labels(path)


def test_what_an_editor_left_without_an_end_of_line_stays_a_line(path: Path) -> None:
    append_labels(path, [ONE])
    path.write_text(path.read_text().rstrip("\n"))

    append_labels(path, [label(2, 1)])

    assert read_labels(path) == (ONE, label(2, 1))


def test_many_raters_at_once_lose_nothing(path: Path) -> None:
    given = [label(at, 1, rater=f"r{at}") for at in range(200)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(append_labels, path), [[it] for it in given]))

    assert sorted(read_labels(path), key=lambda it: it.key) == sorted(given, key=lambda it: it.key)


def test_the_last_label_of_a_rater_counts_by_its_time() -> None:
    first, second = label(1, 0), label(1, 1, at=LATER)

    for lines in ([first, second], [second, first]):
        assert [it.value for it in in_force(lines).values()] == [1]
    assert [it.value for it in in_force([label(1, 0), label(1, 1)]).values()] == [1]


def test_raters_answers_and_metrics_do_not_replace_each_other() -> None:
    given = [
        ONE,
        label(1, 1, rater="mia"),
        label(1, 1, metric="rubric"),
        label(2, 1),
        label(1, 1, answer_hash="0" * 64),
    ]

    assert len(in_force(given)) == 5


def test_the_hash_is_of_what_counts() -> None:
    hashed = labels_hash([ONE, label(2, 1)], "faithfulness")

    same = [label(2, 0), label(2, 1, at=LATER), ONE, label(3, None), label(4, 1, metric="rubric")]
    assert labels_hash(same, "faithfulness") == hashed
    for other in (
        [ONE],
        [ONE, label(2, 0)],
        [ONE, label(2, 1, rater="mia")],
        [ONE, label(2, 1), label(2, None, at=LATER)],
    ):
        assert labels_hash(other, "faithfulness") != hashed


def test_labels_of_another_file_are_added_once(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "beside.labels.jsonl"
    append_labels(path, [ONE, label(2, 1)])
    append_labels(target, [ONE])

    assert (bring_over(path, target), bring_over(path, target)) == (1, 0)
    assert read_labels(target) == (ONE, label(2, 1))


def test_what_could_not_be_read_again_is_not_added(path: Path) -> None:
    for wrong in (label(1, 1.5), label(1, 1, rater="ana and mia"), label(1, 1, answer_hash="x")):
        with pytest.raises(InvalidRequest):
            append_labels(path, [ONE, wrong])

    assert read_labels(path) == ()
