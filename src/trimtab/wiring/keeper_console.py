"""What a keeper shows of itself."""

import os
from hashlib import sha256
from hmac import digest

from trimtab import wiring
from trimtab.console.base import Console, Flow, Lag, no_events
from trimtab.console.evaluations import Evaluations
from trimtab.control.audit import Audit
from trimtab.evals.desk import Desk
from trimtab.evals.shelf import Shelf
from trimtab.providers.http1 import Http1Transport
from trimtab.settings import resolve
from trimtab.store.relational.spend import Spend
from trimtab.telemetry.health_file import read_ailing, read_levels, read_redis_up
from trimtab.telemetry.recorder import Recorder
from trimtab.telemetry.rehydrate import ASKED, rehydrate
from trimtab.wiring.alerts import MOST_ANSWER, alert_routes
from trimtab.wiring.erasures import erasures
from trimtab.wiring.keeper_parts import Parts
from trimtab.wiring.membership import control_store, living
from trimtab.wiring.pulse import Pulse
from trimtab.wiring.push import outbox
from trimtab.wiring.reconcile import accept, kept
from trimtab.wiring.registry import registry
from trimtab.wiring.remarks import remarks
from trimtab.wiring.spent import spent


def keeper_console(parts: Parts) -> Console:
    """Make what pages and the admin API ask."""
    home, settings, clock, metering = parts.home, parts.settings, parts.clock, parts.metering
    store = control_store(home)
    reading = wiring.records(home)
    token = settings.gateway.admin_key
    return Console(
        records=reading,
        audit=Audit(store, reading, clock),
        rollups=reading,
        control=wiring.control(home),
        switches=wiring.switches(home),
        registry=registry(home),
        keyring=wiring.keyring(home),
        accounts=store,
        acknowledgements=living(home, store),
        clock=clock,
        entropy=os.urandom,
        session_key=digest(wiring.site_key(home), b"console sessions", "sha256"),
        parse_filter=wiring.parse_filter,
        saved=reading,
        saving=parts.store,
        user_hash=wiring.user_hash(home),
        health=lambda: _lags(parts.recorder),
        ailing=lambda: read_ailing(home),
        redis_up=lambda: read_redis_up(home),
        webhooks=lambda: [it.backlog for it in parts.hooks],
        alerts=parts.alerts,
        spend=Spend(reading),
        spent=spent(home),
        price=lambda provider, target: metering.prices.list_price(provider, target, clock.now_us()),
        desk=Desk(home / "evals"),
        reports=kept(home),
        book=lambda adjustment_id, by: accept(
            home, adjustment_id, reason=by.reason, author=by.author, source=by.source
        ),
        evaluations=Evaluations(Shelf(home)),
        erasures=erasures(home),
        admin_token_sha256=_hashed(token) if token else None,
        secure_cookies=(settings.gateway.public_url or "").startswith("https:"),
        drifts=kept(home).drifts,
        meter_events=no_events if settings.stripe is None else outbox(home).events,
        routes=alert_routes(settings, Http1Transport(max_body=MOST_ANSWER)),
        site=wiring.environment(),
        reconciled_to=kept(home).reconciled_to,
        repaired=lambda: parts.counting.repaired,
        annotate=remarks(home, parts.spool).say,
        rehydrate=lambda stored: rehydrate(stored, ASKED, parts.spool, reading),
        flow=lambda: _flow(parts),
        max_tenants=settings.telemetry.max_tenants,
        unclaimed=lambda: parts.claims.dropped,
        levels=lambda: {**read_levels(home), parts.spool.worker_id: parts.ladder.level},
        pulse=Pulse(home, parts.spool, parts.recorder, clock),
    )


def _flow(parts: Parts) -> Flow:
    return Flow(
        waits_s=parts.recorder.waits_s(parts.clock.now_us()),
        torn=parts.recorder.torn,
        aside=parts.recorder.aside,
        exports={it.name: (it.waits_s(), it.counts) for it in parts.exporters},
        troubles={it.name: it.held_up_by for it in parts.exporters if it.held_up_by is not None},
    )


def _lags(recorder: Recorder) -> list[Lag]:
    running = recorder.running()
    waiting = recorder.waiting()
    return [Lag(worker, waiting[worker], running[worker]) for worker in waiting]


def _hashed(reference: str) -> str:
    return sha256(resolve(reference, os.environ).reveal().encode()).hexdigest()
