"""Tells Stripe what is owed: one meter event a call, and what its answers mean.

https://docs.stripe.com/api/billing/meter-event/create: values are whole numbers, of the past 35
days; an identifier is taken once within at least 24 hours, and again is a 400 that names it. No
`Idempotency-Key` is sent: under one, Stripe repeats its first answer, a 500 too, and would hear
nothing of a retry. The identifier alone makes one event of many tries.
"""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from trimtab.domain.billing import MeterEvent
from trimtab.domain.transport import Transport
from trimtab.jobs.posting import Answer, Headers, Place, post

URL = "https://api.stripe.com"
PATH = "/v1/billing/meter_events"
VERSION = "2025-04-30.basil"

_KNOWN = "already exists with identifier"
_REFUSALS = frozenset({400, 402, 404, 413, 422})
_NOT_LOOKED_AT = frozenset({401, 403, 429})


class Outcome(StrEnum):
    """What came of telling: it arrived, it never will as it is, or it is to be told again."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


class Told(NamedTuple):
    """What came of telling an event.

    Attributes:
        said: What was answered, for people.
        wait_s: Seconds that it asks to be left alone.
        may_have_arrived: Whether it might be there although nobody said so.
    """

    outcome: Outcome
    said: str
    wait_s: float | None = None
    may_have_arrived: bool = False


class MeterDesk(Protocol):
    """Who makes invoices of meter events."""

    async def tell(self, event: MeterEvent, ts_s: int) -> Told:
        """Tell once, as of a second. Never raises because of the other side."""
        ...


@dataclass(frozen=True, slots=True)
class Stripe:
    """`MeterDesk` at Stripe.

    Attributes:
        headers: What shows the key.
        event_name: Which meter it is for.
    """

    place: Place
    headers: Headers
    event_name: str
    transport: Transport

    async def tell(self, event: MeterEvent, ts_s: int) -> Told:
        """See `MeterDesk.tell`."""
        form = {
            "event_name": self.event_name,
            "identifier": event.id,
            "timestamp": ts_s,
            "payload[stripe_customer_id]": event.customer,
            "payload[value]": event.cents,
        }
        return meaning(
            event.id, await post(self.transport, self.place, self.headers, urlencode(form).encode())
        )


def headers(key: str) -> Headers:
    """Write what goes along with every call."""
    return (
        ("authorization", f"Bearer {key}"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("stripe-version", VERSION),
    )


class _Fault(Struct, frozen=True):
    message: str = ""


class _Refusal(Struct, frozen=True):
    error: _Fault = _Fault()


def meaning(event_id: str, answer: Answer) -> Told:
    """Tell what an answer means for an event."""
    reason = _reason(answer)
    said = f"answer {answer.status}: {reason}" if reason else answer.said
    is_known = answer.status == HTTPStatus.BAD_REQUEST and f"{_KNOWN} {event_id}" in reason
    if answer.taken or is_known:
        return Told(Outcome.TAKEN, said)
    if answer.status in _REFUSALS:
        return Told(Outcome.REFUSED, said)
    doubtful = answer.sent and answer.status not in _NOT_LOOKED_AT
    return Told(Outcome.LATER, said, answer.wait_s, doubtful)


def _reason(answer: Answer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Refusal).error.message
    except msgspec.DecodeError:
        return ""
