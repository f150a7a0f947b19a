import pytest
from tests.cli.conftest import Terminal

BUDGET = ("--usd", "900", "--per", "day", "--reason", "TICKET-4711")


def test_a_tenant_without_a_budget_is_told_how_to_set_one(company: Terminal) -> None:
    assert "trimtab budgets set" in company.run("budgets", "show", "acme").stdout


def test_a_budget_is_set_shown_and_taken_back(company: Terminal) -> None:
    done = company.run("budgets", "set", "acme", *BUDGET)
    (budget,) = company.json("budgets", "show", "acme")["budgets"]
    seq = done.stdout.split("change ")[1].split()[0]
    company.run("changes", "undo", seq, "--reason", "too much")

    assert done.stdout.startswith("tenant acme may spend 900 USD   change ")
    assert budget["budget"] == "budget of tenant 'acme' for this day"
    assert (budget["left_usd"], budget["when_empty"]) == ("900", "block")
    assert company.json("budgets", "show", "acme")["budgets"] == []


def test_the_same_budget_again_changes_nothing(company: Terminal) -> None:
    company.run("budgets", "set", "acme", *BUDGET)

    assert "nothing was changed" in company.run("budgets", "set", "acme", *BUDGET, code=2).stderr


@pytest.mark.parametrize("usd", ["0", "-5", "many", "9_000_001"])
def test_an_amount_that_is_none_is_refused(company: Terminal, usd: str) -> None:
    told = company.run("budgets", "set", "acme", f"--usd={usd}", "--reason", "x", code=2).stderr

    assert "is no amount in USD above 0" in told


def test_a_tenant_that_is_not_there_is_refused(company: Terminal) -> None:
    assert "acme" in company.run("budgets", "show", "acne", code=2).stderr
