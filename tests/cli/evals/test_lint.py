import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.docs.pages import ROOT, blocks
from tests.evals.suites import row, written

from trimtab.cli import program

MANY = [row(it) for it in range(60)]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(program, ["evals", "lint", *arguments])


def test_a_good_suite_is_named_with_its_hash(tmp_path: Path) -> None:
    path = written(tmp_path, "", MANY)

    result = run(str(path))

    assert result.exit_code == 0
    assert result.output.startswith(f"{path}  rag-golden  60 cases  ")


def test_warnings_are_told_and_errors_fail(tmp_path: Path) -> None:
    few = run(str(written(tmp_path, "", MANY[:2])))
    broken = run(str(written(tmp_path, "metrics: {refuses: {}}\n", MANY)))

    assert (few.exit_code, "E004 warn" in few.output) == (0, True)
    assert (broken.exit_code, "E007 error" in broken.output) == (1, True)


def test_every_fault_of_every_suite_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, "", MANY)
    (tmp_path / "bad.yaml").write_text("name: x\ncases: [a.jsonl, b.jsonl]\n")

    result = run(str(tmp_path / "bad.yaml"), str(path), "--json")

    assert result.exit_code == 1
    told = json.loads(result.output)
    assert (len(told["faults"]), told["findings"]) == (2, [])


def test_findings_are_json_for_programs(tmp_path: Path) -> None:
    told = json.loads(run(str(written(tmp_path, "", MANY[:1])), "--json").output)

    assert told["faults"] == []
    assert told["findings"][0]["rule"] == "E004"


def test_answers_in_the_prompt_are_found_in_its_file(tmp_path: Path) -> None:
    rows = [*MANY, row(60, expected="Within fourteen days of the purchase")]
    prompt = tmp_path / "rag.prompt.yaml"
    prompt.write_text("template: Say 'within fourteen days of the purchase'.\n")

    result = run(str(written(tmp_path, "", rows)), "--prompt", str(prompt))

    assert (result.exit_code, "E005 error q-60" in result.output) == (1, True)


def test_the_suite_of_the_docs_is_good_but_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    page = blocks(ROOT / "docs/how-to/write-an-eval-suite.md")
    cases, manifest, _, metrics, function, _, ragas = (it.text for it in page)
    metrics += ragas.removeprefix("metrics:\n")
    (tmp_path / "rag-golden.jsonl").write_text(cases)
    (tmp_path / "rag-golden.yaml").write_text(
        manifest.replace("metrics:\n", metrics.replace("app.metrics", "docs_metrics"))
    )
    (tmp_path / "docs_metrics.py").write_text(function)

    told = json.loads(run("rag-golden.yaml", "--json").output)

    assert told["faults"] == []
    assert [it["rule"] for it in told["findings"]] == ["E004"]
