"""Builds and runs a gateway worker."""

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from trimtab import wiring
from trimtab.control.propagate import Follower
from trimtab.control.snapshot import Snapshot
from trimtab.cost.meter import Meter
from trimtab.cost.usage_out import convert_usage
from trimtab.domain.annotation import Annotated
from trimtab.domain.budget import Period, span
from trimtab.domain.clock import Clock
from trimtab.domain.errors import RecorderUnavailable, TryLater
from trimtab.domain.model import Provider, ProviderWire, Target, Wire
from trimtab.domain.record import RequestRecord
from trimtab.domain.transport import Origin, Transport
from trimtab.gateway.app import Gateway
from trimtab.gateway.errors import http_status
from trimtab.gateway.feedback import Feedback
from trimtab.gateway.forward import Forward
from trimtab.gateway.otlp import OtlpIngest
from trimtab.gateway.prompt_events import PromptEvents
from trimtab.gateway.prompts import PromptReads
from trimtab.gateway.server import serve
from trimtab.pipeline.admit import Admit, Identify
from trimtab.pipeline.bill import Biller
from trimtab.pipeline.call import Call
from trimtab.pipeline.compose import Compose
from trimtab.pipeline.content import ContentCapture
from trimtab.pipeline.course import Course
from trimtab.pipeline.enrol import Enrol
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.health import Health
from trimtab.pipeline.journal import Journal
from trimtab.pipeline.money import Money
from trimtab.pipeline.once import Once
from trimtab.pipeline.plan import Plan
from trimtab.pipeline.recall import Recall, Stored
from trimtab.pipeline.relay import Relay
from trimtab.pipeline.run import Pipeline
from trimtab.pipeline.screen import ScreenInput, ScreenOutput
from trimtab.pipeline.settle import Settle
from trimtab.pipeline.switch import Switch
from trimtab.pipeline.upstream import Upstreams
from trimtab.pipeline.written import WRITTEN
from trimtab.providers.anthropic import AnthropicMessages
from trimtab.providers.anthropic_count_tokens import AnthropicCountTokens
from trimtab.providers.base import Adapter
from trimtab.providers.http1 import Http1Transport
from trimtab.providers.litellm.adapters import LiteLLMBridge, LiteLLMChat, LiteLLMEmbeddings
from trimtab.providers.litellm.late import Transports
from trimtab.providers.openai import OpenAIChat
from trimtab.providers.openai_embeddings import OpenAIEmbeddings
from trimtab.providers.openai_moderations import OpenAIModerations
from trimtab.providers.openai_responses import OpenAIResponses
from trimtab.providers.translate.bridge import Bridge
from trimtab.registry.feed import Feed
from trimtab.registry.jinja import ENGINES
from trimtab.registry.render import Renderer
from trimtab.settings import Settings, UnknownModel
from trimtab.store.base.idempotency import IdempotencyStore
from trimtab.store.base.reading import RecordFilter
from trimtab.store.memory.idempotency import MemoryIdempotency
from trimtab.store.memory.limits import MemoryLimits
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.health_file import HealthFile
from trimtab.telemetry.pressure import Ladder, Room
from trimtab.telemetry.sampling import Sampler
from trimtab.telemetry.spool import Spool, claim, claim_alone
from trimtab.wiring.encryption import Sealing, sealing
from trimtab.wiring.entropy import Entropy
from trimtab.wiring.following import follower, https_proxy, meter, secret
from trimtab.wiring.litellm import load_litellm, needs_litellm
from trimtab.wiring.sharing import Shared, shared, stopped
from trimtab.wiring.spent import spent

log = logging.getLogger("trimtab")

COLLECT_AFTER = (10_000, 25, 25)
TELL_S = 1.0

SPOKEN: dict[Wire, Adapter] = {
    Wire.OPENAI_CHAT: OpenAIChat(),
    Wire.OPENAI_RESPONSES: OpenAIResponses(),
    Wire.OPENAI_EMBEDDINGS: OpenAIEmbeddings(),
    Wire.OPENAI_MODERATIONS: OpenAIModerations(),
    Wire.ANTHROPIC_MESSAGES: AnthropicMessages(),
    Wire.ANTHROPIC_COUNT_TOKENS: AnthropicCountTokens(),
}
"""One line a wire that providers are spoken to in."""

TRANSLATED = (
    (Wire.OPENAI_CHAT, ProviderWire.ANTHROPIC, Wire.ANTHROPIC_MESSAGES),
    (Wire.ANTHROPIC_MESSAGES, ProviderWire.OPENAI, Wire.OPENAI_CHAT),
)
"""Callers of a wire whom a provider of the other kind can serve, and in which wire it is asked."""


def adapters(clock: Clock) -> dict[tuple[Wire, ProviderWire], Adapter]:
    """Give who speaks for callers of a wire to providers of a kind: a bridge where they differ."""
    table: dict[tuple[Wire, ProviderWire], Adapter] = {}
    for caller, own in SPOKEN.items():
        kind = ProviderWire.ANTHROPIC if caller.is_anthropic else ProviderWire.OPENAI
        table[caller, kind] = table[caller, ProviderWire.CALLER] = own
    for caller, kind, asked in TRANSLATED:
        table[caller, kind] = Bridge(caller, SPOKEN[asked], convert_usage, clock)
    chat, messages, kind = LiteLLMChat(), Wire.ANTHROPIC_MESSAGES, ProviderWire.LITELLM
    table[Wire.OPENAI_CHAT, kind] = chat
    table[Wire.OPENAI_EMBEDDINGS, kind] = LiteLLMEmbeddings()
    table[messages, kind] = LiteLLMBridge(messages, chat, convert_usage, clock)
    return table


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of, and holds for as long as it runs.

    Attributes:
        shared: What it shares with others; `None` if it is the only one.
    """

    home: Path
    settings: Settings
    spool: Spool
    following: Follower
    transport: Http1Transport
    health: Health
    shared: Shared | None
    room: Room
    ladder: Ladder
    sealing: Sealing | None

    def capture(self) -> ContentCapture:
        """Make what cuts content into blobs."""
        seal_of = self.sealing.of if self.sealing else None
        return ContentCapture(wiring.tenant_keys(self.home), seal_of)


def run_gateway(home: Path, settings: Settings, listener: socket.socket) -> None:
    """Serve on a bound socket until SIGTERM or SIGINT.

    Raises:
        TrimtabError: it cannot start; why.
    """
    parts = _parts(home, settings)
    pipeline = _pipeline(parts)
    gateway = Gateway(
        pipeline,
        Entropy(),
        (
            _prompt_reads(parts, pipeline),
            OtlpIngest(
                pipeline.enrol,
                parts.spool,
                parts.capture(),
                wiring.records(home),
                pipeline.clock,
            ),
            _feedback(parts, pipeline),
            Forward(parts.transport, Origin(scheme="unix", host=str(wiring.keeper_socket(home)))),
        ),
        lambda: _running(parts, pipeline),
        max_body=settings.gateway.max_body,
        baggage=settings.telemetry.baggage_allow,
        problem=lambda: parts.following.problem,
    )
    # What was built so far lives for ever; to look at it in every collection is wasted.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    serve(gateway, listener, drain_s=settings.gateway.drain_s)


def _prompt_reads(parts: Parts, pipeline: Pipeline) -> PromptReads:
    feed = Feed()
    parts.following.on_change(feed.on_change)
    return PromptReads(
        pipeline.identify,
        pipeline.compose.compiled,
        PromptEvents(feed),
        wiring.environment(),
        os.urandom,
    )


def _feedback(parts: Parts, pipeline: Pipeline) -> Feedback:
    def write(said: Annotated) -> None:
        parts.spool.append(Kind.ANNOTATION, msgspec.msgpack.encode(said))

    return Feedback(
        pipeline.identify,
        write,
        parts.capture(),
        _stored(parts.home),
        os.urandom,
    )


def _parts(home: Path, settings: Settings) -> Parts:
    clock = wiring.SystemClock()
    # Where limits are in this process, a second worker would double them.
    take = claim_alone if settings.gateway.redis is None else claim
    claimed = take(home / "spool", "gateway")
    ladder = Ladder(claimed.worker_id, clock)
    room = Room(claimed.directory, ladder)
    spool = Spool(claimed, clock, room.make)
    following = follower(home, clock, spool.worker_id)
    sharing = shared(home, settings.gateway, clock, spool.worker_id)
    if sharing is not None:
        limits = sharing.limits
        following.on_change(lambda snapshot: limits.publish(*stopped(snapshot)))
    health = Health(clock, random.random)
    following.on_change(health.obey)
    seals = sealing(home, settings, lambda: following.current)
    if seals is not None:
        following.on_change(lambda _: seals.wake())
    return Parts(
        home, settings, spool, following, Http1Transport(), health, sharing, room, ladder, seals
    )


def _pipeline(parts: Parts) -> Pipeline:
    home, settings, health = parts.home, parts.settings, parts.health
    spool, following, transport = parts.spool, parts.following, parts.transport
    clock = wiring.SystemClock()
    metering = meter(following)
    biller = Biller(metering)
    content = parts.capture()
    journal = Journal(spool, content, clock, local_day, lambda: parts.ladder.level)
    call = Call(
        transport=_with_litellm(transport, settings, following),
        upstream=Upstreams(secret, https_proxy()),
        course=Course(health, clock),
        bill=biller,
        journal=journal,
        clock=clock,
        sleep=asyncio.sleep,
    )
    identify = Identify(lambda: following.current, clock)
    switch = Switch(clock, journal.user_hash)
    limits = parts.shared.limits if parts.shared else MemoryLimits(clock)
    idempotency = parts.shared.idempotency if parts.shared else MemoryIdempotency(clock)
    plan = Plan(
        adapters(clock),
        _priced(metering),
        reject_unpriced=settings.prices.unknown_model is UnknownModel.REJECT,
    )
    fund = Fund(
        limits,
        clock,
        Money(metering, journal.user_hash),
        spent(home),
        switch.scopes if parts.shared else None,
        plan,
    )
    following.on_change(switch.end_running)
    following.on_change(_forgetting(content, idempotency))
    return Pipeline(
        enrol=Enrol(identify, wiring.control(home), limits, following.seen),
        identify=identify,
        compose=Compose(
            Renderer(ENGINES),
            WRITTEN,
            wiring.environment(),
            os.urandom,
            lambda: following.is_stale,
        ),
        switch=switch,
        admit=Admit(switch.check),
        once=Once(idempotency, journal.user_hash),
        recall=Recall(_stored(home)),
        plan=plan,
        screen=ScreenInput(),
        fund=fund,
        call=call,
        check=ScreenOutput(),
        relay=Relay(clock, health.cut, journal.checkpoint, call.go_on),
        settle=_settle(parts, biller, fund, journal),
        http_status=http_status,
        clock=clock,
        renew=following.renew,
    )


def _forgetting(
    content: ContentCapture, idempotency: IdempotencyStore
) -> Callable[[Snapshot], None]:
    """Forget what was erased: what was written must be written anew, and nobody is answered it."""
    known: set[str] = set()

    def forget(snapshot: Snapshot) -> None:
        if not snapshot.erasures.keys() <= known:
            known.update(snapshot.erasures)
            content.forget()
            if isinstance(idempotency, MemoryIdempotency):
                idempotency.forget_answers()

    return forget


def _with_litellm(native: Transport, settings: Settings, following: Follower) -> Transports:
    """Have it loaded before the first request if the file names it, else when a change does."""
    transports = Transports(native, load_litellm)
    if needs_litellm(settings.providers.values()):
        transports.prepare().result()

    def prepare(snapshot: Snapshot) -> None:
        if needs_litellm(snapshot.providers.values()):
            transports.prepare()

    following.on_change(prepare)
    return transports


def _settle(parts: Parts, biller: Biller, fund: Fund, journal: Journal) -> Settle:
    return Settle(
        worker_id=parts.spool.worker_id,
        environment=wiring.environment(),
        bill=biller,
        fund=fund,
        journal=journal,
        clock=wiring.SystemClock(),
        sample=Sampler(parts.settings.telemetry.sampling),
    )


def _stored(home: Path) -> Stored:
    """Find answers in the store of records, which reads in a thread."""
    reading = wiring.records(home)

    async def stored(tenant_id: str, response_id: str) -> RequestRecord | None:
        where = RecordFilter(tenant_id=tenant_id, response_id=response_id)
        found = await reading.page(where, limit=1)
        return found[0] if found else None

    return stored


def _priced(metering: Meter) -> Callable[[Provider, Target, int, str], bool]:
    def priced(provider: Provider, target: Target, at_us: int, tenant: str) -> bool:
        model = target.model.partition("!")[0]
        prices = metering.prices_of(tenant)
        return prices.find(provider.priced_as, model, at_us=at_us) is not None

    return priced


@asynccontextmanager
async def _running(parts: Parts, pipeline: Pipeline) -> AsyncGenerator[None]:
    following, spool = parts.following, parts.spool
    shared = parts.shared.limits if parts.shared else None
    await following.start()
    jobs = [
        *(it.run() for it in (following, spool, parts.room)),
        pipeline.fund.keep(),
        _tell_health(parts, pipeline.settle.journal),
    ]
    if shared is not None:
        jobs.append(shared.run())
    if parts.sealing is not None:
        with contextlib.suppress(TryLater):
            await parts.sealing.look()
        jobs.append(parts.sealing.run())
    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(_stop_if_failed)
    if shared is not None:
        await shared.started()
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        parts.transport.close()
        spool.close()


async def _tell_health(parts: Parts, journal: Journal) -> None:
    """Let the keeper know how things stand, and write down what waits for room."""
    worker_id = parts.spool.worker_id
    shared = parts.shared.limits if parts.shared else None
    file = HealthFile(parts.home, worker_id)
    while True:
        file.tell(
            parts.health.ailing(worker_id),
            redis_up=shared.is_up if shared else None,
            level=parts.ladder.level,
        )
        with contextlib.suppress(RecorderUnavailable):
            journal.catch_up()
        await asyncio.sleep(TELL_S)


def _stop_if_failed(task: asyncio.Task[None]) -> None:
    """End a worker that could not follow any more; whoever started it starts it anew."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("a worker's own task failed", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


def local_day(timezone: str, ts_us: int) -> str:
    """Tell the calendar day of an instant in a zone, as `2026-04-25`."""
    return span(Period.DAY, timezone, ts_us).name.removeprefix("day:")
