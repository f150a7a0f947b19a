from xml.etree.ElementTree import Element, fromstring

import pytest
from msgspec.structs import replace
from tests.evals.report.hostile import hostile
from tests.evals.runs import even, name_of, run, worse

from trimtab.evals.case import Kind
from trimtab.evals.judgement import judged
from trimtab.evals.report.junit import ATTACK_RULES, RULES, junit
from trimtab.evals.result import Run
from trimtab.evals.verdict import Reason


def read(*runs: Run) -> Element:
    return fromstring(junit([judged(it, {}) for it in runs]))  # noqa: S314 -- we wrote it


def suites(root: Element) -> dict[str, Element]:
    return {it.get("name", ""): it for it in root}


def cases(suite: Element) -> dict[str, Element]:
    return {it.get("name", ""): it for it in suite}


def counts(it: Element) -> tuple[str | None, ...]:
    return tuple(it.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_each_metric_is_a_suite_and_each_case_a_test() -> None:
    root = read(worse(100, 30))

    metric, gate = suites(root).values()
    assert metric.get("name") == "rag-golden/exact_match"
    assert counts(metric) == ("100", "30", "0", "0")
    assert counts(gate) == ("7", "2", "0", "2")
    assert counts(root) == ("107", "32", "0", "2")
    case = cases(metric)[name_of(0)]
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == "exact_match 1.000 -> .000"
    assert failure.text == "because"
    out = case.find("system-out")
    assert out is not None
    assert out.text is not None
    assert "sample 0: exact_match .000  request r_candidate_0" in out.text
    assert "trimtab evals show ev_01JXC4ABCDEFGHJKMNPQRSTVWX q-0000" in out.text


def test_tests_are_green_where_the_gate_is() -> None:
    assert counts(read(even(300))) == ("307", "0", "0", "0")


def test_a_case_that_became_worse_is_green_where_its_metric_passes() -> None:
    made = run({"exact_match": [0.0] + [1.0] * 299}, {"exact_match": [1.0] * 300})

    assert counts(read(made)) == ("307", "0", "0", "0")


def test_errors_and_what_does_not_apply_are_what_they_are() -> None:
    made = run(
        {"exact_match": ["judge_refused", None, 1.0]}, quarantine={name_of(2): "the source moved"}
    )

    found = cases(suites(read(made))["rag-golden/exact_match"])

    error = found[name_of(0)].find("error")
    assert error is not None
    assert error.get("message") == "judge_refused"
    assert found[name_of(1)].find("skipped") is not None
    quarantined = found[name_of(2)].find("skipped")
    assert quarantined is not None
    assert quarantined.get("message") == "in quarantine"


def test_an_answer_that_is_not_there_is_an_error() -> None:
    made = run({"exact_match": [1.0, 1.0]})

    assert counts(suites(read(replace(made, samples=())))["rag-golden/exact_match"]) == (
        "2",
        "0",
        "2",
        "0",
    )


def test_the_rule_that_decided_is_red_and_those_after_it_are_skipped() -> None:
    found = cases(suites(read(worse(100, 30)))["rag-golden/gate"])

    kinds = {name: [child.tag for child in it] for name, it in found.items()}
    assert kinds == {
        "exact_match: judge_uncalibrated": [],
        "exact_match: errors": [],
        "exact_match: floor": [],
        "exact_match: regression": ["failure"],
        "exact_match: margin": ["skipped"],
        "exact_match: too_few_cases": ["skipped"],
        "verdict": ["failure"],
    }


def test_what_is_inconclusive_is_an_error() -> None:
    found = cases(suites(read(even(30)))["rag-golden/gate"])

    assert [it.tag for it in found["exact_match: too_few_cases"]] == ["error"]
    assert [it.tag for it in found["verdict"]] == ["error"]


def test_the_rules_of_attacks_are_their_own() -> None:
    made = run(
        {"not_contains": [0.0] + [1.0] * 299},
        {"not_contains": [1.0] * 300},
        kind=Kind.ADVERSARIAL,
        gate={"max_attack_rate": 0.02},
    )

    found = cases(suites(read(made))["rag-golden/gate"])

    assert [it.tag for it in found["not_contains: not_repeated"]] == ["error"]
    assert "not_contains: regression" not in found


@pytest.mark.parametrize("reason", set(Reason) - {Reason.NONE, Reason.NOTHING_BLOCKS})
def test_every_reason_of_a_row_is_some_rule(reason: Reason) -> None:
    assert any(reason in rule for rule in (*RULES, *ATTACK_RULES))


def test_whatever_answers_hold_it_is_xml() -> None:
    text = junit([judged(hostile(), {})])

    assert len(text) < 1_000_000
    assert counts(fromstring(text))[0] == "67"  # noqa: S314 -- we wrote it


def test_several_runs_are_one_document() -> None:
    made = even(30)

    assert len(read(made, made)) == 4
