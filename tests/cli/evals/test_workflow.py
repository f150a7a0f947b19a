"""The workflow that `trimtab init ci` writes, and the action: checked, and their steps run."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner
from tests.cli.evals.actions import EXPRESSION, parsed
from tests.cli.evals.hub import WORKFLOW, Hub
from tests.cli.evals.repository import PROMPT
from tests.docs.pages import ROOT

from trimtab.cli import program

ACTION = (ROOT / "action/action.yml").read_text()
OURS = (ROOT / ".github/workflows/ragas.yml").read_text()
TEXTS = pytest.mark.parametrize("text", [WORKFLOW, ACTION], ids=["workflow", "action"])

PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n")


def steps_of(text: str) -> list[Any]:
    read = parsed(text)
    return read["runs"]["steps"] if "runs" in read else read["jobs"]["eval"]["steps"]


@pytest.mark.parametrize(
    ("text", "schema"), [(WORKFLOW, "workflow"), (ACTION, "action"), (OURS, "workflow")]
)
def test_it_is_of_githubs_schema(text: str, schema: str) -> None:
    written = json.loads((ROOT / f"tests/data/github/{schema}.schema.json").read_text())

    faults = list(jsonschema_rs.validator_for(written).iter_errors(parsed(text)))

    assert not faults


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (WORKFLOW.replace("runs-on:", "runs_on:"), "workflow"),
        (WORKFLOW.replace("pull-requests: write", "pull-requests: all"), "workflow"),
        (ACTION.replace("using: composite", "using: composit"), "action"),
        (ACTION.replace("shell: bash", "shel: bash"), "action"),
    ],
)
def test_the_schema_knows_what_is_wrong(text: str, schema: str) -> None:
    written = json.loads((ROOT / f"tests/data/github/{schema}.schema.json").read_text())

    assert not jsonschema_rs.validator_for(written).is_valid(parsed(text))


@TEXTS
def test_no_expression_is_in_a_command(text: str) -> None:
    commands = [step["run"] for step in steps_of(text) if "run" in step]

    assert commands
    assert not [it for it in commands if "${{" in it or "secrets" in it]


@TEXTS
def test_no_expression_lost_its_braces(text: str) -> None:
    assert not re.findall(r"\$(?=[\s\"',}-]|$)", text, re.MULTILINE)
    assert text.count("${{") == len(EXPRESSION.findall(text)) > 5


@TEXTS
def test_others_actions_are_pinned_by_commit(text: str) -> None:
    assert len(PINNED.findall(text)) == text.count("uses:")


def test_every_secret_reaches_only_the_gate() -> None:
    [step] = [it for it in steps_of(WORKFLOW) if "secrets." in str(it)]

    assert step["run"].startswith("trimtab evals gate $SUITES ")
    assert WORKFLOW.count("secrets.") == 2
    assert "secrets" not in ACTION
    assert "pull_request_target" not in WORKFLOW


def test_it_has_no_more_rights_than_it_needs() -> None:
    read = parsed(WORKFLOW)

    assert read["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert read["on"] == {"pull_request": {}, "merge_group": {}}
    assert steps_of(WORKFLOW)[0]["with"]["persist-credentials"] is False


def test_init_writes_it_where_github_looks(tmp_path: Path) -> None:
    target = tmp_path / ".github/workflows/llm-eval.yml"
    first = CliRunner().invoke(program, ["init", "ci", str(tmp_path)])

    assert first.stdout.splitlines()[0] == f"wrote {target}"
    assert target.read_text() == WORKFLOW

    target.write_text("mine")
    again = CliRunner().invoke(program, ["init", "ci", str(tmp_path)])
    assert (again.exit_code, target.read_text()) == (2, "mine")
    assert "pass --force to overwrite it" in again.stderr
    assert json.loads(
        CliRunner().invoke(program, ["init", "ci", str(tmp_path), "--force", "--json"]).stdout
    ) == {"written": [str(target)]}


@pytest.fixture
def red(tmp_path: Path) -> Hub:
    return Hub(tmp_path, gate=1)


def test_a_red_gate_keeps_what_it_paid_for_and_says_why(tmp_path: Path) -> None:
    red = Hub(tmp_path, gate=1, pip=f'exec "{sys.executable}" -m pip "$@"')
    red.repository.replace(PROMPT, "[[sim: answer=$context]]", "$context")

    assert red.run() == 1
    assert (red.caches / "judge-7-1/v1/paid.json").exists()
    assert red.comments == ["VERDICT of evals/house.yaml\n"]
    assert "eval-delta" not in red.runner.ran


def test_a_green_gate_without_a_delta_is_red(tmp_path: Path) -> None:
    hub = Hub(tmp_path, gate=0)
    hub.repository.replace(PROMPT, "in its words", "as it says it")

    assert hub.run() == 1
    assert "prompt 'house' is changed, and no eval of it is reported" in hub.runner.said
    assert len(hub.comments) == 1


def test_a_change_of_nothing_that_counts_is_green_and_costs_nothing(red: Hub) -> None:
    red.repository.write("docs/x.md", "x")

    assert red.run() == 0
    assert red.comments == []
    assert not red.caches.exists()
    assert red.runner.ran[-1] == "eval-delta"


def test_verdicts_of_earlier_runs_are_there_again(red: Hub) -> None:
    (red.caches / "judge-6-1").mkdir(parents=True)
    (red.caches / "judge-6-1" / "old.json").write_text("{}")
    red.repository.replace(PROMPT, "in its words", "as it says it")

    red.run()

    assert (red.app / ".judge-cache/old.json").exists()


def test_a_merge_queue_compares_with_the_default_branch(red: Hub) -> None:
    red.runner.context["github.base_ref"] = ""
    red.repository.replace(PROMPT, "in its words", "as it says it")

    assert red.run() == 1
    assert red.comments
