"""A ledger line keeps all that its price was made of, so that it can be priced again.

What has no column of its own is in `extras`, in the form of a query string.
"""

from urllib.parse import parse_qs, urlencode

from msgspec.structs import replace

from trimtab.cost.charge import Charge, charge
from trimtab.cost.prices import ORDINARY_REGIONS, ORDINARY_SPEEDS, PriceList, context_of
from trimtab.domain.record import LedgerLine
from trimtab.domain.usage import Usage, UsageSource

PRICED_KINDS = frozenset({"charge", "orphan"})
"""Kinds of lines that say what an attempt used."""

_COUNTS = ("audio_input_tokens", "audio_output_tokens", "image_tokens", "web_search_requests")
_WORDS = ("speed", "region")


def extras_of(usage: Usage) -> str:
    """Write what a usage has beyond the columns of a line: nothing of most."""
    is_ordinary = usage.speed in ORDINARY_SPEEDS and usage.region in ORDINARY_REGIONS
    if is_ordinary and not (
        usage.web_search_requests
        or usage.audio_input_tokens
        or usage.audio_output_tokens
        or usage.image_tokens
    ):
        return ""
    names = _COUNTS if is_ordinary else (*_COUNTS, *_WORDS)
    return urlencode({it: value for it in names if (value := getattr(usage, it))})


def usage_of(line: LedgerLine) -> Usage:
    """Read what an attempt used back from its line."""
    extras = {name: values[-1] for name, values in parse_qs(line.extras).items()}
    counts = {name: int(extras[name]) for name in _COUNTS if extras.get(name, "").isdigit()}
    usage = Usage(
        source=UsageSource(line.usage_source),
        input_tokens=line.input_tokens,
        cached_tokens=line.cached_tokens,
        cache_write_5m=line.cache_write_5m,
        cache_write_30m=line.cache_write_30m,
        cache_write_1h=line.cache_write_1h,
        cache_write_12h=line.cache_write_12h,
        output_tokens=line.output_tokens,
        reasoning_tokens=line.reasoning_tokens,
        service_tier=line.context or None,
        speed=extras.get("speed"),
        region=extras.get("region"),
    )
    return replace(usage, **counts)


def price_line(line: LedgerLine, prices: PriceList, priced_as: str, at_us: int) -> Charge:
    """Price a line by a list as of an instant, whatever it was booked with.

    Args:
        line: A line that says what an attempt used.
        prices: The list.
        priced_as: The provider's name in the list.
        at_us: When the price has to hold, in microseconds since the epoch.
    """
    usage = usage_of(line)
    if usage.source is UsageSource.NONE:
        return Charge(0, 0, 0, 0, 0, 0, price_version=prices.version)
    model = line.model_sent.partition("!")[0]
    row = prices.find(priced_as, model, at_us=at_us, context=context_of(usage))
    return Charge(price_version=prices.version) if row is None else charge(usage, row)
