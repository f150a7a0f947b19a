from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.cost.bill.bill import CENT, Bill, bill, reopened, share_out
from trimtab.domain.billing import AT_COST, WHOLE, Closing, Plan
from trimtab.store.base.ledger import LedgerSum

USD = 10**9
OCTOBER, NOVEMBER, DECEMBER = "2026-10", "2026-11", "2026-12"


# a sum has that many members
def summed(  # noqa: PLR0913
    cost_nano: int,
    month: str = OCTOBER,
    *,
    feature: str = "search",
    model: str = "chat",
    kind: str = "charge",
    version: str = "ps_1",
    n: int = 1,
    n_unpriced: int = 0,
) -> LedgerSum:
    return LedgerSum(month, kind, feature, model, version, n, n_unpriced, cost_nano)


def billed(month: str, sums: Sequence[LedgerSum], *closings: Closing, plan: Plan = AT_COST) -> Bill:
    return bill("acme", month, sums, plan, closings=closings)


def told(made: Bill) -> list[tuple[str, str, int, int]]:
    return [(it.group.month, it.group.feature, it.group.n, it.cents) for it in made.lines]


def test_a_plan_adds_its_markup_by_feature_then_model() -> None:
    plan = Plan(markup=200_000, features={"search": 100_000}, models={"small": 0})
    sums = [
        summed(USD),
        summed(USD, feature="chatbot"),
        summed(USD, feature="chatbot", model="small"),
    ]

    made = billed(OCTOBER, sums, plan=plan)

    assert [it.cents for it in made.lines] == [120, 100, 110]
    assert made.total_cents == 330
    assert made.cost_nano == 3 * USD


def test_lines_add_up_to_the_rounded_total() -> None:
    # three times a third of a cent are a cent, which one of them gets
    third = 3_333_333
    sums = [summed(third, feature=name) for name in ("a", "b", "c")]

    made = billed(OCTOBER, sums)

    assert (made.total_cents, sorted(it.cents for it in made.lines)) == (1, [0, 0, 1])


@pytest.mark.parametrize(
    ("nano", "cents"), [(5_000_000, 0), (15_000_000, 2), (5_000_001, 1), (-5_000_001, -1)]
)
def test_half_a_cent_is_rounded_to_even(nano: int, cents: int) -> None:
    assert billed(OCTOBER, [summed(nano)]).total_cents == cents


def test_only_the_month_asked_for_is_billed() -> None:
    made = billed(OCTOBER, [summed(USD), summed(5 * USD, NOVEMBER)])

    assert made.total_cents == 100


def test_what_has_no_price_is_told_and_price_sets_are_named() -> None:
    sums = [summed(USD), summed(USD, version="ps_2", n=3, n_unpriced=2), summed(0, version="")]

    made = billed(OCTOBER, sums)

    assert (made.n_unpriced, made.price_versions) == (2, ("ps_1", "ps_2"))


def test_what_comes_after_the_close_is_on_the_next_bill_with_its_month() -> None:
    closed = billed(OCTOBER, [summed(USD)]).closing()
    later = [
        summed(USD),
        summed(USD // 4, kind="adjustment"),
        summed(USD // 2, feature="late"),
        summed(3 * USD, NOVEMBER),
    ]

    made = billed(NOVEMBER, later, closed)

    assert told(made) == [
        (NOVEMBER, "search", 1, 300),
        (OCTOBER, "late", 1, 50),
        (OCTOBER, "search", 0, 25),
    ]
    assert [it.is_adjustment for it in made.lines] == [False, True, True]


def test_what_was_billed_once_is_not_billed_again() -> None:
    october = billed(OCTOBER, [summed(USD)]).closing()
    sums = [summed(2 * USD), summed(3 * USD, NOVEMBER)]
    november = billed(NOVEMBER, sums, october).closing()

    assert told(billed(DECEMBER, sums, october, november)) == []


def test_what_comes_after_a_later_month_was_closed_is_not_on_an_earlier_bill() -> None:
    november = billed(NOVEMBER, [summed(USD, NOVEMBER)]).closing()
    sums = [summed(USD), summed(2 * USD, NOVEMBER)]

    assert told(billed(OCTOBER, sums, november)) == [(OCTOBER, "search", 1, 100)]


def test_price_sets_are_of_what_is_billed() -> None:
    october = billed(OCTOBER, [summed(USD)]).closing()
    sums = [summed(USD, version="ps_0"), summed(USD, NOVEMBER)]

    assert billed(NOVEMBER, sums, october).price_versions == ("ps_1",)


def test_what_is_given_back_is_a_negative_line() -> None:
    october = billed(OCTOBER, [summed(USD)]).closing()

    made = billed(NOVEMBER, [summed(USD), summed(-USD // 10, kind="adjustment")], october)

    assert made.total_cents == -10


def test_an_adjustment_is_billed_by_the_plan_of_its_own_month() -> None:
    october = billed(OCTOBER, [summed(USD)], plan=Plan(markup=WHOLE)).closing()

    made = billed(NOVEMBER, [summed(2 * USD), summed(USD, NOVEMBER)], october)

    assert told(made) == [(NOVEMBER, "search", 1, 100), (OCTOBER, "search", 0, 200)]


def test_a_closed_bill_is_shown_as_it_was_closed() -> None:
    october = billed(OCTOBER, [summed(USD)]).closing()
    made = bill(
        "acme",
        NOVEMBER,
        [summed(2 * USD), summed(USD, NOVEMBER)],
        Plan(markup=123_456),
        plan_seq=7,
        closings=[october],
    )

    assert reopened(made.closing()) == made._replace(closed=True)


amounts = st.lists(st.integers(-(10**18), 10**18), max_size=20)


@given(amounts)
def test_shares_add_up_and_none_is_a_cent_off(amounts: list[int]) -> None:
    cents, total = share_out(amounts)

    assert sum(cents) == total
    assert abs(total * CENT - sum(amounts)) * 2 <= CENT
    assert all(abs(it * CENT - amount) < CENT for it, amount in zip(cents, amounts, strict=True))


def test_bills_of_a_thousand_tenants_are_the_ledger_times_the_plan_to_the_cent() -> None:
    chance = Random(12)  # noqa: S311 -- no secret
    for tenant in range(1_000):
        markups = [chance.randrange(-WHOLE // 2, 2 * WHOLE) for _ in range(3)]
        plan = Plan(markup=markups[0], features={"a": markups[1]}, models={"m": markups[2]})
        sums = [
            LedgerSum(
                OCTOBER,
                chance.choice(["charge", "charge", "orphan", "adjustment"]),
                chance.choice("abc"),
                chance.choice("klm"),
                chance.choice(["ps_1", "ps_2"]),
                1,
                0,
                chance.choice([1, -1, 1]) * chance.randrange(10 ** chance.randrange(1, 13)),
            )
            for _ in range(chance.randrange(40))
        ]
        # The same by another way: exact fractions of a USD, feature over model over all.
        exact = Fraction(0)
        for it in sums:
            markup = (
                markups[1] if it.feature == "a" else markups[2] if it.model == "m" else markups[0]
            )
            exact += Fraction(it.cost_nano, USD) * (1 + Fraction(markup, WHOLE))
        hundred = Decimal(exact.numerator * 100) / Decimal(exact.denominator)

        made = bill(f"t{tenant}", OCTOBER, sums, plan)

        assert made.total_cents == int(hundred.to_integral_value(ROUND_HALF_EVEN))
        assert sum(it.cents for it in made.lines) == made.total_cents
        assert made.cost_nano == sum(it.cost_nano for it in sums)


@given(st.lists(st.lists(st.integers(-(10**9), 10**10), max_size=4), min_size=6, max_size=6))
def test_whenever_months_are_closed_everything_is_billed_once(arrivals: list[list[int]]) -> None:
    """After each month closes, lines of every month so far may still come."""
    months = [f"2026-{number:02d}" for number in range(1, 7)]
    known: list[LedgerSum] = []
    closings: list[Closing] = []
    for index, month in enumerate(months):
        for place, cost in enumerate(arrivals[index]):
            known.append(summed(cost, months[(index + place) % (index + 1)]))
        made = bill("acme", month, known, Plan(markup=200_000), closings=closings)
        closings.append(made.closing())

    billed_nano = sum(group.cost_nano for closing in closings for group in closing.groups)
    assert billed_nano == sum(it.cost_nano for it in known)
