"""HTTP by hand: requests that no client library would send, and what comes back."""

import asyncio
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `status` is 0 if the connection was closed without any."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def request_id(self) -> str:
        return self.headers["x-trimtab-request-id"]


NOTHING = Answer(0, {}, b"")


def chat(content: str = "hi", **members: object) -> bytes:
    """Write a body that is good on both wires."""
    asked = {"model": "chat", "max_tokens": 50, "messages": [{"role": "user", "content": content}]}
    return json.dumps({**asked, **members}).encode()


def head(
    key: str | None,
    headers: Sequence[tuple[str, str]] = (),
    *,
    line: str = f"POST {OPENAI} HTTP/1.1",
    host: str | None = "trimtab",
    length: int | None = None,
) -> bytes:
    """Write a request's head."""
    lines = [] if host is None else [("host", host)]
    if key is not None:
        lines.append(("authorization", f"Bearer {key}"))
    if length is not None:
        lines.append(("content-length", str(length)))
    lines += [("content-type", "application/json"), *headers]
    told = "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{line}\r\n{told}\r\n".encode("latin-1")


def request(
    key: str | None, body: bytes | None = None, path: str = OPENAI, *headers: tuple[str, str]
) -> bytes:
    """Write a POST."""
    sent = chat() if body is None else body
    return head(key, headers, line=f"POST {path} HTTP/1.1", length=len(sent)) + sent


def send(port: int, data: bytes, *, method: str = "POST", timeout_s: float = 10.0) -> Answer:
    """Send bytes and read one answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(data)
        return read(connection, method=method)


def read(connection: socket.socket, *, method: str = "POST") -> Answer:
    """Read one answer; `NOTHING` if the other side just closes."""
    with HTTPResponse(connection, method=method) as response:
        try:
            response.begin()
        except ConnectionError:
            return NOTHING
        told = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, told, response.read())


async def next_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer of a connection that stays open."""
    start = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = start.split("\r\n")
    headers = dict(told.split(": ", 1) for told in lines if told)
    body = b""
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        while size := int(await reader.readuntil(b"\n"), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return Answer(int(line.split(" ")[1]), headers, body)
