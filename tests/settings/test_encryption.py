from datetime import date

import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import read_master_key

HEAD = """\
version: 1
providers: {sim: {wire: caller, url: "https://sim.example.com"}}
models: {chat: {kind: alias, to: sim/large}}
tiers: {free: {models: [chat], search: off}}
tenants: {acme: {tier: free}}
"""
ON = "content_encryption: {master_key: env:MASTER}\n"
TODAY = date(2026, 11, 30)
KEY = bytes(range(32))


def test_nothing_is_sealed_if_the_file_does_not_say_so(load_text: Load) -> None:
    assert load_text(HEAD).master_key is None
    assert load_text(HEAD + ON).master_key == "env:MASTER"


@pytest.mark.parametrize("text", [KEY.hex(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="])
def test_a_master_key_is_written_as_hex_or_base64(text: str) -> None:
    assert read_master_key(text) == KEY


@pytest.mark.parametrize("text", ["", "secret", KEY.hex()[:-2], KEY.hex() + "00", "Zm9v"])
def test_what_is_no_master_key_is_refused_with_a_remedy_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="openssl rand -base64 32") as caught:
        read_master_key(text)

    assert not text or text not in str(caught.value)


def test_a_master_key_that_is_not_there_or_none_is_an_error_of_check(load_text: Load) -> None:
    [(path, message)] = load_text(HEAD + ON).unset
    assert (path, "MASTER" in message) == ("content_encryption.master_key", True)

    [(_, message)] = load_text(HEAD + ON, {"MASTER": "short"}).unset
    assert "openssl rand" in message
    assert load_text(HEAD + ON, {"MASTER": KEY.hex()}).unset == ()


def test_that_words_cannot_be_searched_then_is_told_unless_the_file_says_so(
    load_text: Load,
) -> None:
    environ = {"MASTER": KEY.hex()}
    silent = load_text(HEAD + ON, environ)
    told = load_text(HEAD.replace("search: off", "search: plain") + ON, environ)

    assert silent.notes(TODAY) == ()
    [note] = told.notes(TODAY)
    assert (note.path, note.line) == ("content_encryption", 6)
    assert "readable copy; say `search: off`" in note.message


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("content_encryption: {}\n", "'master_key' is missing"),
        ("content_encryption: {master_key: AAECAwQF}\n", "must be a reference"),
        (ON + "gateway: {records: env:PG}\n", "name a `gateway.store`, too"),
    ],
)
def test_what_cannot_be_is_told_with_a_remedy(faults: Faults, section: str, message: str) -> None:
    [fault] = faults(HEAD + section)

    assert "content_encryption" in fault
    assert message in fault


def test_hosts_that_share_a_change_log_share_keys(load_text: Load) -> None:
    load_text(HEAD + ON + "gateway: {records: env:PG, store: env:PG}\n")
