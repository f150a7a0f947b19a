"""The admin API of models: the same moves that the console and the command line make."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.calls import Because, Reason, read_body
from trimtab.console.openapi import Call
from trimtab.console.wire import change_members
from trimtab.control.breakers import Breakers
from trimtab.control.models import Models, read_shares, unpriced, users
from trimtab.domain.model import Fallback


class MoveModel(Struct, forbid_unknown_fields=True):
    """Body of a move. `to` is `provider/model`, or several with weights: `a/b=90,c/d=10`.

    `expected_seq` moves it only if that change moved it last; `thaw` moves a freezer, too.
    """

    to: Annotated[str, Meta(min_length=3, max_length=1000)]
    reason: Reason
    expected_seq: int | None = None
    thaw: bool = False


class FallBack(Struct, forbid_unknown_fields=True):
    """Body of a change of what a model falls back to; it replaces all of it."""

    fallback: Fallback
    reason: Reason
    expected_seq: int | None = None


class CloseBreaker(Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of a call that has workers forget what they hold against a `target`, provider/model."""

    target: Annotated[str, Meta(min_length=3, max_length=1000)]
    reason: Reason


class OpenBreaker(CloseBreaker, forbid_unknown_fields=True, kw_only=True):
    """Body of a call that has a target left alone; `until_us` ends it by itself."""

    until_us: int | None = None


async def list_models(visit: Visit) -> object:
    """List models and the targets that are left alone."""
    control, ailing = visit.console.control, visit.console.ailing()
    snapshot = await control.snapshot()
    models, now_us = snapshot.models, visit.console.clock.now_us()
    held = {name: it for name, it in snapshot.breakers.items() if it.holds(now_us)}
    listed: list[dict[str, object]] = []
    for name in sorted(models):
        model, seq = await Models(control).found(name)
        targets = {str(it) for it in model.targets}
        listed.append(
            {
                "model": model,
                "seq": seq,
                "fallback_of": users(name, models),
                "ailing": [it for it in ailing if it.target in targets],
                "breakers": {name: it for name, it in held.items() if name in targets},
            }
        )
    return {"models": listed}


async def move_model(visit: Visit) -> object:
    """Lead a model to other targets."""
    body = read_body(visit, MoveModel)
    models, console = Models(visit.console.control), visit.console
    change = await models.move(
        visit.param("name"),
        read_shares(body.to),
        visit.by(body.reason),
        expected_seq=body.expected_seq,
        thaw=body.thaw,
    )
    moved = (await models.found(visit.param("name")))[0]
    providers = (await console.control.snapshot()).providers
    warnings = unpriced(moved, providers, console.price)
    return {"change": change_members(change), "warnings": warnings}


async def fall_back(visit: Visit) -> object:
    """Change what a model falls back to."""
    body = read_body(visit, FallBack)
    return await Models(visit.console.control).fall_back(
        visit.param("name"),
        body.fallback,
        visit.by(body.reason),
        expected_seq=body.expected_seq,
    )


async def undo_model(visit: Visit) -> object:
    """Take the last move of a model back."""
    body = read_body(visit, Because)
    by = visit.by(body.reason)
    return await Models(visit.console.control).undo(visit.param("name"), by)


async def open_breaker(visit: Visit) -> object:
    """Leave a target alone while there is another."""
    body = read_body(visit, OpenBreaker)
    return await Breakers(visit.console.control).hold_open(
        body.target,
        visit.by(body.reason),
        at_us=visit.console.clock.now_us(),
        until_us=body.until_us,
    )


async def close_breaker(visit: Visit) -> object:
    """Ask a target again at once."""
    body = read_body(visit, CloseBreaker)
    return await Breakers(visit.console.control).close(
        body.target,
        visit.by(body.reason),
        at_us=visit.console.clock.now_us(),
    )


_V1 = "/admin/v1/models"
_BREAKERS = "/admin/v1/breakers"
CALLS: Sequence[Call] = (
    Call("GET", _V1, Right.READ, list_models),
    Call("POST", f"{_V1}/{{name}}/move", Right.OPERATE, move_model, body=MoveModel),
    Call("POST", f"{_V1}/{{name}}/fallback", Right.OPERATE, fall_back, body=FallBack),
    Call("POST", f"{_V1}/{{name}}/undo", Right.OPERATE, undo_model, body=Because),
    Call("POST", f"{_BREAKERS}/open", Right.OPERATE, open_breaker, body=OpenBreaker),
    Call("POST", f"{_BREAKERS}/close", Right.OPERATE, close_breaker, body=CloseBreaker),
)
"""Every call about models, with the right it takes."""
