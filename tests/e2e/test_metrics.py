"""What Prometheus scrapes from the gateway's port, against the records behind it."""

import re
import urllib.request

import pytest
from tests.e2e.conftest import Stack, eventually
from tests.e2e.raw_http import request, send

pytestmark = pytest.mark.e2e

_SAMPLE = re.compile(r"^(trimtab_[a-z_]+)\{(.*)\} ([0-9]+)$", re.MULTILINE)


def test_what_is_scraped_equals_the_ledger(stack: Stack, key: str) -> None:
    answer = send(stack.port, request(key))
    record = stack.record(answer.request_id)
    assert record["cost_nano"] > 0

    def agrees() -> bool:
        [ledger] = stack.rows("SELECT sum(cost_nano) AS cost_nano FROM ledger")
        told = _scraped(stack)
        costs = [n for (name, _), n in told.items() if name == "trimtab_cost_nano_usd_total"]
        return sum(costs) == ledger["cost_nano"]

    eventually(agrees, "the scraped cost is the ledger's")
    told = _scraped(stack)
    assert told["trimtab_requests_total", 'tenant="acme",model="chat",status="ok"'] >= 1
    assert any(name == "trimtab_worker_up" for name, _ in told)
    seqs = [n for (name, _), n in told.items() if name == "trimtab_config_seq"]
    assert min(seqs) > 0
    eventually(
        lambda: (
            not any(
                n for (name, _), n in _scraped(stack).items() if name == "trimtab_requests_open"
            )
        ),
        "no request is open any more",
    )


def _scraped(stack: Stack) -> dict[tuple[str, str], int]:
    with urllib.request.urlopen(f"{stack.url}/metrics", timeout=5) as answer:  # noqa: S310
        text = answer.read().decode()
    return {(name, labels): int(value) for name, labels, value in _SAMPLE.findall(text)}
