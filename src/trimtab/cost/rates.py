"""List prices compiled for arithmetic: whole nano-USD per million of everything, no text left.

What a row does not price is decided here, once, towards the dearer side:

- cached tokens without a price cost what fresh input costs: no discount is assumed
- a cache write costs what the next longer lifetime costs; if only shorter ones have a price, its
  own is unknown; if no write has a price, writing is free and the token costs what input costs
- audio without a price costs what text costs, cached audio what cached text costs
- output, web searches: unknown. Requests: no price means no such fee
"""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from trimtab.cost.lock import Row, Tier, Units

END_OF_TIME_US = 2**63 - 1

_NANO = Decimal(10) ** 9
_MILLION = Decimal(10) ** 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rates(Struct, frozen=True, kw_only=True, gc=False):
    """Prices of one tier in nano-USD per million. `None` is unknown, zero is free."""

    above: int
    input: int
    cache_read: int
    cache_write_5m: int | None
    cache_write_30m: int | None
    cache_write_1h: int | None
    cache_write_12h: int | None
    output: int | None
    input_audio: int
    cache_read_audio: int
    output_audio: int | None
    web_search: int | None
    request: int


class PriceRow(Struct, frozen=True, kw_only=True):
    """The prices of one model in one context for a span of time, ready to charge with.

    Attributes:
        start_us: First instant it holds at.
        end_us: First instant it no longer holds at.
        tiers: The dearest tier of input tokens first; the last is above 0.
    """

    id: str
    price_version: str
    start_us: int = 0
    end_us: int = END_OF_TIME_US
    tiers: tuple[Rates, ...]

    def rates(self, input_tokens: int) -> Rates:
        """Find the tier a request falls in; all of it is priced there."""
        tiers = self.tiers
        lowest = tiers[-1]
        if len(tiers) > 1:
            for tier in tiers:
                if input_tokens > tier.above:
                    return tier
        return lowest


def compile_row(row: Row, version: str, *, id_: str, factor: Decimal = Decimal(1)) -> PriceRow:
    """Compile a row. `factor` multiplies every price, rounded half to even."""
    start_us, end_us = span_us(row)
    return PriceRow(
        id=id_,
        price_version=version,
        start_us=start_us,
        end_us=end_us,
        tiers=tuple(_rates(tier, row.usd_per_unit, factor) for tier in row.usd_per_mtok[::-1]),
    )


def span_us(row: Row) -> tuple[int, int]:
    """Give the first instants at which a row holds, and no longer does."""
    start_us = instant_us(row.start) if row.start else 0
    return start_us, instant_us(row.end) if row.end else END_OF_TIME_US


def instant_us(text: str) -> int:
    """Read an ISO 8601 date or time as microseconds since the epoch; UTC unless it says so.

    Raises:
        ValueError: it is no such time.
    """
    at = datetime.fromisoformat(text)
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _rates(tier: Tier, units: Units, factor: Decimal) -> Rates:
    given = _whole(Decimal(tier.input) * _NANO * factor)
    cached = _per_million(tier.cache_read, factor)
    output = _per_million(tier.output, factor)
    audio = _per_million(tier.input_audio, factor)
    fresh_audio = given if audio is None else audio
    cached_audio = _per_million(tier.cache_read_audio or tier.cache_read, factor)
    audio_output = _per_million(tier.output_audio, factor)
    writes = _writes(tier, given, factor)
    return Rates(
        above=tier.above_input_tokens,
        input=given,
        cache_read=given if cached is None else cached,
        cache_write_5m=writes[0],
        cache_write_30m=writes[1],
        cache_write_1h=writes[2],
        cache_write_12h=writes[3],
        output=output,
        input_audio=fresh_audio,
        cache_read_audio=fresh_audio if cached_audio is None else cached_audio,
        output_audio=output if audio_output is None else audio_output,
        web_search=_per_million(units.web_search, factor * _MILLION),
        request=_per_million(units.request, factor * _MILLION) or 0,
    )


def _writes(tier: Tier, given: int, factor: Decimal) -> list[int | None]:
    """Prices by lifetime, shortest first."""
    texts = (
        tier.cache_write_5m,
        tier.cache_write_30m,
        tier.cache_write_1h,
        tier.cache_write_12h,
    )
    longer = given if texts == (None, None, None, None) else None
    prices: list[int | None] = []
    for text in reversed(texts):
        longer = _per_million(text, factor) if text is not None else longer
        prices.append(longer)
    return prices[::-1]


def _per_million(text: str | None, factor: Decimal) -> int | None:
    return None if text is None else _whole(Decimal(text) * _NANO * factor)


def _whole(price: Decimal) -> int:
    return int(price.to_integral_value(rounding=ROUND_HALF_EVEN))
