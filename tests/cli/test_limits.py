"""`trimtab limits` over a counter in a real Redis and a ledger without a line."""

import asyncio
import socket
from collections.abc import Generator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.services import RedisServer, kept, running_redis

from trimtab import wiring
from trimtab.pipeline.standing import all_windows
from trimtab.store.redis.address import parse
from trimtab.store.redis.connection import Redis
from trimtab.store.redis.limits import RedisLimits

BUDGET = ("budgets", "set", "acme", "--usd", "900", "--reason", "a budget")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RedisServer]:
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def shared(company: Terminal, server: RedisServer) -> tuple[str, ...]:
    """A budget whose counter says 70 nano-USD more than the ledger; how to name the Redis."""
    company.run(*BUDGET)
    file = company.home / "shared.yaml"
    file.write_text(f"version: 1\ngateway: {{redis: '{server.url}'}}\n")
    server.command("FLUSHALL")
    asyncio.run(count(company, server, 70))
    return ("--config", str(file))


async def count(company: Terminal, server: RedisServer, nano: int) -> None:
    redis = Redis(parse(server.url), patience_s=5.0)
    async with kept(redis):
        home = company.home / ".trimtab"
        limits = RedisLimits(redis, host=f"{socket.gethostname()}:{home.absolute()}")
        snapshot = await company.control.snapshot()
        now_us = round(wiring.now().timestamp() * 1e6)
        for claim in all_windows(snapshot, now_us):
            # The Redis knows the time itself when it forgets what is over.
            await limits.prime(replace(claim.need, ends_us=4_000_000_000_000_000), nano)


def test_the_counters_are_shown_beside_the_ledger(
    company: Terminal, shared: tuple[str, ...]
) -> None:
    [budget] = company.json("limits", "status", "--tenant", "acme", *shared)["budgets"]

    assert budget["budget"] == "budget of tenant 'acme' for this month"
    assert (budget["spent_nano"], budget["ledger_nano"]) == (70, 0)
    assert "0.00000007" in company.run("limits", "status", *shared).stdout


def test_a_difference_is_told_and_set_right_for_a_reason(
    company: Terminal, shared: tuple[str, ...]
) -> None:
    told = company.run("limits", "verify", *shared, code=1).stdout
    done = company.run("limits", "rebuild", "acme", "--reason", "INC-7", *shared).stdout

    assert "tenant 'acme' for this month: 0.00000007 USD too much" in told
    assert "2 counters, 2 differ" in told
    assert "1 counters of tenant acme were set right" in done
    assert (
        "1 counters, 0 differ"
        in company.run("limits", "verify", "--tenant", "acme", *shared).stdout
    )
    [change] = company.json("changes", "list", "--limit", "1")["changes"]
    assert (change["reason"], change["pointer"][:21]) == ("INC-7", "ledger/counters:acme:")
    assert (
        "nothing to do"
        in company.run("limits", "rebuild", "acme", "--reason", "again", *shared).stdout
    )


def test_with_one_worker_there_is_nothing_to_compare(company: Terminal) -> None:
    told = company.run("limits", "verify", code=2).stderr

    assert "names no gateway.redis" in told
    assert "restart it" in told


def test_a_redis_that_is_away_is_no_verdict(company: Terminal, tmp_path: Path) -> None:
    company.run(*BUDGET)
    file = tmp_path / "away.yaml"
    file.write_text(f"version: 1\ngateway: {{redis: 'unix://{tmp_path}/nobody'}}\n")

    assert "away" in company.run("limits", "verify", "--config", str(file), code=4).stderr


def test_a_tenant_that_is_not_there_is_refused(company: Terminal, shared: tuple[str, ...]) -> None:
    assert "acme" in company.run("limits", "status", "--tenant", "acne", *shared, code=2).stderr
