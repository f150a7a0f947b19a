import asyncio
import os

import pytest
from tests.cli.conftest import Terminal

from trimtab.domain.keys import key_id_of
from trimtab.store.sealing import MasterKey
from trimtab.wiring.membership import control_store


def test_makes_a_key_and_shows_it_once(company: Terminal) -> None:
    made = company.json("keys", "create", "--tenant", "acme", "--name", "app")

    assert key_id_of(made["key"]) == made["id"]
    assert (made["tenant"], made["name"]) == ("acme", "app")
    assert made["change"]["pointer"] == f"key/{made['id']}"
    assert made["key"] not in company.run("keys", "list").stdout
    assert made["key"] not in company.run("changes", "list", "--json").stdout


def test_prints_the_key_the_change_and_the_way_back(company: Terminal) -> None:
    said = company.run("keys", "create", "--tenant", "acme", "--name", "app").stdout.splitlines()

    seq = company.json("changes", "list")["changes"][0]["seq"]
    key_id = key_id_of(said[0])
    assert said[1:] == [
        "",
        "This is the only time it is shown.",
        f"made key {key_id} of tenant acme   change {seq}",
        f"undo: trimtab changes undo {seq} --reason '...'",
    ]


def test_a_key_that_browsers_have_joins_no_trace(company: Terminal) -> None:
    for more in ((), ("--no-trace-context",)):
        company.run("keys", "create", "--tenant", "acme", "--name", f"app{len(more)}", *more)

    changes = company.json("changes", "list")["changes"]
    assert [it["after"].get("trust_trace_context", True) for it in changes[:2]] == [False, True]


def test_a_key_may_be_narrow_and_end(company: Terminal) -> None:
    company.run(
        *("keys", "create", "--tenant", "acme", "--name", "app"),
        *("--models", "chat, chat-small", "--expires", "2026-01-31", "--reason", "a trial"),
    )

    (key,) = company.json("keys", "list")["keys"]
    assert key["models"] == ["chat", "chat-small"]
    assert key["expires_us"] == 1_769_904_000_000_000  # 2026-02-01 00:00 UTC
    assert company.json("changes", "list")["changes"][0]["reason"] == "a trial"


def test_lists_keys_with_their_status(company: Terminal) -> None:
    made = company.json("keys", "create", "--tenant", "acme", "--name", "app")
    company.run("keys", "revoke", made["id"], "--reason", "leaked")

    said = company.run("keys", "list").stdout.splitlines()

    assert said[0].split() == ["id", "name", "tenant", "models", "expires", "status"]
    assert said[1].split() == [made["id"], "app", "acme", "as", "the", "tenant", "-", "revoked"]


def test_revoking_says_that_there_is_no_way_back(company: Terminal) -> None:
    made = company.json("keys", "create", "--tenant", "acme", "--name", "app")

    said = company.run("keys", "revoke", made["id"], "--reason", "leaked").stdout

    assert said.startswith(f"revoked key {made['id']}   change ")
    assert "a revoked key stays so; make another" in said


def test_refuses_with_one_line_and_code_2(company: Terminal) -> None:
    said = company.run("keys", "create", "--tenant", "acmee", "--name", "app", code=2).stderr

    assert said == "trimtab: there is no tenant 'acmee'; did you mean 'acme'?\n"
    company.run("keys", "revoke", "nobody", "--reason", "x", code=2)
    company.run("keys", "revoke", "nobody", code=2)


def test_rotates_a_key_by_its_name(company: Terminal) -> None:
    old = company.json("keys", "create", "--tenant", "acme", "--name", "app")

    said = company.run("keys", "rotate", "app", "--reason", "due").stdout
    again = company.json("keys", "rotate", "app", "--overlap", "0s", "--reason", "leaked")

    assert key_id_of(said.splitlines()[0]) == key_id_of(again["key"]) == old["id"]
    assert f"rotated key {old['id']}; its text before is good until 2026-01-02 00:00:00Z" in said
    assert "undo: trimtab changes undo " in said
    assert again["change"]["after"].keys().isdisjoint({"retiring"})
    (listed,) = company.json("keys", "list")["keys"]
    assert listed["retiring_until_us"] is None


def test_makes_a_key_that_acts_for_many(company: Terminal) -> None:
    company.run(
        *("keys", "create", "--act-for", "*", "--new-tenant-tier", "free", "--name", "backend"),
        *("--may", "evals", "--may", "replay", "--may", "evals"),
    )

    (key,) = company.json("keys", "list")["keys"]
    assert (key["tenant"], key["act_for"], key["new_tenant_tier"]) == (None, ["*"], "free")
    assert key["may"] == ["evals", "replay"]
    assert "acts for *" in company.run("keys", "list").stdout


def test_a_key_has_one_who_pays(company: Terminal) -> None:
    said = company.run("keys", "create", "--name", "app", code=2).stderr
    both = ("keys", "create", "--tenant", "acme", "--act-for", "hobby", "--name", "app")

    assert "name one of the two" in said
    assert "name one of the two" in company.run(*both, code=2).stderr


def test_suspends_a_key_by_its_name(company: Terminal) -> None:
    company.run("keys", "create", "--tenant", "acme", "--name", "app")

    company.run("keys", "suspend", "app", "--reason", "leak?", "--for", "2h")

    (key,) = company.json("keys", "list")["keys"]
    assert key["status"] == "suspended until 2026-01-01 02:00:00Z: leak?"
    company.run("keys", "resume", "app", "--reason", "no leak")
    assert company.json("keys", "list")["keys"][0]["status"] == "active"


def test_an_empty_list_says_what_to_do(terminal: Terminal) -> None:
    assert "make one with `trimtab keys create" in terminal.run("keys", "list").stdout


def test_keys_of_content_are_wrapped_under_the_master_key_of_the_file(
    company: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD", "11" * 32)
    monkeypatch.setenv("NEW", "22" * 32)
    store = control_store(company.home / ".trimtab")
    old = MasterKey(b"\x11" * 32, os.urandom)
    asyncio.run(store.add_content_keys([old.make("acme"), old.make("globex")]))
    file = company.home / "sealed.yaml"
    file.write_text("version: 1\ncontent_encryption: {master_key: env:NEW}\n")
    rewrap = "keys", "rewrap", "--from", "env:OLD", "--config", str(file)

    said = company.run(*rewrap).stdout
    again = company.json(*rewrap)

    assert said == "2 content keys are under the new master key; restart what runs\n"
    assert again == {"rewrapped": 0}
    new = MasterKey(b"\x22" * 32, os.urandom)
    assert all(new.unwrap(it) for it in asyncio.run(store.content_keys()))
