"""Suites are run through a real gateway: what they cost, whom, and what a crash costs."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, processes_of, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CASES = 20
MANIFEST = """schema: 1
name: NAME
cases: [NAME.jsonl]
target: {prompt: rag-answer, model: MODEL}
metrics:
  exact_match: {floor: 0.5}
  cost_usd: {max: 1}
repeats: {first: 1, max: 3}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_in(tmp_path_factory.mktemp("evals")) as running:
        yield running


def suite(home: Path, name: str, model: str = "chat", cases: int = CASES) -> str:
    """Write a suite whose answers are in its questions; one in four is wrong."""
    rows = [
        {
            "id": f"q-{it}",
            "input": {
                "question": f"[[sim: answer={'No' if it % 4 == 0 else 'Yes'}]] Is {name} {it}?",
                "context": "none",
                "persona": "pilot",
            },
            "expected": "Yes",
        }
        for it in range(cases)
    ]
    (home / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = home / f"{name}.yaml"
    path.write_text(MANIFEST.replace("NAME", name).replace("MODEL", model))
    return str(path)


def called(site: Stack) -> int:
    """Count what the provider was asked."""
    return len(site.sim("bill")["lines"])


def evaluated(site: Stack, run_id: str, count: int) -> Counter[str]:
    """Wait for the records of a run, and count them by arm."""

    def arms() -> Counter[str] | None:
        rows = site.rows(
            "SELECT tags, origin, tenant_id FROM request WHERE tags LIKE ?", f"%{run_id}%"
        )
        assert {(it["origin"], it["tenant_id"]) for it in rows} <= {("eval", "trimtab-eval")}
        found = Counter(json.loads(it["tags"])["eval"].split("/")[2] for it in rows)
        return found if found.total() == count else None

    return eventually(arms, f"the {count} records of {run_id} are there")


def means(run: dict[str, Any], arm: str) -> float:
    scores = [
        it["scores"]["exact_match"]["value"]
        for it in run["samples"]
        if it["arm"] == arm and not it.get("index")
    ]
    assert len(scores) == CASES
    return sum(scores) / len(scores)


def test_a_suite_is_run_in_both_arms_and_the_baseline_is_reused(site: Stack) -> None:
    path, before = suite(site.home, "paired"), called(site)
    run = ("evals", "run", path, "--model", "chat-small")

    first = site.json(*run)
    between = called(site)
    second = site.json(*run)
    third = site.json(*run, "--no-reuse")

    assert (means(first, "candidate"), means(first, "baseline")) == (0.75, 0.75)
    assert evaluated(site, first["run_id"], 40) == {"candidate": 20, "baseline": 20}
    assert between - before == 40
    assert second["baseline"]["reused_from"] == first["run_id"]
    assert evaluated(site, second["run_id"], 20) == {"candidate": 20}
    assert evaluated(site, third["run_id"], 40) == {"candidate": 20, "baseline": 20}
    assert first["candidate"]["answered"] == ["sim/small-2026-01-15"]
    assert first["baseline"]["label"] == "production"
    assert (site.home / "evals" / f"{first['run_id']}.json").exists()


def test_nobody_but_trimtab_eval_pays_and_costs_are_those_of_the_ledger(site: Stack) -> None:
    run = site.json("evals", "run", suite(site.home, "paid"), "--baseline", "none")
    ids = [it["request_id"] for it in run["samples"]]
    marks = ",".join("?" * len(ids))

    def lines() -> list[dict[str, Any]] | None:
        found = site.rows(f"SELECT * FROM ledger WHERE request_id IN ({marks})", *ids)  # noqa: S608
        return found if len(found) == len(ids) else None

    ledger = eventually(lines, "the ledger has all lines")

    assert {it["tenant_id"] for it in ledger} == {"trimtab-eval"}
    assert sum(it["cost_nano"] for it in ledger) == run["spent"]["candidate_nano"]
    assert run["spent"]["candidate_nano"] == sum(it["cost_nano"] for it in run["samples"])


def test_the_key_of_a_run_is_good_for_the_run_alone(site: Stack) -> None:
    before = {it["id"] for it in site.json("keys", "list")["keys"]}
    run = site.json("evals", "run", suite(site.home, "keyed", cases=2), "--baseline", "none")

    keys = [it for it in site.json("keys", "list")["keys"] if it["id"] not in before]

    assert run["samples"]
    assert len(keys) == 1
    assert keys[0]["name"].startswith("evals-")
    assert all(it["status"] == "revoked" and it["expires_us"] for it in keys)
    assert {it["tenant"] for it in keys} == {"trimtab-eval"}


def test_over_its_money_it_does_not_begin_and_says_what_it_would_cost(site: Stack) -> None:
    path, before = suite(site.home, "dear"), called(site)

    done = site.run("evals", "run", path, "--max-usd", "0.0001", check=False)

    assert done.returncode == 3
    assert "may cost $0.0001; raise `gate.max_usd` or --max-usd" in done.stderr
    assert called(site) == before


def test_the_estimate_is_near_where_the_suite_ran_before(site: Stack) -> None:
    path = suite(site.home, "foretold")
    _ = site.run("evals", "run", path, "--baseline", "none")

    done = site.run("evals", "run", path, "--baseline", "none")

    told = float(done.stderr.split("answers $")[1].split()[0])
    paid = float(done.stdout.split("answers $")[1].split()[0])
    assert abs(told - paid) <= 0.2 * paid


def test_killed_again_and_again_the_provider_is_asked_no_more_than_without(site: Stack) -> None:
    chance = random.Random(7)  # noqa: S311
    path, before = suite(site.home, "killed", "chat!slow_headers:0.25"), called(site)
    arguments = [
        "evals",
        "run",
        path,
        "--model",
        "chat-small!slow_headers:0.25",
        "--concurrency",
        "4",
    ]
    run_id = ""

    for _ in range(3):
        run_id = killed(site, arguments, run_id, after_s=chance.uniform(0, 0.15))
        arguments = ["evals", "run", "--resume", run_id]
    run = site.json("evals", "run", "--resume", run_id)

    assert called(site) - before == 2 * CASES
    assert (run["run_id"], len(run["samples"])) == (run_id, 2 * CASES)
    assert (means(run, "candidate"), means(run, "baseline")) == (0.75, 0.75)
    assert not (site.home / "evals" / f"{run_id}.jsonl").exists()


def test_interrupted_it_keeps_what_it_has_and_says_how_to_go_on(site: Stack) -> None:
    path = suite(site.home, "interrupted", "chat!slow_headers:0.2")
    arguments = ["evals", "run", path, "--baseline", "none", "--concurrency", "2"]

    process = started(site, arguments)
    journal = eventually(lambda: newest(site, before=""), "the run began")
    eventually(lambda: journal.read_text().count('"answer"') > 1, "answers come")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)

    assert process.returncode == 3
    assert f"go on with `trimtab evals run --resume {journal.stem}`" in said
    run = site.json("evals", "run", "--resume", journal.stem)
    assert len(run["samples"]) == CASES
    assert "stopped" not in run


def test_without_a_gateway_one_is_started_for_the_run_and_stopped(tmp_path: Path) -> None:
    lonely = Stack(tmp_path, 0, 0)
    path = suite(tmp_path, "lonely", cases=3)

    done = lonely.run("evals", "run", path, "--json")

    run = json.loads(done.stdout)
    assert [it["text"] for it in run["samples"]] == ["No", "Yes", "Yes"]
    assert run["candidate"]["name"] == "rag-answer@3.2.0"
    assert "there is no baseline" in done.stderr
    assert processes_of(tmp_path) == {}


def test_a_prompt_file_is_published_and_compared_with_production(site: Stack) -> None:
    file = site.home / "rag-answer.prompt.yaml"
    file.write_text(
        "schema: 1\nname: rag-answer\nversion: 4.0.0\n"
        "description: Answers.\nowner: search-team\n"
        "template: |\n  As a $persona, with $context: $question\n"
        "variables:\n  question: {type: string, x-trust: user}\n"
        "  context: {type: string, x-trust: retrieved}\n  persona: {type: string}\n"
    )
    path = suite(site.home, "published", cases=3)

    run = site.json("evals", "run", path, "--prompt", str(file))

    assert (run["candidate"]["name"], run["baseline"]["name"]) == (
        "rag-answer@4.0.0",
        "rag-answer@3.2.0",
    )
    assert {it["scores"]["exact_match"]["status"] for it in run["samples"]} == {"scored"}


def test_a_function_of_the_application_calls_through_the_gateway_of_the_run(site: Stack) -> None:
    (site.home / "e2e_app.py").write_text(
        "from openai import OpenAI\nfrom trimtab.sdk import evaluation\n"
        "def answer(question, context, persona, prompt_version):\n"
        "    run = evaluation()\n"
        "    client = OpenAI(base_url=run.url + '/v1', api_key=run.key)\n"
        "    said = client.chat.completions.create(model='chat', extra_headers=run.headers,\n"
        "        messages=[{'role': 'user', 'content': question}])\n"
        "    return {'text': said.choices[0].message.content, 'retrieved': [context]}\n"
    )
    path = Path(suite(site.home, "applied", cases=4))
    path.write_text(
        path.read_text().replace("{prompt: rag-answer, model: chat}", "{python: 'e2e_app:answer'}")
    )

    run = site.json("evals", "run", str(path))

    assert [(it["text"], it["retrieved"]) for it in run["samples"]] == [
        ("No", ["none"]),
        *[("Yes", ["none"])] * 3,
    ]
    assert evaluated(site, run["run_id"], 4) == {"candidate": 4}


def test_a_named_gateway_needs_a_key_and_prompts_that_are_published_there(
    site: Stack, tmp_path: Path
) -> None:
    path = suite(site.home, "remote", cases=2)
    made = site.json("keys", "create", "--tenant", "trimtab-eval", "--name", "ci", "--may", "evals")
    far = Stack(tmp_path, 0, 0)
    run = ["evals", "run", path, "--gateway", site.url]
    file = tmp_path / "new.prompt.yaml"
    file.write_text("schema: 1\nname: rag-answer\nversion: 9.9.9\ntemplate: hi\n")

    without = far.run(*run, check=False)
    with_key = subprocess.run(
        [sys.executable, "-m", "trimtab", *run, "--candidate", "rag-answer@3.2.0", "--json"],
        env={**far.environ, "TRIMTAB_API_KEY": made["key"]},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    unpublished = subprocess.run(
        [sys.executable, "-m", "trimtab", *run, "--prompt", str(file)],
        env={**far.environ, "TRIMTAB_API_KEY": made["key"]},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert (without.returncode, "TRIMTAB_API_KEY is not set" in without.stderr) == (2, True)
    assert [it["text"] for it in json.loads(with_key.stdout)["samples"]] == ["No", "Yes"]
    assert unpublished.returncode == 2
    assert f"'rag-answer@9.9.9' is not published at '{site.url}'" in unpublished.stderr


def started(site: Stack, arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "trimtab", *arguments],
        env=site.environ,
        cwd=site.home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(site: Stack, arguments: list[str], run_id: str, after_s: float) -> str:
    """Begin a run, or go on with it, kill it once it wrote something, and give its id."""
    process = started(site, arguments)
    journal = eventually(lambda: newest(site, before=run_id), "the run began")
    grown = journal.stat().st_size
    eventually(lambda: journal.stat().st_size > grown, "it goes on")
    time.sleep(after_s)
    process.kill()
    _ = process.communicate()
    return journal.stem


def newest(site: Stack, *, before: str) -> Path | None:
    """Find the journal of the run that goes on."""
    found = sorted((site.home / "evals").glob(f"{before or 'ev_*'}.jsonl"))
    return found[-1] if found and found[-1].stat().st_size else None
