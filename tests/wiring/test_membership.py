import asyncio
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from tests.changes import draft
from tests.postgres import Server

from trimtab.domain.errors import SettingsInvalid
from trimtab.store.base.control import Acknowledgement
from trimtab.store.memory.control import MemoryAcknowledgements
from trimtab.store.sqlite.control import SqliteControl
from trimtab.wiring import membership as module
from trimtab.wiring.membership import Named, control_store, has_control_store, is_shared, join


async def write(home: Path, *names: str) -> None:
    """Give a state directory a change log of its own."""
    store = SqliteControl(home / "control.db")
    for name in names:
        await store.append([draft(name)], ts_us=1, change_ids=[name])
    store.close()


def head(url: str) -> int:
    with psycopg.connect(url) as connection:
        [(seq,)] = connection.execute("SELECT max(seq) FROM change").fetchall()
    return int(seq or 0)


def test_a_state_directory_has_a_file_of_its_own_until_it_joins(tmp_path: Path) -> None:
    assert not has_control_store(tmp_path)

    asyncio.run(write(tmp_path, "chat"))

    assert has_control_store(tmp_path)
    assert not is_shared(tmp_path)
    assert isinstance(control_store(tmp_path), SqliteControl)


def test_a_directory_remembers_the_store_it_joined_by_reference(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_STORE", postgres.database())

    join(tmp_path, "env:TRIMTAB_STORE", "proof")
    join(tmp_path, "env:TRIMTAB_STORE", "proof")

    assert is_shared(tmp_path)
    kept = (tmp_path / module.FILE).read_text()
    assert '"env:TRIMTAB_STORE"' in kept
    assert "postgres://" not in kept


def test_a_reference_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="'TRIMTAB_STORE' is not set"):
        join(tmp_path, "env:TRIMTAB_STORE", "proof")

    assert not is_shared(tmp_path)


def test_the_first_host_brings_its_change_log_along(tmp_path: Path, postgres: Server) -> None:
    asyncio.run(write(tmp_path, "chat", "embed"))
    url = postgres.database()

    join(tmp_path, url, "proof")

    assert head(url) == 2


def test_a_host_with_another_log_is_refused_and_keeps_its_own(
    tmp_path: Path, postgres: Server
) -> None:
    url = postgres.database()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        asyncio.run(write(tmp_path / name, name))
    join(tmp_path / "one", url, "proof")

    with pytest.raises(SettingsInvalid, match=r"move its control.db away"):
        join(tmp_path / "other", url, "proof")

    assert not is_shared(tmp_path / "other")
    assert head(url) == 1


def test_a_host_of_another_site_is_refused(tmp_path: Path, postgres: Server) -> None:
    url = postgres.database()
    join(tmp_path / "one", url, "ours")

    with pytest.raises(SettingsInvalid, match="copy theirs to this host"):
        join(tmp_path / "other", url, "theirs")

    assert not is_shared(tmp_path / "other")


def test_a_file_without_a_store_does_not_take_a_host_back_to_its_old_log(
    tmp_path: Path, postgres: Server
) -> None:
    join(tmp_path, postgres.database(), "proof")

    with pytest.raises(SettingsInvalid, match="does not name any more"):
        join(tmp_path, None, "")

    (tmp_path / module.FILE).unlink()
    join(tmp_path, None, "")


def test_an_empty_store_does_not_take_the_place_of_the_one_a_host_ran_on(
    tmp_path: Path, postgres: Server
) -> None:
    asyncio.run(write(tmp_path, "chat"))
    first = postgres.database()
    join(tmp_path, first, "proof")

    with pytest.raises(SettingsInvalid, match="names a store without a change log"):
        join(tmp_path, postgres.database(), "proof")

    join(tmp_path, f"{first}?application_name=another", "proof")


def test_a_damaged_membership_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / module.FILE).write_text("{")

    with pytest.raises(SettingsInvalid, match="is damaged; remove it and apply"):
        control_store(tmp_path)


def test_a_driver_that_is_not_installed_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for name in [it for it in sys.modules if it.startswith("trimtab.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(SettingsInvalid, match=r"pip install 'trimtab\[postgres\]'"):
        join(tmp_path, "postgres://trimtab@db/trimtab", "proof")


def test_a_gateway_that_needs_no_driver_imports_none() -> None:
    asking = "import sys, trimtab.wiring.gateway; print('psycopg' in sys.modules)"

    # Our own interpreter and our own line.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", asking], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


async def test_workers_of_two_hosts_are_two_workers() -> None:
    store = MemoryAcknowledgements()
    here, there = Named(store, "web-1/"), Named(store, "web-2/")
    ack = Acknowledgement(worker_id="gateway-1", config_seq=1, ts_us=1)

    await here.acknowledge(ack)
    await there.acknowledge(ack)

    named = [said.worker_id for said in await here.acknowledgements()]
    assert named == ["gateway-1", "web-2/gateway-1"]
