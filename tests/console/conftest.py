"""A console over small fake stores that count how often they are asked."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette
from tests.records import tenant_key

from trimtab.console.app import create_app
from trimtab.console.auth import Sessions, hash_password
from trimtab.console.base import Console, Flow, Lag
from trimtab.console.evaluations import Evaluations, Load
from trimtab.console.login import COOKIE
from trimtab.control.audit import Audit
from trimtab.control.changes import Control
from trimtab.control.erasures import Erasures
from trimtab.control.keyring import Keyring
from trimtab.control.snapshot import Snapshot
from trimtab.control.switches import Switches
from trimtab.cost.prices import ListPrice
from trimtab.cost.reconcile.kept import Kept
from trimtab.domain.annotation import Annotation
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.change import Change, Draft, Pointer, PointerKind, Source, canonical
from trimtab.domain.health import Ailing, BreakerState
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import Model, ModelKind, Provider, ProviderWire, Target
from trimtab.domain.record import Attempt, Detail, LedgerLine, RequestRecord, StageTime
from trimtab.domain.suspension import Scope, Suspension
from trimtab.domain.tenant import Key, Limits, Tenant, Tier
from trimtab.evals.desk import Desk
from trimtab.evals.shelf import Shelf
from trimtab.jobs.delivery import Route
from trimtab.jobs.reconcile import Acceptance
from trimtab.jobs.remarks import Remarks
from trimtab.pipeline.content import ContentCapture
from trimtab.registry.labels import Labels
from trimtab.registry.publish import Registry
from trimtab.registry.webhooks import Backlog
from trimtab.store.alerts import MemoryAlerts
from trimtab.store.base.control import Account, Acknowledgement
from trimtab.store.base.ledger import CostRow
from trimtab.store.base.limits import Already, Spending
from trimtab.store.base.reading import FACETS, Cursor, Facet, RecordFilter, Stratum, Took, Tried
from trimtab.store.base.recording import StoredRecord, Unclaimed
from trimtab.store.base.sums import PromptRow, SeriesPoint, Use
from trimtab.store.chain import link
from trimtab.store.filter_text import parse
from trimtab.store.filtering import counted, fits
from trimtab.store.memory.control import MemoryAuditLog, MemoryChangeLog, MemoryContentKeys
from trimtab.store.memory.erasing import MemoryKeeper
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.memory.spend import MemorySpend
from trimtab.store.rollup import TotalKey
from trimtab.store.tally import Amount, Cell
from trimtab.telemetry.export import Counts
from trimtab.testing import FrozenClock, MemorySpool, seeded_entropy

START_US = 1_777_142_531_482_000  # 2026-04-25 18:42:11.482 UTC
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
BEARER = "tt-admin-0123456789"
SESSION_KEY = b"k" * 32
PHRASE = "correct horse battery staple"
ROLES = ("viewer", "editor", "operator", "admin")
KEY = "7hq2m9xkd4wp"
V1 = "/admin/v1"
ORIGIN = "http://console.test"


AILING = (
    Ailing(
        worker_id="w2",
        target="sim/small",
        state=BreakerState.OPEN,
        until_us=START_US + 5_000_000,
        told_us=START_US - 2_000_000,
    ),
)
WEBHOOKS = (Backlog("ci", 3, "answer 503"), Backlog("chat", 0))
FLOW = Flow(
    waits_s={"w1": 0.0, "w2": 12.5},
    torn={"w2": 1},
    exports={
        "phoenix": (0.4, Counts(exported=1_234)),
        "phoenix@logs": (0.0, Counts(exported=7)),
        "honeycomb": (7_200.0, Counts(exported=90, rejected=2, put_aside=3, given_up=4)),
    },
    troubles={"honeycomb": 401},
)
REDIS_UP = {"w1": True, "w2": False}
PRICES = {
    "small": ListPrice(150_000_000, 600_000_000),
    "large-2026": ListPrice(3_000_000_000, 15_000_000_000),
}


@dataclass
class Stores:
    """Records, rollups, accounts and acknowledgements in lists; `asked` counts calls by name."""

    clock: FrozenClock
    records: list[StoredRecord] = field(default_factory=list[StoredRecord])
    said: list[Annotation] = field(default_factory=list[Annotation])
    contents: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    people: dict[str, Account] = field(default_factory=dict[str, Account])
    asked: Counter[str] = field(default_factory=Counter[str])
    elsewhere: tuple[tuple[str, int], ...] = ()
    audit: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    keeper: MemoryKeeper = field(default_factory=lambda: MemoryKeeper(lambda _: b"k" * 32))
    alerts: MemoryAlerts = field(default_factory=MemoryAlerts)
    routes: list[Route] = field(default_factory=list[Route])
    reports: Kept = field(default_factory=lambda: Kept(Path("nowhere")))
    adjusted: list[LedgerLine] = field(default_factory=list[LedgerLine])
    ledger: MemoryRecords = field(default_factory=lambda: MemoryRecords(tenant_key))
    booked: int = 0
    counted: dict[Cell, Amount] = field(default_factory=dict[Cell, Amount])
    home: Path = Path("nowhere")
    load: Load = resolve_name
    spool: MemorySpool = field(default_factory=MemorySpool)

    async def capture(self, tenant_id: str) -> ContentCapture | None:
        return ContentCapture(tenant_key) if tenant_id != "globex" else None

    def loaded(self, name: str) -> Any:  # noqa: ANN401 -- as `resolve_name` has it
        return self.load(name)

    async def find(self, request_id: str) -> StoredRecord | None:
        self.asked["find"] += 1
        found = [s for s in self.records if s.record.request_id.startswith(request_id)]
        return found[0] if len(found) == 1 else None

    async def page(
        self, where: RecordFilter, *, after: Cursor | None = None, limit: int = 50
    ) -> tuple[RequestRecord, ...]:
        self.asked["page"] += 1
        rows = sorted(
            (s.record for s in self.records if fits(s.record, where)),
            key=lambda r: (r.ts_us, r.request_id),
            reverse=True,
        )
        if after is not None:
            rows = [r for r in rows if (r.ts_us, r.request_id) < (after.ts_us, after.request_id)]
        return tuple(rows[:limit])

    async def facets(self, where: RecordFilter, *, limit: int) -> tuple[Facet, ...]:
        self.asked["facets"] += 1
        rows = await self.page(where, limit=limit)
        self.asked["page"] -= 1
        return counted([getattr(it, name) for name in FACETS] for it in rows)

    async def tried(
        self, *, providers: Collection[str], since_us: int, limit: int
    ) -> tuple[Tried, ...]:
        self.asked["tried"] += 1
        made = [(it.record, attempt) for it in self.records for attempt in it.attempts]
        return tuple(
            Tried(it.target, it.dur_us, it.error_code, record.refusal is True)
            for record, it in made
            if it.provider in providers and it.started_us >= since_us
        )[:limit]

    async def annotations(self, request_id: str) -> tuple[Annotation, ...]:
        return tuple(it for it in self.said if it.request_id == request_id)

    async def outline(
        self, tenant_id: str, trace_id: str, *, limit: int
    ) -> tuple[SpanOutline, ...]:
        self.asked["outline"] += 1
        return await self.ledger.outline(tenant_id, trace_id, limit=limit)

    async def spans(
        self, tenant_id: str, trace_id: str, span_ids: Collection[str]
    ) -> tuple[AppSpan, ...]:
        self.asked["spans"] += 1
        return await self.ledger.spans(tenant_id, trace_id, span_ids)

    async def told_of(
        self, tenant_id: str, request_id: str, response_id: str | None
    ) -> tuple[str, str] | None:
        return await self.ledger.told_of(tenant_id, request_id, response_id)

    async def judged(self, *, since_us: int) -> Mapping[Stratum, int]:
        raise NotImplementedError(since_us)

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        self.asked["content"] += 1
        known = any(
            (s.record.tenant_id, s.record.ts_us) == (tenant_id, ts_us) for s in self.records
        )
        return self.contents.get(ref) if known else None

    async def costs(
        self,
        *,
        since_us: int,
        until_us: int,
        group_by: Sequence[str],
        tenant_id: str | None = None,
    ) -> tuple[CostRow, ...]:
        self.asked["costs"] += 1
        groups: dict[tuple[str, ...], list[RequestRecord]] = defaultdict(list)
        for stored in self.records:
            r = stored.record
            day = f"{datetime.fromtimestamp(r.ts_us / 1e6, UTC):%Y-%m-%d}"
            known = {
                "tenant_id": r.tenant_id,
                "day": day,
                "feature": r.feature,
                "model": r.model_requested,
                "status": r.status,
                "origin": r.origin,
                "key_id": r.key_id,
            }
            if since_us <= r.ts_us < until_us and tenant_id in (None, r.tenant_id):
                groups[tuple(known[name] for name in group_by)].append(r)
        return tuple(_cost_row(group, rows) for group, rows in groups.items())

    async def totals(self) -> tuple[CostRow, ...]:
        return await self.costs(since_us=0, until_us=1 << 62, group_by=TotalKey._fields)

    async def tallies(self) -> Mapping[Cell, Amount]:
        self.asked["tallies"] += 1
        return self.counted

    async def series(
        self, *, since_us: int, until_us: int, tenant_id: str | None = None
    ) -> tuple[SeriesPoint, ...]:
        self.asked["series"] += 1
        minutes: dict[int, list[RequestRecord]] = defaultdict(list)
        for stored in self.records:
            r = stored.record
            if since_us <= r.ts_us < until_us and tenant_id in (None, r.tenant_id):
                minutes[r.ts_us - r.ts_us % MINUTE_US].append(r)
        return tuple(_point(bucket_us, rows) for bucket_us, rows in sorted(minutes.items()))

    async def used(self, *, since_us: int) -> tuple[Use, ...]:
        self.asked["used"] += 1
        found = [it.record for it in self.records if it.record.ts_us >= since_us]
        return tuple(sorted({Use(it.tenant_id, it.key_id, it.model_requested) for it in found}))

    async def prompted(
        self, *, since_us: int, group_by: Sequence[str], name: str | None = None
    ) -> tuple[PromptRow, ...]:
        self.asked["prompted"] += 1
        groups: dict[tuple[str, ...], list[RequestRecord]] = defaultdict(list)
        for stored in self.records:
            r = stored.record
            if r.ts_us < since_us or r.prompt_name is None or name not in {None, r.prompt_name}:
                continue
            known = {
                "prompt": r.prompt_name,
                "version": r.prompt_version or "",
                "tenant_id": r.tenant_id,
            }
            groups[tuple(known[it] for it in group_by)].append(r)
        return tuple(
            PromptRow(
                group=group,
                n=len(rows),
                n_error=sum(it.status == "error" for it in rows),
                n_unpriced=0,
                cost_nano=sum(it.cost_nano or 0 for it in rows),
            )
            for group, rows in sorted(groups.items())
        )

    async def took(self, *, prompt: str, since_us: int, limit: int) -> tuple[Took, ...]:
        self.asked["took"] += 1
        return tuple(
            Took(it.record.prompt_version or "", it.record.latency_us)
            for it in self.records
            if it.record.prompt_name == prompt and it.record.ts_us >= since_us
        )[:limit]

    async def adjust(self, lines: Sequence[LedgerLine]) -> int:
        self.adjusted += lines
        return len(lines)

    async def spent(self, of: Spending) -> Already:  # noqa: ARG002 -- one answer for all
        self.asked["spent"] += 1
        return Already(self.booked)

    async def put_account(self, account: Account) -> None:
        self.people[account.name] = account

    async def account(self, name: str) -> Account | None:
        return self.people.get(name)

    async def accounts(self) -> tuple[Account, ...]:
        return tuple(self.people.values())

    async def acknowledge(self, ack: Acknowledgement) -> None:
        raise NotImplementedError

    async def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        self.asked["acknowledgements"] += 1
        return tuple(
            Acknowledgement(worker_id=name, config_seq=seq, ts_us=self.clock.now_us() - 4_000_000)
            for name, seq in (*(("w1", 9), ("w2", 8)), *self.elsewhere)
        )


class ChangeBook(Control):
    """The change log in a list that can be written in one line; `asked` counts calls by name."""

    def __init__(self, clock: FrozenClock) -> None:
        self.log = ListedLog()
        super().__init__(self.log, clock, seeded_entropy())
        self._stamps = clock
        self.asked: Counter[str] = Counter()

    @property
    def changes(self) -> list[Change]:
        """Everything that was changed, oldest first."""
        return self.log.listed

    def write(self, kind: PointerKind, name: str, value: object, *, reason: str) -> None:
        """Append a change, unchecked."""
        draft = Draft(
            pointer=Pointer(kind, name),
            after=canonical(value),
            author="ana",
            source=Source.FILE,
            reason=reason,
        )
        last = next((c for c in reversed(self.changes) if c.pointer == draft.pointer), None)
        change = link(
            draft,
            last=last,
            head=self.changes[-1] if self.changes else None,
            ts_us=self._stamps.now_us(),
            change_id=f"c_{len(self.changes) + 1:026d}",
        )
        assert change is not None
        self.changes.append(change)

    async def snapshot(self) -> Snapshot:
        self.asked["snapshot"] += 1
        return await super().snapshot()

    async def history(
        self, *, pointer: Pointer | None = None, before: int | None = None, limit: int = 50
    ) -> tuple[Change, ...]:
        self.asked["history"] += 1
        return await super().history(pointer=pointer, before=before, limit=limit)


class ListedLog(MemoryChangeLog):
    """A change log that shows its list."""

    @property
    def listed(self) -> list[Change]:
        return self._changes


NO_EVALS = Desk(Path("/nowhere"))


@dataclass(frozen=True)
class Site:
    """A running console and what lies behind it."""

    app: Starlette
    stores: Stores
    control: ChangeBook
    clock: FrozenClock
    client: httpx2.AsyncClient
    desk: Desk

    async def log_in(self, name: str) -> None:
        """Have the cookie of somebody who logged in, without the time that hashing takes."""
        account = await self.stores.account(name)
        assert account is not None
        cookie = Sessions(SESSION_KEY, self.stores, self.clock).open(account)
        self.client.cookies.set(COOKIE, cookie)

    async def suspend(self, scope: Scope, **members: Any) -> Change:  # noqa: ANN401
        """Throw a kill switch."""
        suspension = Suspension(reason="loop", **members)
        switches = Switches(self.control, self.clock)
        return await switches.suspend(scope, suspension, author="ana", source=Source.CLI)

    async def csrf(self) -> str:
        """Read the token from a page, as a browser would."""
        page = (await self.client.get("/console/changes")).text
        return page.partition('name="csrf" value="')[2].partition('"')[0]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(START_US)


@pytest.fixture
async def site(clock: FrozenClock, tmp_path: Path) -> AsyncIterator[Site]:
    """A console with a small company behind it, nobody logged in."""
    stores, control = (
        Stores(clock, reports=Kept(tmp_path / "reconcile"), home=tmp_path),
        ChangeBook(clock),
    )
    fill_changes(control, clock)
    fill_records(stores, clock)
    stored = _stored_phrase()
    for role in ROLES:
        await stores.put_account(Account(name=role, role=role, password=stored))
    desk = Desk(tmp_path / "evals")
    app = create_app(console_of(stores, control, clock, desk))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield Site(app, stores, control, clock, client, desk)


@cache
def _stored_phrase() -> str:
    """Hash it once: that is slow on purpose."""
    return hash_password(PHRASE, seeded_entropy())


@pytest.fixture
def api(site: Site) -> httpx2.AsyncClient:
    """The console's client with the admin token."""
    site.client.headers["authorization"] = f"Bearer {BEARER}"
    return site.client


async def nothing_to_export(_stored: StoredRecord) -> bool:
    return False


async def well() -> str | None:
    return None


def console_of(
    stores: Stores, control: ChangeBook, clock: FrozenClock, desk: Desk = NO_EVALS
) -> Console:
    return Console(
        desk=desk,
        records=stores,
        audit=Audit(stores.audit, stores, clock),
        rollups=stores,
        control=control,
        switches=Switches(control, clock),
        registry=Registry(control, Labels(control, clock), clock, lambda _: False),
        keyring=Keyring(control, clock, seeded_entropy(5)),
        accounts=stores,
        acknowledgements=stores,
        clock=clock,
        entropy=seeded_entropy(),
        session_key=SESSION_KEY,
        parse_filter=lambda text: parse(text, clock.now_us()),
        saved=stores.ledger,
        saving=stores.ledger,
        ailing=lambda: AILING,
        redis_up=lambda: REDIS_UP,
        webhooks=lambda: WEBHOOKS,
        alerts=stores.alerts,
        routes=stores.routes,
        site="prod",
        reports=stores.reports,
        book=lambda adjustment_id, by: Acceptance(stores.reports, control, stores).accept(
            adjustment_id, reason=by.reason, author=by.author, source=by.source
        ),
        evaluations=Evaluations(Shelf(stores.home), stores.loaded),
        rehydrate=nothing_to_export,
        pulse=well,
        erasures=Erasures(
            control, stores, stores.keeper, clock, seeded_entropy(6), MemoryContentKeys()
        ),
        spend=MemorySpend(stores.ledger),
        spent=stores.spent,
        reconciled_to=lambda: "2026-04-24",
        price=lambda _, target: PRICES.get(target.model),
        health=lambda: (Lag("w1", 0), Lag("w2", 18_432, running=3)),
        user_hash=lambda tenant, user: sha256(f"{tenant}/{user}".encode()).hexdigest()[:32],
        admin_token_sha256=sha256(BEARER.encode()).hexdigest(),
        repaired=lambda: 2,
        unclaimed=lambda: Unclaimed(3, 4),
        flow=lambda: FLOW,
        annotate=Remarks(stores.spool, stores.capture, clock, seeded_entropy(7)).say,
    )


def fill_changes(control: ChangeBook, clock: FrozenClock) -> None:
    clock.advance(-30 * 3600)
    provider = Provider(name="sim", wire=ProviderWire.CALLER, url="http://127.0.0.1:9")
    control.write(PointerKind.PROVIDER, "sim", provider, reason="first apply")
    for name, model in (("chat", "large"), ("chat-small", "small")):
        to = Target("sim", model)
        alias = Model(name=name, kind=ModelKind.ALIAS, to=to)
        control.write(PointerKind.MODEL, name, alias, reason="first apply")
    limits = Limits(requests_per_minute=300, tokens_per_minute=600_000, parallel=40)
    tier = Tier(name="smb", models=("chat", "chat-small"), limits=limits)
    control.write(PointerKind.TIER, "smb", tier, reason="first apply")
    for name in ("acme", "globex", "initech"):
        tenant = Tenant(id=TenantId(name), tier="smb")
        control.write(PointerKind.TENANT, name, tenant, reason="first apply")
    key = Key(id=KeyId(KEY), name="acme-prod", tenant=TenantId("acme"), sha256="0" * 64)
    control.write(PointerKind.KEY, key.id, key, reason="first apply")
    clock.advance(28 * 3600)
    moved = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "large-2026"))
    control.write(PointerKind.MODEL, "chat", moved, reason="Q2 model, passed its gate")
    clock.advance(2 * 3600)


ASKED = msgspec.json.encode(
    {
        "model": "large",
        "messages": [
            {"role": "system", "content": "You answer from the handbook, briefly and politely."},
            {"role": "user", "content": "<script>alert(1)</script> May I still return my kettle?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "find_order", "arguments": '{"customer": 4711}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": '{"bought": "2026-04-02"}'},
        ],
        "tools": [{"type": "function", "function": {"name": "find_order"}}],
    }
)
ANSWER = msgspec.json.encode(
    {
        "role": "assistant",
        "parts": [
            {"type": "reasoning", "content": "Bought on 2 April; the window is 30 days."},
            {
                "type": "text",
                "content": "Yes. You bought the kettle on 2 April, and our return window is 30 "
                "days, so you have until 2 May.\n\nPack it with all its parts and print the "
                "label from your order page.",
            },
        ],
    }
)
CONVERSATION = "trip/7 to Rome"
EXAMPLE = "r_01KQ2Z61CTQ3M0N5Z7V2K9B1DF"


def fill_records(stores: Stores, clock: FrozenClock) -> None:
    stores.contents[b"asked"] = ASKED
    stores.contents[b"answer"] = ANSWER
    stores.records.append(example(clock.now_us() - 12_000_000))
    for index in range(170):
        stores.records.append(
            _ordinary(index, clock.now_us() - 20_000_000 - index * index * 120_000)
        )


def example(ts_us: int) -> StoredRecord:
    """A request whose first attempt failed and whose second answered."""
    attempts = (
        Attempt(
            n=1,
            target="sim-us/large",
            provider="sim-us",
            model_sent="large",
            started_us=ts_us + 4_000,
            dur_us=201_000,
            http_status=529,
            error_code="provider_overloaded",
            raw_reason="overloaded_error",
            input_tokens=0,
            output_tokens=0,
            cost_nano=0,
        ),
        Attempt(
            n=2,
            target="sim/large",
            provider="sim",
            model_sent="large",
            model_response="large-2026-04-01",
            started_us=ts_us + 206_000,
            dur_us=2_127_000,
            ttft_us=412_000,
            http_status=200,
            provider_request_id="req_011CQ2Z61C",
            input_tokens=4_123,
            cached_tokens=3_800,
            output_tokens=487,
            usage_source="provider",
            cost_nano=9_414_000,
        ),
    )
    line = LedgerLine(
        line_id=f"{EXAMPLE}/2/charge/0",
        ts_us=ts_us,
        day_local="2026-04-25",
        config_seq=9,
        tenant_id="acme",
        key_id="7hq2m9xkd4wp",
        feature="search",
        model_requested="chat",
        provider="sim",
        model_sent="large",
        cost_nano=9_414_000,
    )
    stages = (
        StageTime("admit", 0, 100),
        StageTime("plan", 100, 200),
        StageTime("screen_input", 300, 3_100),
        StageTime("fund", 3_400, 400),
        StageTime("call", 3_900, 2_329_100),
        StageTime("settle", 2_333_000, 600),
    )
    record = RequestRecord(
        request_id=EXAMPLE,
        conversation_id=CONVERSATION,
        ts_us=ts_us,
        end_us=ts_us + 2_334_000,
        trace_id="019dc5f3059a4f3a9c0b7de2a1f05566",
        span_id="9c0b7de2a1f05566",
        worker_id="w1",
        config_seq=9,
        tenant_id="acme",
        tier="smb",
        key_id="7hq2m9xkd4wp",
        feature="search",
        operation="chat",
        wire="openai.chat",
        stream=True,
        model_requested="chat",
        model_kind="alias",
        target="sim/large",
        provider="sim",
        model_response="large-2026-04-01",
        finish_reasons="stop",
        params='{"temperature":0.2,"max_tokens":800}',
        input_tokens=4_123,
        cached_tokens=3_800,
        cache_write_tokens=0,
        output_tokens=487,
        usage_source="provider",
        cost_nano=9_414_000,
        cost_input_nano=969_000,
        cost_cached_nano=1_140_000,
        cost_cache_write_nano=0,
        cost_output_nano=7_305_000,
        cost_other_nano=0,
        price_version="ps_9c41e07ab2d3",
        hold_nano=21_900_000,
        latency_us=2_334_000,
        ttft_us=618_000,
        provider_us=2_328_000,
        overhead_us=6_000,
        status="ok",
        http_status=200,
        attempt_count=2,
        fallback_used=True,
        input_ref=b"asked",
        output_ref=b"answer",
        content_state="full",
        content_bytes=612,
        replay="full",
    )
    return StoredRecord(
        record=record, detail=Detail(stages=stages), attempts=attempts, lines=(line,)
    )


_ENDINGS = {
    7: ("error", "provider_timeout", 504),
    19: ("rejected", "rate_limited", 429),
    31: ("truncated", "stream_stalled", 200),
    43: ("cancelled", None, 200),
    59: ("blocked", "content_blocked", 400),
}


def _ordinary(index: int, ts_us: int) -> StoredRecord:
    status, error_code, http_status = next(
        (end for step, end in _ENDINGS.items() if index % step == step - 1), ("ok", None, 200)
    )
    cost_nano = 0 if status == "rejected" else 310_000 + index * 7_919 % 9_000_000
    latency_us = 420_000 + index * 7_907_001 % 2_900_000
    record = RequestRecord(
        conversation_id=None if index % 50 else CONVERSATION,
        request_id=f"r_01KQ2Z5{index:04d}{'0ABCDEFGHJKMNPQ':>15}",
        ts_us=ts_us,
        end_us=ts_us + latency_us,
        trace_id=f"{index:032x}",
        span_id=f"{index:016x}",
        worker_id="w1",
        config_seq=9,
        tenant_id=("acme", "globex", "initech")[index * 5 % 7 % 3],
        tier="smb",
        key_id="7hq2m9xkd4wp",
        feature=("search", "support-bot", "default")[index % 3],
        operation="chat",
        wire="openai.chat",
        model_requested="chat",
        target="" if status == "rejected" else "sim/large-2026",
        input_tokens=800 + index * 37 % 4_000,
        output_tokens=90 + index * 13 % 700,
        usage_source="estimated" if status == "cancelled" else "provider",
        cost_nano=cost_nano,
        latency_us=latency_us,
        ttft_us=latency_us // 4,
        status=status,
        error_code=error_code,
        http_status=http_status,
        attempt_count=0 if status == "rejected" else 1,
    )
    attempt = Attempt(
        n=1,
        target="sim/large-2026",
        provider="sim",
        model_sent="large-2026",
        started_us=ts_us,
        dur_us=latency_us,
        error_code=error_code,
    )
    attempts = (attempt,) if record.attempt_count else ()
    return StoredRecord(record=record, detail=Detail(), attempts=attempts, lines=())


def _cost_row(group: tuple[str, ...], rows: Sequence[RequestRecord]) -> CostRow:
    return CostRow(
        group=group,
        n=len(rows),
        n_estimated=0,
        n_unpriced=0,
        input_tokens=sum(r.input_tokens or 0 for r in rows),
        cached_tokens=0,
        output_tokens=sum(r.output_tokens or 0 for r in rows),
        cost_nano=sum(r.cost_nano or 0 for r in rows),
    )


def _point(bucket_us: int, rows: Sequence[RequestRecord]) -> SeriesPoint:
    latencies = sorted(r.latency_us for r in rows)
    return SeriesPoint(
        bucket_us=bucket_us,
        n=len(rows),
        n_error=sum(r.status in ("error", "truncated") for r in rows),
        cost_nano=sum(r.cost_nano or 0 for r in rows),
        p50_us=latencies[len(latencies) // 2],
        p95_us=latencies[min(len(latencies) - 1, len(latencies) * 95 // 100)],
    )
