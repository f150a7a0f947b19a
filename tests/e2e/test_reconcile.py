"""Traffic on both wires, then the bill: equal to the nano-dollar, and every fault has its class."""

import asyncio
import json
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import Stack, eventually, free_port
from tests.e2e.mixed_stack import settled

from trimtab import wiring
from trimtab.cost.reconcile.report import Class, Report
from trimtab.providers.http1 import Http1Transport
from trimtab.testing import FrozenClock
from trimtab.wiring.pricing import lists_in_force
from trimtab.wiring.reconcile import listed, reconciliation

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("reconcile")]

FILE = Path(__file__).with_name("reconcile.yaml")
SECRETS = {
    "E2E_ONE_KEY": "apps:one",
    "E2E_TWO_KEY": "apps:two",
    "E2E_ONE_ADMIN": "sk-admin-e2e",
    "E2E_TWO_ADMIN": "sk-ant-admin-e2e",
}
DAY_S = 86_400
HUGE = 200_000
CACHED = [{"type": "text", "text": "word " * 3_000, "cache_control": {"type": "ephemeral"}}]


class BilledStack(Stack):
    """A stack whose providers send bills, and a key of its tenant."""

    made_key = ""
    day = ""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **SECRETS}

    def ask(self, path: str, **body: object) -> None:
        status, _, answer = self.post(
            path, json.dumps(body).encode(), self.made_key, {"anthropic-version": "2023-06-01"}
        )
        assert status == 200, answer

    def call_past_the_gateway(self, key: str, tokens: int) -> None:
        """Call the provider itself."""
        body = {
            "model": f"large!huge:{tokens}",
            "messages": [{"role": "user", "content": "Hi"}],
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.sim_port}/v1/chat/completions",
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            assert answer.status == 200
            answer.read()

    def faults(self, *rules: str) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.sim_port}/_sim/faults",
            method="PUT",
            data=json.dumps({"faults": rules}).encode(),
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            assert answer.status == 200

    def compare(self, days_later: float = 0) -> Report:
        """Compare the day of the traffic as somebody would so many days later."""

        async def go() -> Report:
            settings = wiring.load_settings(self.home / "trimtab.yaml")
            snapshot = await wiring.control(self.home).snapshot()
            now_us = wiring.SystemClock().now_us() + round(days_later * DAY_S * 1e6)
            transport, prices = Http1Transport(), lists_in_force(snapshot).prices
            job = reconciliation(
                self.home,
                settings,
                listed(lambda: snapshot, lambda: prices),
                FrozenClock(now_us),
                transport,
                sleep=lambda _: asyncio.sleep(0),
            )
            try:
                return await job.compare([self.day])
            finally:
                transport.close()

        return asyncio.run(go())

    def reconcile(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Run the command for the day of the traffic."""
        config = str(self.home / "trimtab.yaml")
        done = self.run(
            "reconcile", "--day", self.day, "--config", config, "--json", *options, check=False
        )
        assert not done.stderr
        return done.returncode, json.loads(done.stdout)


@contextmanager
def billed_stack(home: Path) -> Generator[BilledStack]:
    """Run a stack with a day of traffic, and stop it at the end."""
    stack = BilledStack(home, free_port(), free_port())
    file = home / "trimtab.yaml"
    file.write_text(FILE.read_text().replace("PORT", str(stack.sim_port)))
    stack.options = ["--config", str(file)]
    try:
        stack.start()
        stack.made_key = stack.key()
        left_s = DAY_S - datetime.now(UTC).timestamp() % DAY_S
        # Calls and their bill must be of one day.
        eventually(
            lambda: DAY_S - datetime.now(UTC).timestamp() % DAY_S > 60,
            "midnight",
            left_s + 61 if left_s < 60 else 1,
        )
        stack.day = datetime.now(UTC).date().isoformat()
        traffic(stack)
        eventually(lambda: settled(stack), "everything is recorded")
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BilledStack]:
    with billed_stack(tmp_path_factory.mktemp("billed")) as stack:
        yield stack


@pytest.fixture
def stack(running: BilledStack, monkeypatch: pytest.MonkeyPatch) -> BilledStack:
    """The same stack without faults."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    running.faults()
    return running


def traffic(stack: BilledStack) -> None:
    hello = [{"role": "user", "content": "Say something about rivers."}]
    for wire, path in (("one", "/v1/chat/completions"), ("two", "/v1/messages")):
        for model in (f"{wire}-large", f"{wire}-small"):
            stack.ask(path, model=f"{model}!huge:{HUGE}", messages=hello, max_tokens=HUGE)
            for stream in (True, False):
                stack.ask(path, model=model, messages=hello, max_tokens=100, stream=stream)
    for _ in range(2):
        messages = [{"role": "user", "content": CACHED}]
        stack.ask("/v1/messages", model="two-large", messages=messages, max_tokens=50)
        stack.ask("/v1/messages", model="two-small", messages=messages, max_tokens=50)
    stack.ask("/v1/embeddings", model="embed", input=["a river", "a lake"])


def kinds(report: Report) -> set[Class]:
    return {it.kind for it in report.findings}


def test_a_clean_day_matches_to_the_nano_dollar(stack: BilledStack) -> None:
    code, told = stack.reconcile()

    findings = told["findings"]
    assert (code, {it["kind"] for it in findings}) == (0, {"match"})
    assert {(it["provider"], it["account"], it["model"]) for it in findings} == {
        *(("one", "proj_apps", it) for it in ("large", "small", "embed")),
        *(("two", "wrkspc_apps", it) for it in ("large", "small")),
    }
    ours, theirs = (sum(it[f"{side}_nano"] for it in findings) for side in ("ours", "theirs"))
    billed = sum(it["cost_nano"] for it in stack.sim("bill")["lines"])
    assert ours == theirs == billed > 6 * 10**9
    large = next(it for it in findings if (it["provider"], it["model"]) == ("two", "large"))
    assert large["ours_tokens"]["cache_write_5m"] > 0
    assert large["ours_tokens"] == large["theirs_tokens"]


@pytest.mark.parametrize(
    ("rules", "later", "expected"),
    [
        pytest.param(["bill_late:6"], 0, Class.LATE, id="late rows"),
        pytest.param(["bill_revised"], 1, Class.LATE, id="revised buckets"),
        pytest.param(["bill_dropped:large"], 1, Class.LATE, id="young rows missing"),
        pytest.param(["bill_dropped:large"], 5, Class.MISSING_THEIRS, id="dropped rows"),
        pytest.param(["bill_outside"], 1, Class.EXTERNAL_TRAFFIC, id="calls outside"),
        pytest.param(["bill_price:0.5"], 1, Class.PRICE_DRIFT, id="price lowered"),
        pytest.param(["bill_price:2"], 5, Class.PRICE_DRIFT, id="price raised"),
        pytest.param(["bill_cents"], 1, Class.UNIT_OR_CURRENCY, id="cents for dollars"),
        pytest.param(["bill_string"], 1, Class.UNIT_OR_CURRENCY, id="string for float"),
        pytest.param(["bill_alias"], 1, Class.MODEL_ALIAS, id="alias"),
        pytest.param(["bill_cut"], 1, Class.FETCH_INCOMPLETE, id="page cut"),
        pytest.param(["bill_twice"], 1, Class.FETCH_INCOMPLETE, id="duplicated page"),
        pytest.param(["bill_gap"], 5, Class.FETCH_INCOMPLETE, id="missing bucket"),
        pytest.param(["bill_empty"], 1, Class.FETCH_INCOMPLETE, id="empty buckets"),
        pytest.param(["bill_refused:99"], 1, Class.FETCH_INCOMPLETE, id="429 for ever"),
    ],
)
def test_each_fault_has_its_class(
    stack: BilledStack, rules: list[str], later: float, expected: Class
) -> None:
    stack.faults(*rules)

    report = stack.compare(later)

    assert {it.provider for it in report.findings if it.kind is expected} == {"one", "two"}
    assert kinds(report) <= {expected, Class.MATCH, Class.ROUNDING}
    assert all(it.evidence for it in report.findings if it.kind is expected)


def test_buckets_in_local_time_are_a_boundary_between_days(stack: BilledStack) -> None:
    hour = datetime.now(UTC).hour
    stack.faults(f"bill_local_time:{14 if hour >= 10 else -12 if hour < 12 else 0}")

    assert kinds(stack.compare(1)) <= {Class.DAY_BOUNDARY, Class.ROUNDING}
    assert Class.DAY_BOUNDARY in kinds(stack.compare(1))


def test_revised_buckets_and_a_429_pass(stack: BilledStack) -> None:
    stack.faults("bill_revised!bill_refused:3")

    assert Class.LATE in kinds(stack.compare(1))
    assert kinds(stack.compare(1)) == {Class.MATCH}


def test_the_price_that_the_provider_takes_is_told(stack: BilledStack) -> None:
    stack.faults("bill_price:0.5")

    report = stack.compare(1)

    large = next(it for it in report.findings if (it.provider, it.model) == ("one", "large"))
    told = {it.token_class: (it.implied, it.listed) for it in large.prices}
    assert told["output"] == ("7.50", "15.00")
    assert large.evidence.startswith("large input implied 1.50, list says 3.00")


def test_a_rotated_admin_key_compares_nothing(
    stack: BilledStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("E2E_ONE_ADMIN", "sk-rotated")

    report = stack.compare(1)

    (one,) = [it for it in report.findings if it.provider == "one"]
    assert (one.kind, one.ours_nano) == (Class.FETCH_INCOMPLETE, 0)
    assert "admin key is refused (401)" in one.evidence
    assert {it.kind for it in report.findings if it.provider == "two"} == {Class.MATCH}


def test_the_command_says_what_could_not_be_fetched(stack: BilledStack) -> None:
    stack.faults("bill_cut")
    config = str(stack.home / "trimtab.yaml")

    done = stack.run("reconcile", "--day", stack.day, "--config", config, check=False)

    assert done.returncode == 4
    assert "the pages are cut off" in done.stdout
    assert "Exit 4" in done.stdout


def test_what_the_gateway_never_saw_is_booked_when_a_person_accepts_it(tmp_path: Path) -> None:
    with billed_stack(tmp_path) as stack:
        check_booking(stack)


def check_booking(stack: BilledStack) -> None:
    stack.call_past_the_gateway("apps:one", HUGE)
    stack.call_past_the_gateway("apps:somebody", HUGE)

    code, told = stack.reconcile("--provider", "one")
    found = {it["kind"]: it for it in told["findings"]}
    assert (code, told["needs_action"]) == (1, ["missing_ours"])
    assert set(found) == {"match", "missing_ours", "external_traffic"}
    assert found["external_traffic"]["evidence"] == "key key_apps_somebody is not ours"
    missing = [found[it]["adjustment"] for it in ("missing_ours", "external_traffic")]
    assert told["unattributed_nano"] == sum(it["cost_nano"] for it in missing) > 6 * 10**9

    for one in (*missing, *missing):
        stack.json("reconcile", "--accept", one["id"], "--reason", "a script of ours")

    code, told = stack.reconcile()
    assert (code, {it["kind"] for it in told["findings"]}) == (0, {"match"})
    billed = sum(it["cost_nano"] for it in stack.sim("bill")["lines"])
    assert sum(it["ours_nano"] for it in told["findings"]) == billed
    [lines] = stack.rows("SELECT sum(cost_nano) AS cost FROM ledger")
    [sums] = stack.rows("SELECT sum(cost_nano) AS cost FROM rollup_day")
    assert lines == sums == {"cost": billed}
    booked = [
        it
        for it in stack.json("changes", "list")["changes"]
        if it["pointer"].startswith("adjustment/")
    ]
    assert [it["reason"] for it in booked] == ["a script of ours"] * 2
    undone = stack.run("changes", "undo", str(booked[0]["seq"]), "--reason", "no", check=False)
    assert (undone.returncode, "trimtab reconcile" in undone.stderr) == (2, True)


def test_the_keeper_compares_the_days_before_by_itself(stack: BilledStack) -> None:
    """From 03:00 UTC; before that it has nothing to do."""

    def compared() -> set[str]:
        kept = (stack.home / "reconcile").glob("*.json")
        return {it.name for it in kept if not it.name.startswith(stack.day)}

    days = [datetime.now(UTC).date() - timedelta(days=back) for back in (1, 2, 3, 7)]
    wanted = {f"{day}.{provider}.json" for day in days for provider in ("one", "two")}
    if datetime.now(UTC).hour >= 3:
        eventually(lambda: compared() == wanted, "eight reports are kept")
    else:
        assert compared() == set()


def test_the_last_report_is_a_metric(stack: BilledStack) -> None:
    stack.reconcile()

    with urllib.request.urlopen(f"{stack.url}/metrics", timeout=5) as answer:  # noqa: S310
        text = answer.read().decode()

    assert 'trimtab_reconcile_drift_ratio{provider="one"} 0.0' in text
    assert 'trimtab_reconcile_drift_ratio{provider="two"} 0.0' in text
