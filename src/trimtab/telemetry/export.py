"""Traces out: reads the spool, posts spans, and moves on only after an answer.

An exporter keeps its own place in every worker's spool, on disk. It delays neither the recorder
nor another exporter, and a crash costs at most that some spans are sent again, under the same ids.

    2xx                          on; spans that a partial success rejects are counted
    429, 502, 503, 504, network  again, full jitter to 60 s; Retry-After wins
    413                          in halves; a single span that is too large is put aside
    3xx, 401, 403                pauses, looks again every 5 minutes; nothing is lost
    other 4xx and 5xx            put aside in dead/NAME/, on
    no 2xx for 24 h              segments older than that are given up, and counted
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab.domain.clock import Clock
from trimtab.domain.transport import Transport
from trimtab.store.files import replace_file
from trimtab.telemetry.batch import Batch, Entry, encode, gather, give_up
from trimtab.telemetry.facts import Attributes
from trimtab.telemetry.follow import START, Place, waits_s, workers
from trimtab.telemetry.receiver import NO_ANSWER, Answer, Post, Receiver, Verdict

LINGER_S = 1.0
MAX_BACKOFF_S = 60.0
PAUSE_S = 300.0
KEEP_S = 24 * 3600.0
KEEP_DEAD_S = 14 * 24 * 3600.0

_PLAINLY_AWAY = 6

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

    State: the place in each worker's spool (on disk, too), seconds to wait before the next step,
    failures in a row, the failure last told of, and counts.
    """

    def __init__(
        self,
        receiver: Receiver,
        transport: Transport,
        home: Path,
        resource: Attributes,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        """Take up where the last run stopped.

        Args:
            receiver: Where traces go.
            transport: Sends the batches.
            home: State directory; reads `spool/`, writes `exporters/NAME.json`, `dead/NAME/`.
            resource: Attributes of the resource, such as `service.version`.
            clock: Tells the age of segments.
            chance: Spreads retries.

        Raises:
            SettingsInvalid: the endpoint or a header cannot be used.
        """
        self.counts = Counts()
        self.wait_s = 0.0
        self.name = receiver.name
        self._version = receiver.version
        self._post = Post(receiver, transport)
        self._spool = home / "spool"
        self._file = home / "exporters" / f"{receiver.name}.json"
        self._dead = home / "dead" / receiver.name
        self._resource = resource
        self._clock = clock
        self._chance = chance
        self._places = _load(self._file)
        self._failures = 0
        self._told: int | None = None

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

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self.step()
            await asyncio.sleep(self.wait_s)

    async def step(self) -> int:
        """Send one batch, if anything waits; gives the number of spans that are done with.

        Sets `wait_s` to the seconds to wait before the next step.
        """
        try:
            batch = await asyncio.to_thread(gather, self._spool, self._places, self._version)
            return await self._send(batch)
        except OSError as exc:
            log.warning("exporter '%s' cannot use its files (%s); make room", self.name, exc)
            self.wait_s = MAX_BACKOFF_S
            return 0

    async def _send(self, batch: Batch) -> int:
        parts: deque[Sequence[Entry]] = deque([batch.entries] if batch.entries else [])
        done = 0
        while parts:
            part = parts.popleft()
            body = await asyncio.to_thread(encode, part, self._resource, self._version)
            answer = await self._post(body)
            match answer.verdict:
                case Verdict.AGAIN | Verdict.PAUSE:
                    await self._hold(answer)
                    return done
                case Verdict.HALVE if len(part) > 1:
                    middle = len(part) // 2
                    parts.extendleft((part[middle:], part[:middle]))
                    continue
                case Verdict.TAKEN:
                    self._taken(len(part), answer)
                case _:
                    await self._put_aside(part, body, answer.status)
            done += len(part)
            await self._move({entry.worker: entry.passed for entry in part if entry.passed})
        self.counts.unreadable += batch.unreadable
        await self._move(batch.places)
        self.wait_s = 0.0 if batch.full else LINGER_S
        return done

    def _taken(self, spans: int, answer: Answer) -> None:
        if self._told is not None:
            log.warning("exporter '%s' is through again", self.name)
        self._failures, self._told = 0, None
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
        if self._told != answer.status:
            self._told = answer.status
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
        left = await asyncio.to_thread(give_up, self._spool, self._places, before_s)
        requests = sum(count for _, count in left.values())
        if requests:
            self.counts.given_up += requests
            log.error(
                "exporter '%s' gives up %d requests after 24 h; the store has them",
                self.name,
                requests,
            )
        await self._move({worker: place for worker, (place, _) in left.items()})

    async def _put_aside(self, part: Sequence[Entry], body: bytes, status: int) -> None:
        now_us = self._clock.now_us()
        name = f"{now_us}-{status}-{part[0].span.span_id.hex()}.otlp.gz"
        await asyncio.to_thread(_prune, self._dead, now_us - round(KEEP_DEAD_S * 1e6))
        await asyncio.to_thread(replace_file, self._dead / name, body)
        self.counts.put_aside += len(part)
        log.error(
            "exporter '%s': %d spans, refused with %d, are put aside in '%s'; ask the receiver why",
            self.name,
            len(part),
            status,
            name,
        )

    async def _move(self, places: Mapping[str, Place]) -> None:
        moved = {**self._places, **places}
        if moved != self._places:
            await asyncio.to_thread(replace_file, self._file, msgspec.json.encode(moved))
            self._places = moved


def _load(file: Path) -> dict[str, Place]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Place])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError:
        log.warning("'%s' is damaged; all that is in the spool is sent again", file.name)
        return {}


def _prune(directory: Path, before_us: int) -> None:
    for path in directory.glob("*.otlp.gz"):
        if int(path.name.partition("-")[0]) < before_us:
            path.unlink()
