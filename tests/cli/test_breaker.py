import pytest
from tests.cli.conftest import Terminal

from trimtab.testing import FrozenClock

WHY = ("--reason", "slow today")


def test_a_breaker_is_held_open_for_a_while_and_shown(
    company: Terminal, clock: FrozenClock
) -> None:
    said = company.run("models", "breaker", "open", "sim/large", "--for", "30m", *WHY).stdout

    assert said.startswith("breaker of sim/large is held open until ")
    assert "undo: trimtab changes undo " in said
    assert "sim/large held open until " in company.run("models", "list").stdout
    assert ": slow today" in company.run("models", "show", "chat").stdout
    assert list(company.json("models", "show", "chat")["breakers"]) == ["sim/large"]
    assert company.json("models", "show", "chat-small")["breakers"] == {}

    clock.advance(30 * 60)

    assert "held open" not in company.run("models", "list").stdout


def test_closing_a_breaker_ends_a_hold_and_undo_brings_it_back(company: Terminal) -> None:
    company.run("models", "breaker", "open", "sim/large", *WHY)

    change = company.json("models", "breaker", "close", "sim/large", *WHY)["change"]
    assert company.json("models", "show", "chat")["breakers"] == {}

    company.run("changes", "undo", str(change["seq"]), *WHY)
    assert list(company.json("models", "show", "chat")["breakers"]) == ["sim/large"]


@pytest.mark.parametrize(
    ("target", "says"), [("large", "'large' is no target"), ("simm/large", "did you mean 'sim'?")]
)
def test_says_why_there_is_no_such_breaker(company: Terminal, target: str, says: str) -> None:
    assert says in company.run("models", "breaker", "open", target, *WHY, code=2).stderr
