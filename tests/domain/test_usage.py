from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.usage import Usage, UsageSource

COUNTS = st.none() | st.integers(0, 10**6)


def test_unknown_cache_writes_stay_unknown() -> None:
    assert Usage(source=UsageSource.PROVIDER).cache_write_tokens is None


def test_no_cache_writes_are_zero() -> None:
    assert Usage(source=UsageSource.PROVIDER, cache_write_1h=0).cache_write_tokens == 0


@given(five=COUNTS, thirty=COUNTS, hour=COUNTS, twelve=COUNTS)
def test_cache_writes_are_the_sum_of_all_lifetimes(
    five: int | None, thirty: int | None, hour: int | None, twelve: int | None
) -> None:
    usage = Usage(
        source=UsageSource.PROVIDER,
        cache_write_5m=five,
        cache_write_30m=thirty,
        cache_write_1h=hour,
        cache_write_12h=twelve,
    )

    assert (usage.cache_write_tokens or 0) == sum(n or 0 for n in (five, thirty, hour, twelve))
