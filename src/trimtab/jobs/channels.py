"""Where alerts are delivered by HTTP: webhooks, Slack, PagerDuty. Each says what it was answered.

The forms are those of Standard Webhooks 1.0, of Slack's incoming webhooks
(https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks) and of PagerDuty's
Events API v2 (https://developer.pagerduty.com/docs/send-alert-event).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from trimtab.domain.alert import Severity
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.signing import signature
from trimtab.domain.transport import (
    Origin,
    Response,
    Transport,
    TransportError,
    origin_of,
    render_head,
)
from trimtab.jobs.message import Kind, Message, document, instant

TIMEOUT_S = 10.0
MOST_SAID = 200
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"

_URGENCY: Mapping[Severity, str] = {
    Severity.PAGE: "critical",
    Severity.MESSAGE: "warning",
    Severity.REPORT: "info",
}
_MOST_SUMMARY = 1024


class Answer(NamedTuple):
    """What came of telling a route.

    Attributes:
        said: What it answered, or why nothing came; one line for people.
        wait_s: Seconds that it asks to be left alone.
    """

    taken: bool
    said: str
    wait_s: float | None = None


class Channel(Protocol):
    """A way to tell people."""

    async def tell(self, message: Message, now_us: int) -> Answer:
        """Tell once. Never raises because of the other side."""
        ...


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


def place_of(url: str, *, allow_private: bool, proxy: str | None, route: str) -> Place:
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
            f"route '{route}' has a URL that cannot be used; write one such as"
            " https://hooks.example.com/alerts"
        ) from exc
    return found


class Written(NamedTuple):
    """A message as it is posted."""

    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Write = Callable[[Message, int], Written]
"""Writes a message; the second is the second of the try."""


@dataclass(frozen=True, slots=True)
class Posted:
    """`Channel` by HTTP."""

    place: Place
    write: Write
    transport: Transport
    timeout_s: float = TIMEOUT_S

    async def tell(self, message: Message, now_us: int) -> Answer:
        """See `Channel.tell`."""
        written = self.write(message, now_us // 1_000_000)
        head = render_head(
            "POST",
            self.place.path,
            (
                ("host", self.place.host),
                ("content-type", "application/json"),
                ("user-agent", "trimtab"),
                *written.headers,
            ),
        )
        try:
            async with asyncio.timeout(self.timeout_s):
                response = await self.transport.send(
                    self.place.origin, head, written.body, connect_timeout_s=self.timeout_s
                )
        except TransportError as exc:
            return Answer(taken=False, said=f"{type(exc).__name__}: {exc}")
        except TimeoutError:
            return Answer(taken=False, said=f"no answer within {self.timeout_s:g} s")
        said = await self._said(response)
        headers = {name: value.decode("latin-1") for name, value in response.headers}
        return Answer(
            taken=response.status // 100 == HTTPStatus.OK // 100,
            said=f"answer {response.status}{said and ': ' + said}",
            wait_s=_wait_s(headers.get(b"retry-after", "")),
        )

    async def _said(self, response: Response) -> str:
        """Read what else it says, if that comes soon: the status alone says whether it is taken."""
        try:
            async with asyncio.timeout(self.timeout_s):
                body = await response.body()
        except (TransportError, TimeoutError):
            response.close()
            return ""
        # Error pages repeat what was asked for, and who knows the path of some may post.
        path, _, query = self.place.path.partition("?")
        for secret in (self.place.path, path, query):
            body = body.replace(secret.encode(), b"...") if len(secret) > 1 else body
        return _line(body)


def webhook(secret: bytes) -> Write:
    """Write for anybody, signed."""

    def write(message: Message, now_s: int) -> Written:
        body = msgspec.json.encode(
            {
                "type": f"alert.{message.kind}",
                "timestamp": instant(now_s * 1_000_000),
                "data": {
                    "site": message.site,
                    "alerts": [document(it, message.link) for it in message.alerts],
                },
            }
        )
        return Written(
            body,
            (
                ("webhook-id", message.id),
                ("webhook-timestamp", str(now_s)),
                ("webhook-signature", signature(secret, message.id, now_s, body)),
            ),
        )

    return write


def slack(message: Message, _now_s: int) -> Written:
    """Write for Slack, which asks that three characters be escaped."""
    title, _, rest = message.text.partition("\n")
    return Written(msgspec.json.encode({"text": f"*{_escaped(title)}*\n{_escaped(rest.strip())}"}))


def pagerduty(key: str) -> Write:
    """Write for PagerDuty, one alert at a time; the alert is what makes two events one incident."""

    def write(message: Message, _now_s: int) -> Written:
        subject = message.alerts[0].id if message.alerts else message.id
        event: dict[str, object] = {
            "routing_key": key,
            "event_action": "resolve" if message.kind is Kind.RESOLVED else "trigger",
            "dedup_key": subject,
        }
        if message.kind is not Kind.RESOLVED:
            told = [document(it, message.link) for it in message.alerts]
            is_test = message.kind is Kind.TEST
            event["payload"] = {
                "summary": message.title[:_MOST_SUMMARY],
                "source": message.site,
                "severity": "info" if is_test else _URGENCY[message.severity],
                "component": message.alerts[0].finding.tenant_id if message.alerts else "trimtab",
                "custom_details": told[0] if told else {"test": True},
            }
        return Written(msgspec.json.encode(event))

    return write


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _line(body: bytes) -> str:
    text = body[: 4 * MOST_SAID].decode(errors="replace")
    return " ".join("".join(it if it.isprintable() else " " for it in text).split())[:MOST_SAID]


def _wait_s(text: str) -> float | None:
    """Read `Retry-After`; a date means nothing to us."""
    return float(text) if text.isascii() and text.isdigit() else None
