from decimal import Decimal

import pytest

from trimtab.cost.lock import Match, Row, Tier
from trimtab.cost.rates import END_OF_TIME_US, PriceRow, Rates, compile_row, instant_us

DAY_US = 86_400_000_000


def compiled(*tiers: Tier, factor: str = "1") -> PriceRow:
    row = Row(
        id="p/m",
        match=Match(exact=("m",)),
        start="1970-01-03T00:00:00Z",
        usd_per_mtok=tiers,
    )
    return compile_row(row, "ps_test", id_="p/m", factor=Decimal(factor))


def rates(tier: Tier, factor: str = "1") -> Rates:
    return compiled(tier, factor=factor).rates(0)


def writes(tier: Tier) -> tuple[int | None, ...]:
    made = rates(tier)
    return made.cache_write_5m, made.cache_write_30m, made.cache_write_1h, made.cache_write_12h


def test_prices_become_whole_nano_usd_per_million() -> None:
    made = rates(Tier(input="0.003625", output="15"))

    assert (made.input, made.output) == (3_625_000, 15_000_000_000)


def test_a_row_holds_between_its_instants() -> None:
    row = compiled(Tier(input="1"))

    assert (row.start_us, row.end_us) == (2 * DAY_US, END_OF_TIME_US)


def test_a_factor_multiplies_every_price() -> None:
    made = rates(Tier(input="3", cache_read="0.3", cache_write_5m="3.75", output="15"), "0.88")

    assert (made.input, made.cache_read) == (2_640_000_000, 264_000_000)
    assert (made.cache_write_5m, made.output) == (3_300_000_000, 13_200_000_000)


def test_no_discount_is_assumed_for_cached_tokens() -> None:
    assert rates(Tier(input="3")).cache_read == 3_000_000_000


def test_a_free_cache_is_no_missing_price() -> None:
    made = rates(Tier(input="3", cache_read="0", cache_write_5m="0", input_audio="0"))

    assert made.cache_read == made.cache_write_5m == made.input_audio == 0


@pytest.mark.parametrize(
    ("tier", "nano"),
    [
        (Tier(input="3"), (3, 3, 3, 3)),
        (Tier(input="3", cache_write_5m="4"), (4, None, None, None)),
        (Tier(input="3", cache_write_5m="4", cache_write_1h="6"), (4, 6, 6, None)),
        (Tier(input="3", cache_write_12h="8"), (8, 8, 8, 8)),
    ],
    ids=["no write", "five minutes", "five minutes and an hour", "twelve hours"],
)
def test_a_write_costs_what_the_next_longer_lifetime_costs(
    tier: Tier, nano: tuple[int | None, ...]
) -> None:
    assert writes(tier) == tuple(None if n is None else n * 10**9 for n in nano)


def test_what_is_not_priced_is_unknown_but_for_a_fee_per_request() -> None:
    made = rates(Tier(input="3"))

    assert made.output is made.output_audio is made.web_search is None
    assert made.request == 0


def test_the_tier_is_the_highest_that_is_exceeded() -> None:
    row = compiled(
        Tier(input="1"),
        Tier(above_input_tokens=100, input="2"),
        Tier(above_input_tokens=200, input="3"),
    )

    assert [row.rates(n).above for n in (0, 100, 101, 200, 201)] == [0, 0, 100, 100, 200]


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-02", DAY_US),
        ("1970-01-02T00:00:00Z", DAY_US),
        ("1970-01-02T01:00:00.000001+01:00", DAY_US + 1),
        ("1969-12-31", -DAY_US),
    ],
)
def test_instants_are_utc_unless_they_say_so(text: str, us: int) -> None:
    assert instant_us(text) == us
