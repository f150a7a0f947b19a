"""Moving a label: what changes, for whom, and what is missing, before it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import read_seq
from trimtab.console.prompt import place_path
from trimtab.console.prompts import found_prompt
from trimtab.console.targets import HOUR_US
from trimtab.control.prompts import COHORT, ENVIRONMENT, TENANT, TIER_COHORT, Pointed, Prompts
from trimtab.domain.change import Change
from trimtab.domain.errors import (
    Forbidden,
    InvalidRequest,
    PromptNotFound,
    SettingsInvalid,
    TryLater,
    VersionBlocked,
)
from trimtab.domain.prompt import DEFAULT_SCOPE, PRODUCTION, Place, PromptVersion, Requirement
from trimtab.registry.diff import Difference, compare
from trimtab.registry.labels import check_place, wanted
from trimtab.registry.protect import missing, requirements

NOWHERE = "nothing"
"""What a label is moved to so that the next scope counts; no version is called so."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do.

    Attributes:
        to: The version; `None` is that the label would point nowhere.
        difference: What changes in the text, if the label points at another version now.
        requires: What the label asks for.
        lacks: What of that is missing, in words.
    """

    to: PromptVersion | None
    difference: Difference | None
    requires: tuple[Requirement, ...]
    lacks: tuple[str, ...]


async def ask(visit: Visit) -> Response:
    """Ask where a label shall point; with `to`, show what that would change."""
    prompts, name = await found_prompt(visit)
    place = _place(name, {it: visit.query(it) for it in ("label", "scope")})
    return await _ask(visit, prompts, place, visit.query("to"))


async def move(visit: Visit) -> Response:
    """Move a label, if nobody moved it since the preview."""
    prompts, name = await found_prompt(visit)
    place, to = _place(name, visit.form), visit.form.get("to", "")
    try:
        change = await _moved(visit, place, to)
    except (InvalidRequest, SettingsInvalid, PromptNotFound, VersionBlocked, Forbidden) as exc:
        prompts = await visit.console.registry.prompts()
        return await _ask(visit, prompts, place, to, str(exc))
    return see_other(f"{place_path(place)}&done={change.seq}")


async def _moved(visit: Visit, place: Place, to: str) -> Change:
    labels, by = visit.console.registry.labels, visit.by(visit.form.get("reason", ""))
    seq, override = read_seq(visit.form.get("seq", "")), visit.form.get("override") == "yes"
    if seq is None:
        raise InvalidRequest("the form does not say where the label stood; reload the page")
    if to == NOWHERE:
        return await labels.unset(place, by, expected_seq=seq)
    visit.check_override(override=override)
    return await labels.promote(place, to, by, expected_seq=seq, override=override)


async def _ask(
    visit: Visit, prompts: Prompts, place: Place, to: str, problem: str = ""
) -> Response:
    preview, pointed = None, prompts.at(place)
    if to:
        try:
            check_place(prompts, place)
            preview = _preview(visit, prompts, place, to)
        except (InvalidRequest, PromptNotFound, VersionBlocked) as exc:
            problem = problem or str(exc)
    context = {
        "name": place.name,
        "place": place,
        "at": pointed,
        "seq": pointed.change.seq if pointed else 0,
        "to": to,
        "nowhere": NOWHERE,
        "versions": [
            it.version
            for it in reversed(prompts.versions[place.name].values())
            if it.ref not in prompts.yanked
        ],
        "labels": sorted(
            {PRODUCTION, *prompts.policy.protected, *prompts.labels.get(place.name, {})}
        ),
        "scopes": _scopes(prompts),
        "preview": preview,
        "is_there": pointed is not None and pointed.label.version == to,
        "affected": await _affected(visit.console, prompts, place) if preview else (),
        "problem": problem,
    }
    return visit.page("prompt_move.html", context, status=400 if problem else 200)


def _preview(visit: Visit, prompts: Prompts, place: Place, to: str) -> Preview:
    if to == NOWHERE:
        return Preview(None, None, (), ())
    version, now_us = wanted(prompts, place.name, to), visit.console.clock.now_us()
    return Preview(
        to=version,
        difference=_difference(prompts, prompts.at(place), version),
        requires=requirements(prompts, version, place.label),
        lacks=missing(prompts, version, place.label, mover=visit.author, now_us=now_us),
    )


def _difference(
    prompts: Prompts, pointed: Pointed | None, version: PromptVersion
) -> Difference | None:
    before = None if pointed is None else prompts.find(version.name, pointed.label.version)
    return None if before in (None, version) else compare(before, version)


async def _affected(console: Console, prompts: Prompts, place: Place) -> Sequence[str] | None:
    """Name the tenants that called the prompt in the last hour and read the label in this scope.

    `None` if that cannot be told.
    """
    try:
        called = await console.rollups.prompted(
            since_us=console.clock.now_us() - HOUR_US, group_by=("tenant_id",), name=place.name
        )
    except TryLater:
        return None
    return [row.group[0] for row in called if _reads(prompts, place, row.group[0])]


def _reads(prompts: Prompts, place: Place, tenant: str) -> bool:
    """Whether no label in a more specific scope hides this one from a tenant."""
    is_environment = place.scope.startswith(ENVIRONMENT)
    environment = place.scope.removeprefix(ENVIRONMENT) if is_environment else None
    ladder = prompts.ladder(place.name, place.label, tenant=tenant, environment=environment)
    first = next((it for it in ladder if it.pointed is not None or it.scope == place.scope), None)
    return first is not None and first.scope == place.scope


def _scopes(prompts: Prompts) -> Sequence[str]:
    tiers = sorted({TIER_COHORT + it for it in prompts.tiers.values()})
    cohorts = [*(it.name for it in prompts.policy.cohorts), *tiers]
    return [
        DEFAULT_SCOPE,
        *(COHORT + it for it in cohorts),
        *(TENANT + it for it in sorted(prompts.tiers)),
    ]


def _place(name: str, given: Mapping[str, str]) -> Place:
    label = given.get("label", "").strip() or PRODUCTION
    return Place(name, label, given.get("scope", "").strip() or DEFAULT_SCOPE)
