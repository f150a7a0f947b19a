"""Moving labels: forwards with what the label asks for, backwards at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.control.prompts import (
    COHORT,
    ENVIRONMENT,
    TENANT,
    TIER_COHORT,
    Prompts,
    pointer_of,
    prompts_in,
)
from trimtab.control.snapshot import State
from trimtab.domain.change import Change, Draft, canonical, read_reason
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    ChangeConflict,
    InvalidRequest,
    LabelProtected,
    NothingToRollBackTo,
    PromptNotFound,
    SettingsInvalid,
    VersionBlocked,
)
from trimtab.domain.prompt import (
    LABEL,
    RESERVED_LABELS,
    Label,
    Place,
    PromptVersion,
)
from trimtab.registry.protect import is_green, refuse_unfit
from trimtab.registry.steps import Held, step_back

MOST_MOVES = 10_000


@dataclass(frozen=True, slots=True)
class Labels:
    """Moves the labels of prompts. Every move is one change, decided on all that is known."""

    control: Control
    clock: Clock

    async def promote(
        self,
        place: Place,
        version: str,
        by: By,
        *,
        expected_seq: int | None = None,
        override: bool = False,
    ) -> Change:
        """Point a label at a version.

        Args:
            place: The label.
            version: The version.
            by: Who, from where and why.
            expected_seq: The change that moved it last, as the mover saw it; 0 if none did.
            override: Whether what the label asks for may be missing; it stays marked.

        Raises:
            PromptNotFound: no such version. InvalidRequest: no such label or scope can be.
            VersionBlocked: the version is yanked.
            LabelProtected: the label asks for what the version lacks.
            ChangeConflict: somebody else moved it. SettingsInvalid: it points there already.
        """

        def decide(state: State) -> Sequence[Draft]:
            prompts = prompts_in(state)
            check_place(prompts, place)
            _refuse_moved(prompts, place, expected_seq)
            found = wanted(prompts, place.name, version)
            if not override:
                refuse_unfit(
                    prompts, found, place.label, mover=by.author, now_us=self.clock.now_us()
                )
            value = Label(version=version, override=override)
            pointed = prompts.at(place)
            if pointed is not None and pointed.label.version == version:
                value = pointed.label
            return (moved(place, value, by, expected_seq),)

        return _one(await self.control.decide(decide), place)

    async def unset(self, place: Place, by: By, *, expected_seq: int | None = None) -> Change:
        """Have a label of a scope point nowhere, so that the next scope counts.

        Raises as `promote`.
        """

        def decide(state: State) -> Sequence[Draft]:
            prompts = prompts_in(state)
            check_place(prompts, place)
            _refuse_moved(prompts, place, expected_seq)
            return (moved(place, None, by, expected_seq),)

        return _one(await self.control.decide(decide), place)

    async def rollback(
        self,
        place: Place,
        by: By,
        *,
        to: str | None = None,
        green: bool = False,
        expected_seq: int | None = None,
    ) -> Change:
        """Point a label at what it held before; again goes one further back.

        It waits for nothing: no evidence and no second person, if the label held the target within
        the site's window.

        Args:
            place: The label.
            by: Who, from where and why.
            to: A version the label held, if not the last one.
            green: Whether to go back to the last one that an evaluation passed.
            expected_seq: The change that moved it last, as the mover saw it.

        Raises:
            NothingToRollBackTo: the label held nothing else, or only what was yanked.
            ChangeConflict: somebody else moved it.
            LabelProtected: it held the target too long ago, and the target lacks what is asked.
            PromptNotFound: the label points nowhere.
        """
        seen = await self.moves(place)

        def decide(state: State) -> Sequence[Draft]:
            draft = self.back(prompts_in(state), place, seen, by, to=to, green=green)
            if expected_seq not in (None, draft.expected_seq):
                raise ChangeConflict(
                    f"label '{place}' was moved by change {draft.expected_seq}, and no longer by"
                    f" {expected_seq}; look again"
                )
            return (draft,)

        return _one(await self.control.decide(decide), place)

    # where from, where to, who and why
    def back(
        self,
        prompts: Prompts,
        place: Place,
        seen: Sequence[Change],
        by: By,
        *,
        to: str | None = None,
        green: bool = False,
    ) -> Draft:
        """Write the move back of a label whose moves are known. Raises as `rollback`."""
        pointed = prompts.at(place)
        if pointed is None:
            raise PromptNotFound(
                f"label '{place}' points nowhere; look at `trimtab prompts show {place.name}`"
            )
        if not seen or seen[-1].seq != pointed.change.seq:
            raise ChangeConflict(f"label '{place}' was moved just now; look again")
        now_us = self.clock.now_us()
        held = step_back(
            prompts,
            place,
            seen,
            to=to,
            fits=lambda version: not green or is_green(prompts, version, now_us),
        )
        self._check_window(prompts, place, held, by)
        value = None if held.version is None else Label(version=held.version, rolled_back=True)
        return moved(place, value, by, pointed.change.seq)

    async def previous(self, place: Place) -> str | None:
        """Name the version that a rollback would go to; `None` if there is none."""
        seen = await self.moves(place)
        prompts = prompts_in(await self.control.state())
        try:
            return step_back(prompts, place, seen, to=None, fits=lambda _: True).version
        except NothingToRollBackTo:
            return None

    async def moves(self, place: Place) -> Sequence[Change]:
        """List the moves of a label, oldest first."""
        return (await self.control.history(pointer=pointer_of(place), limit=MOST_MOVES))[::-1]

    def _check_window(self, prompts: Prompts, place: Place, held: Held, by: By) -> None:
        now_us, window_s = self.clock.now_us(), prompts.policy.rollback_window_s
        if held.version is None or now_us - held.until_us <= window_s * 1e6:
            return
        version = wanted(prompts, place.name, held.version)
        try:
            refuse_unfit(prompts, version, place.label, mover=by.author, now_us=now_us)
        except LabelProtected as exc:
            raise LabelProtected(
                f"the label left '{version.ref}' more than {window_s / 86_400:g} days ago, so what"
                f" it asks for is asked again: {exc}"
            ) from exc


def check_place(prompts: Prompts, place: Place) -> None:
    """Refuse a label or a scope that can be none. Raises `InvalidRequest`."""
    if LABEL.fullmatch(place.label) is None or place.label in RESERVED_LABELS:
        raise InvalidRequest(
            f"{place.label[:64]!r} is no label; use a-z, 0-9 and '-', and not `latest`",
            param="label",
        )
    kind, colon, what = place.scope.partition(":")
    known: Sequence[str] | None = None
    match kind + colon:
        case "default":
            known = ("",)
        case scope if scope == ENVIRONMENT:
            known = (what,) if what.isascii() and what.isalnum() else ()
        case scope if scope == TENANT:
            known = tuple(prompts.tiers)
        case scope if scope == COHORT:
            tiers = sorted({TIER_COHORT + tier for tier in prompts.tiers.values()})
            known = (*(it.name for it in prompts.policy.cohorts), *tiers)
        case _:
            pass
    if known is None or what not in known:
        there = f"; there is {', '.join(known[:12])}" if known else ""
        raise InvalidRequest(
            f"{place.scope[:64]!r} is no scope{there}; write default, tenant:ID, cohort:NAME or"
            " env:NAME",
            param="scope",
        )


def wanted(prompts: Prompts, name: str, version: str) -> PromptVersion:
    """Find a version that a label may point at.

    Raises:
        PromptNotFound: there is none. VersionBlocked: it is yanked.
    """
    found = existing(prompts, name, version)
    yank = prompts.yanked.get(found.ref)
    if yank is not None:
        raise VersionBlocked(f"'{found.ref}' is yanked: {yank.reason}; choose another version")
    return found


def existing(prompts: Prompts, name: str, version: str) -> PromptVersion:
    """Find a version. Raises `PromptNotFound`."""
    if name not in prompts.versions:
        raise PromptNotFound(f"there is no prompt {name[:64]!r}; `trimtab prompts list` lists them")
    found = prompts.find(name, version)
    if found is None:
        raise PromptNotFound(
            f"prompt '{name}' has no version {version[:64]!r}; `trimtab prompts show {name}` lists"
            " them"
        )
    return found


def moved(place: Place, value: Label | None, by: By, expected_seq: int | None) -> Draft:
    """Write the move of a label."""
    return Draft(
        pointer=pointer_of(place),
        after=None if value is None else canonical(value),
        author=by.author,
        source=by.source,
        reason=read_reason(by.reason),
        expected_seq=expected_seq,
    )


def _refuse_moved(prompts: Prompts, place: Place, expected_seq: int | None) -> None:
    """Tell who saw another state at once, and not only when nobody else writes any more."""
    pointed = prompts.at(place)
    seq = 0 if pointed is None else pointed.change.seq
    if expected_seq not in (None, seq):
        raise ChangeConflict(
            f"label '{place}' is at change {seq} and no longer at {expected_seq}; look again, and"
            " decide anew"
        )


def _one(changes: Sequence[Change], place: Place) -> Change:
    if not changes:
        raise SettingsInvalid(f"label '{place}' is there already; nothing was changed")
    return changes[0]
