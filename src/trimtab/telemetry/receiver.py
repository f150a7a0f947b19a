"""Where traces are posted, and what its answers mean: OTLP over HTTP, protobuf, gzip.

Source: the OTLP specification, sections "OTLP/HTTP Response" and "Partial Success".
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.transport import Transport, TransportError, origin_of, render_head
from trimtab.telemetry.semconv.base import Version
from trimtab.telemetry.semconv.versions import DEFAULT

NO_ANSWER = 0

_TRACES = "/v1/traces"
_MAX_ANSWER = 64 * 1024
_MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where traces go.

    Attributes:
        name: Lower-case word; names the exporter's files.
        endpoint: Base URL; `/v1/traces` is added unless it ends so.
        headers: Sent with each batch; may hold a key.
        ca_file: PEM file of one more trusted root.
        proxy: URL of an HTTP proxy.
        timeout_s: Seconds that a batch may take, connecting included.
        version: Conventions whose names the receiver knows.
        takes_everything: Whether it, and not we, drops what is not kept.
    """

    name: str
    endpoint: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    version: Version = DEFAULT
    takes_everything: bool = False


class Verdict(Enum):
    """What becomes of the spans that were sent."""

    TAKEN = auto()
    AGAIN = auto()
    HALVE = auto()
    PAUSE = auto()
    PUT_ASIDE = auto()


_BY_STATUS: Mapping[int, Verdict] = {
    NO_ANSWER: Verdict.AGAIN,
    429: Verdict.AGAIN,
    502: Verdict.AGAIN,
    503: Verdict.AGAIN,
    504: Verdict.AGAIN,
    413: Verdict.HALVE,
    401: Verdict.PAUSE,
    403: Verdict.PAUSE,
}
_BY_CLASS: Mapping[int, Verdict] = {
    2: Verdict.TAKEN,
    # Like a wrong key, a redirect is for people to put right.
    3: Verdict.PAUSE,
    4: Verdict.PUT_ASIDE,
    5: Verdict.PUT_ASIDE,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 if nothing did."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def verdict(self) -> Verdict:
        """What becomes of the spans."""
        by_class = _BY_CLASS.get(self.status // 100, Verdict.PAUSE)
        return _BY_STATUS.get(self.status, by_class)

    def rejected(self) -> tuple[int, str]:
        """Read how many spans a partial success leaves out, and why, as the receiver says."""
        try:
            partial = ExportTraceServiceResponse.FromString(self.body).partial_success
        except DecodeError:
            return 0, ""
        return max(0, partial.rejected_spans), partial.error_message

    def retry_after_s(self, now_us: int) -> float | None:
        """Read in how many seconds to come again, at most an hour; `None` if it does not say."""
        text = dict(self.headers).get(b"retry-after", b"").decode("latin-1").strip()
        if text.isascii() and text.isdigit():
            return min(float(text), _MAX_RETRY_AFTER_S)
        try:
            at_s = parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None
        return min(max(0.0, at_s - now_us / 1e6), _MAX_RETRY_AFTER_S)


class Post:
    """Posts bodies to a receiver, one at a time."""

    def __init__(self, receiver: Receiver, transport: Transport) -> None:
        """Render the head once.

        Raises:
            SettingsInvalid: the endpoint or a header cannot be used.
        """
        self._transport = transport
        self._timeout_s = receiver.timeout_s
        try:
            # An operator's own collector mostly lives on a private address.
            self._origin = origin_of(
                receiver.endpoint,
                allow_private=True,
                ca_file=receiver.ca_file,
                proxy=receiver.proxy,
            )
            self._head = _head(receiver)
        except ValueError as exc:
            raise SettingsInvalid(
                f"exporter '{receiver.name}' has an endpoint or header that cannot be used; write"
                " an endpoint such as http://127.0.0.1:4318, and each header on one line"
            ) from exc

    async def __call__(self, body: bytes) -> Answer:
        """Post a gzipped request and wait for the answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._transport.send(
                    self._origin, self._head, body, connect_timeout_s=self._timeout_s
                )
                try:
                    said = b""
                    while len(said) < _MAX_ANSWER and (block := await response.read()):
                        said += block
                    return Answer(response.status, response.headers, said)
                finally:
                    response.close()
        except (TransportError, TimeoutError):
            return Answer(NO_ANSWER)


def _head(receiver: Receiver) -> bytes:
    url = urlsplit(receiver.endpoint)
    path = url.path.rstrip("/")
    path = path if path.endswith(_TRACES) else path + _TRACES
    headers = [
        ("host", url.netloc.rpartition("@")[2]),
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "gzip"),
        *receiver.headers,
    ]
    return render_head("POST", f"{path}?{url.query}" if url.query else path, headers)
