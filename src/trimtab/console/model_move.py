"""Moving a model: what would change, for whom and at what price, before it is done."""

from collections.abc import Mapping

from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.changes import read_reason, read_seq
from trimtab.console.targets import HOUR_US, Targets, mean_price
from trimtab.control.models import Models, read_shares, unpriced, users, write_shares
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import ChangeConflict, InvalidRequest, SettingsInvalid, TryLater
from trimtab.domain.model import Model, ModelKind

PATH = "/console/models"


async def ask(visit: Visit) -> Response:
    """Ask where a model shall lead; with `to`, show what that would change."""
    return await _ask(visit, visit.query("to"))


async def move(visit: Visit) -> Response:
    """Move a model."""
    name, to = visit.param("name"), visit.form.get("to", "")
    try:
        by = visit.by(read_reason(visit.form.get("reason", "")))
        change = await Models(visit.console.control).move(
            name,
            read_shares(to),
            by,
            expected_seq=read_seq(visit.form.get("seq", "")),
            thaw=visit.form.get("thaw") == "yes",
        )
    except (InvalidRequest, SettingsInvalid, ChangeConflict) as exc:
        return await _ask(visit, to, str(exc))
    return see_other(f"{PATH}?done={change.seq}")


async def _ask(visit: Visit, to: str, problem: str = "") -> Response:
    console = visit.console
    models = Models(console.control)
    model, seq = await models.found(visit.param("name"))
    wanted: Model | None = None
    if to:
        try:
            wanted = await models.would(model.name, read_shares(to))
        except (InvalidRequest, SettingsInvalid) as exc:
            problem = problem or str(exc)
    snapshot = await console.control.snapshot()
    context = {
        "model": model,
        "seq": seq,
        "to": to,
        "leads": write_shares(model),
        "callers": await _callers(console, model),
        "tiers": [tier.name for tier in snapshot.tiers.values() if model.name in tier.models],
        "tenants": [it.id for it in snapshot.tenants.values() if model.name in (it.models or ())],
        "fallback_of": users(model.name, snapshot.models),
        "is_freezer": model.kind is ModelKind.FREEZER,
        "known": sorted({str(it) for m in snapshot.models.values() for it in m.targets}),
        "problem": problem,
        **_compared(console, snapshot, model, wanted),
    }
    return visit.page("model_move.html", context, status=400 if problem else 200)


def _compared(
    console: Console, snapshot: Snapshot, model: Model, wanted: Model | None
) -> Mapping[str, object]:
    """Describe both ends of a move; of one that nobody asked for yet, the first."""
    targets = Targets(console, snapshot, ())
    now, then = targets.of(model), targets.of(wanted) if wanted else ()
    return {
        "now": now,
        "then": then,
        "price_now": mean_price(now),
        "price_then": mean_price(then) if wanted else None,
        "warnings": unpriced(wanted, snapshot.providers, console.price) if wanted else (),
    }


async def _callers(console: Console, model: Model) -> tuple[str, ...] | None:
    """Name the tenants that called a model in the last hour; `None` if that cannot be told."""
    try:
        used = await console.rollups.used(since_us=console.clock.now_us() - HOUR_US)
    except TryLater:
        return None
    return tuple(sorted({it.tenant_id for it in used if it.model == model.name}))
