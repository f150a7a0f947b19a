"""What every request to the console passes: who asks, may they, and did their own page send it."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from trimtab.console.auth import ADMIN, Actor, Right, Sessions, Throttle
from trimtab.console.base import Console, Visit
from trimtab.console.login import COOKIE
from trimtab.domain.errors import BodyTooLarge, Forbidden, Unauthenticated

MAX_BODY_BYTES = 64 << 10
MAX_FILE_BYTES = 2 << 20
"""What a form or call may hold that brings a prompt file, written as a form or as JSON."""

_SAFE = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")
BEARER_NAME = "admin-token"


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets a request in as a `Visit`."""

    console: Console
    sessions: Sessions
    throttle: Throttle

    async def page(
        self, request: Request, right: Right | None, max_bytes: int = MAX_BODY_BYTES
    ) -> Visit:
        """Let somebody in who is logged in; `None` lets everybody in.

        Raises:
            Unauthenticated: nobody is logged in.
            Forbidden: the actor lacks the right, or the form is not the session's own.
            BodyTooLarge: more was posted than any form holds.
        """
        actor = await self._session(request)
        if right is not None and actor is None:
            raise Unauthenticated("nobody is logged in; log in first")
        return await self._let_in(request, actor, right, max_bytes)

    async def call(
        self, request: Request, right: Right | None, max_bytes: int = MAX_BODY_BYTES
    ) -> Visit:
        """Let a program in by the admin token, or a page by its session.

        Raises:
            Unauthenticated: neither is there, or the token is wrong.
            Forbidden: the actor lacks the right, or a page sent no CSRF token.
            BodyTooLarge: more was posted than any call holds.
        """
        authorization = request.headers.get("authorization")
        if authorization is None:
            actor = await self._session(request)
        else:
            actor = self._bearer(authorization)
        if actor is None:
            raise Unauthenticated("no admin token; send 'authorization: Bearer ...' or log in")
        return await self._let_in(request, actor, right, max_bytes)

    async def _let_in(
        self, request: Request, actor: Actor | None, right: Right | None, max_bytes: int
    ) -> Visit:
        if right is not None and (actor is None or not actor.may(right)):
            raise Forbidden(f"the right '{right}' is needed; ask an admin for it")
        body = b"" if request.method in _SAFE else await _body(request, max_bytes)
        if request.method not in _SAFE:
            _check_origin(request)
            if right is not None and actor is not None and actor.csrf is not None:
                _check_csrf(request, body, actor.csrf)
        return Visit(self.console, self.sessions, self.throttle, request, actor, body)

    async def _session(self, request: Request) -> Actor | None:
        cookie = request.cookies.get(COOKIE)
        return await self.sessions.read(cookie) if cookie else None

    def _bearer(self, authorization: str) -> Actor | None:
        scheme, _, token = authorization.partition(" ")
        expected = self.console.admin_token_sha256
        given = sha256(token.strip().encode()).hexdigest()
        if expected is None or scheme.lower() != "bearer":
            return None
        return Actor(BEARER_NAME, ADMIN, None) if hmac.compare_digest(given, expected) else None


def _check_origin(request: Request) -> None:
    """Refuse what a browser says another site sent. Programs other than browsers say nothing."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or site not in _OWN_SITE:
        raise Forbidden("another site sent this form; open the console and send it from there")


def _check_csrf(request: Request, body: bytes, expected: str) -> None:
    given = request.headers.get("x-csrf-token")
    if given is None:
        # As text: of bytes, `parse_qs` takes ASCII alone.
        given = parse_qs(body.decode("latin-1")).get("csrf", [""])[-1]
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("the form's CSRF token is missing or old; reload the page and try again")


async def _body(request: Request, max_bytes: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLarge(f"more than {max_bytes} bytes were posted; send less")
    return bytes(body)
