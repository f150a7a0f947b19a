"""Sending what was not taken the first time: batches put aside, and requests from the store."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from trimtab.domain.errors import TryLater
from trimtab.domain.record import Finish
from trimtab.store.base.reading import Cursor, RecordFilter, RecordReader
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.app_spans import Released, stored_spans
from trimtab.telemetry.batch import MAX_SPANS, Entry, of_app, of_request, pieces
from trimtab.telemetry.export import with_words
from trimtab.telemetry.receiver import NO_ANSWER, Answer, Verdict
from trimtab.telemetry.sampling import decided
from trimtab.telemetry.view import View, encode
from trimtab.telemetry.words import Words

TRIES = 6
PAGE = 200


Posting = Callable[[bytes], Awaitable[Answer]]
"""Posts a body and waits for the answer; see `receiver.Post`."""


class Reposted(NamedTuple):
    """What became of batches that were put aside; `answer` is the last one."""

    taken: int
    refused: int
    left: int
    answer: Answer | None

    def plus(self, other: "Reposted") -> "Reposted":
        """Add what became of others."""
        return Reposted(
            self.taken + other.taken,
            self.refused + other.refused,
            self.left + other.left,
            other.answer or self.answer,
        )


@dataclass(frozen=True, slots=True)
class Patient:
    """A post that waits and tries again for a while.

    Attributes:
        sleep: Waits seconds.
        now_us: Tells the time.
    """

    post: Posting
    sleep: Callable[[float], Awaitable[None]]
    now_us: Callable[[], int]
    chance: random.Random

    async def __call__(self, body: bytes) -> Answer:
        """Post until there is an answer that waiting does not change, or six times."""
        answer = await self.post(body)
        for tried in range(1, TRIES):
            if answer.verdict is not Verdict.AGAIN:
                break
            asked_s = answer.retry_after_s(self.now_us())
            await self.sleep(self.chance.uniform(0, 2**tried) if asked_s is None else asked_s)
            answer = await self.post(body)
        return answer


async def repost(letters: Sequence[Path], post: Posting) -> Reposted:
    """Post what was put aside, oldest first; what is taken is removed.

    Stops as soon as the receiver is away or the key is wrong.
    """
    taken = refused = 0
    answer: Answer | None = None
    for letter in letters:
        answer = await post(await asyncio.to_thread(letter.read_bytes))
        if answer.verdict in (Verdict.AGAIN, Verdict.PAUSE):
            break
        if answer.verdict is Verdict.TAKEN:
            await asyncio.to_thread(letter.unlink)
            taken += 1
        else:
            refused += 1
    return Reposted(taken, refused, len(letters) - taken - refused, answer)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Renders requests from the store, newest first, under the ids that they had."""

    records: RecordReader
    post: Posting
    view: View
    words: Words | None

    async def __call__(self, since_us: int, until_us: int) -> AsyncIterator[int]:
        """Send the kept traces of requests that began in [since, until); gives spans as they go.

        Raises:
            TryLater: the receiver did not take a batch, or the store is away; up to which instant
                all is done.
        """
        waiting: list[Entry] = []
        before_us = until_us
        told = set[str]()
        async for stored in self._stored(RecordFilter(since_us=since_us, until_us=until_us)):
            entries = [*self._rendered(stored), *await self._told(stored, told)]
            if len(waiting) + len(entries) > MAX_SPANS:
                yield await self._send(waiting, before_us)
                waiting, before_us = [], stored.record.ts_us + 1
            waiting += entries
        if waiting:
            yield await self._send(waiting, before_us)

    async def _stored(self, where: RecordFilter) -> AsyncIterator[StoredRecord]:
        after: Cursor | None = None
        while page := await self.records.page(where, after=after, limit=PAGE):
            for record in page:
                is_wanted = record.trace_kept or self.view.everything
                stored = await self.records.find(record.request_id) if is_wanted else None
                if stored is not None:
                    yield stored
            after = Cursor(page[-1].ts_us, page[-1].request_id)

    def _rendered(self, stored: StoredRecord) -> list[Entry]:
        finish = Finish(record=stored.record, detail=stored.detail, attempts=stored.attempts)
        return of_request(finish, stored.record.worker_id, self.view)

    async def _told(self, stored: StoredRecord, told: set[str]) -> list[Entry]:
        """Give what applications told of the trace of a request, once; `told` are the others."""
        record, decision = stored.record, decided(stored.record, stored.detail.sampling)
        if record.trace_id in told:
            return []
        entries: list[Entry] = []
        async for spans in stored_spans(self.records, record.tenant_id, record.trace_id):
            told.add(record.trace_id)
            entries += of_app(Released(decision, spans), record.worker_id, self.view)
        return entries

    async def _send(self, entries: Sequence[Entry], before_us: int) -> int:
        for part in pieces(await with_words(entries, self.words, self.view)):
            body = await asyncio.to_thread(encode, [(it.source, it.span) for it in part], self.view)
            answer = await self.post(body)
            if answer.verdict is not Verdict.TAKEN:
                said = "no answer" if answer.status == NO_ANSWER else f"answer {answer.status}"
                raise TryLater(
                    f"the receiver does not take what began before {_instant(before_us)} ({said}),"
                    " all that is later is sent; go on with `--to` that instant"
                )
        return len(entries)


def _instant(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat().replace("+00:00", "Z")
