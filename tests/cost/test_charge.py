from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trimtab.cost.charge import Charge, charge, estimate_input_tokens, most
from trimtab.cost.lock import Match, Row, Tier, Units, shipped_lock
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import PriceRow, compile_row
from trimtab.domain.money import usd_text
from trimtab.domain.usage import Usage, UsageSource

NOV_2026_US = 1_795_500_000_000_000
COUNTS = st.none() | st.integers(0, 10**7)
PRICES = st.decimals(0, 1000, places=9).map(lambda price: f"{price:f}")
USAGES = st.builds(
    Usage,
    source=st.just(UsageSource.PROVIDER),
    input_tokens=st.integers(0, 10**9),
    cached_tokens=COUNTS,
    cache_write_5m=COUNTS,
    cache_write_30m=COUNTS,
    cache_write_1h=COUNTS,
    cache_write_12h=COUNTS,
    output_tokens=st.integers(0, 10**9),
    audio_input_tokens=COUNTS,
    audio_output_tokens=COUNTS,
    web_search_requests=COUNTS,
)
TIERS = st.builds(
    Tier,
    **{name: PRICES for name in Tier.__struct_fields__ if name != "above_input_tokens"},
)
NO_UNITS = Units()
UNITS = st.builds(Units, web_search=PRICES, request=PRICES)


def row(*tiers: Tier, units: Units = NO_UNITS) -> PriceRow:
    listed = Row(id="p/m", match=Match(exact=("m",)), usd_per_mtok=tiers, usd_per_unit=units)
    return compile_row(listed, "ps_test", id_="p/m")


def used(input_tokens: int | None, output_tokens: int | None, **more: int) -> Usage:
    usage = Usage(
        source=UsageSource.PROVIDER, input_tokens=input_tokens, output_tokens=output_tokens
    )
    return replace(usage, **more)


def parts(line: Charge) -> list[int | None]:
    return [
        line.input_nano,
        line.cached_nano,
        line.cache_write_nano,
        line.output_nano,
        line.other_nano,
    ]


@pytest.mark.parametrize(
    ("model", "usage", "usd"),
    [
        ("claude-sonnet-4-6", used(4123, 487, cached_tokens=3800), "0.009414"),
        ("claude-3-7-sonnet-20250219", used(12307, 550, cache_write_5m=12304), "0.054399"),
        ("claude-opus-4-7", used(159_223, 2745, cache_write_5m=159_217), "1.06376125"),
    ],
)
def test_golden_bills(model: str, usage: Usage, usd: str) -> None:
    found = PriceList(shipped_lock()).find("anthropic", model, at_us=NOV_2026_US)

    assert found is not None
    assert usd_text(charge(usage, found).cost_nano or 0) == usd


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        # Of 10,000 read, 9,000 from the cache: 1,000 * $3 + 9,000 * $0.30 a million.
        (used(10_000, 0, cached_tokens=9_000), "0.0057"),
        # All of it written: 10,000 * $3.75, and nothing at $3.
        (used(10_000, 0, cache_write_5m=10_000), "0.0375"),
        # Each at its own rate: 1,000 * $3 + 4,000 * $0.30 + 3,000 * $3.75 + 2,000 * $6.
        (
            used(10_000, 0, cached_tokens=4_000, cache_write_5m=3_000, cache_write_1h=2_000),
            "0.02745",
        ),
        # Output is beside it: 10,000 * $0.30 + 100 * $15.
        (used(10_000, 100, cached_tokens=10_000), "0.0045"),
    ],
)
def test_t12_a_cached_token_is_priced_once_at_its_own_rate(usage: Usage, usd: str) -> None:
    found = PriceList(shipped_lock()).find("anthropic", "claude-sonnet-4-6", at_us=NOV_2026_US)

    assert found is not None
    assert usd_text(charge(usage, found).cost_nano or 0) == usd


@given(usage=USAGES, tier=TIERS, units=UNITS)
def test_parts_are_never_negative_and_sum_exactly(usage: Usage, tier: Tier, units: Units) -> None:
    line = charge(usage, row(tier, units=units))
    known = [part for part in parts(line) if part is not None]

    assert len(known) == 5
    assert min(known) >= 0
    assert sum(known) == line.cost_nano


@given(given=st.integers(0, 10**9), wrote=st.integers(0, 10**9), low=PRICES, high=PRICES)
def test_a_line_is_rounded_once_half_to_even(given: int, wrote: int, low: str, high: str) -> None:
    line = charge(used(given, wrote), row(Tier(input=low, output=high)))

    exact = (Decimal(low) * given + Decimal(high) * wrote) * 1000
    assert line.cost_nano == int(exact.to_integral_value(rounding=ROUND_HALF_EVEN))


@pytest.mark.parametrize(("tokens", "nano"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_half_a_nano_goes_to_the_even_neighbour(tokens: int, nano: int) -> None:
    assert charge(used(tokens, 0), row(Tier(input="0.0005", output="1"))).cost_nano == nano


@given(usage=USAGES)
def test_t15_free_is_zero_and_not_unknown(usage: Usage) -> None:
    line = charge(usage, row(Tier(input="0", output="0"), units=Units(web_search="0")))

    assert line.cost_nano == 0
    assert parts(line) == [0, 0, 0, 0, 0]


@given(tier=TIERS)
def test_nothing_used_costs_nothing(tier: Tier) -> None:
    assert charge(used(0, 0), row(tier)).cost_nano == 0


@pytest.mark.parametrize(("given", "wrote"), [(None, 5), (5, None), (None, None)])
def test_unknown_usage_has_an_unknown_cost(given: int | None, wrote: int | None) -> None:
    line = charge(used(given, wrote), row(Tier(input="1", output="2")))

    assert line == Charge(price_version="ps_test", row_id="p/m")


def test_a_part_that_is_zero_stays_zero() -> None:
    line = charge(used(1, 1), row(Tier(input="0.0004", output="0.0004")))

    assert line.cost_nano == 1
    assert sorted(part or 0 for part in parts(line)) == [0, 0, 0, 0, 1]
    assert line.cached_nano == line.cache_write_nano == line.other_nano == 0


def test_a_request_is_priced_whole_in_the_tier_of_its_total_input() -> None:
    tiers = row(
        Tier(input="3", cache_read="0.3", output="15"),
        Tier(above_input_tokens=200_000, input="6", cache_read="0.6", output="22.5"),
    )
    below = charge(used(200_000, 10, cached_tokens=100_000), tiers)
    above = charge(used(200_001, 10, cached_tokens=100_000), tiers)

    assert parts(below) == [300_000_000, 30_000_000, 0, 150_000, 0]
    assert parts(above) == [600_006_000, 60_000_000, 0, 225_000, 0]


def test_each_lifetime_of_cache_writes_has_its_price() -> None:
    tier = Tier(
        input="1",
        output="1",
        cache_write_5m="2",
        cache_write_30m="3",
        cache_write_1h="4",
        cache_write_12h="5",
    )
    usage = used(10, 0, cache_write_5m=1, cache_write_30m=2, cache_write_1h=3, cache_write_12h=4)

    assert parts(charge(usage, row(tier))) == [0, 0, 40_000, 0, 0]


@pytest.mark.parametrize(
    ("tier", "usage"),
    [
        (Tier(input="1"), used(1, 1)),
        (Tier(input="1", output="1"), used(1, 1, web_search_requests=1)),
        (Tier(input="1", output="1", cache_write_5m="2"), used(1, 1, cache_write_1h=1)),
    ],
    ids=["output", "web search", "longer lifetime"],
)
def test_a_count_without_a_price_has_an_unknown_cost(tier: Tier, usage: Usage) -> None:
    assert charge(usage, row(tier)).cost_nano is None


def test_what_has_no_output_has_no_need_of_an_output_price() -> None:
    assert charge(used(1000, None), row(Tier(input="0.02"))).cost_nano == 20_000


def test_searches_and_requests_are_other_costs() -> None:
    units = Units(web_search="0.01", request="0.005")
    line = charge(used(0, 0, web_search_requests=3), row(Tier(input="1", output="1"), units=units))

    assert parts(line) == [0, 0, 0, 0, 35_000_000]


def test_audio_has_its_price_and_cached_tokens_are_text_first() -> None:
    tier = Tier(
        input="1",
        cache_read="0.1",
        output="2",
        input_audio="10",
        cache_read_audio="0.5",
        output_audio="20",
    )
    usage = used(100, 10, cached_tokens=50, audio_input_tokens=60, audio_output_tokens=4)

    # 50 fresh, all of them audio; of the 50 cached, 10 must be audio.
    assert parts(charge(usage, row(tier))) == [500_000, 9_000, 0, 92_000, 0]


def test_cached_audio_without_any_price_of_cached_tokens_has_no_discount() -> None:
    tier = Tier(input="1", output="2", input_audio="10")
    usage = used(100, 0, cached_tokens=100, audio_input_tokens=100)

    assert charge(usage, row(tier)).cost_nano == 1_000_000


@pytest.mark.parametrize(("size", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2), (4000, 1000)])
def test_estimates_four_bytes_to_a_token_rounded_up(size: int, tokens: int) -> None:
    assert estimate_input_tokens(size) == tokens


def consistent(usage: Usage) -> Usage:
    """Cut parts to what they are parts of."""
    left, cut = usage.input_tokens or 0, dict[str, int]()
    for name in ("cached_tokens", *(f"cache_write_{it}" for it in ("5m", "30m", "1h", "12h"))):
        cut[name] = min(left, getattr(usage, name) or 0)
        left -= cut[name]
    for name, whole in (
        ("audio_input_tokens", "input_tokens"),
        ("audio_output_tokens", "output_tokens"),
    ):
        cut[name] = min(getattr(usage, name) or 0, getattr(usage, whole) or 0)
    return replace(usage, **cut)


@given(
    usage=USAGES,
    more=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    tiers=st.tuples(TIERS, TIERS),
    above=st.integers(1, 10**9),
)
def test_no_usage_of_so_many_tokens_or_fewer_costs_more_than_the_most(
    usage: Usage, more: tuple[int, int], tiers: tuple[Tier, Tier], above: int
) -> None:
    fitting = replace(consistent(usage), web_search_requests=None)
    first, second = tiers
    priced = row(first, replace(second, above_input_tokens=above), units=Units(request="0.01"))

    dearest = most(
        used((fitting.input_tokens or 0) + more[0], (fitting.output_tokens or 0) + more[1]), priced
    )
    cost = charge(fitting, priced).cost_nano

    assert dearest is not None
    assert cost is not None
    assert cost <= dearest


def test_the_most_of_an_answer_without_a_price_is_unknown_and_of_none_known() -> None:
    priced = row(Tier(input="1"))

    assert most(used(10, 1), priced) is None
    assert most(used(10, 0), priced) == 10_000
