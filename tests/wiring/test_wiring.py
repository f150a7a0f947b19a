"""What `trimtab.wiring` itself builds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab import wiring
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.store.base.reading import RecordFilter

STARTING = """
import sys
from pathlib import Path
from trimtab.wiring import site_key

print("ready", flush=True)
sys.stdin.readline()
print(site_key(Path(sys.argv[1])).hex())
"""


def test_the_state_directory_is_the_one_asked_for_or_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRIMTAB_HOME", "/srv/trimtab")
    assert wiring.home(Path("here")) == Path("here")
    assert wiring.home(None) == Path("/srv/trimtab")

    for nothing in ("", None):
        if nothing is None:
            monkeypatch.delenv("TRIMTAB_HOME")
        else:
            monkeypatch.setenv("TRIMTAB_HOME", nothing)
        assert wiring.home(None) == Path(".trimtab")


@pytest.mark.parametrize("name", ["dev", "ab", "staging", "abcdefgh"])
def test_a_deployment_is_named_with_letters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_ENV", name)

    assert wiring.environment() == name


def test_a_deployment_without_a_name_is_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMTAB_ENV", raising=False)

    assert wiring.environment() == "dev"


@pytest.mark.parametrize(
    "name", ["a", "abcdefghi", "Dev", "dev1", "a_b", "a-b", "a b", "dév", "12", "ßß"]
)
def test_a_name_that_a_key_could_not_hold_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_ENV", name)

    with pytest.raises(SettingsInvalid, match=r"TRIMTAB_ENV .* is not 2 to 8 lower-case letters"):
        wiring.environment()


def test_the_site_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "new"
    made = wiring.site_key(home)

    assert len(made) == 32
    assert wiring.site_key(home) == made
    assert wiring.site_key(tmp_path / "other") != made
    assert (home / "site.key").stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_the_site_key(tmp_path: Path) -> None:
    # Our own interpreter and our own script.
    starting = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", STARTING, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    for process in starting:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in starting:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()

    keys = {process.communicate()[0].strip().decode() for process in starting}

    assert keys == {wiring.site_key(tmp_path).hex()}
    assert [it.name for it in tmp_path.iterdir()] == ["site.key"]


def test_every_tenant_has_a_key_of_its_own_that_lasts(tmp_path: Path) -> None:
    keys = wiring.tenant_keys(tmp_path)

    assert len(keys("acme")) == 32
    assert keys("acme") != keys("globex")
    assert wiring.tenant_keys(tmp_path)("acme") == keys("acme")
    assert wiring.tenant_keys(tmp_path / "other")("acme") != keys("acme")
    assert wiring.site_key(tmp_path) not in (keys("acme"), keys(""))


def test_keys_of_tenants_are_made_when_the_first_is_asked_for(tmp_path: Path) -> None:
    wiring.tenant_keys(tmp_path / "home")

    assert list(tmp_path.iterdir()) == []


def test_the_socket_of_the_keeper_is_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wiring.keeper_socket(Path("/srv/trimtab")) == Path("/srv/trimtab/keeper.sock")
    monkeypatch.chdir("/")
    assert wiring.keeper_socket(Path("srv")) == Path("/srv/keeper.sock")
    assert list(tmp_path.iterdir()) == []


def test_a_path_too_long_for_a_socket_is_replaced_by_one_for_this_user(tmp_path: Path) -> None:
    deep, other = tmp_path / ("x" * 100), tmp_path / ("y" * 100)

    path = wiring.keeper_socket(deep)

    assert len(os.fsencode(path)) <= wiring.MAX_SOCKET_PATH
    assert path.parent == Path(f"/tmp/trimtab-{os.getuid()}")  # noqa: S108 -- mode 0700
    assert wiring.keeper_socket(deep) == path
    assert wiring.keeper_socket(other) != path


@pytest.mark.parametrize(("length", "is_short"), [(100, True), (101, False)])
def test_a_socket_may_have_a_hundred_bytes(tmp_path: Path, length: int, *, is_short: bool) -> None:
    at = tmp_path / ("x" * (length - len(os.fsencode(tmp_path)) - len("//keeper.sock")))

    assert (wiring.keeper_socket(at) == at / "keeper.sock") is is_short


def test_a_filter_is_read_with_the_time_of_this_machine() -> None:
    before_us = wiring.SystemClock().now_us()
    since_us = wiring.parse_filter("tenant:acme since:1h").since_us

    assert since_us is not None
    assert since_us + 3_600_000_000 >= before_us
    assert wiring.parse_filter("") == RecordFilter()
    with pytest.raises(InvalidRequest):
        wiring.parse_filter("non:sense")


async def test_records_and_changes_are_opened_when_they_are_asked_for(tmp_path: Path) -> None:
    home = tmp_path / "home"
    reading, control = wiring.records(home), wiring.control(home)

    assert not home.exists()
    assert await control.history() == ()
    reading.close()
