import csv
import io
from datetime import UTC, datetime

import pytest
from tests.cost.bill.test_bill import NOVEMBER, OCTOBER, USD, billed, summed

from trimtab.cost.bill.focus import COLUMNS, cents_text, focus_csv, span_of
from trimtab.domain.billing import Plan


def test_a_month_is_of_the_tenants_own_calendar() -> None:
    # Rome leaves summer time in October.
    assert span_of("2026-10", "Europe/Rome") == (
        datetime(2026, 9, 30, 22, tzinfo=UTC),
        datetime(2026, 10, 31, 23, tzinfo=UTC),
    )
    assert span_of("2026-12", "UTC")[1] == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-1", "2026-13", "october", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no month such as 2026-10"):
        span_of(text, "UTC")


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (-12_345, "-123.45")]
)
def test_cents_have_two_decimals(cents: int, text: str) -> None:
    assert cents_text(cents) == text


def test_the_file_has_focus_columns_and_adds_up() -> None:
    october = billed(OCTOBER, [summed(USD)]).closing()
    made = billed(
        NOVEMBER,
        [summed(2 * USD), summed(USD, NOVEMBER)],
        october,
        plan=Plan(markup=200_000),
    )

    usage, correction = csv.DictReader(io.StringIO(focus_csv(made, "Europe/Rome", "Example Inc.")))

    assert tuple(usage) == COLUMNS
    assert (usage["BilledCost"], correction["BilledCost"]) == ("1.20", "1.00")
    assert (usage["ChargeClass"], correction["ChargeClass"]) == ("", "Correction")
    assert usage["BillingPeriodStart"] == usage["ChargePeriodStart"] == "2026-10-31T23:00:00Z"
    assert correction["ChargePeriodStart"] == "2026-09-30T22:00:00Z"
    assert (usage["ProviderName"], usage["x_FocusVersion"]) == ("Example Inc.", "1.2")
    assert (usage["InvoiceId"], usage["x_CostUsd"]) == ("", "1")


def test_only_our_own_columns_are_outside_the_specification() -> None:
    assert {it for it in COLUMNS if it.startswith("x_")} == {
        "x_CostUsd",
        "x_FocusVersion",
        "x_MarkupMillionths",
        "x_OriginMonth",
    }
