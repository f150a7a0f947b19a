"""Which control store a state directory belongs to, and opening it.

Most commands are told a state directory and read no file, so the directory remembers which store
the file named when it was applied here. Until it names one, it is `control.db` in the directory.
"""

import asyncio
import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

import msgspec
from msgspec import Struct

from trimtab.control.carry import carry
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import REFERENCE, resolve
from trimtab.store.base.control import (
    Acknowledgement,
    Acknowledgements,
    ControlStore,
    SharedControlStore,
)
from trimtab.store.files import replace_file
from trimtab.store.sqlite.control import SqliteControl
from trimtab.telemetry.spool import is_free

FILE, SQLITE = "control-store.json", "control.db"
LAST_GOOD = "last-good"
POSTGRES = "trimtab.store.postgres.control:PostgresControl"

log = logging.getLogger("trimtab")


class Membership(Struct, frozen=True, kw_only=True):
    """That a state directory is one of several on a store.

    Attributes:
        store: URL of the store, or the reference to it, as the file had it.
        host: Names this state directory to the others.
    """

    store: str
    host: str


def control_store(home: Path) -> ControlStore:
    """Open the control store of a state directory.

    Raises:
        SettingsInvalid: its driver is not installed, or the reference to it leads nowhere.
    """
    member = _membership(home)
    if member is not None:
        return _shared(member.store)
    return SqliteControl(home / SQLITE, was_there=(home / LAST_GOOD).exists())


def has_control_store(home: Path) -> bool:
    """Whether anything was ever applied to a state directory."""
    return is_shared(home) or (home / SQLITE).exists()


def is_shared(home: Path) -> bool:
    """Whether the control store of a state directory is that of other hosts, too."""
    return _membership(home) is not None


def acknowledgements(home: Path, store: ControlStore) -> Acknowledgements:
    """Keep the worker ids of this host apart from those of the others."""
    member = _membership(home)
    return store if member is None else Named(store, f"{member.host}/")


def living(home: Path, store: ControlStore) -> Acknowledgements:
    """Tell what the workers run that live; of other hosts all that said so are taken to live."""
    said = acknowledgements(home, store)
    return said if is_shared(home) else Living(said, home / "spool")


@dataclass(frozen=True, slots=True)
class Living:
    """`store.base.Acknowledgements` of the workers that live: those that hold their spool."""

    store: Acknowledgements
    spool: Path

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """See `Acknowledgements.acknowledge`."""
        await self.store.acknowledge(ack)

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """See `Acknowledgements.acknowledgements`."""
        acks = await self.store.acknowledgements()
        return tuple(ack for ack in acks if not is_free(self.spool / ack.worker_id))


def join(home: Path, store: str | None, proof: str) -> None:
    """Let a state directory belong to the store that its file names.

    The change log it had by itself is carried over if the store has none.

    Raises:
        SettingsInvalid: it cannot belong there; why, and nothing was changed.
    """
    member = _membership(home)
    if store is None:
        if member is not None:
            raise SettingsInvalid(
                f"'{home}' belongs to a control store that 'gateway.store' does not name any more;"
                f" name it again, or remove '{home / FILE}' and '{home / LAST_GOOD}' to begin anew"
                " with this host alone"
            )
        return
    asyncio.run(_join(home, store, proof, member))
    if member is None or member.store != store:
        host = f"{socket.gethostname().partition('.')[0]}-{os.urandom(2).hex()}"
        made = Membership(store=store, host=host if member is None else member.host)
        replace_file(home / FILE, msgspec.json.encode(made))


async def _join(home: Path, store: str, proof: str, member: Membership | None) -> None:
    shared = _shared(store)
    try:
        if not await shared.is_of(proof):
            raise SettingsInvalid(
                f"'{home / 'site.key'}' is not the key of the hosts on this control store: what is"
                " suspended there by a user's name would not be known here; copy theirs to this"
                " host"
            )
        if member is not None and member.store != store and not await shared.head():
            raise SettingsInvalid(
                "'gateway.store' names a store without a change log, and this host ran on another;"
                f" copy the database there, or remove '{home / FILE}' to begin anew"
            )
        if member is None and (home / SQLITE).exists():
            ours = SqliteControl(home / SQLITE)
            carried = await carry(ours, shared)
            ours.close()
            if carried:
                log.info("carried %d changes of '%s' to the control store", carried, home / SQLITE)
    finally:
        await shared.close()


@dataclass(frozen=True, slots=True)
class Named:
    """`store.base.Acknowledgements` of many hosts; our own workers have no prefix here."""

    store: Acknowledgements
    prefix: str

    async def acknowledge(self, ack: Acknowledgement) -> None:
        """See `Acknowledgements.acknowledge`."""
        named = msgspec.structs.replace(ack, worker_id=self.prefix + ack.worker_id)
        await self.store.acknowledge(named)

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """See `Acknowledgements.acknowledgements`."""
        return tuple(
            msgspec.structs.replace(ack, worker_id=ack.worker_id.removeprefix(self.prefix))
            for ack in await self.store.acknowledgements()
        )


def _membership(home: Path) -> Membership | None:
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Membership)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as exc:
        raise SettingsInvalid(f"'{path}' is damaged; remove it and apply the file again") from exc


def _shared(store: str) -> SharedControlStore:
    try:
        made = resolve_name(POSTGRES)
    except ImportError as exc:
        raise SettingsInvalid(
            "'gateway.store' names Postgres, whose driver is not installed; run"
            " `pip install 'trimtab[postgres]'`"
        ) from exc
    url = resolve(store, os.environ).reveal() if REFERENCE.fullmatch(store) else store
    opened: SharedControlStore = made(url)
    return opened
