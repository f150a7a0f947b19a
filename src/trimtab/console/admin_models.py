"""The admin API of models: the same moves that the console and the command line make."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.calls import Because, Reason, read_body
from trimtab.console.openapi import Call
from trimtab.console.wire import change_members
from trimtab.control.models import By, Models, read_shares, unpriced, users
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


async def list_models(visit: Visit) -> object:
    """See `CALLS`."""
    control, ailing = visit.console.control, visit.console.ailing()
    models = (await control.snapshot()).models
    listed: list[dict[str, object]] = []
    for name in sorted(models):
        model, seq = await Models(control).found(name)
        listed.append(
            {
                "model": model,
                "seq": seq,
                "fallback_of": users(name, models),
                "ailing": [it for it in ailing if it.target in map(str, model.targets)],
            }
        )
    return {"models": listed}


async def move_model(visit: Visit) -> object:
    """See `CALLS`."""
    body = read_body(visit, MoveModel)
    models, console = Models(visit.console.control), visit.console
    change = await models.move(
        visit.param("name"),
        read_shares(body.to),
        By(visit.author, visit.source, body.reason),
        expected_seq=body.expected_seq,
        thaw=body.thaw,
    )
    moved = (await models.found(visit.param("name")))[0]
    providers = (await console.control.snapshot()).providers
    warnings = unpriced(moved, providers, console.price)
    return {"change": change_members(change), "warnings": warnings}


async def fall_back(visit: Visit) -> object:
    """See `CALLS`."""
    body = read_body(visit, FallBack)
    change = await Models(visit.console.control).fall_back(
        visit.param("name"),
        body.fallback,
        By(visit.author, visit.source, body.reason),
        expected_seq=body.expected_seq,
    )
    return {"change": change_members(change)}


async def undo_model(visit: Visit) -> object:
    """See `CALLS`."""
    body = read_body(visit, Because)
    by = By(visit.author, visit.source, body.reason)
    change = await Models(visit.console.control).undo(visit.param("name"), by)
    return {"change": change_members(change)}


_V1 = "/admin/v1/models"
CALLS: Sequence[Call] = (
    Call("GET", _V1, Right.READ, list_models, "List models and the targets that are left alone"),
    Call(
        "POST",
        f"{_V1}/{{name}}/move",
        Right.OPERATE,
        move_model,
        "Lead a model to other targets",
        body=MoveModel,
    ),
    Call(
        "POST",
        f"{_V1}/{{name}}/fallback",
        Right.OPERATE,
        fall_back,
        "Change what a model falls back to",
        body=FallBack,
    ),
    Call(
        "POST",
        f"{_V1}/{{name}}/undo",
        Right.OPERATE,
        undo_model,
        "Take the last move of a model back",
        body=Because,
    ),
)
"""Every call about models, with the right it takes."""
