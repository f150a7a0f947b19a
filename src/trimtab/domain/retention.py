"""How long what is kept, in days."""

from collections.abc import Mapping

from msgspec import Struct

MOST_DAYS = 3650
"""The longest that anything is kept by a setting."""


class Retention(Struct, frozen=True, kw_only=True):
    """For how many days what is recorded is kept.

    Attributes:
        content: What people wrote; a tenant may say otherwise.
        records: Records, their attempts and annotations.
        spans: What applications told of their own work.
        hours: Sums by hour and minute: alerts compare with the same hour of weeks before.
        days: Sums by day.
        ledger: Ledger lines.
    """

    content: int = 90
    records: int = 400
    spans: int = 14
    hours: int = 35
    days: int = 760
    ledger: int = 2557

    def kinds(self) -> Mapping[str, int]:
        """Give the days of each kind that a store knows by its own name."""
        return {
            "annotation": self.records,
            "record": self.records,
            "span": self.spans,
            "rollup_minute": self.hours,
            "rollup_hour": self.hours,
            "rollup_day": self.days,
            "ledger": self.ledger,
        }
