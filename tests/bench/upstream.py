"""A provider that costs next to nothing, and the same answer without a gateway: the measure.

`python -m tests.bench.upstream PORT [PACE_MS]` answers chat completions with 1 KB of JSON, or with
50 paced events and usage.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

EVENTS = 50

_TEXT = "A trim tab is the small surface at the edge of a rudder that turns the rudder. " * 10
_USAGE = {"prompt_tokens": 190, "completion_tokens": 170, "total_tokens": 360}
_ANSWER = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _TEXT},
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
    }
).encode()
_WHOLE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    % len(_ANSWER)
    + _ANSWER
)
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _event(members: dict[str, object]) -> bytes:
    shared = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "model": "bench"}
    data = b"data: " + json.dumps({**shared, **members}).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def _choice(delta: dict[str, str], reason: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


_PIECES = [_choice({"content": f" word{number}"}) for number in range(EVENTS)]
_LAST = (
    _choice({}, "stop")
    + _event({"choices": [], "usage": _USAGE})
    + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
)


class Answers(asyncio.Protocol):
    """Answers each request as it comes. State: bytes of a request that is not whole yet."""

    pace_s = 0.0

    def __init__(self) -> None:
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of it
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head, end, body = self._pending.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._pending = body[length:]
        if b'"stream":true' in body[:length]:
            asyncio.get_running_loop().create_task(self._stream())
        else:
            self._transport.write(_WHOLE)

    async def _stream(self) -> None:
        self._transport.write(_STREAM + _choice({"role": "assistant", "content": ""}))
        for piece in _PIECES:
            await asyncio.sleep(self.pace_s)
            self._transport.write(piece)
        self._transport.write(_LAST)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    Answers.pace_s = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    uvloop.install()
    asyncio.run(_serve(int(sys.argv[1])))
