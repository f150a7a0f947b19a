"""Samples of live traffic are judged behind it: what is found, who pays, and when it stops."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, stack_of

from trimtab.settings import DEMO

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CALLS = 40
ONLINE = """
evals:
  online:
    rate: 100%
    max_usd: MOST
    judge: {model: chat-frozen}
    metrics:
      refuses: {expected: false}
      declines: {metric: refuses, expected: true}
"""
FEATURE = "online-judge"
METRICS = {"refuses", "declines"}
"""Both ask the judge the same, so that each request costs one call."""


def config(most_usd: str) -> str:
    """The demo, with an online judge and two tenants that are not judged."""
    text = DEMO.read_text().replace("127.0.0.1:9000", "127.0.0.1:PORT")
    text = text.replace(
        "  hobby: {tier: free}\n",
        "  hobby: {tier: free, judge: never}\n  shy: {tier: enterprise, content: none}\n",
    )
    return text + ONLINE.replace("MOST", most_usd)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_of(tmp_path_factory.mktemp("online"), config("5")) as running:
        yield running


def asked(site: Stack, key: str, count: int, model: str = "chat") -> list[str]:
    """Ask questions; give the ids of the requests."""
    ids = list[str]()
    for it in range(count):
        body = {"model": model, "messages": [{"role": "user", "content": f"What of {it}?"}]}
        status, told, _ = site.post("/v1/chat/completions", json.dumps(body).encode(), key)
        assert status == 200
        ids.append(told["x-trimtab-request-id"])
    return ids


def annotations(site: Stack) -> list[dict[str, Any]]:
    return site.rows("SELECT * FROM annotation ORDER BY request_id, name")


def spent(site: Stack) -> list[dict[str, Any]]:
    """Read what judging cost, line by line."""
    return site.rows("SELECT * FROM ledger WHERE feature = ?", FEATURE)


@pytest.fixture(scope="module")
def judged(site: Stack) -> list[str]:
    """Calls of three tenants, of which one is judged; all of its calls were."""
    acme, hobby, shy = (site.key(it) for it in ("acme", "hobby", "shy"))
    asked(site, hobby, 3, "chat-small")
    asked(site, shy, 3)
    ids = asked(site, acme, CALLS)
    eventually(
        lambda: len(annotations(site)) >= len(METRICS) * CALLS,
        "all are judged",
        60,
    )
    return ids


def test_who_may_be_judged_is_and_nobody_else(site: Stack, judged: list[str]) -> None:
    found = annotations(site)

    assert Counter(it["request_id"] for it in found) == dict.fromkeys(judged, len(METRICS))
    assert {it["name"] for it in found} == METRICS
    assert {it["tenant_id"] for it in found} == {"acme"}
    assert {(it["kind"], it["source"]) for it in found} == {("evaluation", "judge")}
    assert {it["probability"] for it in found} == {1.0}
    assert {it["author"] for it in found} == {"sim/large-2026-01-15"}
    assert all(0 <= it["score"] <= 1 for it in found)


def test_trace_and_console_show_what_the_judge_said(site: Stack, judged: list[str]) -> None:
    told = site.json("trace", judged[0])
    text = site.run("trace", judged[0], "--content").stdout

    assert {it["name"] for it in told["annotations"]} == METRICS
    assert re.search(
        r"^evaluation  refuses  \S+  \S+  by judge sim/large-2026-01-15", text, re.MULTILINE
    )
    assert re.search(r"^why refuses\n(?!\(not kept\)).", text, re.MULTILINE)


def test_judging_is_paid_by_trimtab_eval_and_is_on_no_tenants_bill(
    site: Stack, judged: list[str]
) -> None:
    lines = spent(site)

    assert len(lines) == CALLS
    assert {(it["tenant_id"], it["origin"]) for it in lines} == {("trimtab-eval", "judge")}
    assert sum(it["cost_nano"] for it in lines) > 0
    of_acme = site.rows("SELECT * FROM ledger WHERE tenant_id = 'acme'")
    assert {it["request_id"] for it in of_acme} == set(judged)
    assert {it["origin"] for it in of_acme} == {"live"}


def test_what_the_judge_asks_is_not_judged_itself(site: Stack, judged: list[str]) -> None:
    rows = site.rows("SELECT request_id FROM request WHERE origin = 'judge'")

    assert len(rows) >= len(judged)
    assert not {it["request_id"] for it in rows} & {it["request_id"] for it in annotations(site)}


def test_every_look_of_the_judge_is_in_the_audit(site: Stack, judged: list[str]) -> None:
    told = site.run("audit", "list", "--limit", "200", "--json").stdout

    looks = [it for it in json.loads(told)["readings"] if it["author"] == "online judge"]
    assert len({it["request_id"] for it in looks} & set(judged)) == CALLS


def test_its_key_is_revoked_when_the_keeper_stops(tmp_path: Path) -> None:
    with stack_of(tmp_path, config("5")) as site:
        asked(site, site.key(), 1)
        eventually(lambda: annotations(site), "one is judged")
        before = keys_of_evals(site)

        site.stop()

        assert [it["status"] for it in before] == ["active"]
        assert [it["status"] for it in keys_of_evals(site)] == ["revoked"]


def keys_of_evals(site: Stack) -> list[dict[str, Any]]:
    told = json.loads(site.run("keys", "list", "--json").stdout)
    return [it for it in told["keys"] if it["name"].startswith("evals-online-")]


def test_judging_stops_when_it_cost_what_it_may_on_a_day(tmp_path: Path) -> None:
    with stack_of(tmp_path, config("0.001")) as site:
        asked(site, site.key(), CALLS)
        eventually(lambda: "has cost what it may today" in site.log(), site.log(), 60)
        eventually(
            lambda: sum(it["cost_nano"] for it in spent(site)) >= 1_000_000, "all are recorded"
        )
        first = spent(site)

        asked(site, site.key(), 5)
        site.stop()
        site.start()
        asked(site, site.key(), 5)
        eventually(
            lambda: site.log().count("has cost what it may today") == 2,
            "after a start it knows what was spent\n" + site.log(),
        )

        costs = [it["cost_nano"] for it in first]
        assert 0 < len(annotations(site)) < CALLS
        assert 1_000_000 <= sum(costs) <= 1_000_000 + 4 * max(costs)
        assert spent(site) == first
