import json

import pytest

from trimtab.registry.finding import Finding, Level, found
from trimtab.registry.lint_report import Form, report

FINDINGS = [
    found("R001", "prompts/a,b.prompt.yaml", 2, "has no owner; add one"),
    Finding("my app.py", 7, "R022", "100%\nof it", Level.WARN),
]


def test_writes_a_line_for_people() -> None:
    assert report(FINDINGS[:1], Form.TEXT) == (
        "prompts/a,b.prompt.yaml:2: R001 error has no owner; add one"
    )


def test_writes_a_list_for_programs() -> None:
    assert json.loads(report(FINDINGS, Form.JSON))[0] == {
        "rule": "R001",
        "level": "error",
        "path": "prompts/a,b.prompt.yaml",
        "line": 2,
        "message": "has no owner; add one",
    }


def test_writes_commands_that_github_shows_at_their_lines() -> None:
    assert report(FINDINGS, Form.GITHUB) == (
        "::error file=prompts/a%2Cb.prompt.yaml,line=2,title=R001::has no owner; add one\n"
        "::warning file=my app.py,line=7,title=R022::100%25%0Aof it"
    )


def test_writes_a_log_of_sarif() -> None:
    log = json.loads(report(FINDINGS, Form.SARIF))

    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert [it["id"] for it in run["tool"]["driver"]["rules"]] == ["R001", "R022"]
    assert [(it["ruleId"], it["level"]) for it in run["results"]] == [
        ("R001", "error"),
        ("R022", "warning"),
    ]
    (where,) = run["results"][1]["locations"]
    assert where["physicalLocation"] == {
        "artifactLocation": {"uri": "my%20app.py"},
        "region": {"startLine": 7},
    }


@pytest.mark.parametrize(("form", "text"), [(Form.TEXT, ""), (Form.JSON, "[]"), (Form.GITHUB, "")])
def test_nothing_found_is_nothing(form: Form, text: str) -> None:
    assert report([], form) == text
