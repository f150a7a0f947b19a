"""Stage 7: pass a stream on, all but its terminal, which waits until the charge is settled."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from trimtab.domain.chat import End
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    ProviderError,
    ProviderTimeout,
    StreamStalled,
    StreamTruncated,
    UpstreamFailed,
)
from trimtab.domain.model import OnClientGone
from trimtab.domain.transport import Poked, Response, TransportError
from trimtab.pipeline.call import Answered
from trimtab.pipeline.drains import Drains
from trimtab.pipeline.handoff import Route
from trimtab.pipeline.journey import Journey, Try, out_of_time
from trimtab.pipeline.reply import Reply, facts_of
from trimtab.pipeline.screen import Checked
from trimtab.pipeline.transcript import bounded
from trimtab.providers.base import BadStream, Chunk, StreamReader

KEEPALIVE = b": keepalive\n\n"
KEEPALIVE_S = 15.0

# Behind it a text block of the Anthropic wire is closed, and cannot be gone on with.
_BLOCK_STOP = b"content_block_stop"


class Patience:
    """Closes a response that says nothing for too long, or that does not come to its end.

    Now and then it pokes the reader of a silent one, who tells the caller that all is well. The
    timer re-arms itself for what is left, so a chunk costs two assignments and no timer. While we
    are the slow side, nobody listens and no silence counts. State: since when we listen.

    Attributes:
        silent: Whether it was closed because it said nothing.
        late: Whether it was closed because its time was up.
    """

    __slots__ = (
        "_clock",
        "_ends_s",
        "_handle",
        "_keepalive_s",
        "_limit_s",
        "_poked_s",
        "_response",
        "late",
        "silent",
        "since_s",
    )

    def __init__(
        self, response: Response, limit_s: float, ends_s: float, keepalive_s: float, clock: Clock
    ) -> None:
        self._response = response
        self._limit_s = limit_s
        self._ends_s = ends_s
        self._keepalive_s = keepalive_s
        self._clock = clock
        self._poked_s = 0.0
        self.since_s: float | None = None
        self.silent = self.late = False
        self._wait(limit_s)

    def stop(self) -> None:
        """Stop watching."""
        self._handle.cancel()

    def _wait(self, left_s: float) -> None:
        left_s = min(left_s, self._keepalive_s, self._ends_s - self._clock.monotonic_s())
        loop = asyncio.get_running_loop()
        self._handle = loop.call_later(max(0.0, left_s), self._check)

    def _check(self) -> None:
        now_s = self._clock.monotonic_s()
        since_s = now_s if self.since_s is None else self.since_s
        self.silent = now_s - since_s >= self._limit_s
        self.late = now_s >= self._ends_s
        if self.silent or self.late:
            self._response.close()
            return
        if now_s - max(since_s, self._poked_s) >= self._keepalive_s:
            self._poked_s = now_s
            self._response.poke()
        self._wait(self._limit_s + since_s - now_s)


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass an answer's stream to the caller.

    Attributes:
        cut: Told of a stream that its target did not bring to its end.
        go_on: Gives the rest of a stream that was cut, if another target may go on with it.
        keepalive_s: After how many seconds of silence the caller is told that all is well.
        drains: What is read on for callers who are gone.
        checkpoint: Told after every block, so that a crash can be charged for what was seen.
    """

    clock: Clock
    cut: Callable[[Route, UpstreamFailed], None]
    checkpoint: Callable[[Journey], None]
    go_on: Callable[[Journey], Awaitable[Answered | None]]
    keepalive_s: float = KEEPALIVE_S
    drains: Drains = field(default_factory=Drains)

    async def __call__(self, checked: Checked, journey: Journey, reply: Reply) -> bytes:
        """Relay until the wire's terminal and give the bytes of the terminal, unsent.

        Raises:
            StreamTruncated, StreamStalled, ProviderTimeout, ProviderError: the stream failed after
                its first content, and so it ends in an error event.
        """
        if checked.answered.reader is None:
            return b""
        await reply.begin_stream(facts_of(journey))
        journey.committed = True
        try:
            return await self._stream(checked.answered, journey, reply)
        except UpstreamFailed:
            open_still = not reply.gone and _BLOCK_STOP not in checked.answered.sent
            rest = await self.go_on(journey) if open_still else None
            if rest is None:
                raise
        return await self._stream(rest, journey, reply)

    async def _stream(self, answered: Answered, journey: Journey, reply: Reply) -> bytes:
        reader, attempt, funded = answered.reader, answered.attempt, journey.funded
        if reader is None or funded is None:
            raise RuntimeError("a relay without a stream or a hold")
        response, drained = answered.response, _is_drained(attempt)
        timeouts = funded.screened.planned.model.timeouts
        ends_s = min(attempt.started_s + timeouts.total, journey.request.ends_s)
        patience = Patience(
            answered.response, timeouts.between_tokens, ends_s, self.keepalive_s, self.clock
        )
        reply.when_gone(
            partial(self.drains.begin, response, attempt.transcript) if drained else response.close
        )
        try:
            return await self._pass(answered, reader, patience, journey, reply)
        except (TransportError, BadStream) as exc:
            if reply.gone and response not in self.drains:
                attempt.cancelled = True
                return b""
            if patience.late and ends_s == journey.request.ends_s:
                error = out_of_time(attempt, ends_s)
            else:
                error = _cut(answered, exc, patience)
            raise self._failed(attempt, error) from exc
        except UpstreamFailed as error:
            raise self._failed(attempt, error) from error.__cause__
        finally:
            patience.stop()
            self.drains.end(response)
            attempt.ended_s = self.clock.monotonic_s()

    def _failed(self, attempt: Try, error: UpstreamFailed) -> UpstreamFailed:
        attempt.error = error
        self.cut(attempt.route, error)
        return error

    async def _pass(
        self,
        answered: Answered,
        reader: StreamReader,
        patience: Patience,
        journey: Journey,
        reply: Reply,
    ) -> bytes:
        transcript, response = answered.attempt.transcript, answered.response
        sent, held = _split(answered.chunks)
        while True:
            if sent:
                answered.sent = sent
                await reply.write(sent)
            if transcript.failed is not None:
                raise ProviderError(
                    f"target '{answered.attempt.route.target}' failed in its stream; try again",
                    raw_reason=bounded(transcript.failed.provider_type),
                    usage_possible=True,
                )
            if transcript.ended:
                return held
            self.checkpoint(journey)
            patience.since_s = self.clock.monotonic_s()
            block = await _read(response, reply)
            patience.since_s = None
            if not block:
                raise BadStream("end of stream without its terminal")
            chunks = reader.feed(block)
            for chunk in chunks:
                for event in chunk.events:
                    transcript.absorb(event)
            sent, held = _split(chunks)
            self.drains.check(response)


def _is_drained(attempt: Try) -> bool:
    return attempt.route.provider.on_client_gone is OnClientGone.DRAIN


async def _read(response: Response, reply: Reply) -> bytes:
    """Read the next block; between events a comment keeps a quiet connection open."""
    while True:
        try:
            return await response.read()
        except Poked:
            await reply.write(KEEPALIVE)


def _split(chunks: Sequence[Chunk]) -> tuple[bytes, bytes]:
    """Part the bytes to send at once from the wire's terminal and what follows it."""
    for index, chunk in enumerate(chunks):
        if _ends(chunk):
            before = b"".join([sent.raw for sent in chunks[:index]])
            return before, b"".join([held.raw for held in chunks[index:]])
    return b"".join([chunk.raw for chunk in chunks]), b""


def _ends(chunk: Chunk) -> bool:
    return any(isinstance(event, End) for event in chunk.events)


def _cut(answered: Answered, exc: Exception, patience: Patience) -> UpstreamFailed:
    target = answered.attempt.route.target
    if patience.late:
        return ProviderTimeout(
            f"target '{target}' did not end its stream in time; raise `timeouts.total`",
            raw_reason="total",
            usage_possible=True,
        )
    if patience.silent:
        return StreamStalled(
            f"target '{target}' fell silent in its stream; try again",
            raw_reason="silence",
            usage_possible=True,
        )
    return StreamTruncated(
        f"target '{target}' cut its stream short; try again",
        raw_reason=type(exc).__name__,
        usage_possible=True,
    )
