"""Passing on what the keeper serves, console, admin API and metrics, so that one port is enough."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.domain.transport import Origin, Response, Transport, TransportError, render_head
from trimtab.gateway.reply import Receive, Send

PREFIXES = ("/console", "/admin/v1/")
PATHS = ("/", "/metrics")
CONNECT_S = 2.0
UPLOAD_S = 30.0
ANSWER_S = 15.0
MAX_BODY = 2 << 20

_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer"}


@dataclass(frozen=True, slots=True)
class Forward:
    """Forwards requests over the keeper's Unix socket."""

    transport: Transport
    keeper: Origin

    def takes(self, path: str) -> bool:
        """Whether a path is the keeper's."""
        return path in PATHS or path.startswith(PREFIXES)

    def drain(self) -> None:
        """Keep nobody; those that run go on."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Forward one request; 413 if it is larger than any form, 503 if the keeper is away.

        What cannot be written down again, as a control character in a header, is 400.
        """
        body = b""
        more = True
        try:
            async with asyncio.timeout(UPLOAD_S):
                while more and len(body) <= MAX_BODY:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            await _say(send, 408, b"the form did not arrive in time\n")
            return
        if len(body) > MAX_BODY:
            await _say(send, 413, b"the form is too large\n")
            return
        try:
            response = await self._ask(scope, body)
        except ValueError as exc:
            await _say(send, 400, f"{exc}; take control characters out of it\n".encode())
            return
        except (TransportError, TimeoutError):
            await _say(send, 503, b"the keeper does not answer; start it with `trimtab keeper`\n")
            return
        watch = asyncio.create_task(_close_on_hang_up(receive, response))
        try:
            await _pass(response, send)
        except (TransportError, OSError):
            response.close()
        finally:
            watch.cancel()

    async def _ask(self, scope: Mapping[str, Any], body: bytes) -> Response:
        head = render_head(scope["method"], _target(scope), _headers(scope))
        async with asyncio.timeout(ANSWER_S):
            return await self.transport.send(self.keeper, head, body, connect_timeout_s=CONNECT_S)


def _target(scope: Mapping[str, Any]) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw + (b"?" + query if query else b"")).decode("latin-1")


def _headers(scope: Mapping[str, Any]) -> list[tuple[str, str]]:
    client = scope.get("client") or ("", 0)
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope["headers"]
        if name not in _HOP_BY_HOP and name not in (b"content-length", b"x-trimtab-client")
    ]
    return [*kept, ("x-trimtab-client", str(client[0]))]


async def _pass(response: Response, send: Send) -> None:
    headers = [pair for pair in response.headers if pair[0] not in _HOP_BY_HOP]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    while block := await response.read():
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _close_on_hang_up(receive: Receive, response: Response) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    response.close()


async def _say(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
