"""What the worker writes down, and when: before the first attempt, now and then, at the end."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Raw

from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.record import Begin, Blob, Checkpoint, ContentState, Finish
from trimtab.domain.tenant import ContentPolicy, WhenFull
from trimtab.pipeline.bill import Bill, written
from trimtab.pipeline.content import Captured, ContentCapture, shortened
from trimtab.pipeline.handoff import Funded, Request
from trimtab.pipeline.journey import Journey, Try
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.log_line import log_line
from trimtab.telemetry.pressure import Level

CHECKPOINT_S = 2.0
CHARS_PER_TOKEN = 4
MAX_UNWRITTEN = 10_000

_encoder = msgspec.msgpack.Encoder()

log = logging.getLogger("trimtab")


class Kept(NamedTuple):
    """What is in the content store of a request, and the blobs that go there with its outcome."""

    state: ContentState = ContentState.ABSENT
    output_ref: bytes | None = None
    variables_ref: bytes | None = None
    blobs: tuple[Blob, ...] = ()


class Spool(Protocol):
    """Where frames go; see `telemetry.spool.Spool`."""

    def append(self, kind: Kind, payload: bytes) -> int:
        """Write a frame and give the offset behind it. Raises `RecorderUnavailable`."""
        ...

    async def synced(self, offset: int) -> None:
        """Wait until everything before an offset is on the disk."""
        ...

    def note(self, reason: str) -> None:
        """Count something that gets no record of its own."""
        ...


class Journal:
    """Writes the frames of requests. State: outcomes that could not be written yet."""

    def __init__(
        self,
        spool: Spool,
        content: ContentCapture,
        clock: Clock,
        local_day: Callable[[str, int], str],
        level: Callable[[], Level] = lambda: Level.NORMAL,
    ) -> None:
        self._spool = spool
        self._content = content
        self._clock = clock
        self._local_day = local_day
        self._level = level
        self._unwritten: deque[bytes] = deque()

    def begin(
        self, journey: Journey, funded: Funded, attempt: Try, body: bytes, earlier: Sequence[Bill]
    ) -> None:
        """Write down that an attempt is about to be made, and what those before it cost.

        Raises:
            RecorderUnavailable: it cannot be written, so it must not be made.
        """
        planned = funded.screened.planned
        request, grant = planned.admitted.request, planned.admitted.grant
        captured = self._input(journey, funded, body)
        attempt.sent_hash = captured.ref.hex()
        day_local = self._local_day(grant.tenant.timezone, request.ts_us)
        attempts, lines = (), ()
        if earlier:
            user_hash = self.user_hash(grant.tenant.id, request.end_user)
            attempts, lines = written(journey, planned.admitted, earlier, day_local, user_hash)
        begin = Begin(
            request_id=request.request_id,
            ts_us=request.ts_us,
            trace_id=request.trace_id,
            config_seq=planned.admitted.snapshot.config_seq,
            tenant_id=grant.tenant.id,
            tier=grant.tier.name,
            key_id=grant.key.id,
            feature=request.feature,
            operation=request.operation,
            wire=request.wire.value,
            stream=request.stream,
            model_requested=request.model,
            model_kind=planned.model.kind.value,
            target=str(attempt.route.target),
            provider=attempt.route.provider.name,
            model_sent=attempt.route.target.model,
            account=attempt.route.provider.account(attempt.route.key),
            input_floor=funded.input_floor,
            day_local=day_local,
            input_ref=journey.input_ref,
            sent_hash=attempt.sent_hash,
            content=captured.blobs,
            n=attempt.n,
            attempts=attempts,
            lines=lines,
            prompt=journey.prompt,
            origin=request.origin,
            held_nano=funded.held_nano,
            trace=request.trace,
        )
        try:
            self._write(Kind.BEGIN, begin)
        except RecorderUnavailable:
            if grant.when_spool_is_full is not WhenFull.OPEN:
                raise
            journey.input_ref = journey.withheld = None
        journey.begun = True

    def checkpoint(self, journey: Journey) -> None:
        """Write down how far a stream is, at most every two seconds.

        What cannot be written is left out: it only serves if the worker dies before the end.
        """
        now_s = self._clock.monotonic_s()
        if now_s - journey.checkpoint_s >= CHECKPOINT_S:
            journey.checkpoint_s = now_s
            tokens = journey.tries[-1].transcript.output_chars // CHARS_PER_TOKEN
            frame = Checkpoint(request_id=journey.request.request_id, output_tokens=tokens)
            with contextlib.suppress(RecorderUnavailable):
                self._spool.append(Kind.CHECKPOINT, _encoder.encode(frame))

    def finish(self, finish: Finish) -> int:
        """Write down how a request ended; the offset tells when that is on the disk.

        Raises:
            RecorderUnavailable: it cannot be written.
        """
        return self._write(Kind.FINISH, finish)

    def keep(self, finish: Finish) -> None:
        """Keep an outcome that could not be written; it goes ahead of the next frame that can.

        Its line is told at once, in case this process ends before. Past `MAX_UNWRITTEN` it is
        only counted, and the recorder takes its request for lost.
        """
        log.warning("not written down yet: %s", log_line(finish).decode().rstrip())
        if len(self._unwritten) < MAX_UNWRITTEN:
            self._unwritten.append(_encoder.encode(finish))
        else:
            self._spool.note("unwritten")

    async def synced(self, offset: int) -> None:
        """Wait until everything before an offset is on the disk."""
        await self._spool.synced(offset)

    def count(self, reason: str) -> None:
        """Count a request that gets no record, such as one without a known key."""
        self._spool.note(reason)

    def content(
        self, journey: Journey, funded: Funded, answer: bytes | None, *, is_ordinary: bool
    ) -> Kept:
        """Cut answer and variables into blobs, and a body that was withheld; short of room, less.

        Only what is ordinary is cut; without room nothing is kept at all.
        """
        admitted = funded.screened.planned.admitted
        if admitted.grant.content is not ContentPolicy.FULL:
            return Kept()
        level, ask = self._level(), admitted.request.prompt
        if level >= Level.BARE or not self._content.keeps(admitted.grant.tenant.id):
            journey.withheld = None
            return Kept(ContentState.TRUNCATED)
        is_cut = is_ordinary and level >= Level.CUT
        variables = None if ask is None else msgspec.json.encode(ask.variables)
        given = {"input": journey.withheld, "answer": answer, "variables": variables}
        whole = {name: data for name, data in given.items() if data is not None}
        stored = {it: shortened(data) if is_cut else data for it, data in whole.items()}
        tenant_id, ts_us = admitted.grant.tenant.id, admitted.request.ts_us
        refs: dict[str, bytes] = {}
        blobs: list[Blob] = []
        for name, data in stored.items():
            messages = _messages(admitted.request) if data is journey.withheld else None
            refs[name], fresh = self._content.capture(tenant_id, ts_us, data, messages)
            blobs += fresh
        if "input" in refs:
            journey.input_ref = refs["input"]
        state = ContentState.FULL if stored == whole else ContentState.TRUNCATED
        return Kept(state, refs.get("answer"), refs.get("variables"), tuple(blobs))

    def catch_up(self) -> None:
        """Write what could not be written before.

        Raises:
            RecorderUnavailable: it still cannot.
        """
        while self._unwritten:
            self._spool.append(Kind.FINISH, self._unwritten[0])
            self._unwritten.popleft()

    def user_hash(self, tenant_id: str, end_user: str | None) -> str | None:
        """Hash an end user's id under the tenant's key."""
        if end_user is None:
            return None
        return self._content.user_hash(tenant_id, end_user)

    def local_day(self, timezone: str, ts_us: int) -> str:
        """Tell the calendar day of an instant where the tenant lives."""
        return self._local_day(timezone, ts_us)

    def _input(self, journey: Journey, funded: Funded, body: bytes) -> Captured:
        """Cut a body into blobs; where room or a key is short, hash it and let the end decide."""
        admitted = funded.screened.planned.admitted
        tenant_id, request = admitted.grant.tenant.id, admitted.request
        is_kept = admitted.grant.content is ContentPolicy.FULL
        is_late = self._level() >= Level.CUT or not self._content.keeps(tenant_id)
        if not is_kept or is_late:
            journey.input_ref, journey.withheld = None, body if is_kept else None
            return Captured(self._content.hash(tenant_id, body), ())
        journey.withheld = None
        captured = self._content.capture(tenant_id, request.ts_us, body, _messages(request))
        journey.input_ref = captured.ref
        return captured

    def _write(self, kind: Kind, frame: Begin | Finish) -> int:
        try:
            self.catch_up()
            return self._spool.append(kind, _encoder.encode(frame))
        except RecorderUnavailable:
            self._content.forget()
            raise


def _messages(request: Request) -> Raw | None:
    return request.members.get("messages", request.members.get("input"))
