"""Sending an answer over ASGI, in the shape of the caller's wire."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from trimtab.domain.allowance import BudgetLeft
from trimtab.domain.errors import (
    BudgetExhausted,
    LimitsUnavailable,
    ProviderRefused,
    RateLimited,
    TrimtabError,
)
from trimtab.domain.ids import RequestId, span_id
from trimtab.domain.model import Wire
from trimtab.domain.money import usd_text
from trimtab.domain.trace_context import traceparent
from trimtab.gateway import errors
from trimtab.pipeline.reply import Facts

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

STALLED_WRITE_S = 30.0

_JSON = (b"content-type", b"application/json")
_STREAM = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class AsgiReply:
    """`pipeline.reply.Reply` over one ASGI connection.

    State: whether the caller is still there, and on a wire that counts its events, how many were
    sent. A caller who does not read for 30 s is gone.
    """

    __slots__ = (
        "_act",
        "_receive",
        "_send",
        "_sent",
        "_stall_timer",
        "_stalled",
        "_task",
        "_watch",
        "_wire",
        "_writing",
        "gone",
    )

    def __init__(self, wire: Wire, receive: Receive, send: Send) -> None:
        self._wire = wire
        self._receive = receive
        self._send = send
        self._act: Callable[[], None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._writing = 0
        self._sent = 0
        self._stalled = False
        self.gone = False

    def when_gone(self, act: Callable[[], None]) -> None:
        """See `Reply.when_gone`."""
        self._act = act
        if self.gone:
            act()

    async def whole(self, body: bytes, facts: Facts) -> None:
        """See `Reply.whole`."""
        await self._whole(200, [_JSON, *self._told(facts), *spent(facts)], body)

    async def begin_stream(self, facts: Facts) -> None:
        """See `Reply.begin_stream`."""
        self._task = asyncio.current_task()
        self._watch = asyncio.create_task(self._wait_for_hang_up())
        self._arm(0)
        head: Message = {
            "type": "http.response.start",
            "status": 200,
            "headers": [*_STREAM, *self._told(facts)],
        }
        await self._try(head)

    async def write(self, data: bytes) -> None:
        """See `Reply.write`."""
        if self._wire is Wire.OPENAI_RESPONSES:
            self._sent += data.count(b"\ndata:")
        await self._try({"type": "http.response.body", "body": data, "more_body": True})

    async def end_stream(self, terminal: bytes, facts: Facts) -> None:
        """See `Reply.end_stream`."""
        await self._last(_comment(facts) + terminal)

    async def refuse(self, error: TrimtabError, facts: Facts) -> None:
        """See `Reply.refuse`."""
        body = errors.body(error, self._wire, facts.request_id)
        if isinstance(error, ProviderRefused) and error.body:
            body = error.body
        status = errors.http_status(error, self._wire)
        if isinstance(error, RateLimited) and error.allowance is not None:
            facts = replace(facts, allowances=(error.allowance,))
        if isinstance(error, LimitsUnavailable):
            facts = replace(facts, degraded=True)
        if isinstance(error, BudgetExhausted) and error.resets_us is not None:
            facts = replace(facts, budget=BudgetLeft(None, error.resets_us))
        headers = [_JSON, *self._told(facts), *spent(facts), *errors.retry_headers(error)]
        await self._whole(status, headers, body)

    async def cut(self, error: TrimtabError, *, told: bool, facts: Facts) -> None:
        """See `Reply.cut`."""
        last = b"" if told else errors.event(error, self._wire, facts, self._sent)
        await self._last(_comment(facts) + last)

    def _told(self, facts: Facts) -> list[tuple[bytes, bytes]]:
        headers = told(facts)
        if facts.allowances:
            headers += allowed(facts, self._wire)
        if facts.budget is not None:
            headers += budgeted(facts.budget)
        return headers

    async def _whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        headers.append((b"content-length", b"%d" % len(body)))
        await self._try({"type": "http.response.start", "status": status, "headers": headers})
        await self._try({"type": "http.response.body", "body": body})

    async def _last(self, data: bytes) -> None:
        await self._try({"type": "http.response.body", "body": data, "more_body": False})
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def _try(self, message: Message) -> None:
        if self.gone:
            return
        self._writing += 1
        try:
            await self._send(message)
        except OSError:
            self._leave()
        except asyncio.CancelledError:
            if not self._stalled or self._task is None:
                raise
            self._task.uncancel()
            self._leave()
        finally:
            self._writing += 1

    def _arm(self, seen: int) -> None:
        """Look every 30 s whether the write that was under way is still the same one.

        `_writing` is odd while a write is under way, and grows with each: a write costs two
        additions and no timer.
        """
        if seen % 2 and seen == self._writing and self._task is not None:
            self._stalled = True
            self._task.cancel()
            return
        loop = asyncio.get_running_loop()
        self._stall_timer = loop.call_later(STALLED_WRITE_S, self._arm, self._writing)

    async def _wait_for_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            if self._act is not None:
                self._act()


def told(facts: Facts) -> list[tuple[bytes, bytes]]:
    """Name the request, in our header and in those the two SDKs read."""
    request_id = facts.request_id.encode()
    headers = [
        (b"x-trimtab-request-id", request_id),
        (b"x-request-id", request_id),
        (b"request-id", request_id),
        (b"x-trimtab-trace-id", facts.trace_id.encode()),
        # Whether it is sampled is decided at the end: the flag is set if that is sure already.
        (
            b"traceresponse",
            traceparent(facts.trace_id, _span(facts), facts.trace_flags).encode(),
        ),
        (b"x-trimtab-config", b"%d" % facts.config_seq),
    ]
    if facts.attempts:
        headers.append((b"x-trimtab-target", facts.target.encode("ascii", "replace")))
        headers.append((b"x-trimtab-attempts", b"%d" % facts.attempts))
    if facts.dropped:
        headers.append((b"x-trimtab-dropped", ", ".join(facts.dropped).encode("ascii", "replace")))
    if facts.degraded:
        headers.append((b"x-trimtab-degraded", b"limits"))
    if facts.shadowed:
        headers.append((b"x-trimtab-shadow-limits", ", ".join(facts.shadowed).encode()))
    if facts.downgraded is not None:
        headers.append((b"x-trimtab-downgraded", facts.downgraded.encode()))
    return headers


def _span(facts: Facts) -> str:
    return span_id(RequestId(facts.request_id), "request")


def allowed(facts: Facts, wire: Wire) -> list[tuple[bytes, bytes]]:
    """Tell what is left of the tenant's rates, as the SDKs of the wire know it."""
    headers: list[tuple[bytes, bytes]] = []
    for what, size, left, reset_s in facts.allowances:
        limit, remaining, reset = _rate_headers(what, is_anthropic=wire.is_anthropic)
        at = _instant(facts.ts_us / 1e6 + reset_s) if wire.is_anthropic else _duration(reset_s)
        headers += (
            (limit, b"%d" % size),
            (remaining, b"%d" % max(0, left)),
            (reset, at.encode()),
        )
    return headers


@cache
def _rate_headers(what: str, *, is_anthropic: bool) -> tuple[bytes, bytes, bytes]:
    shape = "anthropic-ratelimit-{what}-{name}" if is_anthropic else "x-ratelimit-{name}-{what}"
    limit, remaining, reset = (
        shape.format(what=what, name=name).encode() for name in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


def budgeted(budget: BudgetLeft) -> list[tuple[bytes, bytes]]:
    """Tell what is left of a budget, and when the next one begins."""
    headers = [(b"x-trimtab-budget-reset", _instant(budget.resets_us / 1e6).encode())]
    if budget.nano is not None:
        headers.append((b"x-trimtab-budget-remaining-usd", usd_text(budget.nano).encode()))
    return headers


def _instant(at_s: float) -> str:
    """Write an instant as RFC 3339 does, to the second."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _duration(seconds: float) -> str:
    """Write a span of time as OpenAI does: `17ms`, `7.66s`, `1m0s`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(round(seconds, 2), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"


def spent(facts: Facts) -> list[tuple[bytes, bytes]]:
    """Tell what the answer cost; unknown is not told."""
    headers = [(b"x-trimtab-usage", facts.usage_source.encode())] if facts.attempts else []
    if facts.cost_nano is not None:
        headers.append((b"x-trimtab-cost-usd", usd_text(facts.cost_nano).encode()))
    if facts.replayed:
        headers.append((b"x-trimtab-replayed", b"true"))
    if facts.estimated:
        headers.append((b"x-trimtab-estimated", b"true"))
    return headers


def _comment(facts: Facts) -> bytes:
    """Tell the cost of a stream in a comment, which every SSE client skips."""
    spent_usd = None if facts.cost_nano is None else usd_text(facts.cost_nano)
    members = {
        "request_id": facts.request_id,
        "cost_usd": spent_usd,
        "usage": facts.usage_source,
        "target": facts.target,
        "attempts": facts.attempts,
    }
    return b": trimtab " + msgspec.json.encode(members) + b"\n\n"
