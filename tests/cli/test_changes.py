import sqlite3

from tests.cli.conftest import Terminal


def test_lists_changes_newest_first(company: Terminal) -> None:
    company.run("tenants", "suspend", "acme", "--reason", "loop")

    said = company.run("changes", "list", "--limit", "2").stdout.splitlines()
    document = company.json("changes", "list", "--limit", "1")["changes"][0]

    assert len(said) == 3
    assert said[0].split() == ["seq", "when", "did", "pointer", "who", "why"]
    assert "create" in said[1]
    assert "suspension/tenant:acme" in said[1]
    assert said[1].endswith("loop")
    assert (document["pointer"], document["before"]) == ("suspension/tenant:acme", None)
    assert (document["after"], document["source"]) == ({"reason": "loop"}, "cli")


def test_lists_one_pointer_and_pages(company: Terminal) -> None:
    company.run("tenants", "suspend", "acme", "--reason", "loop")
    company.run("tenants", "resume", "acme", "--reason", "fixed")

    of_one = company.json("changes", "list", "--pointer", "suspension/tenant:acme")["changes"]
    newest = of_one[0]["seq"]
    older = company.json("changes", "list", "--before", str(newest), "--limit", "1")["changes"]

    assert [change["after"] for change in of_one] == [None, {"reason": "loop"}]
    assert older[0]["seq"] == newest - 1
    assert "is no pointer" in company.run("changes", "list", "--pointer", "acme", code=2).stderr


def test_undoes_a_change_and_says_how_to_undo_that(company: Terminal) -> None:
    seq = company.json("tenants", "suspend", "acme", "--reason", "loop")["change"]["seq"]

    said = company.run("changes", "undo", str(seq), "--reason", "false alarm").stdout

    assert said.splitlines() == [
        f"undid change {seq}: suspension/tenant:acme is as before   change {seq + 1}",
        f"undo: trimtab changes undo {seq + 1} --reason '...'",
    ]
    again = company.run("changes", "undo", str(seq), "--reason", "again", code=2).stderr
    assert f"was moved since, by change {seq + 1}; undo that one first" in again


def test_verify_says_whole_or_where_it_broke(company: Terminal) -> None:
    assert company.run("changes", "verify").stdout.startswith("whole   ")

    connection = sqlite3.connect(company.home / ".trimtab" / "control.db")
    connection.execute("DROP TRIGGER change_is_final")
    connection.execute("UPDATE change SET author = 'mallory' WHERE seq = 4")
    connection.commit()
    connection.close()

    assert "BROKEN after change 3: change 4" in company.run("changes", "verify", code=1).stdout
    document = company.json("changes", "verify", code=1)
    assert (document["whole"], document["seq"]) == (False, 3)


def test_a_store_that_is_away_is_exit_code_4(terminal: Terminal) -> None:
    (terminal.home / ".trimtab").write_text("in the way")

    said = terminal.run("changes", "list", code=4).stderr

    assert said.startswith("trimtab: the control store ")
    assert len(said.splitlines()) == 1
