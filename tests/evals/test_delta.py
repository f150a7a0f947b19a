from typing import Any

import msgspec
import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Kind
from trimtab.evals.delta import ChangedPrompt, find_runs, lacking
from trimtab.evals.metrics.base import failed, scored
from trimtab.evals.result import Arm, Run, Sample, Subject, write_run

RAG = ChangedPrompt(file="prompts/rag.prompt.yaml", name="rag", hash="a" * 64)
SUBJECT = Subject(name="rag@2.0.0", prompt="rag", prompt_hash="a" * 64)


def samples(*arms: Arm) -> tuple[Sample, ...]:
    return tuple(
        Sample(case="q-1", arm=it, index=0, scores={"exact_match": scored(1)}) for it in arms
    )


def run(**members: Any) -> Run:  # noqa: ANN401
    given: dict[str, Any] = {
        "candidate": SUBJECT,
        "baseline": SUBJECT,
        "samples": samples(*Arm),
        **members,
    }
    return Run(
        run_id="ev_1",
        suite="s",
        file="s.yaml",
        kind=Kind.GOLDEN,
        dataset_hash="d",
        suite_hash="h",
        **given,
    )


def with_(**members: Any) -> Subject:  # noqa: ANN401
    return msgspec.structs.replace(SUBJECT, **members)


def test_a_prompt_that_was_compared_lacks_nothing() -> None:
    assert lacking([RAG], [run()]) == ()
    assert lacking([], []) == ()


def test_a_run_of_the_whole_application_is_of_its_prompts() -> None:
    assert lacking([RAG], [run(candidate=Subject(name="app:answer"))]) == ()


def test_a_prompt_whose_hash_nobody_knows_is_taken_by_its_name() -> None:
    unknown = msgspec.structs.replace(RAG, hash=None)

    assert lacking([unknown], [run(candidate=with_(prompt_hash="b" * 64))]) == ()


@pytest.mark.parametrize(
    ("runs", "what"),
    [
        ([], "no eval of it is reported"),
        ([run(candidate=with_(prompt="other"))], "no eval of it is reported"),
        ([run(candidate=with_(prompt_hash="b" * 64))], "another text of it (bbbbbbbbbbbb, and"),
        ([run(baseline=None)], "compared with no baseline"),
        ([run(samples=samples(Arm.CANDIDATE))], "compared with no baseline"),
        ([run(samples=())], "compared with no baseline"),
    ],
)
def test_what_is_missing_is_a_sentence(runs: list[Run], what: str) -> None:
    [told] = lacking([RAG], runs)

    assert told.startswith("prompts/rag.prompt.yaml: prompt 'rag' is changed, and ")
    assert what in told
    assert "without its schema diff" in told


def test_an_error_is_no_score_to_compare() -> None:
    [one, _] = samples(*Arm)
    other = Sample(
        case="q-1", arm=Arm.BASELINE, index=0, scores={"exact_match": failed("judge", "away")}
    )

    assert lacking([RAG], [run(samples=(one, other))])


def test_runs_are_found_wherever_they_stand_in_a_report() -> None:
    one = write_run(run()).decode()

    assert find_runs(one.encode(), "r.json") == (run(),)
    assert find_runs(f'{{"verdict": "PASS", "runs": [{one}, {one}]}}'.encode(), "r") == (run(),) * 2
    assert find_runs(b'{"schema": "other/1"}', "r.json") == ()


@pytest.mark.parametrize(
    "data",
    [b"", b"# Summary", b"\xff", b"[" * 100_000, b'{"schema": "trimtab.eval-report/1"}'],
)
def test_what_is_no_report_is_refused(data: bytes) -> None:
    with pytest.raises(SettingsInvalid, match=r"'r\.json' is no report"):
        find_runs(data, "r.json")
