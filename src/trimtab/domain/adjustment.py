"""A correction of the ledger that a person accepts: what a provider bills and we do not know of."""

from collections.abc import Mapping

from msgspec import Struct

from trimtab.domain.record import LedgerLine

UNATTRIBUTED = "trimtab-unattributed"
"""The tenant of money that fits no tenant; it is never spread over others."""

FEATURE = "reconcile"
AT = "at:"
"""What the account of such a line begins with; how the provider's account is labelled follows."""


class Adjustment(Struct, frozen=True, kw_only=True):
    """A signed line that would make our sum the provider's. Nothing happens until it is accepted.

    Attributes:
        day: ISO date, UTC.
        account: How the provider's account is labelled in reports.
        tokens: Signed, by kind of token.
    """

    id: str
    day: str
    provider: str
    account: str
    model: str
    cost_nano: int
    tokens: Mapping[str, int] = {}


def line_of(adjustment: Adjustment, ts_us: int, config_seq: int) -> LedgerLine:
    """Write the line of an adjustment.

    Args:
        adjustment: What was accepted.
        ts_us: First instant of its day.
        config_seq: The change that accepts it.
    """
    tokens = adjustment.tokens
    output = tokens.get("output", 0)
    return LedgerLine(
        line_id=f"{adjustment.id}/0/adjustment/0",
        kind="adjustment",
        ts_us=ts_us,
        day_local=adjustment.day,
        config_seq=config_seq,
        tenant_id=UNATTRIBUTED,
        key_id="",
        feature=FEATURE,
        model_requested=adjustment.model or "other",
        provider=adjustment.provider,
        account=f"{AT}{adjustment.account}",
        model_sent=adjustment.model,
        input_tokens=sum(tokens.values()) - output,
        cached_tokens=tokens.get("cached", 0),
        output_tokens=output,
        cost_nano=adjustment.cost_nano,
        cache_write_5m=tokens.get("cache_write_5m", 0),
        cache_write_30m=tokens.get("cache_write_30m", 0),
        cache_write_1h=tokens.get("cache_write_1h", 0),
        cache_write_12h=tokens.get("cache_write_12h", 0),
    )
