"""What an attempt used, in one convention whatever the provider's own is."""

from enum import StrEnum

from msgspec import Struct


class UsageSource(StrEnum):
    """How much the numbers can be trusted."""

    PROVIDER = "provider"
    """Final numbers of the provider."""
    PARTIAL = "partial"
    """The provider began to report and did not finish, or left a count out."""
    ESTIMATED = "estimated"
    """Ours, from bytes and characters."""
    NONE = "none"
    """Nothing was sent, so nothing was used."""


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counts of one attempt. `None` is unknown, zero is zero; no count is negative.

    Attributes:
        input_tokens: Everything the model read, cached tokens and cache writes included.
        cached_tokens: The part of the input that was read from a cache.
        cache_write_5m: The part of the input written to a cache that keeps it 5 minutes; the
            same for the other lifetimes.
        output_tokens: Everything the model wrote, reasoning included.
        reasoning_tokens: The part of the output that is reasoning.
        audio_input_tokens: The part of the input that is audio, cached or not.
        audio_output_tokens: The part of the output that is audio.
        image_tokens: The part of the input that is images.
        web_search_requests: Searches the provider ran for the answer; billed beside tokens.
        service_tier: The provider's word for the service that was given, not the one asked for.
        speed: The provider's word for the speed of that service.
        region: The provider's word for where inference ran.
        inconsistent: Whether the provider's numbers contradict one another or cannot be read.
            They are then normalised to the reading that costs more.
    """

    source: UsageSource
    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_5m: int | None = None
    cache_write_30m: int | None = None
    cache_write_1h: int | None = None
    cache_write_12h: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_tokens: int | None = None
    web_search_requests: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    region: str | None = None
    inconsistent: bool = False

    @property
    def cache_write_tokens(self) -> int | None:
        """The part of the input written to caches, of any lifetime; `None` if none is known."""
        writes = (
            self.cache_write_5m,
            self.cache_write_30m,
            self.cache_write_1h,
            self.cache_write_12h,
        )
        known = [count for count in writes if count is not None]
        return sum(known) if known else None
