"""Models: where the names lead, how their targets are doing, and who moved them last."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Console, Visit
from trimtab.console.changes import find_change, read_seq
from trimtab.console.overview import DAY_US
from trimtab.console.targets import MOST_TRIED, TargetRow, Targets, recent
from trimtab.console.tenants import state_of, switch_on
from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.errors import TryLater
from trimtab.domain.model import Model
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.store.base.reading import Tried

_CAUSES = (
    ("when_error", "on failure"),
    ("when_rate_limited", "on a rate limit"),
    ("when_context_too_long", "when too long"),
    ("when_refused", "on a refusal"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One model, with what it did today.

    Attributes:
        last: The change that moved it last.
        fallbacks: In words when, and whom.
        n: Requests of today, UTC.
    """

    model: Model
    last: Change
    suspension: Suspension | None
    state: str
    targets: tuple[TargetRow, ...]
    fallbacks: tuple[tuple[str, str], ...]
    n: int


async def show(visit: Visit) -> Response:
    """List all models; after a move, say what was done and offer to undo it."""
    console = visit.console
    snapshot, state = await console.control.snapshot(), await console.control.state()
    away, today, tried = await _figures(console, snapshot)
    targets = Targets(console, snapshot, tried)
    now_us = console.clock.now_us()
    rows: list[Row] = []
    for name, model in sorted(snapshot.models.items()):
        suspension = switch_on(snapshot, Scope(ScopeKind.MODEL, name), now_us)
        rows.append(
            Row(
                model=model,
                last=state[Pointer(PointerKind.MODEL, name)].change,
                suspension=suspension,
                state=state_of(suspension),
                targets=targets.of(model),
                fallbacks=_fallbacks(model),
                n=today.get(name, 0),
            )
        )
    context = {
        "away": away,
        "rows": rows,
        "most_tried": MOST_TRIED,
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("models.html", context)


async def _figures(
    console: Console, snapshot: Snapshot
) -> tuple[str, Mapping[str, int], tuple[Tried, ...]]:
    """Read what models did today, and how attempts went lately; or why that cannot be told."""
    now_us = console.clock.now_us()
    today_us = now_us - now_us % DAY_US
    try:
        costs = await console.rollups.costs(
            since_us=today_us, until_us=today_us + DAY_US, group_by=("model",)
        )
        return "", {row.group[0]: row.n for row in costs}, await recent(console, snapshot)
    except TryLater as exc:
        return str(exc), {}, ()


def _fallbacks(model: Model) -> tuple[tuple[str, str], ...]:
    lists = ((words, getattr(model.fallback, cause)) for cause, words in _CAUSES)
    return tuple((words, ", ".join(names)) for words, names in lists if names)
