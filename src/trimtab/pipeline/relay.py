"""Stage 7: pass a stream on, all but its terminal, which waits until the charge is settled."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trimtab.domain.chat import End
from trimtab.domain.clock import Clock
from trimtab.domain.errors import ProviderError, StreamStalled, StreamTruncated, UpstreamFailed
from trimtab.domain.model import OnClientGone
from trimtab.domain.transport import Response, TransportError
from trimtab.pipeline.call import Answered
from trimtab.pipeline.journey import Journey
from trimtab.pipeline.reply import Reply, facts_of
from trimtab.providers.base import BadStream, Chunk, StreamReader


class Silence:
    """Closes a response that says nothing for too long.

    The timer re-arms itself for what is left, so a chunk costs two assignments and no timer.
    While we are the slow side, nobody listens and no silence counts. State: since when we listen.
    """

    __slots__ = ("_clock", "_handle", "_limit_s", "_response", "over", "since_s")

    def __init__(self, response: Response, limit_s: float, clock: Clock) -> None:
        self._response = response
        self._limit_s = limit_s
        self._clock = clock
        self.since_s: float | None = None
        self.over = False
        self._handle = asyncio.get_running_loop().call_later(limit_s, self._check)

    def stop(self) -> None:
        """Stop watching."""
        self._handle.cancel()

    def _check(self) -> None:
        left_s = self._limit_s
        if self.since_s is not None:
            left_s += self.since_s - self._clock.monotonic_s()
        if left_s > 0:
            self._handle = asyncio.get_running_loop().call_later(left_s, self._check)
        else:
            self.over = True
            self._response.close()


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass an answer's stream to the caller.

    Attributes:
        checkpoint: Told after every block, so that a crash can be charged for what was seen.
    """

    clock: Clock
    checkpoint: Callable[[Journey], None]

    async def __call__(self, answered: Answered, journey: Journey, reply: Reply) -> bytes:
        """Relay until the wire's terminal and give the bytes of the terminal, unsent.

        Raises:
            StreamTruncated, StreamStalled, ProviderError: the stream failed after its first
                content, and so it ends in an error event.
        """
        reader, attempt = answered.reader, answered.attempt
        if reader is None:
            return b""
        funded = journey.funded
        if funded is None:
            raise RuntimeError("a relay without a hold")
        provider = attempt.route.provider
        await reply.begin_stream(facts_of(journey))
        journey.committed = True
        between_s = funded.screened.planned.model.timeouts.between_tokens
        silence = Silence(answered.response, between_s, self.clock)
        if provider.on_client_gone is not OnClientGone.DRAIN:
            reply.when_gone(answered.response.close)
        try:
            return await self._pass(answered, reader, silence, journey, reply)
        except (TransportError, BadStream) as exc:
            if reply.gone and provider.on_client_gone is not OnClientGone.DRAIN:
                attempt.cancelled = True
                return b""
            attempt.error = _cut(answered, exc, stalled=silence.over)
            raise attempt.error from exc
        except UpstreamFailed as error:
            attempt.error = error
            raise
        finally:
            silence.stop()
            attempt.ended_s = self.clock.monotonic_s()

    async def _pass(
        self,
        answered: Answered,
        reader: StreamReader,
        silence: Silence,
        journey: Journey,
        reply: Reply,
    ) -> bytes:
        transcript, response = answered.attempt.transcript, answered.response
        sent, held = _split(answered.chunks)
        while True:
            if sent:
                await reply.write(sent)
            if transcript.failed is not None:
                raise ProviderError(
                    f"target '{answered.attempt.route.target}' failed in its stream; try again",
                    raw_reason=transcript.failed.provider_type,
                    usage_possible=True,
                )
            if transcript.ended:
                return held
            self.checkpoint(journey)
            silence.since_s = self.clock.monotonic_s()
            block = await response.read()
            silence.since_s = None
            if not block:
                raise BadStream("end of stream without its terminal")
            chunks = reader.feed(block)
            for chunk in chunks:
                for event in chunk.events:
                    transcript.absorb(event)
            sent, held = _split(chunks)


def _split(chunks: Sequence[Chunk]) -> tuple[bytes, bytes]:
    """Part the bytes to send at once from the wire's terminal and what follows it."""
    for index, chunk in enumerate(chunks):
        if _ends(chunk):
            before = b"".join([sent.raw for sent in chunks[:index]])
            return before, b"".join([held.raw for held in chunks[index:]])
    return b"".join([chunk.raw for chunk in chunks]), b""


def _ends(chunk: Chunk) -> bool:
    return any(isinstance(event, End) for event in chunk.events)


def _cut(answered: Answered, exc: Exception, *, stalled: bool) -> UpstreamFailed:
    target = answered.attempt.route.target
    if stalled:
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
