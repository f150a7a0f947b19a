"""The breaker of a target, by hand: who is concerned, why, and for how long."""

from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.console.model_move import PATH
from trimtab.console.switch import HOURS, read_until
from trimtab.control.breakers import Breakers
from trimtab.domain.change import Change, read_reason
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.model import Model, Target, read_target


async def ask(visit: Visit) -> Response:
    """Show which models a target serves, and what else they could ask."""
    return await _ask(visit, visit.query("target"))


async def decide(visit: Visit) -> Response:
    """Hold a breaker open, or close it."""
    target = visit.form.get("target", "")
    try:
        change = await _decide(visit, target)
    except InvalidRequest as exc:
        return await _ask(visit, target, str(exc))
    return see_other(f"{PATH}?done={change.seq}")


async def _decide(visit: Visit, target: str) -> Change:
    breakers, now_us = Breakers(visit.console.control), visit.console.clock.now_us()
    by = visit.by(read_reason(visit.form.get("reason", "")))
    if visit.form.get("state") == "closed":
        return await breakers.close(target, by, at_us=now_us)
    until_us = read_until(visit.form.get("hours", ""), now_us)
    return await breakers.hold_open(target, by, at_us=now_us, until_us=until_us)


async def _ask(visit: Visit, name: str, problem: str = "") -> Response:
    snapshot = await visit.console.control.snapshot()
    target = read_target(name)
    if target is None or target.provider not in snapshot.providers:
        raise NotFound(f"there is no target {name[:128]!r}; look at the list of models")
    order = snapshot.breakers.get(name)
    held = order if order is not None and order.holds(visit.console.clock.now_us()) else None

    def others(model: Model) -> list[Target]:
        found = (snapshot.model(it) for it in model.fallback.when_error)
        targets = (*model.targets, *(it.to for it in found if it))
        return [it for it in dict.fromkeys(targets) if it != target]

    serving = [it for it in snapshot.models.values() if target in it.targets]
    context = {
        "target": name,
        "held": held,
        "serving": [(it.name, others(it)) for it in serving],
        "ailing": [it for it in visit.console.ailing() if it.target == name],
        "periods": (("", "until closed"), *HOURS),
        "problem": problem,
    }
    return visit.page("breaker.html", context, status=400 if problem else 200)
