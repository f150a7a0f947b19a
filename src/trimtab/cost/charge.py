"""What a usage costs at a price: integers throughout, rounded once per line."""

from collections.abc import Sequence

from msgspec import Struct

from trimtab.cost.rates import PriceRow, Rates
from trimtab.domain.usage import Usage

_MILLION = 1_000_000
_HALF = 500_000
_BYTES_PER_TOKEN = 4


class Charge(Struct, frozen=True, gc=False):
    """The cost of one attempt in nano-USD, with parts that sum to it exactly.

    `None` is unknown, and then so are the parts.

    Attributes:
        input_nano: Fresh input.
        cached_nano: Input read from a cache.
        cache_write_nano: Input written to a cache.
        output_nano: Output, reasoning included.
        other_nano: What is not counted in tokens: requests, web searches.
        row_id: The price row; `None` if no row was found.
    """

    cost_nano: int | None = None
    input_nano: int | None = None
    cached_nano: int | None = None
    cache_write_nano: int | None = None
    output_nano: int | None = None
    other_nano: int | None = None
    price_version: str | None = None
    row_id: str | None = None


def charge(usage: Usage, row: PriceRow) -> Charge:
    """Price a usage: half to even, once; the parts by largest remainder.

    Tokens without a kind of their own are fresh input. A count the provider does not report is
    none, but for input and output: without them the cost is unknown, as it is if a count has no
    price. `rates` says what stands in for a price that is missing.
    """
    given = usage.input_tokens
    if given is None:
        return Charge(price_version=row.price_version, row_id=row.id)
    rates = row.rates(given)
    stored, written = _written(usage, rates)
    wrote = _output(usage, rates)
    others = _others(usage, rates)
    if written is None or wrote is None or others is None:
        return Charge(price_version=row.price_version, row_id=row.id)
    cached = usage.cached_tokens or 0
    fresh = max(0, given - cached - stored)
    if usage.audio_input_tokens:
        read, reread = _with_audio(usage.audio_input_tokens, fresh, cached, rates)
    else:
        read, reread = fresh * rates.input, cached * rates.cache_read
    return _line((read, reread, written, wrote, others), row)


def most(usage: Usage, row: PriceRow) -> int | None:
    """Price so many tokens or fewer in nano-USD, rounded up: each of the dearest kind there is.

    `None` if some have no price. Of tiers, the dearest that so much input can reach counts.
    """
    given, wrote = usage.input_tokens or 0, usage.output_tokens or 0
    amounts = [
        given * max(filter(None, _read_prices(tier)), default=0) + wrote * price + tier.request
        for tier in row.tiers
        if given > tier.above or tier is row.tiers[-1]
        for price in _wrote_prices(tier, wrote)
    ]
    return -(-max(amounts) // _MILLION) if amounts else None


def _read_prices(tier: Rates) -> Sequence[int | None]:
    return (
        *(tier.input, tier.cache_read, tier.input_audio, tier.cache_read_audio),
        *(tier.cache_write_5m, tier.cache_write_30m, tier.cache_write_1h, tier.cache_write_12h),
    )


def _wrote_prices(tier: Rates, wrote: int) -> Sequence[int]:
    if not wrote:
        return (0,)
    return () if tier.output is None else (tier.output, tier.output_audio or 0)


def estimate_input_tokens(text_bytes: int) -> int:
    """Guess the tokens of a text by its bytes, four to a token, rounded up."""
    return -(-text_bytes // _BYTES_PER_TOKEN)


def _written(usage: Usage, rates: Rates) -> tuple[int, int | None]:
    """Tokens written to caches, and their amount: `None` if a lifetime has no price."""
    five, thirty = usage.cache_write_5m or 0, usage.cache_write_30m or 0
    hour, twelve = usage.cache_write_1h or 0, usage.cache_write_12h or 0
    stored = five + thirty + hour + twelve
    if not stored:
        return 0, 0
    amount = 0
    for count, price in (
        (five, rates.cache_write_5m),
        (thirty, rates.cache_write_30m),
        (hour, rates.cache_write_1h),
        (twelve, rates.cache_write_12h),
    ):
        if count and price is None:
            return stored, None
        amount += count * (price or 0)
    return stored, amount


def _output(usage: Usage, rates: Rates) -> int | None:
    wrote, price = usage.output_tokens, rates.output
    if price is None:
        return None if wrote else 0
    if wrote is None:
        return None
    audio = usage.audio_output_tokens
    if audio and rates.output_audio is not None:
        return max(0, wrote - audio) * price + audio * rates.output_audio
    return wrote * price


def _others(usage: Usage, rates: Rates) -> int | None:
    searches = usage.web_search_requests
    if not searches:
        return rates.request
    return None if rates.web_search is None else rates.request + searches * rates.web_search


def _with_audio(audio: int, fresh: int, cached: int, rates: Rates) -> tuple[int, int]:
    """Amounts of fresh and cached input that is part audio.

    Providers do not tell which part of the audio was cached: as little as their counts allow, for
    that is the dearer reading.
    """
    audio_cached = min(cached, max(0, audio - fresh))
    audio_fresh = min(audio, fresh)
    return (
        (fresh - audio_fresh) * rates.input + audio_fresh * rates.input_audio,
        (cached - audio_cached) * rates.cache_read + audio_cached * rates.cache_read_audio,
    )


def _line(amounts: tuple[int, int, int, int, int], row: PriceRow) -> Charge:
    """Round amounts in millionths of a nano-USD to a line whose parts sum to it."""
    cost, rest = divmod(sum(amounts), _MILLION)
    if rest > _HALF or (rest == _HALF and cost & 1):
        cost += 1
    read, reread, written, wrote, others = _split(cost, amounts)
    return Charge(cost, read, reread, written, wrote, others, row.price_version, row.id)


def _split(cost: int, amounts: Sequence[int]) -> list[int]:
    """Share a rounded cost out by largest remainder; what is zero stays zero."""
    parts = [amount // _MILLION for amount in amounts]
    missing = cost - sum(parts)
    if missing:
        rests = [amount % _MILLION for amount in amounts]
        for place in sorted(range(len(rests)), key=rests.__getitem__, reverse=True)[:missing]:
            parts[place] += 1
    return parts
