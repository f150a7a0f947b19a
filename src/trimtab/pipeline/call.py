"""Stage 5: ask the provider, and wait until it says something.

The commit point is the first content event: until then a failure is an HTTP status, after it an
error event in the stream. Role chunks, `message_start` and pings are kept back; a preamble is no
success.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NoReturn

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.chat import is_content
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    DeadlineExceeded,
    ModelRefused,
    ProviderAuth,
    ProviderBadOutput,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    RecorderUnavailable,
    UpstreamFailed,
)
from trimtab.domain.transport import ConnectFailed, Response, Transport, TransportError
from trimtab.pipeline.bill import Biller
from trimtab.pipeline.course import Course, Leg
from trimtab.pipeline.handoff import Funded, Planned, Request, Route
from trimtab.pipeline.journal import Journal
from trimtab.pipeline.journey import Journey, Try, out_of_time
from trimtab.pipeline.resume import continued
from trimtab.pipeline.retry_after import retry_after_s
from trimtab.pipeline.transcript import bounded
from trimtab.pipeline.unasked import Unasked
from trimtab.pipeline.upstream import Upstream, trace_headers
from trimtab.providers.base import UNREADABLE, Adapter, BadBody, BadStream, Chunk, StreamReader

MAX_ERROR_BODY = 1 << 20
OVERLOADED = 529


class _Told(Struct):
    message: str
    type: str | None = None


class _Error(Struct):
    error: _Told


_error = msgspec.json.Decoder(_Error)


@dataclass(slots=True)
class Answered:
    """An answer that has begun: a whole body, or a stream up to its first content.

    Attributes:
        body: The whole answer; empty for a stream.
        chunks: What was read of a stream so far, not yet sent.
        sent: The bytes of a stream that were sent last.
    """

    attempt: Try
    response: Response
    body: bytes = b""
    chunks: tuple[Chunk, ...] = ()
    reader: StreamReader | None = None
    sent: bytes = b""


@dataclass(frozen=True, slots=True)
class Call:
    """Try the routes of a funded request.

    Attributes:
        sleep: Waits for a number of seconds.
    """

    transport: Transport
    upstream: Callable[[Route, Request], Upstream]
    course: Course
    bill: Biller
    journal: Journal
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    _unasked: Unasked = field(default_factory=Unasked)

    async def __call__(self, funded: Funded, journey: Journey) -> Answered:
        """Give the first answer that does; a refusal by the model counts if no other may be asked.

        Raises:
            UpstreamFailed: no route answered; the last failure.
            DeadlineExceeded: the caller's time is up.
            RecorderUnavailable: an attempt could not be written down, so it was not made.
        """
        planned = funded.screened.planned
        leg = self.course.first(planned)
        refusal: Answered | None = None
        while True:
            failure: UpstreamFailed
            try:
                answered = await self._attempt(funded, journey, leg)
                if not (planned.when_refused and answered.attempt.transcript.refused):
                    return answered
                failure = _passed_over(answered)
                refusal = refusal or answered
            except UpstreamFailed as error:
                failure = error
            # What may be billed already leaves too little of a strict hold for another answer.
            is_last = funded.is_strict and failure.usage_possible
            following = None if is_last else self.course.after(planned, journey.tries, failure)
            if following is not None:
                leg = following
            elif refusal is not None:
                journey.answers_with(refusal.attempt)
                return refusal
            else:
                raise failure

    async def go_on(self, journey: Journey) -> Answered | None:
        """Have the rest of a cut stream from another target; `None` if it must end where it is.

        What comes before the first content is left out: the caller has seen a beginning.
        """
        funded, cut = journey.funded, journey.tries[-1].transcript
        planned = funded.screened.planned if funded else None
        members = continued(planned, cut) if planned else None
        leg = self.course.going_on(planned, journey.tries) if planned and members else None
        if funded is None or funded.is_strict or members is None or leg is None:
            return None
        try:
            answered = await self._attempt(funded, journey, leg, members)
        except (UpstreamFailed, RecorderUnavailable):
            return None
        if answered.reader is None:
            return None
        answered.attempt.transcript.goes_on_with(cut.plain_text() or "")
        answered.chunks = _from_content(answered.chunks)
        return answered

    async def _attempt(
        self,
        funded: Funded,
        journey: Journey,
        leg: Leg,
        members: Mapping[str, Raw] | None = None,
    ) -> Answered:
        if leg.wait_s:
            await self.sleep(leg.wait_s)
        request = funded.screened.planned.admitted.request
        if self.clock.monotonic_s() >= request.ends_s:
            raise DeadlineExceeded(
                "the deadline of the request passed before an attempt could be made; allow more in"
                " x-trimtab-deadline-ms",
                after_s=0.0,
            )
        route = leg.route
        adapter = route.adapter
        sent = request.members if members is None else members
        body = adapter.body(sent, route.target.model, stream=request.stream)
        body = self._unasked.body(route, request, body)
        attempt = Try(
            n=len(journey.tries) + 1,
            route=route,
            started_s=self.clock.monotonic_s(),
            sent_hash="",
            input_floor=funded.input_floor,
        )
        earlier = [self.bill(journey, before) for before in journey.tries]
        self.journal.begin(journey, funded, attempt, body, earlier)
        journey.tries.append(attempt)
        try:
            answered = await self._ask(funded, attempt, adapter, body)
        except TransportError as exc:
            attempt.dispatched = not isinstance(exc, ConnectFailed)
            attempt.error = _lost(exc, route, reached=attempt.dispatched)
            self.course.health.failed(route, attempt.error, reached=attempt.dispatched)
            raise attempt.error from exc
        except UpstreamFailed as error:
            attempt.error = error
            self.course.health.failed(route, error)
            raise
        finally:
            attempt.ended_s = self.clock.monotonic_s()
        self.course.health.succeeded(route)
        return answered

    async def _ask(self, funded: Funded, attempt: Try, adapter: Adapter, body: bytes) -> Answered:
        planned = funded.screened.planned
        request, timeouts = planned.admitted.request, planned.model.timeouts
        upstream = self.upstream(attempt.route, request)
        own_s = timeouts.first_token if request.stream else timeouts.total
        left_s = request.ends_s - attempt.started_s
        patience_s = min(own_s, left_s)
        response: Response | None = None
        head = upstream.head
        if attempt.route.provider.propagate:
            head += trace_headers(request, attempt.n)
        try:
            async with asyncio.timeout(patience_s):
                attempt.dispatched = True
                response = await self.transport.send(
                    upstream.origin, head, body, connect_timeout_s=timeouts.connect
                )
                attempt.http_status = response.status
                attempt.provider_request_id = _provider_request_id(response)
                if response.status != HTTPStatus.OK:
                    await self._refused(response, request, attempt)
                if request.stream and _is_event_stream(response):
                    return await self._first_content(planned, attempt, adapter, response)
                return await self._whole(attempt, adapter, response)
        except TimeoutError as exc:
            _give_up(response)
            if left_s < own_s:
                raise out_of_time(attempt, request.ends_s) from exc
            raise ProviderTimeout(
                f"target '{attempt.route.target}' was silent for {patience_s:g} s; try again",
                raw_reason="timeout",
                usage_possible=True,
            ) from exc
        except BaseException:
            _give_up(response)
            raise

    async def _refused(self, response: Response, request: Request, attempt: Try) -> NoReturn:
        """Turn an error status into what the caller can do about it."""
        body = await _error_body(response)
        adapter = attempt.route.adapter
        fault = adapter.fault(body)
        reason = bounded(fault.type)
        target, status = attempt.route.target, response.status
        kind = _kind(status)
        if kind is ProviderRefused:
            raise ProviderRefused(
                f"target '{target}' refused the request ({reason}); change the request",
                status=status,
                raw_reason=reason,
                body=adapter.refusal(body) if _is_error(body) else b"",
                context_too_long=fault.context_too_long,
                without_usage=self._unasked.learn(attempt.route, request, fault.message),
            )
        raise kind(
            f"target '{target}' answered {status} ({reason}); try again later",
            status=status,
            raw_reason=reason,
            wait_s=retry_after_s(response.headers, self.clock.now_us()),
        )

    async def _whole(self, attempt: Try, adapter: Adapter, response: Response) -> Answered:
        body = await response.body()
        attempt.first_token_s = self.clock.monotonic_s()
        try:
            body.decode()
            events = adapter.read_body(body)
            for event in events:
                attempt.transcript.absorb(event)
            answer = adapter.answer(body, events)
        except (BadBody, UnicodeDecodeError) as exc:
            raise ProviderBadOutput(
                f"target '{attempt.route.target}' sent an answer that cannot be read; try again",
                status=response.status,
                raw_reason="bad_body",
                usage_possible=True,
            ) from exc
        if attempt.transcript.failed is not None:
            _in_stream(attempt)
        return Answered(attempt, response, body=answer)

    async def _first_content(
        self, planned: Planned, attempt: Try, adapter: Adapter, response: Response
    ) -> Answered:
        """Read a stream up to its first content; a refusal that may be shopped, to its end.

        Then it is charged exactly, and is whole if it is the answer after all.
        """
        reader = adapter.reader(hide_usage=not planned.admitted.request.usage_asked)
        transcript = attempt.transcript
        chunks: list[Chunk] = []
        while block := await response.read():
            content = False
            try:
                fresh = reader.feed(block)
            except BadStream as exc:
                raise _unreadable(attempt) from exc
            for chunk in fresh:
                for event in chunk.events:
                    transcript.absorb(event)
                    content = content or is_content(event)
            chunks.extend(fresh)
            if transcript.failed is not None and not content:
                _in_stream(attempt)
            shopped = planned.when_refused and transcript.refused
            if transcript.ended or (content and not shopped):
                attempt.first_token_s = self.clock.monotonic_s()
                return Answered(attempt, response, chunks=tuple(chunks), reader=reader)
        raise ProviderError(
            f"target '{attempt.route.target}' ended its stream before any content; try again",
            status=response.status,
            raw_reason="eof",
            usage_possible=True,
        )


def _from_content(chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
    """Leave out what comes before the first content."""
    for index, chunk in enumerate(chunks):
        if any(is_content(event) for event in chunk.events):
            return tuple(chunks[index:])
    return ()


def _passed_over(answered: Answered) -> ModelRefused:
    """Mark an answer that refuses: it is paid for, and kept in case nobody else answers."""
    answered.response.close()
    target = answered.attempt.route.target
    answered.attempt.error = ModelRefused(f"target '{target}' refused", usage_possible=True)
    return answered.attempt.error


async def _error_body(response: Response) -> bytes:
    """Read an error answer; one that is too long to be meant for people is as good as none."""
    body = b""
    while block := await response.read():
        body += block
        if len(body) > MAX_ERROR_BODY:
            response.close()
            return b""
    return body


def _is_error(body: bytes) -> bool:
    """Whether a body is an error as all wires tell one, whatever its content-type says."""
    try:
        body.decode()
        _error.decode(body)
    except UNREADABLE:
        return False
    return True


def _kind(status: int) -> type[UpstreamFailed]:
    match status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.PAYMENT_REQUIRED | HTTPStatus.FORBIDDEN:
            return ProviderAuth
        case HTTPStatus.TOO_MANY_REQUESTS:
            return ProviderRateLimited
        case HTTPStatus.SERVICE_UNAVAILABLE | 529:
            return ProviderOverloaded
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return ProviderTimeout
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return ProviderRefused
        case _:
            return ProviderError


def _lost(exc: TransportError, route: Route, *, reached: bool) -> ProviderError:
    what = "broke off" if reached else "cannot be reached"
    return ProviderError(
        f"target '{route.target}' {what} ({type(exc).__name__}); try again later",
        raw_reason=type(exc).__name__,
        usage_possible=reached,
    )


def _unreadable(attempt: Try) -> ProviderBadOutput:
    return ProviderBadOutput(
        f"target '{attempt.route.target}' sent a stream that cannot be read; try again",
        raw_reason="bad_stream",
        usage_possible=True,
    )


def _in_stream(attempt: Try) -> NoReturn:
    """Turn an error inside an answer into what the caller can do about it."""
    failed = attempt.transcript.failed
    reason = (bounded(failed.provider_type) if failed else None) or "unknown"
    overloaded = "overloaded" in reason
    kind = ProviderOverloaded if overloaded else ProviderError
    raise kind(
        f"target '{attempt.route.target}' failed before its first word ({reason}); try again",
        raw_reason=reason,
        usage_possible=True,
    )


def _give_up(response: Response | None) -> None:
    if response is not None:
        response.close()


def _is_event_stream(response: Response) -> bool:
    return any(
        name == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in response.headers
    )


def _provider_request_id(response: Response) -> str | None:
    for name, value in response.headers:
        if name in (b"x-request-id", b"request-id"):
            return bounded(value.decode("latin-1"))
    return None
