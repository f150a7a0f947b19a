"""Reading a report of a provider to its end: pages, retries, and proof that nothing is missing."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Generic, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.transport import Transport, TransportError, origin_of, render_head

DAY_S = 86_400
TRIES = 6
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
TIMEOUT_S = 60.0
MOST_PAGES = 500

_DENIED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

T = TypeVar("T")
Query = Sequence[tuple[str, str]]
Sleep = Callable[[float], Awaitable[None]]


class FetchIncomplete(Exception):
    """A report was not read to its end; what was read of it is worth nothing."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a provider tells about its bills.

    Attributes:
        provider: Our name of the provider.
        url: Base URL as its SDK would take it.
        admin_key: The credential.
        proxy: URL of an HTTP proxy.
    """

    provider: str
    url: str
    admin_key: str = field(repr=False)
    allow_private: bool = False
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole UTC days, in Unix seconds; days that end after `now_s` may be left out."""

    start_s: int
    end_s: int
    now_s: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Asks one desk. `sleep` waits between tries."""

    desk: Desk
    transport: Transport
    headers: Sequence[tuple[str, str]]
    sleep: Sleep = asyncio.sleep

    async def get(self, path: str, query: Query, kind: type[T]) -> T:
        """Get one page.

        Raises:
            FetchIncomplete: it was refused, or did not come after several tries.
        """
        wait_s, why = FIRST_WAIT_S, ""
        for place in range(TRIES):
            if place:
                await self.sleep(wait_s)
            try:
                status, headers, body = await self._send(path, query)
            except TransportError as exc:
                why, wait_s = f"no answer ({type(exc).__name__})", _next(wait_s, {})
                continue
            except TimeoutError:
                why, wait_s = f"no answer within {TIMEOUT_S:g} s", _next(wait_s, {})
                continue
            if status == HTTPStatus.OK:
                return _decoded(path, body, kind)
            _refuse_for_good(path, status)
            why, wait_s = f"answer {status}", _next(wait_s, headers)
        raise FetchIncomplete(f"{path}: {why}, {TRIES} times; it is tried again later")

    async def _send(self, path: str, query: Query) -> tuple[int, Mapping[bytes, bytes], bytes]:
        desk = self.desk
        origin = origin_of(
            desk.url, allow_private=desk.allow_private, ca_file=desk.ca_file, proxy=desk.proxy
        )
        url = urlsplit(desk.url)
        head = render_head(
            "GET",
            f"{url.path.rstrip('/').removesuffix('/v1')}{path}?{urlencode(query)}",
            (
                ("host", url.netloc.rpartition("@")[2]),
                ("accept", "application/json"),
                ("user-agent", "trimtab"),
                *self.headers,
            ),
        )
        async with asyncio.timeout(TIMEOUT_S):
            response = await self.transport.send(origin, head, b"", connect_timeout_s=TIMEOUT_S)
            try:
                return response.status, dict(response.headers), await response.body()
            finally:
                response.close()


B = TypeVar("B")


class Page(Struct, Generic[B], frozen=True):
    """A page of buckets, in the shape that both providers give it."""

    data: tuple[B, ...]
    has_more: bool
    next_page: str | None = None


async def buckets(
    fetch: Fetch,
    path: str,
    query: Query,
    kind: type[Page[B]],
    span: Span,
    ends: Callable[[B], tuple[int, int]],
) -> AsyncGenerator[B]:
    """Give the buckets of all pages of a report, which must be the days of a span, one by one.

    `ends` gives where a bucket begins and ends, in Unix seconds.

    Raises:
        FetchIncomplete: something is missing, came twice, or cannot be read.
    """
    page: str | None = ""
    next_s = span.start_s
    for _ in range(MOST_PAGES):
        told = await fetch.get(path, [*query, ("page", page)] if page else query, kind)
        for bucket in told.data:
            start_s, end_s = ends(bucket)
            if start_s < next_s:
                raise FetchIncomplete(f"{path}: a page came twice")
            if start_s > next_s or end_s != start_s + DAY_S:
                raise FetchIncomplete(f"{path}: a bucket is missing")
            next_s = end_s
            yield bucket
        page = told.next_page
        if not told.has_more:
            if next_s < min(span.end_s, span.now_s - span.now_s % DAY_S):
                raise FetchIncomplete(f"{path}: the last bucket is missing")
            return
        if not page:
            break
    raise FetchIncomplete(f"{path}: the pages are cut off")


def read_amount(path: str, raw: bytes, unit_nano: int = NANO_PER_USD) -> tuple[int, bool]:
    """Read an amount of JSON exactly: nano-USD, and whether it was text.

    Raises:
        FetchIncomplete: it is neither number nor text of one.
    """
    try:
        amount = Decimal(raw.decode().strip('"'))
        # Neither is infinity an amount, nor what is no number.
        return round(amount * unit_nano), raw.startswith(b'"')
    except (ArithmeticError, ValueError) as exc:
        raise FetchIncomplete(f"{path}: {raw[:32]!r} is no amount") from exc


def _decoded(path: str, body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise FetchIncomplete(f"{path}: the answer cannot be read: {exc}") from exc


def _refuse_for_good(path: str, status: int) -> None:
    if status in _DENIED:
        raise FetchIncomplete(
            f"{path}: the admin key is refused ({status}); was it rotated? see `reconcile` in the"
            " file"
        )
    if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
        raise FetchIncomplete(f"{path}: answer {status}")


def _next(wait_s: float, headers: Mapping[bytes, bytes]) -> float:
    """Wait twice as long as before, or as long as the provider says."""
    said = headers.get(b"retry-after", b"")
    longer = max(2 * wait_s, float(said)) if said.isdigit() else 2 * wait_s
    return min(longer, LONGEST_WAIT_S)
