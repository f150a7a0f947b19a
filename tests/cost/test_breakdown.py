"""One answer to what was spent."""

from datetime import date

import pytest
from tests.records import finish, line_of, tenant_key
from tests.telemetry.shapes import record

from trimtab.cost.breakdown import Days, break_down, month_of, read_days, read_groups, today
from trimtab.domain.errors import InvalidRequest
from trimtab.store.base.recording import Batch
from trimtab.store.memory.records import MemoryRecords

TODAY = date(2026, 11, 23)
NOVEMBER = Days(date(2026, 11, 1), date(2026, 12, 1))


@pytest.mark.parametrize(
    ("month", "first", "last", "days"),
    [
        ("", "", "", NOVEMBER),
        ("2026-12", "", "", Days(date(2026, 12, 1), date(2027, 1, 1))),
        ("2028-02", "", "", Days(date(2028, 2, 1), date(2028, 3, 1))),
        ("", "2026-11-20", "", Days(date(2026, 11, 20), date(2026, 11, 24))),
        ("", "2026-11-20", "2026-11-20", Days(date(2026, 11, 20), date(2026, 11, 21))),
        ("", "2026-11-01", "2026-11-30", NOVEMBER),
    ],
)
def test_a_span_is_a_month_or_days_with_both_ends(
    month: str, first: str, last: str, days: Days
) -> None:
    assert read_days(month, first, last, TODAY) == days


@pytest.mark.parametrize(
    ("month", "first", "last", "told"),
    [
        ("2026-13", "", "", "month '2026-13' cannot be read"),
        ("9999-12", "", "", "cannot be read"),
        ("", "2026-02-30", "", "day '2026-02-30' cannot be read"),
        ("", "2026-11-20", "9999-12-31", "cannot be read"),
        ("", "x" * 5000, "", "cannot be read"),
        ("", "", "2026-11-20", "give a month, or the first day"),
        ("2026-11", "2026-11-20", "", "give a month, or the first day"),
        ("", "2026-11-20", "2026-11-19", "the first day comes first"),
        ("", "2026-11-24", "", "2026-11-23 is before 2026-11-24"),
    ],
)
def test_what_is_no_span_is_refused(month: str, first: str, last: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        read_days(month, first, last, TODAY)


def test_only_a_whole_month_is_called_one() -> None:
    assert NOVEMBER.month == "2026-11"
    assert NOVEMBER._replace(after=date(2026, 11, 30)).month is None
    assert month_of(date(2026, 12, 31)).last == date(2026, 12, 31)


def test_a_day_begins_where_the_tenant_lives() -> None:
    new_year_us = 1_767_225_600_000_000

    assert today("UTC", new_year_us - 1) == date(2025, 12, 31)
    assert today("Europe/Rome", new_year_us - 1) == date(2026, 1, 1)


def test_groups_are_known_and_named_once() -> None:
    assert read_groups("feature, model,feature") == ("feature", "model")
    with pytest.raises(InvalidRequest, match="cannot group by 'mood'"):
        read_groups("feature,mood")


async def test_it_says_what_is_a_guess_and_what_has_no_price() -> None:
    store = MemoryRecords(tenant_key)
    first = finish(1, usage_source="estimated", cost_nano=5)
    two = record(2, cost_nano=7)
    second = finish(2, cost_nano=7)
    await store.commit(Batch(finishes=(first, second, finish(3, cost_nano=None))))
    await store.adjust([line_of(two, 9, kind="adjustment", cost_nano=-2, day_local="2026-04-25")])

    found = await break_down(store, ("feature",), month_of(date(2026, 4, 25)), None)

    assert (found.n, found.n_estimated, found.n_unpriced, found.cost_nano) == (3, 1, 1, 10)
    assert found.members()["cost_usd"] == "0.00000001"
    assert found.csv().splitlines()[1].split(",")[-3:] == ["10", "0.00000001", "1"]
