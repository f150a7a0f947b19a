from pathlib import Path

import pytest
from tests.cli.conftest import Terminal

from trimtab.settings import DEMO

MOVED = ("models", "move", "chat", "--to", "sim/small", "--reason", "half the price")


@pytest.fixture
def applied(company: Terminal) -> Terminal:
    """The demo, as a file that can be edited."""
    edit(company)
    return company


def edit(terminal: Terminal, old: str = "", new: str = "") -> None:
    (terminal.home / "trimtab.yaml").write_text(Path(DEMO).read_text().replace(old, new))


def smaller(terminal: Terminal) -> None:
    edit(terminal, "  hobby: {tier: free}\n")


def test_a_file_that_was_applied_does_not_differ(applied: Terminal) -> None:
    assert applied.run("diff").stdout == "the file and what is live are the same\n"
    assert "nothing to change" in applied.run("apply").stdout


def test_shows_what_differs_and_makes_it_so(applied: Terminal) -> None:
    edit(applied, "to: sim/large ", "to: sim/reasoner ")

    said = applied.run("diff", code=1).stdout

    assert said.splitlines() == [
        "~ model/chat                        the file says so",
        '    to: {"model":"large","provider":"sim"} -> {"model":"reasoner","provider":"sim"}',
        "make it so: trimtab apply",
    ]
    assert applied.json("diff", code=1)["differences"][0]["file"]["to"]["model"] == "reasoner"
    assert "~ model/chat " in applied.run("apply").stdout
    applied.run("diff")
    assert applied.json("models", "show", "chat")["model"]["to"]["model"] == "reasoner"


def test_what_was_moved_by_hand_stays_and_shows(applied: Terminal) -> None:
    applied.run(*MOVED)

    said = applied.run("diff", code=1).stdout

    assert '"half the price"' in said
    assert "make it so" not in said
    assert "nothing to change" in applied.run("apply").stdout
    assert applied.json("models", "show", "chat")["model"]["to"]["model"] == "small"


def test_applies_a_part_and_says_why(applied: Terminal) -> None:
    edit(applied, "parallel: 4}", "parallel: 5}")
    edited = (applied.home / "trimtab.yaml").read_text()
    (applied.home / "trimtab.yaml").write_text(edited.replace("to: sim/small}", "to: sim/large}"))

    changes = applied.json("apply", "--only", "models", "--reason", "trying")["changes"]

    assert [(it["pointer"], it["reason"]) for it in changes] == [("model/chat-small", "trying")]
    assert [it["pointer"] for it in applied.json("diff", code=1)["differences"]] == ["tier/free"]
    assert applied.json("diff", "--only", "models") == {"differences": []}


def test_t24_a_broken_file_changes_nothing(applied: Terminal) -> None:
    before = applied.json("changes", "list")
    edit(applied, "tenants:", "tenant:")

    assert "did you mean 'tenants'?" in applied.run("apply", code=2).stderr
    assert "did you mean 'tenants'?" in applied.run("diff", code=2).stderr
    assert applied.json("changes", "list") == before
