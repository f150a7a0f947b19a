from tests.cli.conftest import Terminal

from trimtab.testing import FrozenClock


def test_lists_tenants(company: Terminal) -> None:
    company.run("keys", "create", "--tenant", "acme", "--name", "app")

    said = [line.split() for line in company.run("tenants", "list").stdout.splitlines()]

    assert said == [
        ["tenant", "tier", "timezone", "keys", "status"],
        ["acme", "enterprise", "Europe/Rome", "1", "active"],
        ["hobby", "free", "UTC", "0", "active"],
    ]


def test_suspends_and_resumes(company: Terminal) -> None:
    said = company.run("tenants", "suspend", "acme", "--reason", "runaway agent").stdout

    assert said.startswith("suspended tenant acme   change ")
    assert "undo: trimtab changes undo " in said
    assert "suspended: runaway agent" in company.run("tenants", "list").stdout

    company.run("tenants", "resume", "acme", "--reason", "fixed")
    assert not any(t["suspended"] for t in company.json("tenants", "list")["tenants"])


def test_a_suspension_may_end_by_itself(company: Terminal, clock: FrozenClock) -> None:
    change = company.json("tenants", "suspend", "acme", "--reason", "loop", "--hours", "0.5")

    assert change["change"]["after"]["until_us"] == clock.now_us() + 1_800_000_000
    assert "until 2026-01-01 00:30:00Z" in company.run("tenants", "list").stdout
    clock.advance(1801)
    assert company.json("tenants", "list")["tenants"][0]["suspended"] is False


def test_undo_of_a_suspension_resumes(company: Terminal) -> None:
    seq = company.json("tenants", "suspend", "acme", "--reason", "loop")["change"]["seq"]

    company.run("changes", "undo", str(seq), "--reason", "false alarm")

    assert company.json("tenants", "list")["tenants"][0]["suspended"] is False


def test_every_move_needs_a_reason(company: Terminal) -> None:
    for verb in ("suspend", "resume"):
        assert "Missing option '--reason'" in company.run("tenants", verb, "acme", code=2).stderr
    company.run("tenants", "suspend", "acme", "--reason", " ", code=2)
    company.run("tenants", "resume", "acme", "--reason", "not suspended", code=2)


def test_an_empty_list_says_what_to_do(terminal: Terminal) -> None:
    assert "no tenants yet; " in terminal.run("tenants", "list").stdout
