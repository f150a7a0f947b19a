"""Traces out: reads the spool, posts spans, and moves on only after an answer.

An exporter keeps its own place in every worker's spool, on disk. It delays neither the recorder
nor another exporter, and a crash costs at most that some spans are sent again, under the same ids.

    2xx                          on; spans that a partial success rejects are counted
    429, 502, 503, 504, network  again, full jitter to 60 s; Retry-After wins
    413                          in halves; a single span without its words, else put aside
    3xx, 401, 403                pauses, looks again every 5 minutes; nothing is lost
    other 4xx and 5xx            put aside in dead/NAME/, on
    no 2xx for 24 h              of segments older than that, ordinary requests are given up and
                                 counted; what was kept for a reason is put aside
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.domain.transport import Transport
from trimtab.store.files import replace_file
from trimtab.telemetry.batch import Batch, Entry, aged, gather, pieces
from trimtab.telemetry.follow import START, Place, waits_s, workers
from trimtab.telemetry.receiver import NO_ANSWER, Answer, Post, Receiver, Verdict
from trimtab.telemetry.standing import (
    dead_letters,
    load,
    places_file,
    prune,
    save,
    trouble,
    trouble_file,
)
from trimtab.telemetry.view import View, encode
from trimtab.telemetry.words import Words

LINGER_S = 1.0
MAX_BACKOFF_S = 60.0
PAUSE_S = 300.0
KEEP_S = 24 * 3600.0
KEEP_DEAD_S = 14 * 24 * 3600.0

AT_ONCE = 4
"""Exporters that may send at the same time."""

_PLAINLY_AWAY = 6
_GIVEN_UP = frozenset({"rest", "all"})

log = logging.getLogger("trimtab")


@dataclass(slots=True)
class Counts:
    """What became of spans since the start; `given_up` and `unreadable` count requests."""

    exported: int = 0
    rejected: int = 0
    put_aside: int = 0
    given_up: int = 0
    unreadable: int = 0


class Exporter:
    """Sends the spans of every record, at least once.

    State: the place in each worker's spool and what holds it up (on disk, too), seconds to wait
    before the next step, failures in a row, and counts.

    Attributes:
        held_up_by: Status of what was not taken last, 0 for no answer; `None` if it is through.
    """

    def __init__(
        self,
        receiver: Receiver,
        transport: Transport,
        home: Path,
        clock: Clock,
        chance: random.Random,
        words: Words | None = None,
    ) -> None:
        """Take up where the last run stopped.

        Args:
            receiver: Where traces, or evaluations as logs, go.
            transport: Sends the batches.
            home: State directory; reads `spool/`, writes `exporters/NAME.*`, `dead/NAME/`.
            clock: Tells the age of segments.
            chance: Spreads retries.
            words: What it gets of content, if any.

        Raises:
            SettingsInvalid: the endpoint or a header cannot be used.
        """
        self.counts = Counts()
        self.wait_s = 0.0
        self.name = receiver.name
        self._view = receiver.view
        self._post = Post(receiver, transport)
        self._spool = home / "spool"
        self._file = places_file(home, receiver.name)
        self._trouble = trouble_file(home, receiver.name)
        self._dead = dead_letters(home, receiver.name)
        self._words = words
        self._clock = clock
        self._chance = chance
        self._places = load(self._file)
        self._failures = 0
        self.held_up_by = trouble(home, receiver.name)

    def needed(self, worker_id: str) -> int:
        """Give the oldest segment of a worker that is still to be sent; older ones may go."""
        place = self._places.get(worker_id)
        return place.segment if place else 0

    def waits_s(self) -> float:
        """Tell for how long what is still to be sent has waited. Reads the spools."""
        now_us = self._clock.now_us()
        found = [
            waits_s(path, self._places.get(path.name, START), now_us)
            for path in workers(self._spool)
        ]
        return max(found, default=0.0)

    async def run(self, turn: asyncio.Semaphore) -> None:
        """Send for ever, each time in turn with others."""
        while True:
            async with turn:
                await self.step()
            await asyncio.sleep(self.wait_s)

    async def step(self) -> int:
        """Send one batch, if anything waits; gives the number of spans that are done with.

        Sets `wait_s` to the seconds to wait before the next step.
        """
        try:
            until = self._words.recorded() if self._words and self._words.are_read else None
            batch = await asyncio.to_thread(gather, self._spool, self._places, self._view, until)
            return await self._send(batch)
        except TryLater as exc:
            log.warning("exporter '%s' waits for content: %s", self.name, exc)
            self.wait_s = MAX_BACKOFF_S
            return 0
        except OSError as exc:
            log.warning("exporter '%s' cannot use its files (%s); make room", self.name, exc)
            self.wait_s = MAX_BACKOFF_S
            return 0

    async def _send(self, batch: Batch) -> int:
        entries = await with_words(batch.entries, self._words, self._view)
        parts: deque[Sequence[Entry]] = deque(pieces(entries))
        done = 0
        while parts:
            part = parts.popleft()
            body = await asyncio.to_thread(_encode, part, self._view)
            answer = await self._post(body)
            match answer.verdict:
                case Verdict.AGAIN | Verdict.PAUSE:
                    await self._hold(answer)
                    return done
                case Verdict.HALVE if smaller := _smaller(part):
                    parts.extendleft(reversed(smaller))
                    continue
                case Verdict.TAKEN:
                    self._taken(len(part), answer)
                case _:
                    await self._refuse(part, answer.status)
            done += len(part)
            await self._move({entry.worker: entry.passed for entry in part if entry.passed})
        self.counts.unreadable += batch.unreadable
        await self._move(batch.places)
        self.wait_s = 0.0 if batch.full else LINGER_S
        return done

    def _taken(self, spans: int, answer: Answer) -> None:
        if self.held_up_by is not None:
            log.warning("exporter '%s' is through again", self.name)
            self._trouble.unlink(missing_ok=True)
        self._failures, self.held_up_by = 0, None
        rejected, message = answer.rejected()
        rejected = min(rejected, spans)
        self.counts.exported += spans - rejected
        self.counts.rejected += rejected
        if rejected:
            log.warning(
                "exporter '%s': %d spans are rejected and not sent again; the receiver says %.200r",
                self.name,
                rejected,
                message,
            )

    async def _hold(self, answer: Answer) -> None:
        """Wait where we are, but leave what has waited too long."""
        paused = answer.verdict is Verdict.PAUSE
        asked_s = answer.retry_after_s(self._clock.now_us())
        ceiling_s = min(MAX_BACKOFF_S, 2**self._failures)
        self._failures += 1
        if paused:
            self.wait_s = PAUSE_S
        else:
            self.wait_s = self._chance.uniform(0, ceiling_s) if asked_s is None else asked_s
        if self.held_up_by != answer.status:
            self.held_up_by = answer.status
            await asyncio.to_thread(replace_file, self._trouble, b"%d" % answer.status)
            log.warning(
                "exporter '%s' %s: %s; check endpoint and key, spans wait in the spool for 24 h",
                self.name,
                "is paused" if paused else "tries again",
                "no answer" if answer.status == NO_ANSWER else f"answer {answer.status}",
            )
        # One failure after a long night is no reason to drop what waited through it.
        if self._failures > _PLAINLY_AWAY:
            await self._leave()

    async def _leave(self) -> None:
        before_s = self._clock.now_us() / 1e6 - KEEP_S
        until = await asyncio.to_thread(aged, self._spool, before_s)
        given_up = 0
        while True:
            batch = await asyncio.to_thread(
                gather, self._spool, self._places, self._view, until, _is_ordinary
            )
            if batch.entries:
                await self._put_aside(batch.entries, NO_ANSWER)
            given_up += batch.spared
            await self._move(batch.places)
            if not batch.full:
                break
        self.counts.given_up += given_up
        if given_up:
            log.error(
                "exporter '%s' gives up %d requests after 24 h; the store has them: `trimtab"
                " exporters backfill %s`",
                self.name,
                given_up,
                self.name,
            )

    async def _refuse(self, part: Sequence[Entry], status: int) -> None:
        log.error(
            "exporter '%s': %d spans are refused with %d and put aside; ask the receiver why, then"
            " `trimtab exporters retry %s`",
            self.name,
            len(part),
            status,
            self.name,
        )
        await self._put_aside(part, status)

    async def _put_aside(self, part: Sequence[Entry], status: int) -> None:
        """Keep a part without its words: erasing content has to find it in the store alone."""
        bare = [it._replace(span=it.bare or it.span) for it in part]
        body = await asyncio.to_thread(_encode, bare, self._view)
        now_us = self._clock.now_us()
        name = f"{now_us}-{status}-{part[0].span.span_id.hex()}.otlp.gz"
        await asyncio.to_thread(prune, self._dead, now_us - round(KEEP_DEAD_S * 1e6))
        await asyncio.to_thread(replace_file, self._dead / name, body)
        self.counts.put_aside += len(part)

    async def _move(self, places: Mapping[str, Place]) -> None:
        moved = {**self._places, **places}
        if moved != self._places:
            await asyncio.to_thread(save, self._file, moved)
            self._places = moved


async def with_words(entries: Sequence[Entry], words: Words | None, view: View) -> Sequence[Entry]:
    """Add what people and models wrote, where a receiver may have it.

    Raises:
        TryLater: the store is away.
    """
    if words is None:
        return entries
    richer: list[Entry] = []
    for entry in entries:
        told = entry.about and await words.added(entry.span, entry.about, view.version, view.extras)
        richer.append(entry._replace(span=told, bare=entry.span) if told else entry)
    return richer


def _encode(entries: Sequence[Entry], view: View) -> bytes:
    return encode(((it.source, it.span) for it in entries), view)


def _smaller(part: Sequence[Entry]) -> Sequence[Sequence[Entry]]:
    """Halve a part; of a single span leave the words out; nothing if it has none."""
    if len(part) > 1:
        middle = len(part) // 2
        return part[:middle], part[middle:]
    (entry,) = part
    return () if entry.bare is None else ([entry._replace(span=entry.bare, bare=None)],)


def _is_ordinary(rule: str) -> bool:
    """Whether what a rule keeps stands for others of its kind: by chance, or as all are kept."""
    return rule in _GIVEN_UP
