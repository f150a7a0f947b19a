"""A state directory whose content is sealed: its master key, and the keys of its tenants."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.records import finish
from tests.telemetry.shapes import TS_US

from trimtab import wiring
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.pipeline.content import ContentCapture
from trimtab.settings import Settings, load
from trimtab.store.base.control import ContentKey
from trimtab.store.base.recording import Batch, StoredBlob
from trimtab.wiring.encryption import FILE, rewrap, sealing
from trimtab.wiring.membership import control_store
from trimtab.wiring.start import apply

PLANTED = b"planted-4f1c"
TEXT = """\
version: 1
providers: {sim: {wire: caller, url: "https://sim.example.com"}}
models: {chat: {kind: alias, to: sim/large}}
tiers: {free: {models: [chat]}}
tenants: {acme: {tier: free}, globex: {tier: free}}
"""
OFF = ""
ON = "content_encryption: {master_key: env:MASTER}\n"
NEW = "content_encryption: {master_key: env:NEW_MASTER}\n"


@pytest.fixture(autouse=True)
def master_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER", "11" * 32)
    monkeypatch.setenv("NEW_MASTER", "22" * 32)


def settings(home: Path, section: str) -> Settings:
    file = home / "trimtab.yaml"
    file.write_text(TEXT + section)
    return load(file, {"MASTER": "11" * 32})


def applied(home: Path, section: str) -> Settings:
    made = settings(home, section)
    apply(home, made, "ana", sure=True)
    return made


def said(home: Path, section: str, tenant: str = "acme") -> bytes:
    """Apply a file, run a worker under it, and store what a tenant says there."""
    made = applied(home, section)

    async def store() -> bytes:
        snapshot = await wiring.control(home).snapshot()
        seals = sealing(home, made, lambda: snapshot)
        if seals is not None:
            await seals.look()
        capture = ContentCapture(wiring.tenant_keys(home), seals.of if seals else None)
        # Long enough for a piece of its own; no two are alike.
        captured = capture.capture(tenant, TS_US, PLANTED + os.urandom(300))
        blobs = tuple(StoredBlob(tenant, TS_US, it) for it in captured.blobs)
        records = wiring.ledger(home)
        await records.commit(Batch(finishes=(finish(),), blobs=blobs))
        records.close()
        return captured.ref

    return asyncio.run(store())


def read(home: Path, ref: bytes, tenant: str = "acme") -> bytes | None:
    found = asyncio.run(wiring.records(home).content(tenant, TS_US, ref))
    return found and found[: len(PLANTED)]


def keys_of(home: Path) -> tuple[ContentKey, ...]:
    return asyncio.run(control_store(home).content_keys())


def files_with(home: Path, words: bytes) -> list[str]:
    files = [it for it in home.rglob("*") if it.is_file()]
    return sorted(it.name.partition("-")[0] for it in files if words in it.read_bytes())


def test_off_makes_no_key_and_remembers_nothing(tmp_path: Path) -> None:
    ref = said(tmp_path, OFF)

    assert read(tmp_path, ref) == PLANTED
    assert keys_of(tmp_path) == ()
    assert not (tmp_path / FILE).exists()
    assert files_with(tmp_path, PLANTED) != []


def test_switched_on_no_file_holds_what_was_said(tmp_path: Path) -> None:
    ref = said(tmp_path, ON)

    assert read(tmp_path, ref) == PLANTED
    assert [it.tenant_id for it in keys_of(tmp_path)] == ["acme", "globex"]
    assert files_with(tmp_path, PLANTED) == []
    assert files_with(tmp_path, b"11" * 32) == files_with(tmp_path, b"\x11" * 32) == []


def test_all_that_was_said_is_read_while_it_is_switched_off_on_and_off(tmp_path: Path) -> None:
    refs = [said(tmp_path, section) for section in (OFF, ON, OFF, ON)]

    assert [read(tmp_path, ref) for ref in refs] == [PLANTED] * 4
    applied(tmp_path, OFF)
    assert [read(tmp_path, ref) for ref in refs] == [PLANTED] * 4


def test_a_destroyed_key_is_in_no_file_any_more(tmp_path: Path) -> None:
    ours, theirs = said(tmp_path, ON), said(tmp_path, ON, "globex")
    wrapped = next(it.wrapped for it in keys_of(tmp_path) if it.tenant_id == "acme")
    assert files_with(tmp_path, wrapped) != []

    assert asyncio.run(control_store(tmp_path).destroy_content_key("acme"))

    assert files_with(tmp_path, wrapped) == []
    assert read(tmp_path, ours) is None
    assert read(tmp_path, theirs, "globex") == PLANTED
    # Who goes on has another.
    assert read(tmp_path, said(tmp_path, ON)) == PLANTED
    assert read(tmp_path, ours) is None


def test_a_wrong_master_key_is_refused_when_applied_and_when_read_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = said(tmp_path, ON)
    before = keys_of(tmp_path)

    with pytest.raises(SettingsInvalid, match="run `trimtab keys rewrap` with it"):
        applied(tmp_path, NEW)
    monkeypatch.setenv("MASTER", "33" * 32)
    with pytest.raises(SettingsInvalid, match="does not open the content key of tenant 'acme'"):
        applied(tmp_path, ON)
    with pytest.raises(TryLater, match="content is sealed: the master key does not open"):
        read(tmp_path, ref)
    monkeypatch.delenv("MASTER")
    with pytest.raises(TryLater, match="environment variable 'MASTER' is not set"):
        read(tmp_path, ref)

    monkeypatch.setenv("MASTER", "11" * 32)
    assert keys_of(tmp_path) == before
    assert read(tmp_path, ref) == PLANTED


def test_what_was_said_in_clear_needs_no_master_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = said(tmp_path, OFF)
    said(tmp_path, ON)
    monkeypatch.delenv("MASTER")

    assert read(tmp_path, ref) == PLANTED


def test_a_directory_that_knows_no_master_key_says_so(tmp_path: Path) -> None:
    ref = said(tmp_path, ON)
    (tmp_path / FILE).unlink()

    with pytest.raises(TryLater, match="knows no master key; set `content_encryption"):
        read(tmp_path, ref)


def test_another_master_key_takes_over_and_a_backup_from_before_opens_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = said(tmp_path, ON)
    wrapped = [it.wrapped for it in keys_of(tmp_path)]

    assert rewrap(tmp_path, settings(tmp_path, NEW), "env:MASTER") == 2
    assert rewrap(tmp_path, settings(tmp_path, NEW), "env:MASTER") == 0

    monkeypatch.delenv("MASTER")
    applied(tmp_path, NEW)
    assert read(tmp_path, ref) == PLANTED
    assert [files_with(tmp_path, it) for it in wrapped] == [[], []]
    assert read(tmp_path, said(tmp_path, NEW)) == PLANTED


def test_a_file_without_a_master_key_wraps_nothing(tmp_path: Path) -> None:
    said(tmp_path, ON)

    with pytest.raises(SettingsInvalid, match="names no master key; write"):
        rewrap(tmp_path, settings(tmp_path, OFF), "env:MASTER")
