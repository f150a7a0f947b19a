from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.sim.bill import Bill, Usage, cost_nano
from trimtab.sim.models import EMBED, LARGE, MODELS, SMALL, Prices
from trimtab.sim.request import user_of

COUNTS = st.integers(0, 10**9)


def _priced_otherwise(prices: Prices, usage: Usage) -> int:
    """Price with fractions of USD, and let Python round half to even."""
    table = {name: Fraction(text) for name, text in prices.table().items()}
    usd = (
        usage.input * table["input"]
        + usage.cached * table["cache_read"]
        + usage.write_5m * table["cache_write_5m"]
        + usage.write_1h * table["cache_write_1h"]
        + usage.output * table["output"]
    ) / 1_000_000
    return round(usd * 10**9)


@given(st.sampled_from(sorted(MODELS)), st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_a_cost_is_the_exact_one_rounded_once(name: str, counts: tuple[int, ...]) -> None:
    usage = Usage(*counts)

    assert cost_nano(MODELS[name].prices, usage) == _priced_otherwise(MODELS[name].prices, usage)


def test_a_half_is_rounded_to_even() -> None:
    prices = Prices(
        input="0.0005", cache_read="0", cache_write_5m="0", cache_write_1h="0", output="0"
    )

    assert [cost_nano(prices, Usage(input=tokens)) for tokens in (1, 2, 3, 4, 5, 7)] == [
        *(0, 1, 2, 2, 2, 4),
    ]


def test_prices_of_the_large_model_are_those_of_the_book() -> None:
    usage = Usage(input=323, cached=3_800, output=487)

    assert cost_nano(LARGE.prices, usage) == 9_414_000


@pytest.mark.parametrize(
    ("body", "user"),
    [
        (b'{"user": "ana"}', "ana"),
        (b'{"user": "old", "safety_identifier": "ana"}', "old"),
        (b'{"metadata": {"user_id": "ana"}}', "ana"),
        (b'{"metadata": null}', ""),
        (b'{"user": 7}', ""),
        (b"{", ""),
    ],
)
def test_knows_for_whom_a_call_is_made(body: bytes, user: str) -> None:
    assert user_of(body) == user


def test_sums_are_kept_by_account_and_model() -> None:
    bill = Bill()
    bill.add("a", "acme", LARGE, Usage(input=10, output=5, reasoning=2))
    bill.add("b", "acme", LARGE, Usage(input=1))
    bill.add("c", "hobby", SMALL, Usage(cached=4))
    bill.add("d", "hobby", EMBED, Usage(input=50))

    told = bill.told()

    assert told["calls"] == 4
    assert told["cost_nano"] == sum(line["cost_nano"] for line in told["lines"])
    assert told["accounts"]["acme"]["sim/large"]["input_tokens"] == 11
    assert told["accounts"]["acme"]["sim/large"]["reasoning_tokens"] == 2
    assert told["accounts"]["hobby"]["sim/small"]["cost_nano"] == 300
    assert told["accounts"]["hobby"]["sim/embed"]["cost_nano"] == 1_000
    assert [line["id"] for line in told["lines"]] == ["a", "b", "c", "d"]


def test_a_cleared_bill_is_empty() -> None:
    bill = Bill()
    bill.add("a", "acme", LARGE, Usage(input=10))

    bill.clear()

    assert bill.told()["calls"] == 0
    assert bill.told()["lines"] == []
