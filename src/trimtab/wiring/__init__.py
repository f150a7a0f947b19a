"""Composition root: the only package that reads settings and constructs objects.

This module builds what short commands need, and imports no more than that; the roles are built in
`gateway`, `keeper` and `start`.
"""

import hmac
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from trimtab.control.audit import Audit
from trimtab.control.changes import Control
from trimtab.control.keyring import Keyring
from trimtab.control.switches import Switches
from trimtab.domain import ids
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import Settings, load, locate
from trimtab.store.base.control import Accounts
from trimtab.store.base.keeper import KeeperStore
from trimtab.store.base.reading import RecordFilter
from trimtab.store.files import create_file
from trimtab.store.filter_text import parse
from trimtab.store.relational.reading import Reading
from trimtab.wiring.encryption import unsealing
from trimtab.wiring.membership import control_store, has_control_store
from trimtab.wiring.record_store import reading, recording

HOME_VARIABLE = "TRIMTAB_HOME"
ENVIRONMENT_VARIABLE = "TRIMTAB_ENV"
MAX_SOCKET_PATH = 100

_ENVIRONMENT_CHARS = range(2, 9)
_SITE_KEY_BYTES = 32


class SystemClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        """See `Clock.now_us`."""
        return time.time_ns() // 1000

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return time.monotonic()


def now() -> datetime:
    """Tell the time, UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """Tell the time in microseconds since the epoch."""
    return round(now().timestamp() * 1e6)


def home(option: Path | None) -> Path:
    """Find the state directory: as asked, `TRIMTAB_HOME`, else `.trimtab` here."""
    return option or Path(os.environ.get(HOME_VARIABLE) or ".trimtab")


def environment() -> str:
    """Name the deployment: `TRIMTAB_ENV`, else `dev`. It is part of keys and of records.

    Raises:
        SettingsInvalid: it is not 2 to 8 lower-case letters.
    """
    name = os.environ.get(ENVIRONMENT_VARIABLE) or "dev"
    is_plain = name.isascii() and name.isalpha() and name.islower()
    if len(name) not in _ENVIRONMENT_CHARS or not is_plain:
        raise SettingsInvalid(f"{ENVIRONMENT_VARIABLE} {name!r} is not 2 to 8 lower-case letters")
    return name


def load_settings(config: Path | None) -> Settings:
    """Read the file that `locate` finds. Raises `SettingsInvalid`, all faults in one message."""
    return load(locate(config, os.environ), os.environ)


def control(at: Path) -> Control:
    """Open the change log of a state directory."""
    return Control(control_store(at), SystemClock(), os.urandom)


def has_control(at: Path) -> bool:
    """Whether there is a change log to open."""
    return has_control_store(at)


def switches(at: Path) -> Switches:
    """Open the kill switches of a state directory."""
    return Switches(control(at), SystemClock())


def keyring(at: Path) -> Keyring:
    """Open the keys of a state directory."""
    return Keyring(control(at), SystemClock(), os.urandom, environment())


def accounts(at: Path) -> Accounts:
    """Open the list of people who may log in to the console."""
    return control_store(at)


def records(at: Path) -> Reading:
    """Open the records of a state directory, with their content and sums."""
    opened = reading(at, tenant_keys(at), SystemClock())
    opened.unsealer = unsealing(at)
    return opened


def ledger(at: Path) -> KeeperStore:
    """Open the ledger of a state directory, to add what no request did."""
    return recording(at, is_keeper=False)


def audit(at: Path) -> Audit:
    """Open the content of a state directory, by the way that writes down who reads it."""
    return Audit(control_store(at), records(at), SystemClock())


def parse_filter(text: str) -> RecordFilter:
    """Read the text form of a filter. Raises `InvalidRequest`."""
    return parse(text, SystemClock().now_us())


def site_key(at: Path) -> bytes:
    """Read the key that all keyed hashes of this site come from; make it at the first start."""
    path = at / "site.key"
    if not path.exists():
        create_file(path, os.urandom(_SITE_KEY_BYTES))
    return path.read_bytes()


def site_proof(at: Path) -> str:
    """Show the key of the site to who may not see it."""
    return hmac.digest(site_key(at), b"control store", "sha256").hex()


def tenant_keys(at: Path) -> Callable[[str], bytes]:
    """Give the key of each tenant: HMAC-SHA-256 of its id under the key of the site."""

    @lru_cache(maxsize=10_000)
    def tenant_key(tenant_id: str) -> bytes:
        return hmac.digest(site_key_once(), tenant_id.encode(), "sha256")

    @lru_cache(maxsize=1)
    def site_key_once() -> bytes:
        return site_key(at)

    return tenant_key


def user_hash(at: Path) -> Callable[[str, str], str]:
    """Give the hash that records and kill switches know a tenant's end user by."""
    key_of = tenant_keys(at)
    return lambda tenant_id, end_user: ids.user_hash(key_of(tenant_id), end_user)


def keeper_socket(at: Path) -> Path:
    """Name the Unix socket of the keeper; a path too long for one is replaced by a short one."""
    path = at.absolute() / "keeper.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hmac.digest(site_key(at), os.fsencode(path), "sha256").hex()[:16]
    return Path(f"/tmp/trimtab-{os.getuid()}") / f"{digest}.sock"  # noqa: S108 -- mode 0700
