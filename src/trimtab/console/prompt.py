"""One prompt: what it says to whom, who is on it, how its versions do, and the way back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from urllib.parse import urlencode

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import find_change, read_seq
from trimtab.console.overview import DAY_US
from trimtab.console.prompts import found_prompt, path_of
from trimtab.console.targets import HOUR_US
from trimtab.control.prompts import Pointed, Prompts, Rung
from trimtab.domain.change import Change
from trimtab.domain.errors import (
    InvalidRequest,
    NothingToRollBackTo,
    PromptNotFound,
    SettingsInvalid,
    TryLater,
)
from trimtab.domain.prompt import (
    DEFAULT_SCOPE,
    PRODUCTION,
    Evidence,
    Place,
    PromptVersion,
    Requirement,
    Yank,
)
from trimtab.registry.steps import step_back, version_of
from trimtab.store.base.sums import PromptRow

MOST_TOOK = 10_000
"""Requests whose latency is looked at, the newest of a prompt."""
MOST_VERSIONS = 100
MOST_MOVES = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """How a version did in a day."""

    version: str
    used: PromptRow
    p50_us: int | None
    p95_us: int | None


@dataclass(frozen=True, slots=True)
class Pin:
    """A label in one scope.

    Attributes:
        requires: What it asks for before it is moved.
    """

    place: Place
    at: Pointed
    requires: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with what is known of it.

    Attributes:
        before: The number below it, to compare with.
        pins: Labels that point at it, with their scopes.
    """

    version: PromptVersion
    published: Change
    before: str | None
    yank: Yank | None
    pins: tuple[Pin, ...]
    evidence: tuple[Evidence, ...]
    approved_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A move of a label, in words."""

    change: Change
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant that called a prompt in the last hour: what it got, and what it gets now."""

    tenant: str
    got: tuple[tuple[str, int], ...]
    gets: str | None
    scope: str | None


async def show(visit: Visit) -> Response:
    """Show a prompt; `label` and `scope` choose whose moves, `tenant` and `env` whose ladder."""
    return await _show(visit, visit.query("label"), visit.query("scope"))


async def roll_back(visit: Visit) -> Response:
    """Point a label at what it held before."""
    _, name = await found_prompt(visit)
    form = visit.form
    place = Place(name, form.get("label", ""), form.get("scope", ""))
    try:
        change = await visit.console.registry.labels.rollback(
            place,
            visit.by(form.get("reason", "")),
            expected_seq=read_seq(form.get("seq", "")),
        )
    except (InvalidRequest, SettingsInvalid, PromptNotFound) as exc:
        return await _show(visit, place.label, place.scope, str(exc))
    return see_other(f"{place_path(place)}&done={change.seq}")


def place_path(place: Place) -> str:
    """Give the page of a label in a scope."""
    query = urlencode({"label": place.label, "scope": place.scope})
    return f"{path_of(place.name)}?{query}"


def pins(prompts: Prompts, name: str) -> tuple[Pin, ...]:
    """List where the labels of a prompt point, production first, the most specific scope first."""
    found = [
        Pin(Place(name, label, scope), at, prompts.policy.protected.get(label, ()))
        for label, scoped in prompts.labels.get(name, {}).items()
        for scope, at in scoped.items()
    ]
    return tuple(sorted(found, key=lambda it: _rank(it.place)))


async def _show(visit: Visit, label: str, scope: str, problem: str = "") -> Response:
    console = visit.console
    prompts, name = await found_prompt(visit)
    place = Place(name, label or PRODUCTION, scope or DEFAULT_SCOPE)
    moves = await console.registry.labels.moves(place)
    away, figures, callers = await _figures(console, prompts, name)
    tenant, environment = visit.query("tenant"), visit.query("env")
    rows = _versions(prompts, name)
    context = {
        "name": name,
        "newest": prompts.newest(name),
        "pins": pins(prompts, name),
        "place": place,
        "at": prompts.at(place),
        "back": _back(prompts, place, moves),
        "moves": [_move(it) for it in moves[: -MOST_MOVES - 1 : -1]],
        "tenant": tenant,
        "env": environment,
        "tenants": sorted(prompts.tiers),
        "ladder": _ladder(prompts, place, tenant, environment),
        "figures": figures,
        "callers": callers,
        "most_took": MOST_TOOK,
        "versions": rows[:MOST_VERSIONS],
        "n_versions": len(rows),
        "away": away,
        "problem": problem,
        "done": await find_change(console, read_seq(visit.query("done"))),
    }
    return visit.page("prompt.html", context, status=400 if problem else 200)


def _rank(place: Place) -> tuple[object, ...]:
    kinds = ("tenant", "cohort", "env", DEFAULT_SCOPE)
    kind = place.scope.partition(":")[0]
    order = kinds.index(kind) if kind in kinds else 0
    return place.label != PRODUCTION, place.label, order, place.scope


def _back(prompts: Prompts, place: Place, moves: Sequence[Change]) -> str | None:
    """Say where a rollback would go; `None` if there is nothing."""
    try:
        held = step_back(prompts, place, moves, to=None, fits=lambda _: True)
    except NothingToRollBackTo:
        return None
    return held.version or "nothing, so that the next scope counts"


def _ladder(prompts: Prompts, place: Place, tenant: str, environment: str) -> tuple[Rung, ...]:
    return prompts.ladder(
        place.name, place.label, tenant=tenant or None, environment=environment or None
    )


def _move(change: Change) -> Move:
    return Move(change, version_of(change.before), version_of(change.after))


async def _figures(
    console: Console, prompts: Prompts, name: str
) -> tuple[str, Sequence[Figures], Sequence[Caller]]:
    """Read what versions did in a day and who called lately; or why that cannot be told."""
    now_us = console.clock.now_us()
    day_us = now_us - DAY_US
    try:
        used = await console.rollups.prompted(since_us=day_us, group_by=("version",), name=name)
        took = await console.records.took(prompt=name, since_us=day_us, limit=MOST_TOOK)
        called = await console.rollups.prompted(
            since_us=now_us - HOUR_US, group_by=("tenant_id", "version"), name=name
        )
    except TryLater as exc:
        return str(exc), (), ()
    times: defaultdict[str, list[int]] = defaultdict(list)
    for it in took:
        times[it.version].append(it.latency_us)
    figures = [
        Figures(
            version=row.group[0],
            used=row,
            p50_us=_quantile_us(times[row.group[0]], 0.5),
            p95_us=_quantile_us(times[row.group[0]], 0.95),
        )
        for row in used
    ]
    figures.sort(key=lambda it: -it.used.n)
    return "", figures, _callers(prompts, name, called)


def _callers(prompts: Prompts, name: str, called: Sequence[PromptRow]) -> Sequence[Caller]:
    got: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in called:
        tenant, version = row.group
        got[tenant].append((version, row.n))
    callers: list[Caller] = []
    for tenant, versions in got.items():
        resolved = prompts.resolve(name, PRODUCTION, tenant=tenant)
        scope, gets = (None, None) if resolved is None else (resolved[0], resolved[1].label.version)
        callers.append(Caller(tenant, tuple(versions), gets, scope))
    return callers


def _versions(prompts: Prompts, name: str) -> list[VersionRow]:
    """List versions, the highest number first."""
    pointing: Mapping[str, list[Pin]] = defaultdict(list)
    for pin in pins(prompts, name):
        pointing[pin.at.label.version].append(pin)
    numbers = list(prompts.versions[name])
    return [
        VersionRow(
            version=version,
            published=prompts.published[version.ref],
            before=before,
            yank=prompts.yanked.get(version.ref),
            pins=tuple(pointing[version.version]),
            evidence=prompts.evidence.get(version.hash, ()),
            approved_by=tuple(it.by for it in prompts.approvals.get(version.ref, ())),
        )
        for version, before in zip(
            prompts.versions[name].values(), (None, *numbers[:-1]), strict=True
        )
    ][::-1]


def _quantile_us(times: Sequence[int], share: float) -> int | None:
    ordered = sorted(times)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
