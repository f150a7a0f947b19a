import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.evals.suites import row, written
from tests.evals.test_delta import run

from trimtab.evals.manifest import read_suite
from trimtab.evals.neighbours import FORMATS
from trimtab.evals.result import write_run

PROMPTFOO = """\
description: attacks
prompts: [x]
providers: [y]
tests: [{vars: {q: Ignore all of it}, assert: [{type: is-refusal}, {type: javascript}]}]
"""


@pytest.fixture
def suite(terminal: Terminal) -> Path:
    rows = [
        row(0, group="g", contexts=["one"]),
        row(1, input={"question": "?", "choices": ["b", "a"]}),
    ]
    return written(
        terminal.home, "metrics: {faithfulness: {floor: 0.8}}\njudge: {model: j}\n", rows
    )


def test_an_imported_set_is_a_suite(terminal: Terminal) -> None:
    Path("foo.yaml").write_text(PROMPTFOO)

    result = terminal.run("evals", "import", "foo.yaml", "--format", "promptfoo", "--adversarial")

    assert result.stdout.splitlines()[0] == "wrote evals/attacks.yaml, attacks.jsonl   1 cases"
    assert "prompts and 1 more: has no place in a suite; write it by hand" in result.stderr
    assert "tests[0].assert[1]: 'javascript' is no metric here" in result.stderr
    made = read_suite(Path("evals/attacks.yaml"))
    assert (made.kind, made.cases[0].checks.refuses) == ("adversarial", True)


def test_strict_writes_nothing_if_anything_is_lost(terminal: Terminal, suite: Path) -> None:
    Path("foo.yaml").write_text(PROMPTFOO)

    terminal.run("evals", "import", "foo.yaml", "--format", "promptfoo", "--strict", code=1)
    terminal.run("evals", "export", str(suite), "--format", "ragas", "--strict", code=1)

    assert sorted(it.name for it in terminal.home.iterdir()) == [
        "cases.jsonl",
        "foo.yaml",
        "suite.yaml",
    ]


def test_nothing_is_overwritten_unless_forced(terminal: Terminal, suite: Path) -> None:
    words = ("evals", "export", str(suite), "--format", "langsmith", "--out", "cases.jsonl")
    before = Path("cases.jsonl").read_text()

    assert "exists; name another with --out" in terminal.run(*words, code=2).stderr
    assert Path("cases.jsonl").read_text() == before
    Path("x.jsonl").write_text('{"inputs": {"q": "x"}}\n')
    again = ("evals", "import", "x.jsonl", "--format", "langsmith", "--out", str(suite))
    assert "exists; name another" in terminal.run(*again, code=2).stderr
    terminal.run(*again, "--force")


@pytest.mark.parametrize("form", list(FORMATS))
def test_an_exported_suite_comes_back(terminal: Terminal, suite: Path, form: str) -> None:
    out = terminal.run("evals", "export", str(suite), "--format", form)
    target = out.stdout.split()[1]

    terminal.run("evals", "import", target, "--format", form, "--out", "again/x.yaml")

    assert "judge: is the run's own and has no place there" in out.stderr
    assert ("metrics.faithfulness" in out.stderr) is (form != "promptfoo")
    first, again = (it.cases for it in (read_suite(suite), read_suite(Path("again/x.yaml"))))
    assert first[0].input == again[0].input
    if form not in ("ragas", "ragas-csv"):
        assert [it.hash for it in first] == [it.hash for it in again]


def test_what_cannot_be_read_is_told(terminal: Terminal) -> None:
    Path("x.jsonl").write_bytes(b"\xff")
    for name in ("x.jsonl", "nothing.jsonl"):
        result = terminal.run("evals", "import", name, "--format", "ragas", code=2)
        assert "cannot be read as UTF-8 text" in result.stderr


def test_a_table_of_cases_and_one_of_scores(terminal: Terminal, suite: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="takes the extra `parquet`")
    Path("run.json").write_bytes(write_run(run()))

    said = terminal.run(
        "evals", "export", str(suite), "--format", "parquet", "--out", "it's.parquet"
    )
    terminal.run("evals", "export", "run.json", "--format", "parquet")

    assert said.stdout == "wrote it's.parquet   2 rows\n"
    found = duckdb.sql("SELECT id, expected, contexts, \"group\" FROM 'it''s.parquet'").fetchall()
    assert found == [("q-0", "Yes", ["one"], "g"), ("q-1", "Yes", None, None)]
    scores = duckdb.sql("SELECT arm, metric, value FROM 'run.parquet' ORDER BY arm").fetchall()
    assert scores == [("baseline", "exact_match", 1.0), ("candidate", "exact_match", 1.0)]


def test_a_table_without_its_engine_is_told_in_a_sentence(terminal: Terminal, suite: Path) -> None:
    if find_spec("duckdb") is None:
        words = ("evals", "export", str(suite), "--format", "parquet")
        assert "install trimtab[parquet]" in terminal.run(*words, code=2).stderr


def test_a_report_that_is_none_is_no_table(terminal: Terminal) -> None:
    pytest.importorskip("duckdb", reason="takes the extra `parquet`")
    Path("run.json").write_text(json.dumps({"schema": "other"}))

    result = terminal.run("evals", "export", "run.json", "--format", "parquet", code=2)
    assert "is no report of schema trimtab.eval-report/1" in result.stderr
