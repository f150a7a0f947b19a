"""What the worker writes down, and when: before the first attempt, now and then, at the end."""

import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.record import Begin, Checkpoint, ContentState, Finish
from trimtab.domain.tenant import ContentPolicy
from trimtab.pipeline.bill import Bill, written
from trimtab.pipeline.content import Captured, ContentCapture
from trimtab.pipeline.handoff import Funded
from trimtab.pipeline.journey import Journey, Try
from trimtab.telemetry.frames import Kind

CHECKPOINT_S = 2.0
CHARS_PER_TOKEN = 4
MAX_UNWRITTEN = 10_000

_encoder = msgspec.msgpack.Encoder()


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
    ) -> None:
        self._spool = spool
        self._content = content
        self._clock = clock
        self._local_day = local_day
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
        captured = self._capture(funded, body)
        journey.input_ref = captured.ref if grant.content is ContentPolicy.FULL else None
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
        self._write(Kind.BEGIN, begin)
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

        Past `MAX_UNWRITTEN` it is only counted, and the recorder takes its request for lost.
        """
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

    def answer(self, funded: Funded, message: bytes | None) -> tuple[Captured | None, ContentState]:
        """Cut an answer into blobs, if the tenant's content is kept."""
        admitted = funded.screened.planned.admitted
        if admitted.grant.content is not ContentPolicy.FULL:
            return None, ContentState.ABSENT
        if message is None:
            return None, ContentState.FULL
        tenant_id, ts_us = admitted.grant.tenant.id, admitted.request.ts_us
        return self._content.capture(tenant_id, ts_us, message), ContentState.FULL

    def variables(self, funded: Funded) -> Captured | None:
        """Cut what a prompt was filled with into blobs, if the tenant's content is kept."""
        admitted = funded.screened.planned.admitted
        ask, tenant_id = admitted.request.prompt, admitted.grant.tenant.id
        if ask is None or admitted.grant.content is not ContentPolicy.FULL:
            return None
        values = msgspec.json.encode(ask.variables)
        return self._content.capture(tenant_id, admitted.request.ts_us, values)

    def user_hash(self, tenant_id: str, end_user: str | None) -> str | None:
        """Hash an end user's id under the tenant's key."""
        if end_user is None:
            return None
        return self._content.user_hash(tenant_id, end_user)

    def local_day(self, timezone: str, ts_us: int) -> str:
        """Tell the calendar day of an instant where the tenant lives."""
        return self._local_day(timezone, ts_us)

    def _capture(self, funded: Funded, body: bytes) -> Captured:
        admitted = funded.screened.planned.admitted
        tenant_id, request = admitted.grant.tenant.id, admitted.request
        if admitted.grant.content is not ContentPolicy.FULL:
            return Captured(self._content.hash(tenant_id, body), ())
        messages = request.members.get("messages", request.members.get("input"))
        return self._content.capture(tenant_id, request.ts_us, body, messages)

    def _write(self, kind: Kind, frame: Begin | Finish) -> int:
        try:
            while self._unwritten:
                self._spool.append(Kind.FINISH, self._unwritten[0])
                self._unwritten.popleft()
            return self._spool.append(kind, _encoder.encode(frame))
        except RecorderUnavailable:
            self._content.forget()
            raise
