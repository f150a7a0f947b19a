"""Which record store a state directory records in, and opening it.

As with the control store, the directory remembers what its file named when it was applied here.
Until it names one, records are in the directory.
"""

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name

import msgspec
from msgspec import Struct

from trimtab.domain.clock import Clock
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.settings import REFERENCE, resolve
from trimtab.store.base.keeper import KeeperStore, SharedKeeperStore
from trimtab.store.files import replace_file
from trimtab.store.relational.reading import Reading
from trimtab.store.sqlite.connect import open_reader
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.store.sqlite.recording import SqliteRecording

FILE, SQLITE = "record-store.json", "records.db"
SHARED = "records"
READING = "trimtab.store.postgres.reading:PostgresReading"
RECORDING = "trimtab.store.postgres.recording:PostgresRecording"
ARCHIVE = "trimtab.wiring.archive"

_RANDOM_BYTES = 8


class Place(Struct, frozen=True, kw_only=True):
    """Where a state directory records, if not in itself.

    Attributes:
        store: URL of the store, or the reference to it, as the file had it.
        host: Names this state directory there: how far its spools are read is kept by it.
        archive: The same of the ClickHouse that keeps single requests, if they are not in it.
    """

    store: str
    host: str
    archive: str | None = None


def reading(home: Path, tenant_key: Callable[[str], bytes], clock: Clock) -> Reading:
    """Open the records of a state directory for reading.

    Raises:
        SettingsInvalid: the driver of the store is not installed, or the reference to it leads
            nowhere.
    """
    place = _place(home)
    if place is None:
        return SqliteReading(home, tenant_key, clock)
    with _driver(place):
        made = resolve_name(READING if place.archive is None else f"{ARCHIVE}:reading")
    opened: Reading = made(_url(place.store), place.host, tenant_key, *_archive(place))
    return opened


def recording(home: Path, *, is_keeper: bool) -> KeeperStore:
    """Open the records of a state directory for writing. Raises `SettingsInvalid` as `reading`.

    Args:
        home: The state directory.
        is_keeper: Whether it is the keeper that writes, and not a command beside it.
    """
    place = _place(home)
    return SqliteRecording(home) if place is None else _shared(place, is_keeper=is_keeper)


def ledger_name(home: Path) -> str:
    """Name the ledger of a state directory among those whose budgets count together.

    Hosts that record in one store have one ledger: what is in it counts once.
    """
    return f"{socket.gethostname()}:{home.absolute()}" if _place(home) is None else SHARED


def join_records(home: Path, store: str | None, proof: str, archive: str | None = None) -> None:
    """Let a state directory record where its file says. Nothing is asked if it does already.

    Raises:
        SettingsInvalid: it cannot record there, or not now; why, and nothing was changed.
    """
    place = _place(home)
    if store is None:
        if place is not None:
            raise SettingsInvalid(
                f"'{home}' records in a store that 'gateway.records' does not name any more; name"
                f" it again, or remove '{home / FILE}' to record in the directory from now on:"
                " budgets then count from zero"
            )
        return
    if place is not None and (place.store, place.archive) == (store, archive):
        return
    if place is None:
        _refuse_to_leave_behind(home)
    host = _new_host() if place is None else place.host
    made = Place(store=store, host=host, archive=archive)
    try:
        asyncio.run(_look(home, made, proof, is_known=place is not None))
    except TryLater as exc:
        # Going on without would record in the directory, and leave that behind.
        raise SettingsInvalid(f"a store must be there when a host joins it: {exc}") from exc
    replace_file(home / FILE, msgspec.json.encode(made))


async def _look(home: Path, place: Place, proof: str, *, is_known: bool) -> None:
    with closing(_shared(place, is_keeper=False)) as store:
        if not await store.is_of(proof):
            raise SettingsInvalid(
                f"'{home / 'site.key'}' is not the key of the hosts in this record store: content"
                " and end users would not be known here; copy theirs to this host"
            )
        if not await store.keeps_as_others():
            raise SettingsInvalid(
                "in this record store, single requests are where its first host had them: in"
                " itself, or in a ClickHouse; let 'gateway.archive' say what it says there, or"
                " name an empty database in 'gateway.records'"
            )
        if is_known and not await store.positions():
            raise SettingsInvalid(
                "'gateway.records' names a store in which this host never recorded, and it did in"
                f" another; copy the database there, or remove '{home / FILE}' to begin anew:"
                " budgets then count from zero"
            )


def _refuse_to_leave_behind(home: Path) -> None:
    path = home / SQLITE
    if not path.exists():
        return
    with closing(open_reader(path)) as connection:
        try:
            found = connection.execute("SELECT 1 FROM ledger LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            # No table yet.
            return
    if found is not None:
        raise SettingsInvalid(
            f"what '{path}' holds does not move to another record store; move the file and"
            f" '{home / 'content'}' to a directory of their own, where commands read them with"
            " --home: budgets then count from zero"
        )


def _new_host() -> str:
    name = socket.gethostname().partition(".")[0]
    return f"{name}-{os.urandom(_RANDOM_BYTES).hex()}"


def _place(home: Path) -> Place | None:
    path = home / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as exc:
        raise SettingsInvalid(f"'{path}' is damaged; restore it from a copy") from exc


def _shared(place: Place, *, is_keeper: bool) -> SharedKeeperStore:
    with _driver(place):
        made = resolve_name(RECORDING if place.archive is None else f"{ARCHIVE}:recording")
    opened: SharedKeeperStore = made(
        _url(place.store), place.host, *_archive(place), is_keeper=is_keeper
    )
    return opened


def _archive(place: Place) -> tuple[str, ...]:
    return () if place.archive is None else (_url(place.archive),)


def _url(store: str) -> str:
    return resolve(store, os.environ).reveal() if REFERENCE.fullmatch(store) else store


@contextmanager
def _driver(place: Place) -> Generator[None]:
    """Say in our words that a driver is not installed."""
    try:
        yield
    except ImportError as exc:
        check_drivers(place.store, place.archive)
        raise SettingsInvalid(_lacking("records", "Postgres", "postgres")) from exc


def check_drivers(records: str | None, archive: str | None) -> None:
    """Insist on the drivers of what a file names; nothing is imported.

    Raises:
        SettingsInvalid: one is not installed.
    """
    for setting, named, engine, module, extra in (
        ("records", records, "Postgres", "psycopg", "postgres"),
        ("archive", archive, "ClickHouse", "clickhouse_connect", "clickhouse"),
    ):
        if named is not None and find_spec(module) is None:
            raise SettingsInvalid(_lacking(setting, engine, extra))


def _lacking(setting: str, engine: str, extra: str) -> str:
    return (
        f"'gateway.{setting}' names {engine}, whose driver is not installed; run"
        f" `pip install 'trimtab[{extra}]'`"
    )
