"""How far the databases of a state directory are, before anybody opens and so migrates them."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from pkgutil import resolve_name
from typing import NamedTuple

from trimtab.store.schema import newest
from trimtab.store.sqlite.connect import version_of
from trimtab.wiring.membership import SQLITE as CONTROL
from trimtab.wiring.membership import store_url
from trimtab.wiring.record_store import ARCHIVE, store_urls
from trimtab.wiring.record_store import SQLITE as RECORDS

CONTENT = "content"
ALERTS = "alerts.db"
POSTGRES = "trimtab.store.postgres.connect:version_of"


class State(StrEnum):
    """What is to be said of a database."""

    CURRENT = "current"
    PENDING = "pending"
    KEPT = "kept as it is"
    TOO_NEW = "too new"


class Schema(NamedTuple):
    """How far a database is.

    Attributes:
        place: Its file, or where it is.
        seen: Number of the last migration it has seen.
        known: Number of the last one that this program has.
    """

    database: str
    place: str
    seen: int
    known: int

    @property
    def state(self) -> State:
        """Tell what opening it does. A day of content is migrated only when it is written again."""
        if self.seen > self.known:
            return State.TOO_NEW
        if self.seen == self.known:
            return State.CURRENT
        return State.KEPT if self.database == CONTENT else State.PENDING


def schemas(home: Path) -> Iterator[Schema]:
    """Tell of every database that is there; nothing is changed.

    Raises:
        SettingsInvalid: a reference to one leads nowhere, or its driver is not installed.
        TryLater: one is away, or cannot be read.
    """
    control = store_url(home)
    if control is not None:
        yield _shared(control, "postgres_control", "gateway.store")
    elif (home / CONTROL).exists():
        yield _file("control", home / CONTROL)
    records = store_urls(home)
    if records:
        yield _shared(records[0], "postgres_records", "gateway.records")
    elif (home / RECORDS).exists():
        yield _file("records", home / RECORDS)
    for url in records[1:]:
        ask: Callable[[str], tuple[str, int]] = resolve_name(f"{ARCHIVE}:version")
        yield Schema("clickhouse_records", *ask(url), newest("clickhouse_records"))
    if (home / ALERTS).exists():
        yield _file("alerts", home / ALERTS)
    for path in sorted((home / CONTENT).glob("*.db")):
        yield _file(CONTENT, path)


def _file(database: str, path: Path) -> Schema:
    return Schema(database, str(path), version_of(path), newest(database))


def _shared(url: str, database: str, setting: str) -> Schema:
    ask: Callable[[str, str, str], tuple[str, int]] = resolve_name(POSTGRES)
    return Schema(database, *ask(url, database, setting), newest(database))
