"""Which master key the content of a state directory is sealed under.

Most commands are told a state directory and read no file, so the directory remembers the reference
that its file named when it was applied here. It stays when sealing is switched off: what was sealed
before is read with it. What imports `cryptography` is loaded when it is needed.
"""

from collections.abc import Awaitable, Callable, Collection
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from typing import Protocol

import msgspec
from msgspec import Struct

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.pipeline.content import Seal
from trimtab.settings import Settings
from trimtab.store.base.control import ContentKeys
from trimtab.store.content import Unseal, Unsealing
from trimtab.store.files import replace_file
from trimtab.wiring.membership import control_store

FILE = "content-encryption.json"
ENGINE = "trimtab.wiring.sealing:"


class Remembered(Struct, frozen=True):
    """The reference to the master key, as the file had it."""

    master_key: str


class Sealing(Protocol):
    """What seals the content of each tenant; see `control.content_keys.Sealing`."""

    def of(self, tenant_id: str) -> Seal | None:
        """Give what seals the content of a tenant, if its key is here."""
        ...

    def wake(self) -> None:
        """Look at once."""
        ...

    async def look(self) -> None:
        """Read the keys. Raises `TryLater`."""
        ...

    async def run(self) -> None:
        """Look once a second, for ever."""
        ...


def check_encryption(settings: Settings) -> None:
    """Insist on the extra, if content is to be sealed; nothing is imported.

    Raises:
        SettingsInvalid: it is missing.
    """
    if settings.master_key is not None and find_spec("cryptography") is None:
        raise SettingsInvalid(
            "`content_encryption` needs an extra that is not installed; run"
            " pip install 'trimtab[encryption]'"
        )


def join_encryption(home: Path, settings: Settings) -> None:
    """Let a state directory remember the master key that its file names.

    Raises:
        SettingsInvalid: it is none, or not the one that keys are wrapped under.
        TryLater: the control store is away.
    """
    if settings.master_key is not None:
        check_encryption(settings)
        expect_own: Callable[[Path, str], None] = resolve_name(f"{ENGINE}expect_own")
        expect_own(home, settings.master_key)
        _remember(home, settings.master_key)


def rewrap(home: Path, settings: Settings, before: str) -> int:
    """Wrap all keys under the master key of the file instead of the one before; tells how many.

    Raises:
        SettingsInvalid: the file names none, or one of the keys opens with neither.
        TryLater: the control store is away.
    """
    if settings.master_key is None:
        raise SettingsInvalid(
            f"'{settings.file}' names no master key; write `content_encryption: {{master_key:"
            " env:NAME}}` with the new one"
        )
    check_encryption(settings)
    wrap: Callable[[Path, str, str], int] = resolve_name(f"{ENGINE}rewrap")
    moved = wrap(home, settings.master_key, before)
    _remember(home, settings.master_key)
    return moved


def sealing(home: Path, settings: Settings, current: Callable[[], Snapshot]) -> Sealing | None:
    """Make what seals the content of all tenants, if content is to be sealed.

    Raises:
        SettingsInvalid: the reference leads to no master key, or the extra is missing.
    """
    if settings.master_key is None:
        return None
    check_encryption(settings)
    make: Callable[[Path, str, Callable[[], Collection[str]]], Sealing]
    make = resolve_name(f"{ENGINE}sealing")
    return make(home, settings.master_key, lambda: current().tenants)


def unsealing(home: Path) -> Unsealing:
    """Give what opens the content of tenants. A key is read each time: it may be destroyed."""
    opened = lru_cache(maxsize=1)(control_store)

    async def of(tenant_id: str) -> Unseal | None:
        try:
            reference = msgspec.json.decode((home / FILE).read_bytes(), type=Remembered)
        except (FileNotFoundError, msgspec.DecodeError) as exc:
            raise TryLater(
                f"content is sealed, and '{home}' knows no master key; set"
                " `content_encryption.master_key` and apply the file here"
            ) from exc
        try:
            unseal: Callable[[ContentKeys, str, str], Awaitable[Unseal | None]]
            unseal = resolve_name(f"{ENGINE}unseal")
            return await unseal(opened(home), reference.master_key, tenant_id)
        except SettingsInvalid as exc:
            raise TryLater(f"content is sealed: {exc}") from exc
        except ImportError as exc:
            raise TryLater(
                "content is sealed, and an extra is not installed; run"
                " pip install 'trimtab[encryption]'"
            ) from exc

    return of


def _remember(home: Path, reference: str) -> None:
    replace_file(home / FILE, msgspec.json.encode(Remembered(reference)))
