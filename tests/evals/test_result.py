import msgspec
import pytest

from trimtab.evals.case import Kind
from trimtab.evals.metrics.base import scored
from trimtab.evals.result import Arm, Run, Sample, Subject, read_run, write_run

RUN = Run(
    run_id="ev_1",
    suite="rag-golden",
    file="evals/rag-golden.yaml",
    kind=Kind.GOLDEN,
    dataset_hash="a",
    suite_hash="b",
    candidate=Subject(name="rag-answer@3.3.0"),
    metrics={"exact_match": "1"},
    samples=(
        Sample(case="q-2", arm=Arm.CANDIDATE, index=1, text="no"),
        Sample(case="q-1", arm=Arm.BASELINE, index=0, text="yes"),
        Sample(case="q-2", arm=Arm.CANDIDATE, index=0, scores={"exact_match": scored(1)}),
    ),
)


def test_a_run_is_read_as_it_was_written() -> None:
    assert read_run(write_run(RUN)) == RUN
    assert b'"schema": "trimtab.eval-report/1"' in write_run(RUN)


def test_another_document_is_no_run() -> None:
    other = write_run(RUN).replace(b"eval-report/1", b"eval-report/2")

    with pytest.raises(msgspec.ValidationError, match="schema"):
        read_run(other)


def test_samples_of_an_arm_are_given_by_case_in_their_order() -> None:
    found = RUN.of(Arm.CANDIDATE)

    assert {case: [it.index for it in samples] for case, samples in found.items()} == {
        "q-2": [0, 1]
    }
