"""The one door: an ASGI application with a route table and no framework on the hot path."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

import msgspec

from trimtab.domain.endpoints import ENDPOINTS
from trimtab.domain.errors import (
    Draining,
    FieldNotAllowed,
    InvalidRequest,
    NotFound,
    PromptAmbiguous,
    SchemaTooNew,
    TrimtabError,
)
from trimtab.domain.ids import Entropy, request_id, trace_id
from trimtab.domain.model import Wire
from trimtab.domain.record import Origin
from trimtab.domain.retrieval import IN_SPAN, Retrieval, decode
from trimtab.domain.tenant import KeyRight
from trimtab.gateway import body, headers, models
from trimtab.gateway.reply import AsgiReply, Message, Receive, Send
from trimtab.gateway.routing import TrimtabMember
from trimtab.gateway.trace_context import context_of
from trimtab.pipeline.handoff import Request
from trimtab.pipeline.reply import Facts
from trimtab.pipeline.run import Pipeline

OF_EVALUATION = "eval"

Scope = Mapping[str, Any]
Handle = Callable[[Scope, Receive, Send], Awaitable[None]]


class Beside(Protocol):
    """Serves paths that are no call of a provider."""

    def takes(self, path: str) -> bool:
        """Whether it serves a path."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ...

    def drain(self) -> None:
        """Keep nobody who only listens."""
        ...


WIRES: Mapping[str, Wire] = {endpoint.path: wire for wire, endpoint in ENDPOINTS.items()}
"""Routes that reach a provider; all of them through the pipeline."""


class Gateway:
    """The ASGI application.

    State: the requests that run, so that shutting down can wait for them.
    """

    # what it is made of, and three ways it may be set
    def __init__(  # noqa: PLR0913
        self,
        pipeline: Pipeline,
        entropy: Entropy,
        beside: Sequence[Beside],
        lifespan: Callable[[], AbstractAsyncContextManager[None]],
        *,
        max_body: int,
        baggage: frozenset[str] = frozenset(),
        problem: Callable[[], TrimtabError | None] = lambda: None,
    ) -> None:
        """Begin without requests.

        Args:
            pipeline: Serves them.
            entropy: Makes ids.
            beside: Serve what goes to no provider; the first that takes a path does.
            lifespan: What runs as long as the server does.
            max_body: Bytes a request body may have.
            baggage: Keys of callers' baggage that become attributes.
            problem: Tells why the control store cannot be followed now, if so.
        """
        self._pipeline = pipeline
        self._snapshot = pipeline.identify.snapshot
        self._clock = pipeline.clock
        self._entropy = entropy
        self._beside = beside
        self._lifespan_of = lifespan
        self._max_body = max_body
        self._baggage = baggage
        self._problem = problem
        self._running = 0
        self._idle = asyncio.Event()
        self._draining = False
        self._routes: dict[tuple[str, str], Handle] = {
            **{("POST", path): self._ask for path in WIRES},
            ("GET", "/v1/models"): self._models,
            ("GET", "/healthz"): self._health,
            ("GET", "/readyz"): self._ready,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI says."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        handle = self._routes.get((scope["method"], path))
        if handle is None and path.startswith("/v1/models/") and scope["method"] == "GET":
            handle = self._models
        handle = handle or next((it for it in self._beside if it.takes(path)), self._missing)
        await handle(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = WIRES[scope["path"]]
        reply = AsgiReply(wire, receive, send)
        request = self._arrived(wire, ENDPOINTS[wire].operation)
        try:
            request = await self._read(request, scope, receive)
        except TrimtabError as error:
            key, tenant = (
                _read_alone(scope, *headers.OF_KEYS),
                _read_alone(scope, headers.OF_TENANT),
            )
            known = msgspec.structs.replace(request, key=key.key, tenant=tenant.tenant)
            await self._pipeline.turned_away(known, error)
            await reply.refuse(error, _facts(request))
            return
        # The server runs this in a task that a hang-up does not cancel; only a shutdown that
        # has waited long enough does, and then the pipeline still settles.
        self._running += 1
        try:
            await self._pipeline(request, reply)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    def _arrived(self, wire: Wire, operation: str) -> Request:
        now_us = self._clock.now_us()
        return Request(
            request_id=request_id(now_us, self._entropy),
            trace_id=trace_id(now_us, self._entropy),
            ts_us=now_us,
            started_s=self._clock.monotonic_s(),
            key="",
            wire=wire,
            operation=operation,
            model="",
            members={},
            size=0,
        )

    async def _read(self, request: Request, scope: Scope, receive: Receive) -> Request:
        """Read headers, then see whose key it is, and only then read the body."""
        if self._draining:
            raise Draining("the worker is shutting down; try again", wait_s=1.0)
        said = headers.read(scope["headers"])
        if said.tenant is not None:
            await self._pipeline.enrol(said.key, said.tenant)
        grant = self._pipeline.identify.grant(said.key, said.tenant)
        if said.evaluation is not None and KeyRight.EVALS not in grant.key.may:
            raise FieldNotAllowed(
                f"key {grant.key.name!r} may not evaluate; use one made with --may evals",
                param="x-trimtab-eval",
            )
        sampler = self._pipeline.settle.sample
        found, context = context_of(said, grant, request.trace_id, self._baggage)
        retrieval, retrieval_source = _retrieved(said.documents)
        self._pipeline.fund.check(grant, request.ts_us)
        data = await body.whole(receive, self._max_body, "raise `gateway.max_body`")
        routing, prompt, members = body.read(request.wire, data)
        if prompt is not None and said.prompt is not None:
            raise PromptAmbiguous(
                "the body names a prompt and the header x-trimtab-prompt another; send one",
                param="x-trimtab-prompt",
            )
        ours = routing.trimtab or TrimtabMember()
        return Request(
            request_id=request.request_id,
            trace_id=found,
            ts_us=request.ts_us,
            started_s=request.started_s,
            key=said.key,
            wire=request.wire,
            operation=request.operation,
            model="" if routing.model is msgspec.UNSET else routing.model,
            members=members,
            size=len(data),
            tenant=said.tenant,
            stream=routing.stream is True,
            usage_asked=routing.usage_asked,
            previous=routing.previous,
            feature=ours.feature or said.feature or "default",
            end_user=ours.user or said.user or routing.end_user,
            conversation=ours.conversation or said.conversation,
            tags=_tags(ours.tags or said.tags, said.evaluation),
            retrieval=retrieval,
            retrieval_source=retrieval_source,
            client_retry=said.client_retry,
            wire_headers=said.forwarded,
            betas=said.betas,
            server_tools=tuple(routing.server_tools()),
            ends_s=request.started_s + said.deadline_s,
            idempotency_key=said.idempotency_key,
            asked=_asked(request.wire, data) if said.idempotency_key else b"",
            prompt=prompt,
            rendered=said.prompt,
            origin=Origin.LIVE if said.evaluation is None else said.evaluation.origin,
            trace=context,
            trace_flags=sampler.flags(found, context, grant.tier.name),
        )

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        said = None
        request = self._arrived(Wire.OPENAI_CHAT, "models")
        reply = AsgiReply(request.wire, receive, send)
        try:
            said = headers.read(scope["headers"])
            if said.anthropic:
                request = msgspec.structs.replace(request, wire=Wire.ANTHROPIC_MESSAGES)
                reply = AsgiReply(request.wire, receive, send)
            request = msgspec.structs.replace(request, key=said.key, tenant=said.tenant)
            if said.tenant is not None:
                await self._pipeline.enrol(said.key, said.tenant)
            path, wire = scope["path"], request.wire
            listing, config_seq = await self._pipeline.look(
                request,
                lambda known: (models.listing(known, path, wire), known.snapshot.config_seq),
            )
        except TrimtabError as error:
            await reply.refuse(error, _facts(request))
            return
        await reply.whole(listing, _facts(request, config_seq))

    async def _health(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await _plain(send, 200, {"status": "ok"})

    async def _ready(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        seq, problem = self._snapshot().config_seq, self._problem()
        why = "draining" if self._draining else "no configuration yet" if not seq else None
        if isinstance(problem, SchemaTooNew):
            why = "the control store is of a newer program; upgrade trimtab"
        if why is not None:
            await _plain(send, 503, {"status": why})
            return
        # Anybody may ask, so where the store is stays in the log.
        told = {"control_store": "cannot be followed; nothing can be changed"} if problem else {}
        await _plain(send, 200, {"status": "ready", "config_seq": seq, **told})

    async def _missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = sorted({path for _, path in self._routes})
        anthropic = any(name == b"anthropic-version" for name, _ in scope["headers"])
        wire = Wire.ANTHROPIC_MESSAGES if anthropic else Wire.OPENAI_CHAT
        error = NotFound(
            f"{scope['method']} on this path is not served; there is {', '.join(known)}"
        )
        request = self._arrived(wire, "none")
        await AsgiReply(wire, receive, send).refuse(error, _facts(request))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as life:
            try:
                await life.enter_async_context(self._lifespan_of())
            except TrimtabError as exc:
                await send({"type": "lifespan.startup.failed", "message": str(exc)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            if self._running:
                self._idle.clear()
                await self._idle.wait()
        await send({"type": "lifespan.shutdown.complete"})

    def drain(self) -> None:
        """Take no more requests; those that run go on."""
        self._draining = True
        for it in self._beside:
            it.drain()


def _read_alone(scope: Scope, *names: bytes) -> headers.Headers:
    """Read some headers and no others: those may be what is wrong with a request."""
    try:
        return headers.read(pair for pair in scope["headers"] if pair[0] in names)
    except TrimtabError:
        return headers.Headers()


def _facts(request: Request, config_seq: int = 0) -> Facts:
    return Facts(
        request_id=request.request_id,
        trace_id=request.trace_id,
        config_seq=config_seq,
        ts_us=request.ts_us,
    )


def _tags(given: Mapping[str, str] | None, evaluation: headers.EvaluationSaid | None) -> str | None:
    """Write the caller's tags, with what it evaluates among them."""
    tags = dict(given or {})
    if evaluation is not None:
        tags[OF_EVALUATION] = evaluation.place
    return msgspec.json.encode(tags).decode() if tags else None


def _retrieved(header: str | None) -> tuple[Retrieval | None, str]:
    """Read what the caller found, and tell where it says so."""
    if header is None:
        return None, "none"
    if header == IN_SPAN:
        return None, IN_SPAN
    try:
        return decode(header), "header"
    except ValueError as exc:
        raise InvalidRequest(
            "header 'x-trimtab-documents' must be base64url of zlib of a JSON object of up to 64"
            " KiB, or that JSON: {documents: [{id, score, version, sha256}], index,"
            " index_build_date, embedding_model, retrieval_us}, with at most 32 documents",
            param="x-trimtab-documents",
        ) from exc


def _asked(wire: Wire, data: bytes) -> bytes:
    """Hash what is asked for: the route and the bytes of the body."""
    return hashlib.sha256(wire.encode() + b"\0" + data).digest()


async def _plain(send: Send, status: int, value: Mapping[str, str | int]) -> None:
    data = msgspec.json.encode(value)
    head: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))],
    }
    await send(head)
    await send({"type": "http.response.body", "body": data})
