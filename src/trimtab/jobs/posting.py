"""One post by HTTP to somebody who may be away, and what was answered, in a line for people."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.transport import (
    ConnectFailed,
    Origin,
    Response,
    Transport,
    TransportError,
    origin_of,
    render_head,
)

TIMEOUT_S = 10.0
MOST_SAID = 200

Headers = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """What came of a post.

    Attributes:
        said: What was answered, or why nothing came.
        wait_s: Seconds that it asks to be left alone.
        status: 0 if nothing came.
        body: As much of it as came in time.
        sent: Whether it may have arrived; without a connection it has not.
    """

    taken: bool
    said: str
    wait_s: float | None = None
    status: int = 0
    body: bytes = b""
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages are posted.

    Attributes:
        origin: Where the connection leads.
        path: With the query.
        host: For the header.
    """

    origin: Origin
    path: str = field(repr=False)
    host: str

    def hidden_in(self, body: bytes) -> bytes:
        """Take the path out of what was answered.

        Error pages repeat what was asked for, and who knows the path of some may post.
        """
        path, _, query = self.path.partition("?")
        for secret in (self.path, path, query):
            body = body.replace(secret.encode(), b"...") if len(secret) > 1 else body
        return body


def place_of(url: str, *, allow_private: bool, proxy: str | None, whose: str) -> Place:
    """Read where to post.

    Raises:
        SettingsInvalid: the URL cannot be used. The message never repeats it: it may be a secret.
    """
    try:
        origin = origin_of(url, allow_private=allow_private, proxy=proxy)
        parts = urlsplit(url)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        found = Place(origin, path, parts.netloc.rpartition("@")[2])
        render_head("POST", found.path, (("host", found.host),))
    except ValueError as exc:
        raise SettingsInvalid(
            f"{whose} has a URL that cannot be used; write one such as"
            " https://hooks.example.com/alerts"
        ) from exc
    return found


async def post(
    transport: Transport,
    place: Place,
    headers: Headers,
    body: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Post once. Never raises because of the other side."""
    head = render_head(
        "POST", place.path, (("host", place.host), ("user-agent", "trimtab"), *headers)
    )
    try:
        async with asyncio.timeout(timeout_s):
            response = await transport.send(place.origin, head, body, connect_timeout_s=timeout_s)
    except TransportError as exc:
        sent = not isinstance(exc, ConnectFailed)
        return Answer(taken=False, said=f"{type(exc).__name__}: {exc}", sent=sent)
    except TimeoutError:
        return Answer(taken=False, said=f"no answer within {timeout_s:g} s")
    told = await _body(response, timeout_s)
    said = line(place.hidden_in(told))
    given: Mapping[bytes, bytes] = dict(response.headers)
    return Answer(
        taken=response.status // 100 == HTTPStatus.OK // 100,
        said=f"answer {response.status}{said and ': ' + said}",
        wait_s=_wait_s(given.get(b"retry-after", b"").decode("latin-1")),
        status=response.status,
        body=told,
    )


def line(body: bytes) -> str:
    """Write the beginning of a body in one line."""
    text = body[: 4 * MOST_SAID].decode(errors="replace")
    return " ".join("".join(it if it.isprintable() else " " for it in text).split())[:MOST_SAID]


async def _body(response: Response, timeout_s: float) -> bytes:
    """Read what else it says, if that comes soon: the status alone says whether it is taken."""
    try:
        async with asyncio.timeout(timeout_s):
            return await response.body()
    except (TransportError, TimeoutError):
        response.close()
        return b""


def _wait_s(text: str) -> float | None:
    """Read `Retry-After`; a date means nothing to us."""
    return float(text) if text.isascii() and text.isdigit() else None
