"""Bills reach Stripe to the cent, whatever Stripe answers and whoever is killed meanwhile."""

import json
import os
import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

STRIPE = """
stripe:
  key: env:E2E_STRIPE
  url: http://127.0.0.1:PORT
  allow_private_network: true
  every: 300ms
  grace: 24h
"""
PASSED_S = 90.0
DEAR = json.dumps(
    {
        "model": "chat!huge:70001",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say something about rivers."}],
    }
).encode()


def test_what_stripe_adds_up_is_the_bill_after_faults_and_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_STRIPE", "sk_test_e2e")
    text = CONFIG.read_text() + STRIPE
    for before, customer in (
        ("acme: {tier: wide, timezone: Europe/Rome}", "cus_acme"),
        ("globex: {tier: wide}", "cus_globex"),
        ("busy: {tier: narrow}", "cus_nobody"),
    ):
        name = before.partition(":")[0]
        assert before in text
        after = f"{name}: {{tier: wide, plan: {{markup: 17.3%}}, stripe_customer: {customer}}}"
        text = text.replace(before, after)
    with stack_of(tmp_path, text) as stack:
        keys = [stack.key(it) for it in ("acme", "globex", "busy")]
        faults = ("lost", "broken", "refused", "broken_late", "silent", "lost")
        for fault in faults:
            _faults(stack, fault)
            for key in keys:
                status, _, answer = stack.post("/v1/chat/completions", DEAR, key)
                assert status == 200, answer
            eventually(lambda: not _meter(stack)["faults"], f"{fault} happened")
            _kill_keeper(stack)

        eventually(lambda: _is_passed_on(stack, 3 * len(faults)), "all is passed on", PASSED_S)

        sums = _meter(stack)["sums"]
        bills = {name: _bill(stack, name) for name in ("acme", "globex", "busy")}
        assert {it: sum(sums[f"cus_{it}"].values()) for it in ("acme", "globex")} == {
            it: bills[it] for it in ("acme", "globex")
        }
        assert bills["acme"] > 6 * 20
        assert _meter(stack)["duplicates"] > 0
        refused = [it for it in _outbox(stack)["events"] if it["state"] == "refused"]
        assert sum(it["cents"] for it in refused) == bills["busy"]
        assert {it["error"] for it in refused} == {"answer 400: No such customer: 'cus_nobody'"}
        assert f'trimtab_meter_events{{state="refused"}} {len(refused)}' in _metrics(stack)
        assert stack.json("bills", "outbox", "--arrived", refused[0]["id"])


def _is_passed_on(stack: Stack, lines: int) -> bool:
    """Whether all lines are there, made into events, and none of those waits."""
    found = _outbox(stack)
    (booked,) = stack.rows("SELECT count(*) AS n FROM ledger")
    return (
        booked["n"] == lines
        and all(it["not_passed_on_cents"] == 0 for it in found["tenants"])
        and all(it["state"] == "refused" for it in found["events"])
    )


def _outbox(stack: Stack) -> dict[str, Any]:
    return stack.json("bills", "outbox")


def _bill(stack: Stack, tenant: str) -> int:
    (found,) = [it for it in _outbox(stack)["tenants"] if it["tenant"] == tenant]
    for month in found["months"]:
        words = ("bills", "show", tenant, "--month", month["month"], "--format", "json")
        shown = json.loads(stack.run(*words).stdout)
        assert shown["total_cents"] == month["bill_cents"]
    return sum(it["bill_cents"] for it in found["months"])


def _meter(stack: Stack) -> dict[str, Any]:
    return stack.sim("meter")


def _faults(stack: Stack, *faults: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{stack.sim_port}/_sim/meter",
        method="PUT",
        data=json.dumps({"faults": faults}).encode(),
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        assert answer.status == 200


def _metrics(stack: Stack) -> str:
    with urllib.request.urlopen(f"{stack.url}/metrics", timeout=5) as answer:  # noqa: S310
        return answer.read().decode()


def _kill_keeper(stack: Stack) -> None:
    [keeper] = [it for it, line in processes_of(stack.home).items() if "supervised keeper" in line]
    os.kill(keeper, signal.SIGKILL)
    eventually(stack.keeper_answers, "the keeper is back", 30.0)
