"""What the console works with, and what every page is handed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from trimtab.console.auth import Actor, Right, Sessions, Throttle
from trimtab.console.evaluations import Evaluations
from trimtab.console.view import render
from trimtab.control.audit import Audit
from trimtab.control.changes import Control
from trimtab.control.erasures import Erasures
from trimtab.control.keyring import Keyring
from trimtab.control.models import By
from trimtab.control.switches import Switches
from trimtab.cost.prices import ListPrice
from trimtab.cost.reconcile.kept import Kept
from trimtab.domain.adjustment import Adjustment
from trimtab.domain.annotation import Annotation, Remark
from trimtab.domain.billing import MeterEvent
from trimtab.domain.change import Change, Source
from trimtab.domain.clock import Clock
from trimtab.domain.errors import Forbidden, InvalidRequest
from trimtab.domain.health import Ailing
from trimtab.domain.ids import Entropy
from trimtab.domain.model import Provider, Target
from trimtab.domain.record import RequestRecord
from trimtab.evals.desk import Desk
from trimtab.jobs.delivery import Route
from trimtab.registry.publish import Registry
from trimtab.registry.webhooks import Backlog
from trimtab.store.alerts import AlertStore
from trimtab.store.base.control import Accounts, Acknowledgements
from trimtab.store.base.limits import Already, Spending
from trimtab.store.base.reading import (
    RecordFilter,
    RecordReader,
    SavedFilterReader,
    SavedFilterWriter,
)
from trimtab.store.base.recording import StoredRecord, Unclaimed
from trimtab.store.base.sums import RollupReader
from trimtab.store.spend import SpendReader
from trimtab.telemetry.export import Counts
from trimtab.telemetry.pressure import TOLD, Level


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the recorder is behind one worker.

    Attributes:
        waiting_bytes: Bytes of the worker's spool that are not stored yet.
        running: Requests of the worker that have begun and, as far as is stored, not ended.
    """

    worker_id: str
    waiting_bytes: int
    running: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """How records and traces flow through the keeper, for those who watch it.

    Attributes:
        waits_s: Of each worker, for how long what it wrote has waited to be stored.
        torn: Of each worker, segments that end in bytes that are no frame.
        aside: Of each worker, frames that cannot be stored.
        exports: Of each exporter, for how long traces have waited, and what became of the others.
        troubles: Of exporters that are held up, the status they got last; 0 is no answer.
    """

    waits_s: Mapping[str, float] = field(default_factory=dict[str, float])
    torn: Mapping[str, int] = field(default_factory=dict[str, int])
    aside: Mapping[str, int] = field(default_factory=dict[str, int])
    exports: Mapping[str, tuple[float, Counts]] = field(
        default_factory=dict[str, tuple[float, Counts]]
    )
    troubles: Mapping[str, int] = field(default_factory=dict[str, int])


async def no_events() -> tuple[MeterEvent, ...]:
    """Say that nothing is passed on from here."""
    return ()


@dataclass(frozen=True, slots=True)
class Console:
    """Collaborators of the console and the admin API.

    Attributes:
        session_key: Signs sessions; at least 32 random bytes, the same after a restart.
        parse_filter: Reads the text form of a filter. Raises `InvalidRequest`.
        saved: Filters that people gave a name.
        saving: Gives filters a name.
        user_hash: Gives the hash that records know a tenant's end user by.
        health: Tells how far each worker's spool has been stored.
        ailing: Lists the targets that workers leave alone.
        redis_up: Tells of each worker that shares limits through a Redis whether it reaches it.
        webhooks: Tells what each subscriber of the registry is still to be told.
        alerts: What was found wrong with spending, and who is told.
        price: Tells what the tokens of a target cost.
        admin_token_sha256: Hex SHA-256 of the token that opens the admin API without a login;
            `None` closes that way.
        secure_cookies: Whether browsers reach the console by HTTPS only.
        drifts: Tells how far the ledger is from each provider's bill, as a share of that.
        reports: The last comparison of each day with each provider's bill.
        book: Books a line that such a comparison proposes; `None` if that was done before.
        routes: Who is told of alerts.
        site: Names the deployment to them.
        reconciled_to: Names the last day on which the ledger was held against every bill.
        spend: What every tenant spent, by its own days.
        spent: Sums up what counts against a budget, to the moment.
        desk: Runs of evaluations, what people said of them, and what became of their judges.
        meter_events: Lists the parts of bills that are not known to have been passed on.
        erasures: Orders what is erased, and lists receipts.
        evaluations: Stored runs of evaluations, and what was decided on them.
        annotate: Writes down what somebody says of a request.
        rehydrate: Has a trace exported that was dropped; `False` if it was kept.
        repaired: Counts the counters of budgets that were set right; `None` if none are shared.
        flow: Tells how records and traces flow; it reads files.
        max_tenants: How many tenants metrics name, the dearest first.
        levels: Tells the backpressure of each worker and of the keeper.
        pulse: Tells what is wrong with the keeper, in words for anybody; `None` if it is well.
        unclaimed: Counts what was said of requests that are not there, or another tenant's.
    """

    records: RecordReader
    audit: Audit
    rollups: RollupReader
    control: Control
    switches: Switches
    registry: Registry
    keyring: Keyring
    accounts: Accounts
    acknowledgements: Acknowledgements
    clock: Clock
    entropy: Entropy
    session_key: bytes
    parse_filter: Callable[[str], RecordFilter]
    saved: SavedFilterReader
    saving: SavedFilterWriter
    user_hash: Callable[[str, str], str]
    health: Callable[[], Sequence[Lag]]
    ailing: Callable[[], Sequence[Ailing]]
    redis_up: Callable[[], Mapping[str, bool]]
    webhooks: Callable[[], Sequence[Backlog]]
    alerts: AlertStore
    spend: SpendReader
    spent: Callable[[Spending], Awaitable[Already]]
    price: Callable[[Provider, Target], ListPrice | None]
    desk: Desk
    reports: Kept
    book: Callable[[str, By], Awaitable[tuple[Adjustment, Change | None]]]
    evaluations: Evaluations
    erasures: Erasures
    annotate: Callable[[RequestRecord, Remark, str], Awaitable[Annotation]]
    rehydrate: Callable[[StoredRecord], Awaitable[bool]]
    pulse: Callable[[], Awaitable[str | None]]
    admin_token_sha256: str | None = None
    secure_cookies: bool = False
    drifts: Callable[[], Mapping[str, float]] = dict
    routes: Sequence[Route] = ()
    site: str = ""
    reconciled_to: Callable[[], str | None] = lambda: None
    meter_events: Callable[[], Awaitable[Sequence[MeterEvent]]] = no_events
    repaired: Callable[[], int | None] = lambda: None
    flow: Callable[[], Flow] = Flow
    max_tenants: int = 500
    levels: Callable[[], Mapping[str, Level]] = dict[str, Level]
    unclaimed: Callable[[], Unclaimed] = lambda: Unclaimed(0, 0)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the console, with everything a page may use.

    Attributes:
        actor: Who asks; `None` on pages that are open to all.
        body: What was posted, as it came.
    """

    console: Console
    sessions: Sessions
    throttle: Throttle
    request: Request
    actor: Actor | None
    body: bytes = b""

    @property
    def form(self) -> Mapping[str, str]:
        """Read the posted form; the last member of each name counts."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise InvalidRequest("the form is not UTF-8; send it as a browser does") from None

    @property
    def author(self) -> str:
        """Name for the change log."""
        return self.actor.name if self.actor else "unknown"

    @property
    def source(self) -> Source:
        """Where a change comes from: a program with the admin token, or a person."""
        is_program = self.actor is not None and self.actor.csrf is None
        return Source.API if is_program else Source.CONSOLE

    def may(self, right: Right) -> bool:
        """Whether the visitor holds a right."""
        return self.actor is not None and self.actor.may(right)

    def check_override(self, *, override: bool) -> None:
        """Refuse anybody but an admin who overrides what a label asks for. Raises `Forbidden`."""
        if override and not self.may(Right.ADMINISTER):
            raise Forbidden("only an admin may override what a label asks for; ask one")

    def param(self, name: str) -> str:
        """Read a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Read a member of the query string; empty if it is not there."""
        return self.request.query_params.get(name, "").strip()

    def by(self, reason: str) -> By:
        """Say who makes a change, from where and why."""
        return By(self.author, self.source, reason)

    def page(
        self, template: str, context: Mapping[str, object], *, status: int = 200
    ) -> HTMLResponse:
        """Answer with a filled template."""
        around = {
            "actor": self.actor,
            "csrf": self.actor.csrf if self.actor else None,
            "now_us": self.console.clock.now_us(),
            "path": self.request.url.path,
            "may_draft": self.may(Right.DRAFT),
            "may_operate": self.may(Right.OPERATE),
            "may_administer": self.may(Right.ADMINISTER),
            "may_read_content": self.may(Right.CONTENT),
            "pressures": _pressures(self.console),
        }
        return HTMLResponse(render(template, {**around, **context}), status)


def _pressures(console: Console) -> Sequence[tuple[Level, str, Sequence[str]]]:
    """List what is left out, in words, and by which processes, the gravest first."""
    levels = sorted(console.levels().items())
    return [
        (level, TOLD[level], [name for name, it in levels if it is level])
        for level in sorted({it for _, it in levels if it > Level.NORMAL}, reverse=True)
    ]


def with_query(path: str, **query: str) -> str:
    """Give the address of a page, with those members of a query that are not empty."""
    kept = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(kept)}" if kept else path


def see_other(path: str) -> RedirectResponse:
    """Send a browser on after a change was made."""
    return RedirectResponse(path, 303)
