"""Where the recorder commits: single requests to a ClickHouse, what adds up to a Postgres.

What may come twice without harm goes to ClickHouse before the transaction in Postgres is
committed, and after all that may be refused. What a crash leaves behind between the two, the
repeated batch puts there again, and of what is the same one stays.
"""

import asyncio
import json
from collections.abc import Collection, Sequence
from datetime import date

from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import Attempt, Finish, RequestRecord
from trimtab.store.base.recording import StoredBlob
from trimtab.store.clickhouse.content import fetched, get
from trimtab.store.clickhouse.dialect import SQL
from trimtab.store.clickhouse.ending import REMEDY, ClickHouseEnding
from trimtab.store.clickhouse.search import written
from trimtab.store.clickhouse.session import SITE, Block, Session
from trimtab.store.postgres.content import day_of
from trimtab.store.postgres.session import Session as Postgres
from trimtab.store.relational.dialect import ANNOTATION, ATTEMPT, REQUEST, SPAN
from trimtab.store.relational.reading import span_us
from trimtab.store.relational.recording import Asked, Stored, Wording
from trimtab.store.relational.rows import Row
from trimtab.store.tally import is_scored


class ClickHouseRecording(ClickHouseEnding):
    """`store.base.KeeperStore` over a database of hosts and its archive."""

    is_elsewhere = True

    async def is_of(self, proof: str) -> bool:
        """See `PostgresRecording.is_of`: both must be of it."""

        def ask(session: Session) -> bool:
            session.tell(SITE["claim_site"], (proof,))
            return session.execute(SITE["site"]).fetchall() == [(proof,)]

        return await super().is_of(proof) and await asyncio.to_thread(self.archive.use, ask, REMEDY)

    def put_content(self, connection: Postgres, blobs: Sequence[StoredBlob]) -> None:  # noqa: ARG002 -- elsewhere
        """See `Recording.put_content`."""
        rows = {
            (date.fromisoformat(day_of(ts_us)), tenant_id, blob.ref): (blob.codec, blob.data)
            for tenant_id, ts_us, blob in blobs
        }
        columns = ("day", "tenant_id", "ref", "codec", "data")
        self._insert((("content", columns, [(*key, *rest) for key, rest in sorted(rows.items())]),))

    def keep(
        self,
        connection: Postgres,
        fresh: Sequence[Finish],
        annotations: Sequence[Annotation],
        spans: Sequence[AppSpan],
    ) -> None:
        """See `Recording.keep`."""
        connection.copy("settled", ("request_id",), [(it.record.request_id,) for it in fresh])
        scores = [(it.annotation_id,) for it in annotations if is_scored(it)]
        self.put(connection, "settle", scores)
        connection.execute(self.sql["forget"])
        self._insert(
            (
                ("request", REQUEST.columns, [REQUEST.row(it.record) for it in fresh]),
                ("request_detail", _DETAIL, [self._detail(it) for it in fresh]),
                (
                    "attempt",
                    (*_OF_REQUEST, *ATTEMPT.columns),
                    [_attempt(it.record, one) for it in fresh for one in it.attempts],
                ),
                ("annotation", ANNOTATION.columns, _first(annotations)),
                ("span", SPAN.columns, _first_spans(spans)),
            )
        )

    def asked(self, connection: Postgres, request_ids: Collection[str]) -> list[Asked]:  # noqa: ARG002 -- elsewhere
        """See `Recording.asked`: in the time that their ids tell."""
        starts, ends = zip(*map(span_us, request_ids), strict=True)
        values = (min(starts), max(ends), list(request_ids))
        rows = self.archive.use(lambda it: it.execute(SQL["asked"], values).fetchall(), REMEDY)
        return [Asked(*row) for row in rows]

    def fetched(self, connection: Postgres, few: Sequence[Asked]) -> Stored:  # noqa: ARG002 -- elsewhere
        """See `Recording.fetched`: with two questions a day."""
        places = [
            (it.tenant_id, it.ts_us, ref)
            for it in few
            for ref in (it.input_ref, it.output_ref)
            if ref is not None
        ]
        return self.archive.use(lambda it: fetched(it, places), REMEDY)

    def stored(self, connection: Postgres, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:  # noqa: ARG002 -- elsewhere
        """See `Recording.stored`."""
        return self.archive.use(lambda it: get(it, tenant_id, ts_us, ref), REMEDY)

    def put_words(self, connection: Postgres, wordings: Sequence[Wording]) -> None:
        """See `Recording.put_words`: if that is still due, for whoever erases it is waited for."""
        ids = json.dumps([it.request_id for it in wordings])
        with self.transaction(connection):
            due = {it for (it,) in connection.execute(self.sql["still_due"], (ids,)).fetchall()}
            rows = [
                (it.tenant_id, it.ts_us, it.request_id, written(it.asked, it.answered))
                for it in wordings
                if it.request_id in due and (it.asked or it.answered)
            ]
            self._insert((("search", ("tenant_id", "ts_us", "request_id", "words"), rows),))

    def _insert(self, told: Sequence[tuple[str, Sequence[str], Sequence[Row]]]) -> None:
        def insert(session: Session) -> None:
            # All are written before the first is sent: one that fits no column keeps all away.
            blocks: list[Block] = [session.block(*it) for it in told]
            for block in blocks:
                session.insert(block)

        if any(rows for _, _, rows in told):
            self.archive.use(insert, REMEDY)

    def _detail(self, finish: Finish) -> Row:
        return (finish.record.ts_us, finish.record.request_id, self.packed(finish.detail))


_DETAIL = ("ts_us", "request_id", "detail")
_OF_REQUEST = ("ts_us", "request_id", "origin", "refused")


def _attempt(record: RequestRecord, attempt: Attempt) -> Row:
    # Only the last attempt of a request can be its answer.
    refused = record.refusal if attempt.n == record.attempt_count else False
    return (record.ts_us, record.request_id, record.origin, refused, *ATTEMPT.row(attempt))


def _first(annotations: Sequence[Annotation]) -> list[Row]:
    """Give the first of each id as a row."""
    by_id = {it.annotation_id: it for it in reversed(annotations)}
    return [ANNOTATION.row(by_id[it]) for it in sorted(by_id)]


def _first_spans(spans: Sequence[AppSpan]) -> list[Row]:
    by_id = {(it.tenant_id, it.trace_id, it.span_id): it for it in reversed(spans)}
    return [SPAN.row(by_id[it]) for it in sorted(by_id)]
