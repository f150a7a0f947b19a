from tests.cli.conftest import Terminal

from trimtab.domain.keys import key_id_of


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


def test_revoking_says_the_way_back(company: Terminal) -> None:
    made = company.json("keys", "create", "--tenant", "acme", "--name", "app")

    said = company.run("keys", "revoke", made["id"], "--reason", "leaked").stdout

    assert said.startswith(f"revoked key {made['id']}   change ")
    assert "undo: trimtab changes undo " in said


def test_refuses_with_one_line_and_code_2(company: Terminal) -> None:
    said = company.run("keys", "create", "--tenant", "acmee", "--name", "app", code=2).stderr

    assert said == "trimtab: there is no tenant 'acmee'; did you mean 'acme'?\n"
    company.run("keys", "revoke", "nobody", "--reason", "x", code=2)
    company.run("keys", "revoke", "nobody", code=2)


def test_an_empty_list_says_what_to_do(terminal: Terminal) -> None:
    assert "make one with `trimtab keys create" in terminal.run("keys", "list").stdout
