from trimtab.evals.case import Checks
from trimtab.evals.neighbours.pydantic_evals import ADAPTER

DATASET = """\
# yaml-language-server: $schema=questions_schema.json
name: capitals
cases:
- name: Easy Question
  inputs: {question: What is the capital of France?}
  metadata: {difficulty: easy}
  expected_output: Paris
  evaluators:
  - EqualsExpected
  - Contains: Par
  - Contains: {value: is, case_sensitive: false}
  - {name: Contains, arguments: {value: ris}}
- inputs: Who?
  expected_output: 7
evaluators:
- IsInstance: str
- LLMJudge: {rubric: Is it polite?, include_input: true}
- MaxDuration: {seconds: 2.0}
report_evaluators: []
"""


def test_a_dataset_is_cases_and_metrics() -> None:
    found = ADAPTER.read(DATASET, "x.yaml")

    one, two = found.cases
    assert (one.id, one.expected) == ("Easy-Question", "Paris")
    assert one.checks == Checks(contains=("Par", "ris"))
    assert (two.input, two.expected) == ({"question": "Who?"}, "7")
    assert found.metrics == {
        "rubric": {"rubric": "Is it polite?"},
        "latency_s": {"max": 2.0},
        "exact_match": {},
    }
    assert sorted(it.member for it in found.losses) == [
        "cases[0].evaluators[2]",
        "cases[0].metadata.difficulty",
        "evaluators[0]",
        "evaluators[1].include_input",
    ]
