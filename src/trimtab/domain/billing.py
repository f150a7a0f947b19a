"""What a tenant is billed beyond what it cost, and months that are closed."""

from collections.abc import Mapping
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
