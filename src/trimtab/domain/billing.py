"""What a tenant is billed beyond what it cost, months that are closed, and what is passed on."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

WHOLE = 1_000_000
"""Shares are whole millionths, so that bills are exact: 200_000 is 20 %."""

Share = Annotated[int, Meta(ge=-WHOLE, le=100 * WHOLE)]


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Cost plus: what it cost, and a markup. A discount is a negative one.

    Attributes:
        markup: In millionths of the cost.
        features: Markup of single features, by name; it wins over that of a model.
        models: Markup of single models, as apps name them.
    """

    markup: Share = 0
    features: Mapping[str, Share] = {}
    models: Mapping[str, Share] = {}

    def markup_of(self, feature: str, model: str) -> int:
        """Find the markup of what one feature asked of one model."""
        return self.features.get(feature, self.models.get(model, self.markup))


AT_COST = Plan()


class Group(Struct, frozen=True, kw_only=True, array_like=True):
    """What one feature asked of one model in one month, as it was billed.

    Attributes:
        month: Month of the tenant's own calendar it was used in, as `2026-10`.
        n: Attempts; an adjustment is none.
        cost_nano: What it cost, before any markup.
        markup: By which it was billed, in millionths.
    """

    month: str
    feature: str
    model: str
    n: int
    cost_nano: int
    markup: int


class Closing(Struct, frozen=True, kw_only=True):
    """A bill that is closed: the month, and what of earlier ones was not billed yet.

    Attributes:
        plan: What it was billed by.
        plan_seq: Change that last moved the tenant or tier whose plan it is; 0 is none.
        price_versions: Price sets of its lines.
        groups: All that it bills. Those of another month came after that one was closed.
        total_cents: What it comes to.
    """

    tenant: str
    month: str
    plan: Plan
    plan_seq: int
    price_versions: tuple[str, ...]
    groups: tuple[Group, ...]
    n_unpriced: int
    total_cents: int


def months(first: str, last: str) -> tuple[str, ...]:
    """Name the months from one such as `2026-10` to another, both with it."""
    start, end = (int(it[:4]) * 12 + int(it[5:]) - 1 for it in (first, last))
    return tuple(f"{n // 12:04d}-{n % 12 + 1:02d}" for n in range(start, end + 1))


class EventState(StrEnum):
    """Where a meter event stands that is not known to have arrived.

    `refused` needs something put right; `unsure` may have arrived, and sending it once more might
    bill it twice.
    """

    WAITING = "waiting"
    REFUSED = "refused"
    UNSURE = "unsure"


class MeterEvent(Struct, frozen=True, kw_only=True):
    """A part of a bill on its way to whoever makes the invoice. Only what is owed is sent.

    Attributes:
        id: Under which it is told apart there; never used twice.
        month: Whose bill it is a part of, as `2026-10`.
        customer: Who pays there.
        due_us: When it is to be tried next.
        tries: How often it was sent.
        error: What the last try was answered.
        doubt_us: Since when it may have arrived; `None` while it surely has not.
    """

    id: str
    tenant_id: str
    month: str
    customer: str
    cents: int
    made_us: int
    due_us: int
    tries: int = 0
    error: str = ""
    doubt_us: int | None = None
    state: EventState = EventState.WAITING


class Pushed(Struct, frozen=True, kw_only=True):
    """How much of a month's bill was made into meter events, whether or not they have arrived."""

    tenant_id: str
    month: str
    cents: int
