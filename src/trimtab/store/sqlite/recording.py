"""Where the recorder commits: `records.db` and the content of each day.

Content goes first, for a transaction over two files in WAL mode is not atomic.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.store.base import StoredBlob, Unstorable
from trimtab.store.relational.recording import Recording, Wording
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.sqlite.content import ContentWriter
from trimtab.store.sqlite.dialect import SQL

_POISON = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)

_T = TypeVar("_T")


class SqliteRecording(Recording[sqlite3.Connection]):
    """`store.base.RecordWriter` and `LedgerWriter` over a directory.

    State: the open files. Its work is done in threads, one piece at a time.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(SQL)
        self._path = home / "records.db"
        self._content = ContentWriter(home / "content")
        self._connection: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()

    async def leads(self) -> bool:
        """See `Recording.leads`: of a directory there is one keeper."""
        return True

    def close(self) -> None:
        """See `Recording.close`."""
        self._content.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """See `Recording.do`."""
        async with self._turn:
            return await asyncio.to_thread(self._in_thread, work)

    def transaction(
        self, connection: sqlite3.Connection
    ) -> AbstractContextManager[sqlite3.Connection]:
        """See `Recording.transaction`."""
        return transaction(connection)

    def put_content(self, connection: sqlite3.Connection, blobs: Sequence[StoredBlob]) -> None:  # noqa: ARG002 -- in files of its own
        """See `Recording.put_content`."""
        self._content.put(blobs)

    def stored(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002 -- in files of its own
        tenant_id: str,
        ts_us: int,
        ref: bytes,
    ) -> bytes | None:
        """See `Recording.stored`."""
        return self._content.get(tenant_id, ts_us, ref)

    def put_words(self, connection: sqlite3.Connection, wordings: Sequence[Wording]) -> None:  # noqa: ARG002 -- in files of its own
        """See `Recording.put_words`."""
        self._content.put_words(wordings)

    def _in_thread(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        with _explained(self._path, self.close):
            if self._connection is None:
                self._connection = open_writer(self._path, "records")
            return work(self._connection)


@contextmanager
def _explained(path: Path, close: Callable[[], None]) -> Generator[None]:
    """Say in our words what SQLite says. What cannot be used is closed and opened anew."""
    try:
        yield
    except _POISON as exc:
        raise Unstorable(str(exc)) from exc
    except (sqlite3.Error, SchemaTooNew, OSError) as exc:
        close()
        raise TryLater(
            f"the record store '{path}' cannot be used ({exc}); see that the disk is there, has"
            " room and may be written"
        ) from exc
