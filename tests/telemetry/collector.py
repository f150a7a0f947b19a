"""A tiny OTLP receiver on 127.0.0.1 that decodes what it is sent and answers from a script."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from gzip import decompress

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Reply = tuple[int, str, bytes]
"""Status, header lines and body."""

OK: Reply = (200, "", b"")


class Collector:
    """What the receiver knows.

    State: heads and numbers of spans of the batches that came; spans it took; replies to come.

    Attributes:
        judge: Answers when no scripted reply is left, by the number of spans.
        weigh: The same by the number of bytes; asked if the other one says yes.
    """

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.sizes: list[int] = []
        self.taken: list[Span] = []
        self.workers: set[str] = set()
        self.replies: deque[Reply] = deque()
        self.judge: Callable[[int], Reply] = lambda _: OK
        self.weigh: Callable[[int], Reply] = lambda _: OK
        self.arrived = asyncio.Event()

    @property
    def ids(self) -> list[bytes]:
        return [span.span_id for span in self.taken]

    @asynccontextmanager
    async def up(self) -> AsyncGenerator[None]:
        """Listen, on the same port as before."""
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
                    status, headers, body = self._take(head, await reader.readexactly(length))
                    said = f"HTTP/1.1 {status} x\r\n{headers}content-length: {len(body)}\r\n\r\n"
                    writer.write(said.encode() + body)
                    await writer.drain()
        finally:
            writer.close()

    def _take(self, head: str, body: bytes) -> Reply:
        request = ExportTraceServiceRequest.FromString(decompress(body))
        spans = [
            span
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self.heads.append(head)
        self.sizes.append(len(spans))
        reply = self.replies.popleft() if self.replies else self.judge(len(spans))
        if reply is OK:
            reply = self.weigh(request.ByteSize())
        if reply[0] == OK[0]:
            self.taken += spans
            self.workers |= {
                pair.value.string_value
                for resource in request.resource_spans
                for pair in resource.resource.attributes
                if pair.key == "service.instance.id"
            }
        self.arrived.set()
        return reply
