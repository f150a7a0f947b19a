"""The ledger against the bills of providers: a picture over days, one day in full, what to do."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from starlette.responses import Response

from trimtab.console.base import Visit, with_query
from trimtab.console.changes import find_change, read_seq
from trimtab.control.snapshot import State
from trimtab.cost.reconcile.kept import Kept
from trimtab.cost.reconcile.report import Class, Finding, Report, gathered
from trimtab.domain.change import Pointer, PointerKind
from trimtab.domain.errors import InvalidRequest

PATH = "/console/reconcile"
SPAN = 30
"""Days that are shown at once."""
HEIGHT, MIDDLE, LEAST = 100.0, 50.0, 2.0
"""Of the picture: its height, where zero is, and how high a difference is at least, to be seen."""

ADVICE: Mapping[Class, str] = {
    Class.MATCH: "",
    Class.ROUNDING: "",
    Class.LATE: "The day is younger than 72 hours: wait.",
    Class.MISSING_OURS: "Find who uses that key besides the gateway, then book the line.",
    Class.MISSING_THEIRS: "Ask them, or book the line.",
    Class.EXTERNAL_TRAFFIC: "Give the gateway a key of its own, and take the other one away.",
    Class.PRICE_DRIFT: "Look at the provider's list, then correct prices.overrides.",
    Class.UNIT_OR_CURRENCY: "Look at the provider's change log.",
    Class.MODEL_ALIAS: "One model has two names: nothing to do.",
    Class.DAY_BOUNDARY: "Two days are equal together: nothing to do.",
    Class.FETCH_INCOMPLETE: "Nothing was compared; it is tried again every hour.",
}
"""What a person does about each class."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finding, or all of an account that are as expected.

    Attributes:
        booked: The change by which its proposal was accepted.
    """

    findings: Sequence[Finding]
    booked: int | None = None

    @property
    def first(self) -> Finding:
        """The finding that names the row."""
        return self.findings[0]

    @property
    def model(self) -> str:
        """Name its model, or say how many they are."""
        more = len(self.findings)
        return f"{more} models" if more > 1 else self.first.model or "no model"

    @property
    def ours_nano(self) -> int:
        """What the ledger says."""
        return sum(it.ours_nano for it in self.findings)

    @property
    def theirs_nano(self) -> int:
        """What the provider says."""
        return sum(it.theirs_nano for it in self.findings)

    @property
    def advice(self) -> str:
        """Say what a person does, unless it is done."""
        return "" if self.booked is not None else ADVICE[self.first.kind]

    @property
    def needs_action(self) -> bool:
        """Whether a person has to do something, and has not."""
        return self.first.kind.needs_action and self.booked is None


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the picture; without rows if it was not compared."""

    day: str
    compared_us: int | None = None
    rows: tuple[Row, ...] = ()

    @property
    def ours_nano(self) -> int:
        """What the ledger says."""
        return sum(it.ours_nano for it in self.rows)

    @property
    def theirs_nano(self) -> int:
        """What the providers say."""
        return sum(it.theirs_nano for it in self.rows)

    @property
    def difference_nano(self) -> int:
        """Theirs without ours."""
        return self.theirs_nano - self.ours_nano

    @property
    def kinds(self) -> tuple[Class, ...]:
        """What is not as expected."""
        return tuple(sorted({it.first.kind for it in self.rows if not it.first.kind.is_expected}))

    @property
    def state(self) -> str:
        """Say how it stands: `action`, `unknown`, `explained`, `equal`, or `none`."""
        if self.compared_us is None:
            return "none"
        if any(it.needs_action for it in self.rows):
            return "action"
        if Class.FETCH_INCOMPLETE in self.kinds:
            return "unknown"
        return "explained" if self.kinds else "equal"


async def show(visit: Visit) -> Response:
    """Show the days up to one, and one of them in full."""
    console, asked = visit.console, visit.query("provider")
    until = _day(visit, "until")
    reports, before = await asyncio.to_thread(_read, console.reports, until)
    providers = sorted({it.providers[0] for it in reports})
    state = await console.control.state()
    last = until or (reports[0].days[0] if reports else "")
    days = _days([it for it in reports if asked in ("", *it.providers)], last, state)
    compared = [it for it in days if it.compared_us is not None]
    wanted = _day(visit, "day")
    shown = next((it for it in compared if it.day == wanted), compared[-1] if compared else None)
    kept = {"provider": asked, "until": until or ""}
    context = {
        "providers": [(it, page_path(provider=it, until=until or "")) for it in ("", *providers)],
        "asked": asked,
        "bars": _bars(days, kept),
        "span": (days[0].day, days[-1].day) if days else None,
        "most_nano": max((abs(it.difference_nano) for it in days), default=0),
        "shown": shown,
        "is_found": not wanted or (shown is not None and shown.day == wanted),
        "wanted": wanted,
        "needing": [it for it in compared if it.state == "action"],
        "unattributed_nano": sum(
            it.unattributed_nano for it in reports if asked in ("", *it.providers)
        ),
        "reconciled_to": await asyncio.to_thread(console.reports.reconciled_to),
        "older": page_path(provider=asked, until=before) if before else None,
        "newest": page_path(provider=asked) if until else None,
        "action_path": _action_path(compared, kept),
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("reconcile.html", context)


def page_path(**query: str) -> str:
    """Where the page shows what a query asks for."""
    return with_query(PATH, **query)


def booked_by(state: State, adjustment_id: str) -> int | None:
    """Name the change that accepted a proposal."""
    known = state.get(Pointer(PointerKind.ADJUSTMENT, adjustment_id))
    return None if known is None else known.change.seq


def _day(visit: Visit, name: str) -> str | None:
    """Read a day of the query. Raises `InvalidRequest`."""
    text = visit.query(name)
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError:
        raise InvalidRequest(f"'{text}' is no day; write it as 2026-11-22", param=name) from None


def _read(kept: Kept, until: str | None) -> tuple[list[Report], str | None]:
    """Read the reports of the last days, and on which day there are older ones.

    The first report tells which days they are, unless that is asked for.
    """
    found: list[Report] = []
    for report in kept.newest(until):
        day = report.days[0]
        if day <= _shift(until or (found or [report])[0].days[0], -SPAN):
            return found, day
        found.append(report)
    return found, None


def _shift(day: str, by: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=by)).isoformat()


def _days(reports: Iterable[Report], last: str, state: State) -> list[Day]:
    """Make every day of the span, the oldest first, also those that were not compared."""
    if not last:
        return []
    found = {day: list(told) for day, told in groupby(reports, key=lambda it: it.days[0])}
    names = [_shift(last, -back) for back in reversed(range(SPAN))]
    return [_made(day, found[day], state) if day in found else Day(day) for day in names]


def _made(day: str, reports: Sequence[Report], state: State) -> Day:
    findings = [it for report in reports for it in report.findings]
    rows = [Row(group, _booked(group, state)) for group in gathered(findings)]
    # What somebody has to do something about is seen first.
    rows.sort(key=lambda it: (not it.needs_action, it.first.kind.is_expected))
    return Day(day, max(it.compared_us for it in reports), tuple(rows))


def _booked(group: Sequence[Finding], state: State) -> int | None:
    proposed = group[0].adjustment
    return None if proposed is None else booked_by(state, proposed.id)


def _bars(days: Sequence[Day], kept: Mapping[str, str]) -> list[Mapping[str, object]]:
    """Draw each day from the middle: up if they bill more, down if we have booked more."""
    most = max((abs(it.difference_nano) for it in days), default=0)
    bars: list[Mapping[str, object]] = []
    for it in days:
        share = abs(it.difference_nano) / most if most else 0.0
        height = max(LEAST, round((MIDDLE - LEAST) * share, 1)) if it.difference_nano else 0.0
        y = MIDDLE - height if it.difference_nano > 0 else MIDDLE
        bars.append(
            {"day": it, "path": page_path(**kept, day=it.day), "y": round(y, 1), "height": height}
        )
    return bars


def _action_path(days: Sequence[Day], kept: Mapping[str, str]) -> str | None:
    needing = [it.day for it in days if it.state == "action"]
    return page_path(**kept, day=needing[-1]) if needing else None
