"""A suite is run through a real gateway and judged; its verdict is evidence of the prompt."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MANIFEST = """schema: 1
name: gated
cases: [gated.jsonl]
target: {prompt: rag-answer, model: chat}
metrics:
  exact_match: {floor: FLOOR}
gate: {max_mde: 0.9}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_in(tmp_path_factory.mktemp("evals")) as running:
        yield running


def suite(home: Path, floor: float) -> str:
    """Write a suite whose answers are in its questions; one in four is wrong."""
    rows = [
        {
            "id": f"q-{it}",
            "input": {
                "question": f"[[sim: answer={'No' if it % 4 == 0 else 'Yes'}]] Is it {it}?",
                "context": "none",
                "persona": "pilot",
            },
            "expected": "Yes",
        }
        for it in range(20)
    ]
    (home / "gated.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = home / "gated.yaml"
    path.write_text(MANIFEST.replace("FLOOR", str(floor)))
    return str(path)


def test_a_suite_is_run_and_judged_and_the_verdict_is_evidence(site: Stack) -> None:
    outputs = ("--summary", str(site.home / "s.md"), "--html", str(site.home / "e.html"))

    passed = site.run("evals", "gate", suite(site.home, 0.5), *outputs)
    failed = site.run("evals", "gate", suite(site.home, 0.8), *outputs, check=False)

    assert "VERDICT PASS" in passed.stdout
    assert "evidence: PASS of rag-answer@" in passed.stdout
    assert (failed.returncode, "VERDICT FAIL (exact_match)" in failed.stdout) == (1, True)
    assert "FAIL floor" in failed.stdout
    assert (site.home / "s.md").read_text().startswith("## FAIL `gated`")
    listed = site.json("evals", "list")["runs"]
    assert [it["verdict"] for it in listed] == ["FAIL", "PASS"]
    shown = site.run("evals", "show", listed[0]["run_id"], "q-0", "--judge", "exact_match").stdout
    assert "exact_match 0" in shown
    compared = site.run("evals", "compare", listed[1]["run_id"], listed[0]["run_id"]).stdout
    assert "no case differs in any metric" in compared


def test_a_suite_that_cannot_be_run_leaves_a_comment(site: Stack) -> None:
    (site.home / "bad.yaml").write_text("name: 7")

    done = site.run(
        *("evals", "gate", str(site.home / "bad.yaml"), "--summary", str(site.home / "s.md")),
        check=False,
    )

    assert done.returncode == 2
    assert (site.home / "s.md").read_text().startswith("## COULD NOT RUN")
