"""Connections to Postgres that speak as `sqlite3` does, for what threads ask of the records."""

import asyncio
import re
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import TypeVar
from weakref import finalize

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import make_conninfo

from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.store.postgres.connect import Row, hang_up, impatient, open_database, place_of
from trimtab.store.relational.dialect import Values

DATABASE = "postgres_records"
ENCODING = "UTF8"

_COMMENT = re.compile(r"^--.*$", re.MULTILINE)
_NAMED = re.compile(r":(\w+)")
_T = TypeVar("_T")


class Session:
    """A `store.relational.dialect.Connection`, in autocommit mode, the schema migrated."""

    def __init__(self, url: str) -> None:
        """Connect; to be called in a thread. What the URL leaves out, libpq looks up.

        Raises:
            SchemaTooNew: the schema is newer than this program.
            psycopg.Error: it is away, does not let us in, or has no room for every text.
        """
        asyncio.run(_migrate(url))
        self._connection: psycopg.Connection[Row] = psycopg.connect(
            make_conninfo(impatient(url), client_encoding=ENCODING), autocommit=True
        )
        # Commands ask once, and forget it.
        finalize(self, self._connection.close)
        encoding = self._connection.info.parameter_status("server_encoding")
        if encoding != ENCODING:
            self.close()
            raise psycopg.NotSupportedError(f"the database is {encoding}, it must be {ENCODING}")
        adapters = self._connection.adapters
        adapters.register_dumper(str, _TextDumper)
        adapters.register_loader("text", _TextLoader)
        adapters.register_loader("numeric", _WholeLoader)

    @property
    def file(self) -> int:
        """Number of the file that its connection is."""
        return self._connection.fileno()

    def execute(self, sql: str, values: Values = ()) -> psycopg.Cursor[Row]:
        """See `Connection.execute`."""
        return self._connection.execute(_translated(sql), values)

    def executemany(self, sql: str, rows: Iterable[Row]) -> None:
        """See `Connection.executemany`; all go in one round trip."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Add rows to a table, the fastest way there is."""
        into = f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()
        with self._connection.cursor() as cursor, cursor.copy(into) as copy:
            for row in rows:
                copy.write_row(row)

    def transaction(self) -> AbstractContextManager[object]:
        """Run a block as one step, undone if it raises."""
        return self._connection.transaction()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Line:
    """The way to a database: a session that is opened when first used, and anew after a failure.

    State: the session; one thread uses it at a time.
    """

    def __init__(
        self, url: str, *, patience_s: float, prepare: Callable[[Session], None] | None = None
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Of the database.
            patience_s: How long a piece of work may take; then we hang up on the server.
            prepare: What is done first in every session.

        Raises:
            SettingsInvalid: libpq does not understand the URL.
        """
        self._url = url
        self._place = place_of(url, "gateway.records")
        self._patience_s = patience_s
        self._prepare = prepare
        self._guard = threading.Lock()
        self._session: Session | None = None

    async def do(self, work: Callable[[Session], _T], remedy: str) -> _T:
        """Run a piece of work in a thread.

        Raises:
            TryLater: the database cannot be used; why, and the remedy.
        """
        return await asyncio.to_thread(self._in_thread, work, remedy)

    def close(self) -> None:
        """Hang up; the next call connects again."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _in_thread(self, work: Callable[[Session], _T], remedy: str) -> _T:
        with self._guard:
            try:
                session = self._open()
                with _patient(session, self._patience_s):
                    return work(session)
            except (psycopg.Error, SchemaTooNew, OSError) as exc:
                self.close()
                why = str(exc).partition("\n")[0]
                raise TryLater(
                    f"the record store {self._place} cannot be used ({why}); {remedy}"
                ) from exc

    def _open(self) -> Session:
        if self._session is None:
            session = Session(self._url)
            try:
                if self._prepare is not None:
                    self._prepare(session)
            except BaseException:
                session.close()
                raise
            self._session = session
        return self._session


@contextmanager
def _patient(session: Session, patience_s: float) -> Generator[None]:
    too_late = threading.Event()

    def give_up() -> None:
        too_late.set()
        hang_up(session.file)

    timer = threading.Timer(patience_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.Error as exc:
        if too_late.is_set():
            raise TimeoutError(f"no answer in {patience_s:g} s") from exc
        raise
    finally:
        timer.cancel()


async def _migrate(url: str) -> None:
    await (await open_database(url, DATABASE)).close()


@lru_cache(maxsize=1000)
def _translated(sql: str) -> bytes:
    plain = _COMMENT.sub("", sql).replace("%", "%%").replace("?", "%s")
    return _NAMED.sub(r"%(\1)s", plain).encode()


class _TextDumper(Dumper):
    """Text may hold no NUL in Postgres. What stands for it keeps the order of texts."""

    def dump(self, obj: str) -> bytes:
        if "\1" in obj or "\0" in obj:
            obj = obj.replace("\1", "\1\2").replace("\0", "\1\1")
        return obj.encode()


class _TextLoader(Loader):
    """Text as it was given."""

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        return text.replace("\1\1", "\0").replace("\1\2", "\1") if "\1" in text else text


class _WholeLoader(Loader):
    """Sums are of whole numbers."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))
