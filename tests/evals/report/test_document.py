import json

import msgspec
from tests.evals.runs import VALID, even, name_of, run, worse

from trimtab.evals.judgement import judged
from trimtab.evals.report.document import document
from trimtab.evals.result import read_run
from trimtab.evals.shelf import content_hash


def test_the_document_is_the_run_with_what_was_decided() -> None:
    made = worse()

    text = msgspec.json.encode(document(judged(made, {})))

    assert read_run(text) == made
    decision = json.loads(text)["decision"]
    assert (decision["verdict"], decision["reason"]) == ("FAIL", "regression")
    assert decision["because"] == "exact_match"
    assert decision["report"] == f"sha256:{content_hash(made)}"
    (line,) = decision["lines"]
    assert (line["metric"], line["slice"], line["first"]) == ("exact_match", "", 30)
    assert decision["worse"][0] == {
        "case": name_of(0),
        "metric": "exact_match",
        "before": 1.0,
        "after": 0.0,
        "delta": -1.0,
    }


def test_the_same_answers_give_the_same_decision() -> None:
    one, other = (msgspec.json.encode(document(judged(even(), {}))["decision"]) for _ in range(2))

    assert one == other


def test_a_judge_that_decides_is_valid_or_it_is_not() -> None:
    made = run({"faithfulness": [1.0] * 300, "exact_match": [1.0] * 300})
    informs = run({"faithfulness": [1.0]}, metrics={"faithfulness": {"uncalibrated": "advisory"}})

    assert not document(judged(made, {}))["decision"]["judge_valid"]
    assert document(judged(made, {"faithfulness": VALID}))["decision"]["judge_valid"]
    assert document(judged(informs, {}))["decision"]["judge_valid"]
