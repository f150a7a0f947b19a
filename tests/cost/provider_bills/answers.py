"""Providers that answer from a script."""

import json
from urllib.parse import parse_qs, urlsplit

from trimtab.cost.provider_bills.pages import DAY_S, Desk, Fetch, Span
from trimtab.testing import ScriptedAnswer, ScriptedProvider

MIDNIGHT_S = 1_795_305_600
"""2026-11-22, 00:00 UTC."""

DAY = Span(MIDNIGHT_S, MIDNIGHT_S + DAY_S, MIDNIGHT_S + 5 * DAY_S)


def answer(
    body: object, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> ScriptedAnswer:
    """Answer with JSON, or with text as it is."""
    text = body if isinstance(body, str) else json.dumps(body)
    return ScriptedAnswer([text.encode()], status=status, headers=headers)


class Told:
    """What a fetch asks, and how long it waits. State: both."""

    def __init__(self, url: str, *answers: ScriptedAnswer | Exception) -> None:
        self.transport = ScriptedProvider(*answers)
        self.waits: list[float] = []
        desk = Desk(provider="p", url=url, admin_key="sk-secret")
        self.fetch = Fetch(desk, self.transport, (("x-key", "sk-secret"),), self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    @property
    def asked(self) -> list[tuple[str, dict[str, list[str]]]]:
        """Path and query of every question."""
        lines = [head.decode().split(" ")[1] for _, head, _ in self.transport.sent]
        return [(urlsplit(it).path, parse_qs(urlsplit(it).query)) for it in lines]
