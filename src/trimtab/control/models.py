"""Moves of models: where a name leads, and what it falls back to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from trimtab.control.changes import Control
from trimtab.control.desired import refuse_broken
from trimtab.control.keyring import expect
from trimtab.domain.change import Change, Draft, Pointer, PointerKind, Source, canonical
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.model import (
    MOST_WEIGHT,
    Fallback,
    Model,
    ModelKind,
    Provider,
    Share,
    Target,
    read_target,
)


@dataclass(frozen=True, slots=True)
class By:
    """Who moves something, from where, and why."""

    author: str
    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class Models:
    """Moves models. Every move is one change, and can be undone."""

    control: Control

    async def move(
        self,
        name: str,
        shares: Sequence[Share],
        by: By,
        *,
        expected_seq: int | None = None,
        thaw: bool = False,
    ) -> Change:
        """Lead a name to other targets; a freezer only if it may `thaw`.

        With `expected_seq` it is moved only if that change moved it last.

        Raises:
            NotFound: no such model. ChangeConflict: somebody else moved it since.
            SettingsInvalid: it is a freezer, it leads there already, or a target may not be one.
        """
        model = (await self.found(name))[0]
        if model.kind is ModelKind.FREEZER and not thaw:
            raise SettingsInvalid(
                f"model {name!r} is a freezer: who calls it relies on its not moving; say --yes if"
                " it must"
            )
        return await self._put(led_to(model, shares), by, expected_seq)

    async def would(self, name: str, shares: Sequence[Share]) -> Model:
        """Tell how a model would be after a move. Raises as `move` does, but for races."""
        model = led_to((await self.found(name))[0], shares)
        draft = Draft(
            pointer=Pointer(PointerKind.MODEL, name),
            after=canonical(model),
            author="preview",
            source=Source.SYSTEM,
            reason="preview",
        )
        refuse_broken(await self.control.state(), (draft,))
        return model

    async def fall_back(
        self, name: str, fallback: Fallback, by: By, *, expected_seq: int | None = None
    ) -> Change:
        """Change what a name falls back to. Raises as `move` does."""
        model = (await self.found(name))[0]
        return await self._put(replace(model, fallback=fallback), by, expected_seq)

    async def undo(self, name: str, by: By) -> Change:
        """Take the last move of a name back.

        Raises:
            NotFound: no such model.
        """
        seq = (await self.found(name))[1]
        return await self.control.undo(seq, reason=by.reason, author=by.author, source=by.source)

    async def found(self, name: str) -> tuple[Model, int]:
        """Find a model, and the change that moved it last. Raises `NotFound`."""
        state = await self.control.state()
        expect("model", name, (it.name for it in state if it.kind is PointerKind.MODEL))
        entry = state[Pointer(PointerKind.MODEL, name)]
        return entry.value, entry.change.seq

    async def _put(self, model: Model, by: By, expected_seq: int | None) -> Change:
        change = await self.control.move(
            Pointer(PointerKind.MODEL, model.name),
            model,
            reason=by.reason,
            author=by.author,
            source=by.source,
            expected_seq=expected_seq,
        )
        if change is None:
            raise SettingsInvalid(f"model {model.name!r} is so already; nothing was changed")
        return change


def led_to(model: Model, shares: Sequence[Share]) -> Model:
    """Give a model that leads elsewhere; the target with the most weight is its first."""
    first = max(shares, key=lambda share: share.weight)
    return replace(model, to=first.target, shares=tuple(shares) if len(shares) > 1 else ())


def read_shares(text: str) -> tuple[Share, ...]:
    """Read `provider/model`, or several with weights: `a/b=90,c/d=10`.

    Raises:
        InvalidRequest: one is no target, or no weight is above 0.
    """
    shares = tuple(_share(part.strip()) for part in text.split(","))
    if not any(share.weight for share in shares):
        raise InvalidRequest("no target has a weight above 0; write a/b=90,c/d=10", param="to")
    return shares


def write_shares(model: Model) -> str:
    """Write where a model leads, as `read_shares` reads it."""
    if not model.shares:
        return str(model.to)
    return ",".join(f"{share.target}={share.weight}" for share in model.shares)


def unpriced(
    model: Model,
    providers: Mapping[str, Provider],
    price: Callable[[Provider, Target], object | None],
) -> tuple[str, ...]:
    """Warn of each target of a model that nobody knows the price of."""
    return tuple(
        f"target '{target}' has no price: requests to it are refused unless"
        " `prices.unknown_model` is `meter_unknown`; add it under `prices.overrides`"
        for target in model.targets
        if target.provider in providers and price(providers[target.provider], target) is None
    )


def users(name: str, models: Mapping[str, Model]) -> tuple[str, ...]:
    """Name the models that fall back to one."""
    return tuple(it.name for it in models.values() if name in it.fallback.names())


def _share(text: str) -> Share:
    written, _, weight = text.partition("=")
    target = read_target(written)
    if target is None:
        raise InvalidRequest(f"{written[:128]!r} is no target; write provider/model", param="to")
    if weight and not (weight.isascii() and weight.isdigit() and int(weight) <= MOST_WEIGHT):
        raise InvalidRequest(
            f"{weight[:32]!r} is no weight; write a whole number up to {MOST_WEIGHT}", param="to"
        )
    return Share(target, int(weight or 1))
