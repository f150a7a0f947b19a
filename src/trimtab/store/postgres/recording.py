"""Where the recorder commits: one Postgres for the records and the content of several hosts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import psycopg
from msgspec.structs import replace
from psycopg import errors

from trimtab.domain.errors import TryLater
from trimtab.domain.record import Blob
from trimtab.store.base.recording import Batch, OpenRequest, SpoolPosition, StoredBlob, Unstorable
from trimtab.store.bodies import MAX_ASKED
from trimtab.store.postgres.content import day_of, get
from trimtab.store.postgres.dialect import SQL
from trimtab.store.postgres.session import Line, Session
from trimtab.store.relational.dialect import ATTEMPT, LINE, REQUEST
from trimtab.store.relational.erasing import Dropped
from trimtab.store.relational.recording import Wording
from trimtab.store.relational.retention import Ending
from trimtab.store.relational.rows import Row

PATIENCE_S = 15.0

_POISON = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.DatatypeMismatch,
    errors.ProgramLimitExceeded,
    OverflowError,
    ValueError,
)
_REMEDY = "see that Postgres runs, can be reached from here, lets us in and has room"
# A server that does not hear of a host any more lets go of its locks in 20 s.
_HEAR = "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
_COPIED: Mapping[str, tuple[str, Sequence[str]]] = {
    "put_request": ("request", REQUEST.columns),
    "put_detail": ("request_detail", ("request_id", "detail")),
    "put_attempt": ("attempt", ("request_id", *ATTEMPT.columns)),
    "put_line": ("ledger", LINE.columns),
    "put_due": ("search_due", ("request_id",)),
}

_VACUUMED = (
    *("content", "kept_content", "search", "annotation", "annotation_claim", "span"),
    *("request", "request_detail", "attempt", "ledger", "open_request"),
)

_T = TypeVar("_T")


class PostgresRecording(Ending[Session]):
    """`store.base.RecordWriter` and `LedgerWriter` over a database of several hosts.

    Each host knows its own workers alone; here they are named HOST/WORKER.

    State: the connection, and in which session it leads.
    """

    is_elsewhere = False
    """Whether single requests are kept elsewhere."""

    def __init__(
        self, url: str, host: str, *, is_keeper: bool, patience_s: float | None = None
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Of the database.
            host: Names the state directory to the others; no two have one name.
            is_keeper: Whether it writes for the workers of its host; of those there is one.
            patience_s: How long a piece of work may take; `None` is 15 s.

        Raises:
            SettingsInvalid: libpq does not understand the URL. It is not repeated.
        """
        super().__init__(SQL)
        self.host = self._host = host
        self._prefix = f"{host}/"
        self._leading: Session | None = None
        self._line = Line(
            url, patience_s=patience_s or PATIENCE_S, prepare=self._be_alone if is_keeper else None
        )

    async def leads(self) -> bool:
        """See `Recording.leads`: the first keeper that asks, as long as its session lives."""
        return await self.do(self._lead)

    async def is_of(self, proof: str) -> bool:
        """Tell whether a host is of the site that the records are of; the first host decides."""

        def ask(session: Session) -> bool:
            session.execute(SQL["claim_site"], (proof,))
            return session.execute(SQL["site"]).fetchone() == (proof,)

        return await self.do(ask)

    async def keeps_as_others(self) -> bool:
        """Tell whether other hosts keep single requests where this one does; the first decides."""

        def ask(session: Session) -> bool:
            session.execute(SQL["claim_place"], (self.is_elsewhere,))
            return session.execute(SQL["place"]).fetchone() == (self.is_elsewhere,)

        return await self.do(ask)

    def close(self) -> None:
        """See `Recording.close`."""
        self._line.close()

    async def commit(self, batch: Batch) -> int:
        """See `RecordWriter.commit`."""
        return await super().commit(
            replace(
                batch,
                opened=tuple(
                    replace(it, worker_id=self._prefix + it.worker_id) for it in batch.opened
                ),
                moves=tuple(
                    it._replace(
                        to=self._named(it.to),
                        since=None if it.since is None else self._named(it.since),
                    )
                    for it in batch.moves
                ),
            )
        )

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `RecordWriter.positions`: those of this host."""
        return of_host(self._prefix, await super().positions())

    async def opened(self) -> tuple[OpenRequest, ...]:
        """See `RecordWriter.opened`: those of this host."""
        return tuple(
            replace(it, worker_id=it.worker_id.removeprefix(self._prefix))
            for it in await super().opened()
            if it.worker_id.startswith(self._prefix)
        )

    async def do(self, work: Callable[[Session], _T]) -> _T:
        """See `Recording.do`."""

        def run(session: Session) -> _T:
            try:
                return work(session)
            except _POISON as exc:
                raise Unstorable(str(exc)) from exc

        return await self._line.do(run, _REMEDY)

    def transaction(self, connection: Session) -> AbstractContextManager[object]:
        """See `Recording.transaction`."""
        return connection.transaction()

    def put_content(self, connection: Session, blobs: Sequence[StoredBlob]) -> None:
        """See `Recording.put_content`."""
        if not blobs:
            return
        # In one order everywhere: two keepers wait for one another, and never in a circle. One
        # statement takes each piece once; the last of a batch stays.
        pieces = {(day_of(ts_us), of, blob.ref): blob for of, ts_us, blob in blobs}
        rows = [(*at, pieces[at].codec, pieces[at].data) for at in sorted(pieces)]
        connection.execute(SQL["put_content"], [list(column) for column in zip(*rows, strict=True)])

    def stored(self, connection: Session, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        """See `Recording.stored`."""
        return get(connection, tenant_id, ts_us, ref)

    def put_words(self, connection: Session, wordings: Sequence[Wording]) -> None:
        """See `Recording.put_words`."""
        rows = [
            (day_of(it.ts_us), _vector(it), it.request_id)
            for it in wordings
            if it.asked or it.answered
        ]
        self.put(connection, "put_words", rows)

    def blobs(
        self, connection: Session, day: tuple[str, int], refs: Collection[bytes]
    ) -> Mapping[bytes, Blob]:
        """See `Erasing.blobs`."""
        values = (day_of(day[1]), day[0], list(refs))
        rows = connection.execute(SQL["pieces"], values).fetchall()
        return {bytes(ref): Blob(bytes(ref), codec, data) for ref, codec, data in rows}

    def drop_blobs(self, connection: Session, day: tuple[str, int], refs: Collection[bytes]) -> int:
        """See `Erasing.drop_blobs`."""
        values = (day_of(day[1]), day[0], list(refs))
        return connection.execute(SQL["drop_pieces"], values).rowcount

    def drop_words(
        self,
        connection: Session,
        day: tuple[str, int],  # noqa: ARG002 -- requests have one row each, of whatever day
        request_ids: Collection[str],
    ) -> int:
        """See `Erasing.drop_words`."""
        return connection.execute(SQL["drop_words"], (list(request_ids),)).rowcount

    def drop_content(
        self, connection: Session, day_us: int, tenant_id: str | None, limit: int
    ) -> Dropped:
        """See `Erasing.drop_content`."""
        values = (day_of(day_us), tenant_id, tenant_id, limit)
        words = connection.execute(SQL["drop_words_of_day"], values).rowcount
        return Dropped(words, connection.execute(SQL["drop_content"], values).rowcount)

    def keep_blobs(self, connection: Session, tenant_id: str, blobs: Iterable[Blob]) -> None:
        """See `Erasing.keep_blobs`."""
        rows = [(tenant_id, it.ref, it.codec, it.data) for it in blobs]
        connection.executemany(SQL["keep_content"], rows)

    def kept(self, connection: Session, tenant_id: str) -> Mapping[bytes, Blob]:
        """See `Erasing.kept`."""
        rows = connection.execute(SQL["kept_content"], (tenant_id,)).fetchall()
        return {bytes(ref): Blob(bytes(ref), codec, data) for ref, codec, data in rows}

    def kept_tenants(self, connection: Session) -> list[str]:
        """See `Erasing.kept_tenants`."""
        return [it for (it,) in connection.execute(SQL["kept_tenants"]).fetchall()]

    def drop_kept(self, connection: Session, tenant_id: str, *, but: Collection[bytes]) -> int:
        """See `Erasing.drop_kept`."""
        return connection.execute(SQL["drop_kept"], (tenant_id, list(but))).rowcount

    async def content_of(self) -> tuple[tuple[int, str], ...]:
        """See `RetentionStore.content_of`."""
        rows = await self.do(lambda it: it.execute(SQL["content_days"]).fetchall())
        return tuple((int(day_us), tenant_id) for day_us, tenant_id in rows)

    def may_end_lines(self, connection: Session, before_us: int) -> None:
        """See `Ending.may_end_lines`."""
        connection.execute(SQL["may_end_lines"], (str(before_us),))

    async def shred(self) -> tuple[str, ...]:
        """See `Eraser.shred`."""
        left = (
            "Postgres has what was deleted in its log, its free space, the index of words, its"
            " replicas and its backups; they age out"
        )
        try:
            for table in _VACUUMED:
                await self.do(partial(_vacuum, table))
        except TryLater as exc:
            return (left, f"VACUUM was not through ({exc}); autovacuum does it later")
        return (left,)

    def put(self, connection: Session, name: str, rows: Iterable[Row]) -> None:
        """See `Recording.put`."""
        if name in _COPIED:
            connection.copy(*_COPIED[name], rows)
        else:
            super().put(connection, name, rows)

    def _be_alone(self, session: Session) -> None:
        session.execute(_HEAR)
        if session.execute(SQL["alone"], (f"host {self._host}",)).fetchone() != (True,):
            raise errors.LockNotAvailable(f"another keeper writes as host '{self._host}'")

    def _lead(self, session: Session) -> bool:
        # Once a session: asked again it would say yes to itself, and count.
        if session is not self._leading:
            found = session.execute(SQL["alone"], ("all hosts",)).fetchone()
            self._leading = session if found == (True,) else None
        return self._leading is not None

    def _named(self, position: SpoolPosition) -> SpoolPosition:
        return replace(position, worker_id=self._prefix + position.worker_id)


def _vacuum(table: str, session: Session) -> None:
    session.execute(f"VACUUM {table}")


def of_host(prefix: str, positions: Iterable[SpoolPosition]) -> tuple[SpoolPosition, ...]:
    """Give the positions of one host, by the names that it knows its workers by."""
    return tuple(
        replace(it, worker_id=it.worker_id.removeprefix(prefix))
        for it in positions
        if it.worker_id.startswith(prefix)
    )


def _vector(of: Wording) -> str:
    """Write words as a tsvector; those answered stand so far behind that no phrase spans both."""
    placed = [*enumerate(of.asked, 1), *enumerate(of.answered, MAX_ASKED + 2)]
    return " ".join(f"'{word}':{place}" for place, word in placed)
