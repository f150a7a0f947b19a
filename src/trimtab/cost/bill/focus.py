"""A bill in the columns of FinOps FOCUS, https://focus.finops.org/focus-specification/.

A charge for what was used is `Usage`; of a month whose bill was closed it is a `Correction`.
Columns of our own begin with `x_`, as the specification asks.
"""

import csv
import io
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from trimtab.cost.bill.bill import Bill, BillLine
from trimtab.domain.money import usd_text

FOCUS_VERSION = "1.2"

_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")


def cents_text(cents: int) -> str:
    """Write cents as USD with two decimals."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def span_of(month: str, timezone: str) -> tuple[datetime, datetime]:
    """Give the first instants of a month and of the next where a tenant lives, as UTC.

    Raises:
        ValueError: it is no month such as `2026-10`.
    """
    if _MONTH.fullmatch(month) is None:
        raise ValueError(f"'{month}' is no month such as 2026-10")
    first = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=ZoneInfo(timezone))
    year, number = first.year + first.month // 12, first.month % 12 + 1
    return first.astimezone(UTC), first.replace(year=year, month=number).astimezone(UTC)


def focus_csv(bill: Bill, timezone: str, issuer: str) -> str:
    """Write a bill as a CSV file of FOCUS."""
    out = io.StringIO()
    rows = [_row(bill, line, timezone, issuer) for line in bill.lines]
    writer = csv.DictWriter(out, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(bill: Bill, line: BillLine, timezone: str, issuer: str) -> dict[str, str]:
    group = line.group
    start, end = (_instant(at) for at in span_of(bill.month, timezone))
    used_from, used_to = (_instant(at) for at in span_of(group.month, timezone))
    billed = cents_text(line.cents)
    what = f"{group.model} used by {group.feature}"
    return {
        "BilledCost": billed,
        "BillingAccountId": bill.tenant,
        "BillingAccountName": bill.tenant,
        "BillingCurrency": "USD",
        "BillingPeriodStart": start,
        "BillingPeriodEnd": end,
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if line.is_adjustment else "",
        "ChargeDescription": f"{what}, {group.month}" if line.is_adjustment else what,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": used_from,
        "ChargePeriodEnd": used_to,
        "ConsumedQuantity": str(group.n),
        "ConsumedUnit": "Calls",
        "ContractedCost": billed,
        "EffectiveCost": billed,
        "InvoiceId": f"{bill.tenant}:{bill.month}" if bill.closed else "",
        "InvoiceIssuerName": issuer,
        "ListCost": billed,
        "PricingQuantity": str(group.n),
        "PricingUnit": "Calls",
        "ProviderName": issuer,
        "PublisherName": issuer,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": group.model,
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": group.feature,
        "x_CostUsd": usd_text(group.cost_nano),
        "x_FocusVersion": FOCUS_VERSION,
        "x_MarkupMillionths": str(group.markup),
        "x_OriginMonth": group.month,
    }


COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargeFrequency", "ChargePeriodStart", "ChargePeriodEnd"),
    *("ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "InvoiceId"),
    *("InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit", "ProviderName"),
    *("PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SubAccountId"),
    *("x_CostUsd", "x_FocusVersion", "x_MarkupMillionths", "x_OriginMonth"),
)


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
