"""From desired state to changes: only what differs moves, and nothing in use disappears."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from trimtab.control.snapshot import Entry, State, fold
from trimtab.domain.budget import Budget
from trimtab.domain.change import (
    GENESIS_HASH,
    Change,
    Draft,
    Pointer,
    PointerKind,
    Source,
    canonical,
)
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Model, undated, unpinned
from trimtab.domain.prompt import Label
from trimtab.domain.tenant import ANY_TENANT, Key, Tenant, Tier

Desired = Mapping[Pointer, object]
"""What a file wants pointers to be; a pointer it does not name is none of its business."""

Filed = Mapping[Pointer, bytes | None]
"""What a file last made of each pointer, as canonical JSON; `None` is that it removed it."""


Texts = Mapping[Pointer, AbstractSet[str]]
"""Hashes of every text that each key has had."""


def plan(
    state: State, desired: Desired, *, filed: Filed, texts: Texts, author: str, reason: str
) -> tuple[Draft, ...]:
    """Work out the changes that a file asks for. Asked again after them, it gives none.

    A pointer moved or removed by hand stays so until the file says something new about it. A
    pointer the file no longer names is removed if a file moved it last. A revoked key stays so,
    and a text that was rotated away does not come back.
    """
    moves: dict[Pointer, bytes | None] = {}
    for pointer, value in desired.items():
        entry = state.get(pointer)
        filed_last = entry is not None and entry.change.source is Source.FILE
        if filed_last or filed.get(pointer) != canonical(value):
            moves[pointer] = wanted(entry, value, texts.get(pointer, frozenset()))
    for pointer, entry in state.items():
        if pointer not in desired and entry.change.source is Source.FILE:
            moves[pointer] = None
    return tuple(
        Draft(
            pointer=pointer,
            after=after,
            author=author,
            source=Source.FILE,
            reason=reason,
            expected_seq=state[pointer].change.seq if pointer in state else 0,
        )
        for pointer, after in sorted(moves.items())
        if after != (state[pointer].change.after if pointer in state else None)
    )


def wanted(entry: Entry | None, value: object, texts: AbstractSet[str]) -> bytes:
    """Write what a file may make of a pointer that stands somewhere already."""
    return canonical(_kept_shut(entry, value, texts))


def as_drafts(desired: Desired) -> tuple[Draft, ...]:
    """Write desired state as drafts over nothing, for a preview."""
    return plan({}, desired, filed={}, texts={}, author="preview", reason="preview")


def preview(state: State, drafts: Iterable[Draft]) -> State:
    """Fold drafts into a state as if they were changes. Raises as decoding does."""
    return fold(
        state,
        (
            Change(
                seq=0,
                change_id="",
                ts_us=0,
                pointer=draft.pointer,
                before=None,
                after=draft.after,
                author=draft.author,
                source=draft.source,
                reason=draft.reason,
                prev_hash=GENESIS_HASH,
                hash="",
            )
            for draft in drafts
        ),
    )


def refuse_broken(state: State, drafts: Iterable[Draft]) -> None:
    """Refuse drafts after which something would be broken. What is broken already may stay so.

    Raises:
        SettingsInvalid: one line for each: who needs what, or falls back to what it may not.
    """
    known = set(_broken(state))
    new = [what for what in _broken(preview(state, drafts)) if what not in known]
    if new:
        raise SettingsInvalid("\n".join(sorted(new)))


def _broken(state: State) -> Iterator[str]:
    models = {name: it for name, it in _values(state) if isinstance(it, Model)}
    for user, entry in state.items():
        for needed in _needs(user, entry.value, state):
            if needed not in state:
                yield (
                    f"{user.kind} {user.name!r} needs {needed.kind} {needed.name!r}, which would"
                    f" not be there; keep that {needed.kind}, or change or remove the {user.kind}"
                    " first"
                )
        if isinstance(entry.value, Label):
            version = f"{user.name.partition('/')[0]}@{entry.value.version}"
            if Pointer(PointerKind.YANK, version) in state:
                yield (
                    f"label {user.name!r} points at '{version}', which is yanked; move the label"
                    " first, or yank it with --and-rollback"
                )
        if isinstance(entry.value, Model):
            yield from _loose(entry.value, models)
            if entry.value.name in entry.value.fallback.names():
                yield (
                    f"model {entry.value.name!r} falls back to itself; name another in its fallback"
                )


def _loose(model: Model, models: Mapping[str, Model]) -> Iterator[str]:
    """Tell what of a freezer could move."""
    for name in undated(model):
        yield (
            f"freezer {model.name!r} is pinned to a dated model, and {name!r} has no date; name a"
            " dated one"
        )
    for name in unpinned(model, models):
        yield (
            f"freezer {model.name!r} falls back to freezers only, and {name!r} is none; change its"
            " fallback first"
        )


def _values(state: State) -> Iterator[tuple[str, object]]:
    for pointer, entry in state.items():
        yield pointer.name, entry.value


def _needs(user: Pointer, value: object, state: State) -> Iterator[Pointer]:
    """Name the pointers that a value names. A revoked key needs nothing any more."""
    yield from _models(sorted(_downgrades(value)), state)
    match value:
        case Label():
            name = user.name.partition("/")[0]
            yield Pointer(PointerKind.PROMPT, f"{name}@{value.version}")
        case Model():
            for target in value.targets:
                yield Pointer(PointerKind.PROVIDER, target.provider)
            yield from _models(sorted(value.fallback.names()), state)
        case Tier():
            yield from _models(value.models, state)
        case Tenant():
            yield Pointer(PointerKind.TIER, value.tier)
            yield from _models(value.models, state)
        case Key() if not value.revoked:
            yield from _payers(value)
            yield from _models(value.models, state)
        case _:
            return


def _downgrades(value: object) -> Iterator[str]:
    """Name the models that budgets downgrade to."""
    budgets: tuple[Budget, ...] = ()
    match value:
        case Budget():
            budgets = (value,)
        case Tier() | Key():
            budgets = (value.budget,)
        case Tenant():
            budgets = (value.budget, value.each_end_user, *value.features.values())
        case _:
            pass
    yield from (it.downgrade.to for it in budgets if it.downgrade is not None)


def _payers(key: Key) -> Iterator[Pointer]:
    """Name the tenants of a key; those it acts for need not be there if it may make them."""
    if key.tenant is not None:
        yield Pointer(PointerKind.TENANT, key.tenant)
    elif key.new_tenant_tier is not None:
        yield Pointer(PointerKind.TIER, key.new_tenant_tier)
    else:
        for tenant in key.act_for:
            if tenant != ANY_TENANT:
                yield Pointer(PointerKind.TENANT, tenant)


def _models(names: Iterable[str] | None, state: State) -> Iterator[Pointer]:
    for name in names or ():
        model = Pointer(PointerKind.MODEL, name)
        provider, slash, _ = name.partition("/")
        yield model if model in state or not slash else Pointer(PointerKind.PROVIDER, provider)


def _kept_shut(entry: Entry | None, value: object, texts: AbstractSet[str]) -> object:
    """Let a file open no door again that was closed by hand."""
    if not isinstance(value, Key) or entry is None:
        return value
    live: Key = entry.value
    if value.sha256 in texts:
        value = replace(value, sha256=live.sha256, retiring=live.retiring)
    return replace(value, revoked=live.revoked or value.revoked)
