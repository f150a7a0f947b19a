"""The kill switches of features, users, models and providers."""

import pytest
from tests.cli.conftest import Terminal

from trimtab import wiring

WHY = ("--reason", "loop")


@pytest.mark.parametrize(
    ("group", "named"),
    [
        pytest.param("features", ["search", "--tenant", "acme"], id="feature"),
        pytest.param("providers", ["sim"], id="provider"),
        pytest.param("users", ["5f" * 16, "--hashed", "--tenant", "acme"], id="user by its hash"),
    ],
)
def test_suspends_lists_and_resumes(company: Terminal, group: str, named: list[str]) -> None:
    said = company.run(group, "suspend", *named, *WHY, "--running", "--for", "2h").stdout

    (listed,) = company.json(group, "list")[group]
    assert said.startswith(f"suspended {group[:-1]} {named[0]}")
    assert "undo: trimtab changes undo " in said
    assert (listed["name"], listed["tenant"]) == (named[0], "acme" if "acme" in named else None)
    assert listed["suspension"]["running"]
    assert "until 2026-01-01 02:00:00Z: loop" in company.run(group, "list").stdout
    company.run(group, "resume", *named, *WHY)
    assert f"no {group[:-1]} is suspended" in company.run(group, "list").stdout


def test_suspends_a_model_of_the_list_and_one_that_is_called_by_its_provider(
    company: Terminal,
) -> None:
    company.run("models", "suspend", "chat", *WHY)
    company.run("models", "suspend", "sim/small", *WHY)

    listed = {it["name"]: it["suspension"] for it in company.json("models", "list")["models"]}
    assert listed["chat"] == {"reason": "loop"}
    assert listed["chat-small"] is None
    assert "suspended: loop" in company.run("models", "list").stdout
    for model in ("chat", "sim/small"):
        company.run("models", "resume", model, *WHY)
    assert company.json("models", "list")["models"][0]["suspension"] is None


def test_a_user_is_known_to_the_log_by_the_hash_of_records(company: Terminal) -> None:
    change = company.json("users", "suspend", "ana@example.com", "--tenant", "acme", *WHY)

    hashed = wiring.user_hash(company.home / ".trimtab")("acme", "ana@example.com")
    assert change["change"]["pointer"] == f"suspension/user:acme/{hashed}"
    assert "ana@" not in company.run("changes", "list", "--json").stdout
    company.run("users", "resume", "ana@example.com", "--tenant", "acme", *WHY)


@pytest.mark.parametrize("group", ["features", "users"])
def test_a_part_of_a_tenant_needs_its_tenant(company: Terminal, group: str) -> None:
    assert "Missing option '--tenant'" in company.run(group, "suspend", "x", *WHY, code=2).stderr


def test_a_slip_is_told(company: Terminal) -> None:
    said = company.run("models", "suspend", "chta", *WHY, code=2).stderr

    assert said == "trimtab: there is no model 'chta'; did you mean 'chat'?\n"
