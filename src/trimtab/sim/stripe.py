"""Stripe's meter events, as far as Trimtab uses them: taken once each, and added up by month.

https://docs.stripe.com/api/billing/meter-event/create. An identifier is known for 24 hours; later
it is an event of its own, as it is there.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

import msgspec

from trimtab.sim.exchange import Exchange
from trimtab.sim.reply import to_json
from trimtab.sim.request import Refused

KNOWN_S = 24 * 3600
OLDEST_S = 35 * 24 * 3600
NEWEST_S = 300
NOBODY = "cus_nobody"
"""A customer that is not there."""

_NAMED = ("event_name", "payload[stripe_customer_id]", "payload[value]")
_WHOLE = re.compile(r"-?\d{1,15}")


class Fault(StrEnum):
    """What goes wrong with a call.

    `refused` is 429 and `broken` 500, and nothing is taken; `broken_late` is a 500 behind what was
    taken; `lost` hangs up behind it, and `silent` says nothing until the caller is gone.
    """

    REFUSED = "refused"
    BROKEN = "broken"
    BROKEN_LATE = "broken_late"
    LOST = "lost"
    SILENT = "silent"


class MeterEvents:
    """State: what was taken, by identifier; sums; faults of the calls to come; how many came."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._taken: dict[str, float] = {}
        self._sums: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._faults: deque[Fault] = deque()
        self._counts = dict.fromkeys(("calls", "events", "duplicates"), 0)

    def set(self, faults: list[str]) -> None:
        """Let the calls to come go wrong, one after the other.

        Raises:
            Refused: there is no such fault.
        """
        try:
            self._faults = deque(Fault(it) for it in faults)
        except ValueError as exc:
            raise Refused(400, f"{exc}; choose from {', '.join(Fault)}") from exc

    def told(self) -> dict[str, Any]:
        """Tell sums by customer and month of UTC, and what came."""
        return {**self._counts, "faults": list(self._faults), "sums": self._sums}

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one call."""
        self._counts["calls"] += 1
        fault = self._faults.popleft() if self._faults else None
        try:
            told = self._answer(exchange.headers, await exchange.body(), fault)
        except Refused as refused:
            kind = "api_error" if refused.status // 100 == 5 else "invalid_request_error"  # noqa: PLR2004
            error = {"error": {"type": kind, "message": str(refused)}}
            await self._say(exchange, refused.status, error)
            return
        if fault is Fault.LOST:
            await exchange.hang_up()
        elif fault is Fault.SILENT:
            await exchange.until_gone()
        elif fault is Fault.BROKEN_LATE:
            await self._say(exchange, 500, {"error": {"type": "api_error", "message": "sorry"}})
        else:
            await self._say(exchange, 200, told)

    async def _say(self, exchange: Exchange, status: int, told: dict[str, Any]) -> None:
        headers = [(b"content-type", b"application/json")]
        await exchange.answer(status, headers, to_json(told))

    def _answer(
        self, headers: Mapping[bytes, bytes], body: bytes, fault: Fault | None
    ) -> dict[str, Any]:
        if not headers.get(b"authorization", b"").startswith(b"Bearer sk_"):
            raise Refused(401, "Invalid API Key provided")
        if fault is Fault.REFUSED:
            raise Refused(429, "Request rate limit exceeded")
        if fault is Fault.BROKEN:
            raise Refused(500, "An unknown error occurred")
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return self.take(form)

    def take(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Take an event.

        Raises:
            Refused: Stripe would not.
        """
        now = self._clock()
        name, customer, value = (form.get(it, "") for it in _NAMED)
        at = int(form.get("timestamp", int(now)))
        identifier = form.get("identifier", f"idmp_{len(self._taken)}")
        if not name or not customer:
            raise Refused(400, "Missing required param: event_name, payload[stripe_customer_id].")
        if customer == NOBODY:
            raise Refused(400, f"No such customer: '{customer}'")
        if _WHOLE.fullmatch(value) is None:
            raise Refused(400, f"Invalid value: {value}; only whole numbers are taken.")
        if not now - OLDEST_S <= at <= now + NEWEST_S:
            raise Refused(400, "The timestamp must be within the past 35 calendar days.")
        if now - self._taken.get(identifier, -KNOWN_S) < KNOWN_S:
            self._counts["duplicates"] += 1
            raise Refused(400, f"An event already exists with identifier {identifier}.")
        self._taken[identifier] = now
        self._counts["events"] += 1
        self._sums[customer][f"{datetime.fromtimestamp(at, UTC):%Y-%m}"] += int(value)
        return {"object": "billing.meter_event", "identifier": identifier, "timestamp": at}


def read_faults(body: bytes) -> list[str]:
    """Read `{"faults": ["broken", "lost"]}`.

    Raises:
        DecodeError: it is something else.
    """
    return msgspec.json.decode(body, type=dict[str, list[str]]).get("faults", [])
