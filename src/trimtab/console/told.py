"""Who was told of an alert: whether each route took it, waits, is tried again, or was given up."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trimtab.domain.alert import Notice, NoticeKind, Outcome, Severity
from trimtab.jobs.delivery import Route


class Stage(StrEnum):
    """How far it came; the names are those of the marks."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    RETRYING = "retrying"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Told:
    """How one route stands with one alert.

    Attributes:
        at_us: When it was taken or given up, or when it is tried next.
        tries: Tries that failed, if it still waits.
        reason: What went wrong last.
    """

    route: str
    kind: NoticeKind
    stage: Stage
    at_us: int
    tries: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A route, and what it has not taken yet. `error`: why it took nothing last."""

    name: str
    kind: str
    severities: tuple[Severity, ...]
    waiting: int
    error: str


def told_of(
    notices: Sequence[Notice], outcomes: Sequence[Outcome]
) -> Mapping[str, tuple[Told, ...]]:
    """Say of each alert how its routes stand, by name; what still waits counts more."""
    found: defaultdict[str, dict[str, Told]] = defaultdict(dict)
    for it in outcomes:
        found[it.alert_id][it.route] = _ended(it)
    # The last of those that wait is the first to be tried.
    for it in reversed(notices):
        found[it.alert_id][it.route] = _waiting(it)
    return {
        alert_id: tuple(told for _, told in sorted(by_route.items()))
        for alert_id, by_route in found.items()
    }


def channels(routes: Collection[Route], notices: Sequence[Notice]) -> tuple[Channel, ...]:
    """List the routes with what waits for them."""
    found: list[Channel] = []
    for route in routes:
        waiting = [it for it in notices if it.route == route.name]
        error = next((it.error for it in waiting if it.error), "")
        severities = tuple(it for it in Severity if it in route.severities)
        found.append(Channel(route.name, route.kind, severities, len(waiting), error))
    return tuple(found)


def _waiting(notice: Notice) -> Told:
    stage = Stage.RETRYING if notice.tries else Stage.WAITING
    return Told(notice.route, notice.kind, stage, notice.due_us, notice.tries, notice.error)


def _ended(outcome: Outcome) -> Told:
    stage = Stage.FAILED if outcome.error else Stage.DELIVERED
    return Told(outcome.route, outcome.kind, stage, outcome.at_us, reason=outcome.error)
