"""Where alerts are delivered by HTTP: webhooks, Slack, PagerDuty. Each says what it was answered.

The forms are those of Standard Webhooks 1.0, of Slack's incoming webhooks
(https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks) and of PagerDuty's
Events API v2 (https://developer.pagerduty.com/docs/send-alert-event).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from trimtab.domain.alert import Severity
from trimtab.domain.signing import signature
from trimtab.domain.transport import Transport
from trimtab.jobs.message import Kind, Message, document, instant
from trimtab.jobs.posting import TIMEOUT_S, Answer, Headers, Place, post

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"

_URGENCY: Mapping[Severity, str] = {
    Severity.PAGE: "critical",
    Severity.MESSAGE: "warning",
    Severity.REPORT: "info",
}
_MOST_SUMMARY = 1024


class Channel(Protocol):
    """A way to tell people."""

    async def tell(self, message: Message, now_us: int) -> Answer:
        """Tell once. Never raises because of the other side."""
        ...


class Written(NamedTuple):
    """A message as it is posted."""

    body: bytes
    headers: Headers = ()


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
        headers = (("content-type", "application/json"), *written.headers)
        return await post(
            self.transport, self.place, headers, written.body, timeout_s=self.timeout_s
        )


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
