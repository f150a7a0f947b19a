import os

import pytest
from tests.cli.conftest import Terminal

from trimtab.domain.health import Ailing, BreakerState
from trimtab.telemetry.health_file import HealthFile
from trimtab.telemetry.spool import claim
from trimtab.testing import FrozenClock


def words(company: Terminal, *arguments: str) -> str:
    return company.run("models", *arguments).stdout


def test_lists_models(company: Terminal) -> None:
    head, *rows = [line.split() for line in words(company, "list").splitlines()]

    assert head[:2] == ["model", "kind"]
    assert ["chat", "alias", "sim/large", "active"] in rows


def test_moves_a_name_and_takes_the_move_back(company: Terminal) -> None:
    said = words(company, "move", "chat", "--to", "sim/small", "--reason", "half the price")

    assert said.startswith("model chat leads to sim/small   change ")
    assert company.json("models", "show", "chat")["model"]["to"]["model"] == "small"
    assert company.json("models", "show", "chat")["change"]["reason"] == "half the price"

    words(company, "undo", "chat", "--reason", "worse answers")

    assert company.json("models", "show", "chat")["model"]["to"]["model"] == "large"


def test_a_target_without_a_price_is_warned_of(company: Terminal) -> None:
    move = ("models", "move", "chat", "--reason", "trying", "--to")

    assert company.run(*move, "sim/small").stderr == ""
    assert "target 'sim/huge' has no price" in company.run(*move, "sim/huge").stderr
    assert len(company.json(*move, "sim/small=1,sim/huger=1")["warnings"]) == 1


def test_shows_which_targets_a_worker_leaves_alone(company: Terminal, clock: FrozenClock) -> None:
    home = company.home / ".trimtab"
    held = claim(home / "spool", "gateway")
    state, until_us = BreakerState.OPEN, clock.now_us() + 5_000_000
    HealthFile(home, held.worker_id).tell(
        [
            Ailing(worker_id=held.worker_id, target=it, state=state, until_us=until_us)
            for it in ("sim/large", "sim/other")
        ]
    )

    assert "sim/large: open at gateway-1, until " in words(company, "show", "chat")
    assert [it["target"] for it in company.json("models", "show", "chat")["ailing"]] == [
        "sim/large"
    ]
    os.close(held.lock)
    assert company.json("models", "show", "chat")["ailing"] == []


def test_shares_requests_by_weight(company: Terminal) -> None:
    words(company, "move", "chat", "--to", "sim/large=10,sim/small=90", "--reason", "canary")

    model = company.json("models", "show", "chat")["model"]
    assert model["to"] == {"provider": "sim", "model": "small"}
    assert [share["weight"] for share in model["shares"]] == [10, 90]
    assert "sim/large=10,sim/small=90" in words(company, "list")


def test_changes_the_fallback_by_cause_and_leaves_the_others(company: Terminal) -> None:
    words(company, "fallback", "chat", "--when-error", "chat-small,sim/huge", "--reason", "flaky")
    words(company, "fallback", "chat", "--when-rate-limited", "", "--reason", "no shopping")

    fallback = company.json("models", "show", "chat")["model"]["fallback"]
    assert fallback == {"when_error": ["chat-small", "sim/huge"], "when_rate_limited": []}
    assert company.json("models", "show", "chat-small")["fallback_of"] == ["chat"]


def test_a_freezer_moves_only_when_told_twice(company: Terminal) -> None:
    move = ("models", "move", "chat-frozen", "--to", "sim/small-2026-01-15", "--reason", "eol")

    assert "is a freezer" in company.run(*move, code=2).stderr
    company.run(*move, "--yes")

    assert company.json("models", "show", "chat-frozen")["model"]["to"]["model"].startswith("small")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("move", "cha", "--to", "sim/small"), "did you mean 'chat'?"),
        (("move", "chat", "--to", "small"), "'small' is no target"),
        (("move", "chat", "--to", "nobody/m"), "needs provider 'nobody'"),
        (("move", "chat", "--to", "sim/a=x,sim/b=1"), "'x' is no weight"),
        (("move", "chat", "--to", "sim/a=0"), "weight above 0"),
        (("move", "chat", "--to", "sim/large"), "is so already"),
        (("move", "chat", "--to", "sim/small", "--expect", "99"), "change"),
        (("move", "chat-frozen", "--to", "sim/large", "--yes"), "has no date"),
        (("fallback", "chat", "--when-error", "nobody"), "needs model 'nobody'"),
        (("fallback", "chat-frozen", "--when-error", "chat"), "falls back to freezers only"),
        (("fallback", "chat", "--when-refused", "chat"), "falls back to itself"),
        (("fallback", "chat"), "name a cause"),
    ],
)
def test_says_why_a_model_cannot_be_moved(
    company: Terminal, arguments: tuple[str, ...], says: str
) -> None:
    before = company.json("models", "list")

    assert says in company.run("models", *arguments, "--reason", "x", code=2).stderr
    assert company.json("models", "list") == before
