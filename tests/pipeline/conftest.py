"""A real pipeline over fakes: a scripted provider, a spool in a list and a clock that stands."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Raw

from trimtab.control.changes import Control
from trimtab.control.snapshot import Grant, Snapshot, build, fold
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.ids import RequestId, TenantId, TraceId
from trimtab.domain.keys import new_key
from trimtab.domain.model import (
    Model,
    ModelKind,
    Provider,
    ProviderWire,
    Retry,
    Target,
    Timeouts,
    Wire,
)
from trimtab.domain.record import Begin, Checkpoint, Finish, RequestRecord
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.domain.tenant import ContentPolicy, Durability, Key, Limits, Tenant, Tier
from trimtab.gateway.errors import http_status
from trimtab.pipeline.admit import Admit, Identify
from trimtab.pipeline.bill import Biller
from trimtab.pipeline.call import Call
from trimtab.pipeline.compose import Compose
from trimtab.pipeline.content import ContentCapture, Seal
from trimtab.pipeline.course import Course
from trimtab.pipeline.enrol import Enrol
from trimtab.pipeline.fund import Fund
from trimtab.pipeline.handoff import Request
from trimtab.pipeline.health import Health
from trimtab.pipeline.journal import Journal
from trimtab.pipeline.money import Money
from trimtab.pipeline.once import Once
from trimtab.pipeline.plan import Plan
from trimtab.pipeline.recall import Recall
from trimtab.pipeline.relay import Relay
from trimtab.pipeline.run import Pipeline
from trimtab.pipeline.screen import InputGuard, ScreenInput, ScreenOutput
from trimtab.pipeline.settle import Settle
from trimtab.pipeline.switch import Switch
from trimtab.pipeline.upstream import Upstreams
from trimtab.pipeline.written import WRITTEN
from trimtab.providers.openai import OpenAIChat
from trimtab.registry.jinja import ENGINES
from trimtab.registry.render import Renderer
from trimtab.store.base.limits import Already, Need, Spending
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.store.memory.idempotency import MemoryIdempotency
from trimtab.store.memory.limits import MemoryLimits
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.pressure import Level
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.testing import (
    FrozenClock,
    MemorySpool,
    RecordingReply,
    ScriptedAnswer,
    ScriptedProvider,
    seeded_entropy,
)
from trimtab.wiring.gateway import adapters

KEY = new_key("test", seeded_entropy())
CHAT_ADAPTER = OpenAIChat()
PRICES = PriceList(shipped_lock(), {"sim/*": {"input": 3, "output": 15}})
MESSAGES = b'[{"role":"user","content":"How warm is it?"}]'
FLOOR = -(-len(MESSAGES) // 4)

SIM = Provider(
    name="sim", wire=ProviderWire.CALLER, url="http://127.0.0.1:9000/v1", allow_private_network=True
)
CHAT = Model(
    name="chat", kind=ModelKind.ALIAS, to=Target("sim", "large"), retry=Retry(per_target=1)
)
TIER = Tier(name="free", models=("chat", "sim/*"))
ACME = Tenant(id=TenantId("acme"), tier="free")
GRANT = Grant(
    key=Key(id=KEY.id, name="acme-ci", tenant=ACME.id, sha256=KEY.sha256),
    tenant=ACME,
    tier=TIER,
    models=frozenset(TIER.models),
    limits=Limits(),
    content=ContentPolicy.FULL,
    durability=Durability.GROUP,
    suspensions={},
)
OF_ACME = Scope(ScopeKind.TENANT, ACME.id)
SUSPENDED = replace(GRANT, suspensions={OF_ACME: Suspension(reason="loop")})
LIMITED = replace(GRANT, limits=Limits(parallel=2, requests_per_minute=60, tokens_per_minute=6000))


class ProbedSpool(MemorySpool):
    """A spool that tells which offsets somebody waited for, and may be full for outcomes only."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[int] = []
        self.room_for_finishes = 1000
        self.syncs = True
        self.hangs: asyncio.Event | None = None

    def append(self, kind: Kind, payload: bytes) -> int:
        if kind is Kind.FINISH:
            if not self.room_for_finishes:
                raise RecorderUnavailable("the spool is full; free some space")
            self.room_for_finishes -= 1
        return super().append(kind, payload)

    async def synced(self, offset: int) -> None:
        self.waited.append(offset)
        if self.hangs is not None:
            await self.hangs.wait()
        if not self.syncs:
            raise RecorderUnavailable("the disk does not take it; look at it")


class Rig:
    """A pipeline, and everything around it that a test may set or look at."""

    def __init__(  # noqa: PLR0913 -- what a test may set
        self,
        *answers: ScriptedAnswer | Exception,
        grant: Grant = GRANT,
        provider: Provider = SIM,
        model: Model = CHAT,
        others: Sequence[Provider] = (),
        guards: Sequence[InputGuard] = (),
        reject_unpriced: bool = True,
        policy: Policy | None = None,
        seal_of: Callable[[str], Seal | None] | None = None,
    ) -> None:
        self.clock = FrozenClock()
        self.spool = ProbedSpool()
        self.provider = ScriptedProvider(*answers)
        self.limits = MemoryLimits(self.clock)
        self.snapshot = Snapshot(
            config_seq=7,
            providers={it.name: it for it in (provider, *others)},
            models={model.name: model},
            grants={GRANT.key.id: grant},
        )
        self.slept: list[float] = []
        self.renewed = 0
        self.stored: dict[tuple[str, str], RequestRecord] = {}
        self._ids = seeded_entropy()
        meter = Meter(PRICES)
        biller = Biller(meter)
        self.health = Health(self.clock, lambda: 0.5)
        content = ContentCapture(lambda _: b"k" * 32, seal_of)
        self.level = Level.NORMAL
        self.journal = Journal(
            self.spool, content, self.clock, lambda _zone, _us: "2026-01-01", lambda: self.level
        )
        self.spent: dict[Spending, int] = {}
        money = Money(meter, self.journal.user_hash)
        plan = Plan(
            adapters(self.clock),
            lambda account, target, at_us, _: (
                PRICES.find(account.priced_as, target.model, at_us=at_us) is not None
            ),
            reject_unpriced=reject_unpriced,
        )
        fund = Fund(self.limits, self.clock, money, self._spent, replan=plan)
        call = Call(
            transport=self.provider,
            upstream=Upstreams(lambda _: "sk-secret", lambda _: None),
            course=Course(self.health, self.clock),
            bill=biller,
            journal=self.journal,
            clock=self.clock,
            sleep=self._sleep,
        )
        identify = Identify(lambda: self.snapshot, self.clock)
        self.switch = Switch(self.clock, self.journal.user_hash)
        self.log = MemoryChangeLog()
        self.control = Control(self.log, self.clock, self._ids)
        self.pipeline = Pipeline(
            enrol=Enrol(identify, self.control, self.limits, self._follow),
            identify=identify,
            compose=Compose(Renderer(ENGINES), WRITTEN, "dev", seeded_entropy()),
            switch=self.switch,
            admit=Admit(self.switch.check),
            once=Once(MemoryIdempotency(self.clock), self.journal.user_hash),
            recall=Recall(self.stored_answer),
            plan=plan,
            screen=ScreenInput(guards),
            fund=fund,
            call=call,
            check=ScreenOutput(),
            relay=Relay(self.clock, self.health.cut, self.journal.checkpoint, call.go_on),
            settle=Settle(
                worker_id="w1",
                environment="test",
                bill=biller,
                fund=fund,
                journal=self.journal,
                clock=self.clock,
                sample=Sampler(policy or Policy()),
            ),
            http_status=http_status,
            clock=self.clock,
            renew=self._renew,
        )

    async def _renew(self) -> None:
        self.renewed += 1

    async def _spent(self, of: Spending) -> Already:
        return Already(self.spent.get(of, 0))

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    async def stored_answer(self, tenant_id: str, response_id: str) -> RequestRecord | None:
        """Find an answer that only the store knows."""
        return self.stored.get((tenant_id, response_id))

    def suspend(self, scope: Scope, **members: Any) -> None:  # noqa: ANN401
        """Run a configuration in which something is suspended, as a worker that is told of it."""
        suspensions = {scope: Suspension(reason="loop", **members)}
        grants = {
            key_id: replace(grant, suspensions=suspensions)
            for key_id, grant in self.snapshot.grants.items()
        }
        self.snapshot = replace(self.snapshot, suspensions=suspensions, grants=grants)
        self.switch.end_running(self.snapshot)

    async def know_tier(self, tier: Tier) -> None:
        """Put a tier without models into the change log."""
        await self.control.move(
            Pointer(PointerKind.TIER, tier.name),
            Tier(name=tier.name),
            reason="first",
            author="ana",
            source=Source.CLI,
        )

    async def _follow(self, seq: int) -> None:
        """Do as a worker does when the change log moves, a moment later."""
        await asyncio.sleep(0)
        state = fold({}, await self.log.changes(after=0))
        made = build(seq, state)
        self.snapshot = replace(
            self.snapshot, config_seq=seq, tenants={**self.snapshot.tenants, **made.tenants}
        )

    async def ask(
        self, request: Request | None = None, reply: RecordingReply | None = None
    ) -> RecordingReply:
        """Run one request to its end."""
        reply = reply or RecordingReply()
        await self.pipeline(request or self.request(), reply)
        return reply

    async def ask_while_time_passes(self, request: Request | None = None) -> RecordingReply:
        """Run one request to its end, half a second in every turn of the loop."""
        task = asyncio.create_task(self.ask(request))
        while not task.done():
            self.clock.advance(0.5)
            await asyncio.sleep(0.001)
        return await task

    def request(
        self,
        members: Mapping[str, Any] | None = None,
        *,
        wire: Wire = Wire.OPENAI_CHAT,
        **changes: object,
    ) -> Request:
        """Make a request that arrives now, a stream unless told otherwise."""
        stream = changes.get("stream", True)
        said = {"model": "chat", "messages": Raw(MESSAGES), "stream": stream, **(members or {})}
        body = msgspec.json.encode(said)
        made = Request(
            request_id=RequestId(f"r_{self._ids(13).hex().upper()}"),
            trace_id=TraceId(self._ids(16).hex()),
            ts_us=self.clock.now_us(),
            started_s=self.clock.monotonic_s(),
            key=KEY.text,
            wire=wire,
            operation="chat",
            model="chat",
            members=msgspec.json.decode(body, type=dict[str, Raw]),
            size=len(body),
            stream=True,
        )
        return msgspec.structs.replace(made, **changes)

    @property
    def begins(self) -> list[Begin]:
        return self._frames(Kind.BEGIN, Begin)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        return self._frames(Kind.CHECKPOINT, Checkpoint)

    @property
    def finishes(self) -> list[Finish]:
        return self._frames(Kind.FINISH, Finish)

    @property
    def finish(self) -> Finish:
        """The one outcome that was written down."""
        (finish,) = self.finishes
        return finish

    @property
    def record(self) -> RequestRecord:
        return self.finish.record

    def _frames(self, kind: Kind, shape: type[Any]) -> list[Any]:
        frames = [payload for got, payload in self.spool.frames if got is kind]
        return [msgspec.msgpack.decode(payload, type=shape) for payload in frames]

    async def free(self) -> tuple[int, ...]:
        """Tell what is left of the slots of `LIMITED`: takes one more and gives it back."""
        need = Need(name="slots", scope="slots/acme", kind="slots", size=2)
        held = await self.limits.hold("probe", [need], lease_s=60)
        await self.limits.settle("probe", [1])
        return held.left


def sse(*values: object) -> bytes:
    """Write OpenAI's stream: each value an event, a text as it is."""
    return b"".join(
        b"data: "
        + (value.encode() if isinstance(value, str) else msgspec.json.encode(value))
        + b"\n\n"
        for value in values
    )


def named(*values: Mapping[str, Any]) -> bytes:
    """Write Anthropic's stream: each value an event, named by its type."""
    return b"".join(
        b"event: " + value["type"].encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
        for value in values
    )


def delta(finish: str | None = None, **members: object) -> dict[str, Any]:
    """Make a chunk of OpenAI's stream."""
    choice = {"index": 0, "delta": members, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "large-2026-01-01", "choices": [choice]}


def spent(given: int, wrote: int) -> dict[str, Any]:
    """Make the chunk of OpenAI's stream that tells usage."""
    usage = {"prompt_tokens": given, "completion_tokens": wrote, "total_tokens": given + wrote}
    return {"id": "chatcmpl-1", "choices": [], "usage": usage}


ROLE = sse(delta(role="assistant", content=""))
WARM = sse(delta(content="21 degrees"))
STOP = sse(delta("stop"))
USAGE = sse(spent(12, 3))
DONE = sse("[DONE]")
ANSWER = msgspec.json.encode(
    {
        "id": "chatcmpl-1",
        "model": "large-2026-01-01",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "21 degrees"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    }
)
COST_NANO = 12 * 3_000 + 3 * 15_000

BEGAN = named(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "model": "large-2026-01-01",
            "usage": {"input_tokens": 12, "output_tokens": 1},
        },
    }
)
PING = named({"type": "ping"})
SAID = named(
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": "21 degrees"},
    }
)
TOLD = named(
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 3},
    }
)
OVER = named({"type": "message_stop"})

CREATED = named(
    {"type": "response.created", "response": {"id": "resp_1", "model": "large-2026-01-01"}}
)
WROTE = named({"type": "response.output_text.delta", "output_index": 0, "delta": "21 degrees"})
RESPONDED: dict[str, Any] = {
    "id": "resp_1",
    "model": "large-2026-01-01",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "21 degrees"}]}],
    "usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
}
COMPLETED = named({"type": "response.completed", "response": RESPONDED})


def json_answer(body: bytes = ANSWER, status: int = 200) -> ScriptedAnswer:
    return ScriptedAnswer([body], status=status, content_type=b"application/json")


def streamed(*blocks: bytes | Exception | None) -> ScriptedAnswer:
    return ScriptedAnswer(blocks)


def good_stream() -> ScriptedAnswer:
    return streamed(ROLE, WARM, STOP, USAGE, DONE)


def impatient(
    *, first_token: float = 60.0, between_tokens: float = 60.0, total: float = 600.0
) -> Model:
    timeouts = Timeouts(first_token=first_token, between_tokens=between_tokens, total=total)
    return msgspec.structs.replace(CHAT, timeouts=timeouts)
