"""A gateway as far as an instrumented app sees one, in a thread: strict, and it fails on demand."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

KEY = "tt_dev_key"
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "sim",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    ],
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "sim",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
ANSWERS: dict[str, Any] = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGE}
REQUEST_ID = "r_01KQ2Z61CTQ3M0N5Z7V2K9B1DF"


class Receiver:
    """State: what it was sent. `with` serves it.

    Attributes:
        statuses: What the next requests are answered with, before it is 200 again.
        delay_s: How long it thinks.
        calls: Path and headers of each call of a model.
        broken: What was sent that a gateway would not take.
    """

    def __init__(self, port: int = 0) -> None:
        self.resources: list[ResourceSpans] = []
        self.feedback: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.broken: list[str] = []
        self.statuses: list[int] = []
        self.delay_s = 0.0
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert self.broken == []

    def forget(self) -> None:
        """Begin anew."""
        for it in (self.resources, self.feedback, self.calls, self.statuses):
            it.clear()
        self.delay_s = 0.0

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Span]:
        return [span for it in self.resources for scope in it.scope_spans for span in scope.spans]

    @property
    def names(self) -> list[str]:
        return sorted(span.name for span in self.spans)


def plain(attributes: Any) -> dict[str, Any]:  # noqa: ANN401 -- repeated KeyValue
    """Read attributes."""
    found: dict[str, Any] = {}
    for it in attributes:
        assert isinstance(it, KeyValue)
        found[it.key] = getattr(it.value, it.value.WhichOneof("value") or "")
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] -- ours

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["content-length"]))
        time.sleep(receiver.delay_s)
        status = receiver.statuses.pop(0) if receiver.statuses else 200
        key = self.headers.get("x-api-key") or self.headers.get("authorization", "")[7:]
        if key != KEY:
            receiver.broken.append(f"key {key!r}")
        answer = self._take(body) if status == 200 else {"error": {"message": "no"}}
        data = msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name in ("x-trimtab-request-id", "x-request-id", "request-id"):
            self.send_header(name, REQUEST_ID)
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(data)

    def _take(self, body: bytes) -> dict[str, Any]:
        receiver, media_type = self.server.receiver, self.headers["content-type"]
        if self.path == "/v1/traces":
            if media_type != "application/x-protobuf":
                receiver.broken.append(f"spans as {media_type}")
            # Raises on what is none.
            request = ExportTraceServiceRequest.FromString(body)
            for span in (
                s for it in request.resource_spans for x in it.scope_spans for s in x.spans
            ):
                if (
                    len(span.trace_id) != 16
                    or len(span.span_id) != 8
                    or not span.end_time_unix_nano
                ):
                    receiver.broken.append(f"span {span.name}")
            receiver.resources += request.resource_spans
            return {}
        if self.path == "/v1/feedback":
            receiver.feedback.append(msgspec.json.decode(body, type=dict[str, Any]))
            return {"annotation_ids": ["n_1"]}
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.calls.append((self.path, headers))
        return ANSWERS[self.path]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name there
        """Say nothing."""
