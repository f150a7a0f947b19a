"""What the alert rules ask of the records: sums by day and hour, the dearest, the odd ones.

Live traffic only. Days are a tenant's own, named by the first instant of their date taken as UTC.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple, Protocol


class Spent(NamedTuple):
    """What a tenant spent in a day or an hour, by its first instant."""

    tenant_id: str
    bucket_us: int
    cost_nano: int


class PartSpent(NamedTuple):
    """What part of a tenant's traffic cost."""

    feature: str
    model: str
    cost_nano: int


class About(StrEnum):
    """What calls of a key have in common, the narrowest first."""

    CONVERSATION = "conversation"
    END_USER = "end user"
    PROMPT = "prompt"
    KEY = "key"


class Repeated(NamedTuple):
    """Calls that have something in common.

    Attributes:
        name: Which conversation, user (its hash) or prompt (its hash); of a key, the key.
        calls: How many there are.
        equal: How many of them sent the very same body, the most frequent one.
        first, last: The oldest and the newest of the equal ones; feature and model are theirs.
    """

    tenant_id: str
    key_id: str
    about: About
    name: str
    calls: int
    equal: int
    cost_nano: int
    feature: str
    model: str
    first: str
    last: str


class Conversation(NamedTuple):
    """The calls of a conversation, oldest first; what they read is in tokens."""

    tenant_id: str
    key_id: str
    conversation_id: str
    feature: str
    model: str
    tokens: tuple[int, ...]
    costs: tuple[int, ...]
    requests: tuple[str, ...]


class OddLines(NamedTuple):
    """Ledger lines of one kind, some of which should not be as they are.

    Attributes:
        model: As it was asked for, a wish for a fault included.
        lines: All of the kind.
        unpriced: How many have no cost.
        free: How many cost nothing although tokens were used.
        inconsistent: How many have token counts that contradict each other.
        sample: A request with one of these.
    """

    tenant_id: str
    feature: str
    model: str
    provider: str
    model_sent: str
    lines: int
    unpriced: int
    free: int
    inconsistent: int
    sample: str


class SpendReader(Protocol):
    """Reads what was spent. Times are [since, until)."""

    async def days(self, *, since_us: int, until_us: int) -> tuple[Spent, ...]:
        """Sum up every tenant's own days; what cost nothing is left out."""
        ...

    async def hours(self, hours: Collection[int]) -> tuple[Spent, ...]:
        """Sum up every tenant's spending in some hours, by their first instants, UTC."""
        ...

    async def parts_of_days(self, tenant_id: str, days: Collection[int]) -> tuple[PartSpent, ...]:
        """Part what a tenant spent on some of its days by feature and model."""
        ...

    async def parts_of_hours(self, tenant_id: str, hours: Collection[int]) -> tuple[PartSpent, ...]:
        """Part what a tenant spent in some hours by feature and model."""
        ...

    async def largest(
        self,
        tenant_id: str,
        *,
        since_us: int,
        until_us: int,
        feature: str | None = None,
        model: str | None = None,
        limit: int = 3,
    ) -> tuple[str, ...]:
        """Name the dearest requests of a tenant, of one feature and model if they are named."""
        ...

    async def repeated(self, *, since_us: int, least: int, equal: int) -> tuple[Repeated, ...]:
        """Find what has at least so many calls in common, of keys that repeat themselves.

        Those are keys that sent one body at least `equal` times.
        """
        ...

    async def conversations(self, *, since_us: int, least: int) -> tuple[Conversation, ...]:
        """Find the conversations with at least so many calls."""
        ...

    async def odd(self, *, since_us: int, until_us: int) -> tuple[OddLines, ...]:
        """Find the kinds of ledger lines some of which are odd."""
        ...
