"""A suite with judged metrics, run through a real gateway: nothing is asked twice."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CASES = 12
MANIFEST = """schema: 1
name: judged
cases: [judged.jsonl]
target: {prompt: rag-answer, model: chat}
judge: {model: JUDGE, embeddings: embed}
metrics:
  refuses: {floor: 0.0}
  embedding_similarity: {floor: 0.0}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_in(tmp_path_factory.mktemp("judged")) as running:
        yield running


def suite(home: Path, judge: str) -> str:
    rows = [
        {
            "id": f"q-{it}",
            "input": {"question": f"What of {it}?", "context": "none", "persona": "pilot"},
            "expected": "Harbour",
            "checks": {"refuses": it % 2 == 0},
        }
        for it in range(CASES)
    ]
    (home / "judged.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = home / "judged.yaml"
    path.write_text(MANIFEST.replace("JUDGE", judge))
    return str(path)


def ran(site: Stack, path: str) -> dict[str, Any]:
    return site.json("evals", "run", path, "--baseline", "none")


OF_THIS_RUN = ("run_id", "spent")
OF_THIS_CALL = ("request_id", "latency_s", "cost_nano")


def without_times(run: dict[str, Any]) -> dict[str, Any]:
    """What must be the same whenever nothing changed."""
    samples = [
        {name: it for name, it in sample.items() if name not in OF_THIS_CALL}
        for sample in run["samples"]
    ]
    kept = {name: it for name, it in run.items() if name not in OF_THIS_RUN}
    return kept | {"samples": sorted(samples, key=lambda it: it["case"])}


def test_a_second_run_asks_no_judge_and_says_the_same(site: Stack) -> None:
    path = suite(site.home, "chat-frozen")

    first, second = ran(site, path), ran(site, path)

    statuses = Counter(
        (name, it["status"]) for sample in first["samples"] for name, it in sample["scores"].items()
    )
    assert statuses == {("refuses", "scored"): CASES, ("embedding_similarity", "scored"): CASES}
    assert first["judge"]["resolved"] == "sim/large-2026-01-15"
    assert first["spent"]["judge_calls"] >= CASES
    assert second["spent"].get("judge_calls", 0) == 0
    assert second["spent"]["judge_remembered"] >= CASES
    assert without_times(first) == without_times(second)
    assert site.run("evals", "cache", "verify").returncode == 0


def test_a_judge_is_paid_by_trimtab_eval_and_its_calls_say_what_they_judge(site: Stack) -> None:
    run = ran(site, suite(site.home, "chat-small"))

    def judged() -> list[dict[str, Any]] | None:
        rows = site.rows(
            "SELECT tags, origin, tenant_id FROM request WHERE tags LIKE ? AND origin = 'judge'",
            f"%{run['run_id']}%",
        )
        return rows if len(rows) == run["spent"]["judge_calls"] else None

    rows = eventually(judged, "all calls of the judge are recorded")

    assert {it["tenant_id"] for it in rows} == {"trimtab-eval"}
    places = Counter(json.loads(it["tags"])["eval"].split("/")[1] for it in rows)
    assert (places["probe"], places["q-3"] > 0) == (1, True)
    assert any("'chat-small' is no freezer" in it for it in run["warnings"])
