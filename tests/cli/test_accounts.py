import asyncio
from pathlib import Path

import pytest
from tests.cli.conftest import Terminal

from trimtab import wiring
from trimtab.console.auth import verify_password
from trimtab.store.sqlite.control import SqliteControl


@pytest.fixture
def store(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> SqliteControl:
    made = SqliteControl(terminal.home / ".trimtab" / "control.db")

    def accounts(_home: Path) -> SqliteControl:
        return made

    monkeypatch.setattr(wiring, "accounts", accounts)
    return made


def _kept(store: SqliteControl, name: str) -> tuple[str, str]:
    account = asyncio.run(store.account(name))
    assert account is not None
    return account.role, account.password


def test_a_new_account_can_log_in_with_the_password_shown(
    terminal: Terminal, store: SqliteControl
) -> None:
    shown = terminal.json("accounts", "create", "dana", "--role", "operator")

    role, password = _kept(store, "dana")
    assert role == "operator"
    assert verify_password(shown["password"], password)


def test_a_reset_keeps_the_role_and_ends_the_old_password(
    terminal: Terminal, store: SqliteControl
) -> None:
    first = terminal.json("accounts", "create", "dana", "--role", "viewer+content")

    second = terminal.json("accounts", "reset", "dana")

    role, password = _kept(store, "dana")
    assert role == "viewer+content"
    assert verify_password(second["password"], password)
    assert not verify_password(first["password"], password)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        pytest.param(("create", "dana", "--role", "king"), "choose of viewer", id="no role"),
        pytest.param(("create", "Dana!", "--role", "viewer"), "is no name", id="no name"),
        pytest.param(("reset", "nobody"), "trimtab accounts list", id="nobody"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(
    terminal: Terminal, words: tuple[str, ...], remedy: str
) -> None:
    assert remedy in terminal.run("accounts", *words, code=2).stderr


@pytest.mark.usefixtures("store")
def test_an_account_is_made_once_and_listed_without_its_password(terminal: Terminal) -> None:
    terminal.run("accounts", "create", "dana", "--role", "viewer")

    again = terminal.run("accounts", "create", "dana", "--role", "admin", code=2)

    assert "accounts reset dana" in again.stderr
    assert terminal.json("accounts", "list") == {"accounts": [{"name": "dana", "role": "viewer"}]}
