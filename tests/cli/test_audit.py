from pathlib import Path

from tests.cli.conftest import Terminal


def test_listing_the_keys_is_a_row_of_the_audit(company: Terminal) -> None:
    assert "nobody has read anything yet" in company.run("audit", "list").stdout

    company.run("keys", "list")

    [row] = company.json("audit", "list")["readings"]
    assert (row["what"], row["source"]) == ("keys", "cli")
    assert company.run("audit", "list").stdout.split()[-4:] == ["(cli)", "keys", "-", "-"]
    assert company.json("audit", "list", "--before", str(row["seq"])) == {"readings": []}


def test_keys_are_not_listed_while_the_audit_cannot_be_written(
    company: Terminal, tmp_path: Path
) -> None:
    company.run("keys", "list")
    for path in (tmp_path / ".trimtab").glob("control.db*"):
        path.write_bytes(b"garbage")

    assert company.run("keys", "list", code=4).stdout == ""


def test_a_change_shows_no_hash_of_a_key(company: Terminal) -> None:
    company.run("keys", "create", "--tenant", "acme", "--name", "app")

    [change] = company.json("changes", "list", "--limit", "1")["changes"]

    assert len(change["after"]["sha256"]) == len("01234567...")
