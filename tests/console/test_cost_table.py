"""Tables and stacks of costs."""

from datetime import date

from trimtab.console.cost_table import ROWS, by_day, stack, table, without_days
from trimtab.cost.breakdown import Breakdown, Days
from trimtab.store.base.ledger import CostRow

DAYS = Days(date(2026, 11, 1), date(2026, 11, 4))
NANO = 1_000_000_000


def row(day: int, name: str, usd: int) -> CostRow:
    return CostRow(
        group=(f"2026-11-0{day}", name),
        n=2,
        n_estimated=1,
        n_unpriced=0,
        input_tokens=100,
        cached_tokens=50,
        output_tokens=10,
        cost_nano=usd * NANO,
    )


def broken_down(*rows: CostRow) -> Breakdown:
    return Breakdown(("day", "feature"), DAYS, "acme", rows)


def test_sums_by_day_and_sums_of_all_days_are_the_same_money() -> None:
    found = broken_down(row(1, "a", 1), row(2, "a", 4), row(2, "b", 3))

    assert [(it.group, it.n, it.cost_nano) for it in without_days(found)] == [
        (("a",), 4, 5 * NANO),
        (("b",), 2, 3 * NANO),
    ]
    assert {day.day: it.cost_nano for day, it in by_day(found).items()} == {1: NANO, 2: 7 * NANO}


def test_a_stack_names_the_dearest_and_puts_the_rest_together() -> None:
    found = broken_down(*(row(1, name, usd) for usd, name in enumerate("abcdefgh", 1)))

    drawing = stack(found, without_days(found), date(2026, 11, 2), {"h": "eight"})

    assert [line.name for line in drawing.lines] == ["eight", "g", "f", "e", "d", "others"]
    assert drawing.lines[-1].values == (6.0, 0.0, None)
    assert drawing.drawn[0].values[0] == 36
    assert len({line.tone for line in drawing.lines}) == 6
    assert drawing.label == "cost of each day in USD, $36.00 in all; dearest day 2026-11-01, $36.00"


def test_a_feature_may_be_called_others() -> None:
    found = broken_down(*(row(1, name, 9) for name in ("others", "a", "b", "c", "d", "e", "f")))

    drawing = stack(found, without_days(found), DAYS.last, {})

    assert drawing.drawn[0].values[0] == 63


def test_a_table_adds_up_whatever_it_leaves_out() -> None:
    rows = without_days(broken_down(*(row(1, f"f{n:02}", n) for n in range(ROWS + 2))))

    made = table(rows, "feature", {"f51": "dearest"})

    assert (made.rows[0].name, made.rows[0].id) == ("dearest", "f51")
    assert (made.rows[1].name, made.rows[1].id) == ("f50", "")
    assert made.others is not None
    assert (made.n_others, made.others.cost_nano) == (2, NANO)
    shown = sum(it.cost.cost_nano for it in made.rows)
    assert made.total.cost_nano == shown + made.others.cost_nano
    assert made.total.n == 2 * (ROWS + 2)


def test_a_group_without_a_name_says_so() -> None:
    made = table(without_days(broken_down(row(1, "", 1))), "prompt", {})

    assert made.rows[0].name == "none"
    assert made.others is None
