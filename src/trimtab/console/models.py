"""Models: where the names lead, how their targets are doing, and moving them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from starlette.responses import Response

from trimtab.console.base import Visit, see_other
from trimtab.console.changes import find_change, read_reason, read_seq
from trimtab.console.overview import HOUR_US
from trimtab.control.models import By, Models, led_to, read_shares, users, write_shares
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import (
    ChangeConflict,
    InvalidRequest,
    SettingsInvalid,
    TryLater,
)
from trimtab.domain.health import Ailing
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.domain.record import RequestRecord, Status
from trimtab.store.base import RecordFilter

PATH = "/console/models"
MOST_RECORDS = 1000

_CAUSES = (
    ("when_error", "on failure"),
    ("when_rate_limited", "on a rate limit"),
    ("when_context_too_long", "when too long"),
    ("when_refused", "on a refusal"),
)


@dataclass(frozen=True, slots=True)
class TargetRow:
    """How a target did in the last hour, by the requests it was the last to serve.

    Attributes:
        usd_per_mtok: Price of input and output; `None` if it has none.
    """

    target: str
    weight: int | None
    n: int
    n_error: int
    n_refused: int
    p50_us: int | None
    p95_us: int | None
    ailing: tuple[Ailing, ...]
    usd_per_mtok: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Row:
    """One model.

    Attributes:
        fallbacks: In words when, and whom.
    """

    model: Model
    targets: tuple[TargetRow, ...]
    fallbacks: tuple[tuple[str, str], ...]


async def show(visit: Visit) -> Response:
    """List all models; after a move, say what was done and offer to undo it."""
    snapshot = await visit.console.control.snapshot()
    away, records = "", ()
    try:
        records = await _recent(visit)
    except TryLater as exc:
        away = str(exc)
    figures = _Figures(visit, snapshot, records)
    context = {
        "away": away,
        "rows": [figures.row(model) for _, model in sorted(snapshot.models.items())],
        "sampled": len(records) == MOST_RECORDS,
        "done": await find_change(visit.console, read_seq(visit.query("done"))),
    }
    return visit.page("models.html", context)


async def ask(visit: Visit) -> Response:
    """Ask where a model shall lead; with `to`, show what that would change."""
    return await _ask(visit, visit.query("to"))


async def move(visit: Visit) -> Response:
    """Move a model."""
    name, to = visit.param("name"), visit.form.get("to", "")
    try:
        by = By(visit.author, visit.source, read_reason(visit.form.get("reason", "")))
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
    model, seq = await Models(console.control).found(visit.param("name"))
    snapshot = await console.control.snapshot()
    wanted: Model | None = None
    if to and not problem:
        try:
            wanted = led_to(model, read_shares(to))
        except InvalidRequest as exc:
            problem = str(exc)
    figures = _Figures(visit, snapshot, ())
    context = {
        "model": model,
        "seq": seq,
        "to": to,
        "leads": write_shares(model),
        "now": [figures.target(model, target) for target in model.targets],
        "then": [figures.target(wanted, target) for target in wanted.targets] if wanted else [],
        "tiers": [tier.name for tier in snapshot.tiers.values() if model.name in tier.models],
        "tenants": [it.id for it in snapshot.tenants.values() if model.name in (it.models or ())],
        "fallback_of": users(model.name, snapshot.models),
        "is_freezer": model.kind is ModelKind.FREEZER,
        "known": sorted({str(it) for m in snapshot.models.values() for it in m.targets}),
        "problem": problem,
    }
    return visit.page("model_move.html", context, status=400 if problem else 200)


async def _recent(visit: Visit) -> tuple[RequestRecord, ...]:
    now_us = visit.console.clock.now_us()
    return await visit.console.records.page(
        RecordFilter(since_us=now_us - HOUR_US), limit=MOST_RECORDS
    )


class _Figures:
    """Figures of targets. State: the records they are made from, by target."""

    def __init__(self, visit: Visit, snapshot: Snapshot, records: Sequence[RequestRecord]) -> None:
        self._snapshot = snapshot
        self._price = visit.console.price
        self._ailing = visit.console.ailing()
        self._served: dict[str, list[RequestRecord]] = defaultdict(list)
        for record in records:
            # A fault that the simulator was asked for is no target of its own.
            self._served[record.target.partition("!")[0]].append(record)

    def row(self, model: Model) -> Row:
        """Describe a model."""
        lists = ((words, getattr(model.fallback, cause)) for cause, words in _CAUSES)
        return Row(
            model=model,
            targets=tuple(self.target(model, target) for target in model.targets),
            fallbacks=tuple((words, ", ".join(names)) for words, names in lists if names),
        )

    def target(self, model: Model, target: Target) -> TargetRow:
        """Describe one target of a model."""
        served = self._served[str(target)]
        took = sorted(it.latency_us for it in served if it.status == Status.OK)
        weights = {share.target: share.weight for share in model.shares}
        provider = self._snapshot.providers.get(target.provider)
        return TargetRow(
            target=str(target),
            weight=weights.get(target),
            n=len(served),
            n_error=sum(it.status in (Status.ERROR, Status.TRUNCATED) for it in served),
            n_refused=sum(it.refusal is True for it in served),
            p50_us=_percentile(took, 0.5),
            p95_us=_percentile(took, 0.95),
            ailing=tuple(it for it in self._ailing if it.target == str(target)),
            usd_per_mtok=self._price(provider, target) if provider else None,
        )


def _percentile(ordered: Sequence[int], share: float) -> int | None:
    """Take the nearest rank; `None` of nothing."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
