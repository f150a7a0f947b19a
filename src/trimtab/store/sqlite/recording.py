"""Where the recorder commits: `records.db` and the content of each day.

Content goes first, for a transaction over two files in WAL mode is not atomic.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.domain.record import Blob
from trimtab.store.base.recording import StoredBlob, Unstorable
from trimtab.store.relational.erasing import Dropped
from trimtab.store.relational.recording import Wording
from trimtab.store.relational.retention import Ending
from trimtab.store.sqlite.connect import open_writer, shred, transaction
from trimtab.store.sqlite.content import KEPT, ContentWriter, day_file
from trimtab.store.sqlite.dialect import SQL

_POISON = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
)

SHRED_TRIES, SHRED_RETRY_S = 20, 0.5

_T = TypeVar("_T")


class SqliteRecording(Ending[sqlite3.Connection]):
    """`store.base.RecordWriter` and `LedgerWriter` over a directory.

    State: the open files. Its work is done in threads, one piece at a time.
    """

    def __init__(self, home: Path) -> None:
        super().__init__(SQL)
        self._path = home / "records.db"
        self._days = home / "content"
        self._content = ContentWriter(self._days)
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

    def blobs(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002 -- in files of its own, as all content
        day: tuple[str, int],
        refs: Collection[bytes],
    ) -> Mapping[bytes, Blob]:
        """See `Erasing.blobs`."""
        return self._content.pieces(day_file(self._days, day[1]), day[0], refs)

    def drop_blobs(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002
        day: tuple[str, int],
        refs: Collection[bytes],
    ) -> int:
        """See `Erasing.drop_blobs`."""
        return self._content.drop(day_file(self._days, day[1]), day[0], refs)

    def drop_words(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002
        day: tuple[str, int],
        request_ids: Collection[str],
    ) -> int:
        """See `Erasing.drop_words`."""
        return self._content.drop_words(day_file(self._days, day[1]), request_ids)

    def drop_content(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002
        day_us: int,
        tenant_id: str | None,
        limit: int,
    ) -> Dropped:
        """See `Erasing.drop_content`."""
        return self._content.drop_day(day_file(self._days, day_us), tenant_id, limit)

    def keep_blobs(
        self,
        connection: sqlite3.Connection,  # noqa: ARG002
        tenant_id: str,
        blobs: Iterable[Blob],
    ) -> None:
        """See `Erasing.keep_blobs`."""
        self._content.keep(self._days / KEPT, tenant_id, blobs)

    def kept(self, connection: sqlite3.Connection, tenant_id: str) -> Mapping[bytes, Blob]:  # noqa: ARG002
        """See `Erasing.kept`."""
        return self._content.all_of(self._days / KEPT, tenant_id)

    def kept_tenants(self, connection: sqlite3.Connection) -> list[str]:  # noqa: ARG002
        """See `Erasing.kept_tenants`."""
        return self._content.tenants(self._days / KEPT)

    def drop_kept(
        self,
        connection: sqlite3.Connection,
        tenant_id: str,
        *,
        but: Collection[bytes],
    ) -> int:
        """See `Erasing.drop_kept`."""
        going = self.kept(connection, tenant_id).keys() - set(but)
        return self._content.drop(self._days / KEPT, tenant_id, going)

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`: day by day, for the recorder writes in between."""
        found: list[tuple[int, str]] = []
        for day_us, path in list(self._content.days()):
            tenants = await self.do(lambda _, path=path: self._content.tenants(path))
            found += [(day_us, tenant_id) for tenant_id in tenants]
        return tuple(found)

    async def shred(self) -> tuple[str, ...]:
        """See `Eraser.shred`: file by file."""
        for path in self._content.files():
            begin = True
            while await self.do(
                lambda _, path=path, begin=begin: self._content.merge_words(path, begin=begin)
            ):
                begin = False
        left = [shred, *(partial(self._content.shred, it) for it in self._content.files())]
        for _ in range(SHRED_TRIES):
            left = [it for it in left if not await self.do(it)]
            if not left:
                return ()
            await asyncio.sleep(SHRED_RETRY_S)
        return ("somebody reads the files: what was deleted is in their logs until they are done",)

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
