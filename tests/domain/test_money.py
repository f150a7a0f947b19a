from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.money import NANO_PER_USD, parse_usd, usd_text

AMOUNTS = st.integers(-(10**24) + 1, 10**24 - 1)


@given(nano=AMOUNTS)
def test_an_amount_survives_its_text(nano: int) -> None:
    assert parse_usd(usd_text(nano)) == nano


@given(nano=AMOUNTS)
def test_the_decimal_is_exact(nano: int) -> None:
    assert Decimal(usd_text(nano)) * NANO_PER_USD == nano


@given(nano=AMOUNTS)
def test_the_text_has_neither_exponent_nor_trailing_zeros(nano: int) -> None:
    text = usd_text(nano)

    assert "e" not in text.lower()
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (9_414_000, "0.009414"),
        (-500_000_000, "-0.5"),
        (772_390_000_000, "772.39"),
        (20_000 * NANO_PER_USD, "20000"),
    ],
)
def test_amounts_read_as_people_write_them(nano: int, text: str) -> None:
    assert usd_text(nano) == text


def test_reads_what_settings_may_say() -> None:
    assert parse_usd("500") == 500 * NANO_PER_USD
    assert parse_usd("0.50") == parse_usd("+0.5") == NANO_PER_USD // 2
    assert Decimal(usd_text(parse_usd("12.345678901"))) == Decimal("12.345678901")


@pytest.mark.parametrize("text", ["", "1e3", "NaN", "0.0000000001", "1,000", ".5", "5.", "٣", "1 "])
def test_refuses_what_is_no_plain_amount(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount in USD; write digits"):
        parse_usd(text)
