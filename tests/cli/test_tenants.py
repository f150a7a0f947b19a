import pytest
from tests.cli.conftest import Terminal

from trimtab.testing import FrozenClock


def test_lists_tenants(company: Terminal) -> None:
    company.run("keys", "create", "--tenant", "acme", "--name", "app")

    said = [line.split() for line in company.run("tenants", "list").stdout.splitlines()]

    assert said == [
        ["tenant", "tier", "timezone", "keys", "status"],
        ["acme", "enterprise", "Europe/Rome", "1", "active"],
        ["hobby", "free", "UTC", "0", "active"],
        ["trimtab-eval", "enterprise", "UTC", "0", "active"],
    ]


def test_suspends_and_resumes(company: Terminal) -> None:
    said = company.run("tenants", "suspend", "acme", "--reason", "runaway agent").stdout

    assert said.startswith("suspended tenant acme   change ")
    assert "undo: trimtab changes undo " in said
    assert "suspended: runaway agent" in company.run("tenants", "list").stdout

    company.run("tenants", "resume", "acme", "--reason", "fixed")
    assert not any(t["suspended"] for t in company.json("tenants", "list")["tenants"])


def test_a_suspension_may_end_by_itself(company: Terminal, clock: FrozenClock) -> None:
    change = company.json("tenants", "suspend", "acme", "--reason", "loop", "--for", "30m")

    assert change["change"]["after"]["until_us"] == clock.now_us() + 1_800_000_000
    assert "until 2026-01-01 00:30:00Z" in company.run("tenants", "list").stdout
    clock.advance(1801)
    assert company.json("tenants", "list")["tenants"][0]["suspended"] is False


def test_undo_of_a_suspension_resumes(company: Terminal) -> None:
    seq = company.json("tenants", "suspend", "acme", "--reason", "loop")["change"]["seq"]

    company.run("changes", "undo", str(seq), "--reason", "false alarm")

    assert company.json("tenants", "list")["tenants"][0]["suspended"] is False


def test_a_tenant_is_slowed_down_and_restored(company: Terminal) -> None:
    said = company.run("tenants", "throttle", "acme", "10/min", "--reason", "loop").stdout

    assert said.startswith("throttled tenant acme to 10/min   change ")
    assert "throttled to 10/min: loop" in company.run("tenants", "list").stdout
    acme = company.json("tenants", "list")["tenants"][0]
    assert (acme["suspended"], acme["throttled"]) == (False, True)
    company.run("tenants", "resume", "acme", "--reason", "fixed")
    assert company.json("tenants", "list")["tenants"][0]["throttled"] is False


def test_everybody_is_stopped_and_let_in_at_once(company: Terminal) -> None:
    said = company.run("tenants", "suspend", "--all", "--reason", "bill shock").stdout

    assert said.startswith("suspended every tenant   change ")
    assert all(tenant["suspended"] for tenant in company.json("tenants", "list")["tenants"])
    company.run("tenants", "resume", "--all", "--reason", "found it")
    assert not any(tenant["suspended"] for tenant in company.json("tenants", "list")["tenants"])


@pytest.mark.parametrize("named", [[], ["acme", "--all"]])
def test_one_tenant_is_named_or_all_are_meant(company: Terminal, named: list[str]) -> None:
    said = company.run("tenants", "suspend", *named, "--reason", "loop", code=2).stderr

    assert "name one tenant, or say --all" in said


@pytest.mark.parametrize("rate", ["10", "0/min", "-1/min", "ten/min", "10/s"])
def test_a_rate_is_written_as_10_a_minute(company: Terminal, rate: str) -> None:
    said = company.run("tenants", "throttle", "--reason", "loop", "--", "acme", rate, code=2).stderr

    assert "is no rate; write it as 10/min" in said


@pytest.mark.parametrize("span", ["2", "h", "-1h", "2 h", "1.5h", "2weeks"])
def test_a_span_is_written_as_2h(company: Terminal, span: str) -> None:
    said = company.run("tenants", "suspend", "acme", "--reason", "x", f"--for={span}", code=2)

    assert "write it as 30m, 2h or 7d" in said.stderr


def test_every_move_needs_a_reason(company: Terminal) -> None:
    for verb in ("suspend", "resume"):
        assert "Missing option '--reason'" in company.run("tenants", verb, "acme", code=2).stderr
    company.run("tenants", "suspend", "acme", "--reason", " ", code=2)
    company.run("tenants", "resume", "acme", "--reason", "not suspended", code=2)


def test_an_empty_list_says_what_to_do(terminal: Terminal) -> None:
    assert "no tenants yet; " in terminal.run("tenants", "list").stdout
