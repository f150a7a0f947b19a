"""A little of the API of CloudWatch on 127.0.0.1: it takes `PutMetricData` within its limits."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from gzip import decompress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_DATA = 1_000
MOST_BYTES = 1 << 20


class CloudWatch(ThreadingHTTPServer):
    """State: the data it took, the sizes of calls, and statuses to answer with before it does."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.refusals: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def up(self) -> Generator[None]:
        thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def judge(self, target: str, signed: str, body: bytes) -> str | None:
        """Say what is wrong with a call."""
        if not target.endswith(".PutMetricData") or "/monitoring/aws4_request" not in signed:
            return "MissingAuthenticationToken"
        asked = json.loads(body)
        found = asked["MetricData"]
        self.sizes.append(len(found))
        wrong = (
            len(found) > MOST_DATA
            or len(body) > MOST_BYTES
            or not asked["Namespace"]
            or any(len(it["Dimensions"]) > 30 for it in found)
            or any(("Value" in it) == ("StatisticValues" in it) for it in found)
        )
        if not wrong:
            self.taken += found
        return "InvalidParameterValue" if wrong else None


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        api = self.server
        assert isinstance(api, CloudWatch)
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["content-encoding"] == "gzip":
            body = decompress(body)
        if api.refusals:
            status, fault = api.refusals.pop(0), "Throttling"
        else:
            target = self.headers["x-amz-target"]
            fault = api.judge(target, self.headers["authorization"], body)
            status = 200 if fault is None else 400
        told = b"{}" if fault is None else json.dumps({"__type": fault}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
