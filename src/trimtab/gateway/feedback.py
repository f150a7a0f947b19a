"""`POST /v1/feedback`: what users and apps say of a request after it ended.

Whether the request is the caller's is seen where records are: an answer tells nothing about it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from trimtab.control.snapshot import Grant
from trimtab.domain import annotation
from trimtab.domain.annotation import (
    Annotation,
    AnnotationKind,
    AnnotationSource,
    Figure,
    Name,
    Text,
    Words,
)
from trimtab.domain.errors import InvalidRequest, NotFound, RateLimited, TrimtabError
from trimtab.domain.ids import Entropy, ulid, ulid_ms
from trimtab.domain.model import Wire
from trimtab.domain.tenant import ContentPolicy
from trimtab.gateway import headers
from trimtab.gateway.errors import body, http_status, retry_headers
from trimtab.gateway.plain import read_body, send_json
from trimtab.gateway.reply import Receive, Send
from trimtab.pipeline.admit import Identify
from trimtab.pipeline.content import DAY_US, ContentCapture
from trimtab.pipeline.recall import PAUSES_S, Stored

PATH = "/v1/feedback"
MAX_BODY = 1 << 20
MOST_DAYS = 400
MOST_A_SECOND = 500

_AHEAD_US = 300_000_000


class Said(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that is said. `outcome` is what the app saw come of it, `feedback` is a user's."""

    request_id: Annotated[str, Meta(pattern=r"^r_[0-9A-HJKMNP-TV-Z]{26}$(?!\n)")] | None = None
    response_id: Text | None = None
    kind: Literal["feedback", "outcome"] = "feedback"
    name: Name
    score: Figure | None = None
    label: Text | None = None
    comment: Words | None = None
    idempotency_key: Text | None = None


Items = Annotated[list[Said], Meta(min_length=1, max_length=100)]

_decoder: msgspec.json.Decoder[Said | list[Said]] = msgspec.json.Decoder(Said | Items)


class Feedback:
    """Writes what is said down as annotations.

    State: the present second, and how much each key has said in it.
    """

    def __init__(
        self,
        identify: Identify,
        write: Callable[[annotation.Annotated], None],
        capture: ContentCapture,
        stored: Stored,
        entropy: Entropy,
    ) -> None:
        """Begin with nothing said.

        Args:
            identify: Tells whose key it is.
            write: Puts an annotation on its way. Raises `RecorderUnavailable`.
            capture: Makes blobs of comments.
            stored: Finds a request by the id of its answer.
            entropy: Makes ids.
        """
        self._identify = identify
        self._write = write
        self._capture = capture
        self._stored = stored
        self._entropy = entropy
        self._second = 0
        self._said: dict[str, int] = {}

    def takes(self, path: str) -> bool:
        """Whether a path is this one."""
        return path == PATH

    def drain(self) -> None:
        """Keep nobody."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["method"] != "POST":
                raise NotFound(f"{scope['method']} is not served here; there is POST {PATH}")
            read = (b"x-trimtab-tenant", *headers.OF_KEYS)
            said = headers.read(pair for pair in scope["headers"] if pair[0] in read)
            grant = self._identify.grant(said.key, said.tenant)
            items = _items(await read_body(receive, MAX_BODY))
            self._pace(grant.key.id, len(items))
            found = [await self._annotated(grant, it) for it in items]
            for it in found:
                self._write(it)
        except TrimtabError as error:
            wire = Wire.OPENAI_CHAT
            data = body(error, wire, "")
            await send_json(send, http_status(error, wire), data, retry_headers(error))
            return
        told = {
            "annotation_ids": [it.annotation.annotation_id for it in found],
            "comments_kept": sum(bool(it.content) for it in found),
        }
        await send_json(send, 202, msgspec.json.encode(told))

    async def _annotated(self, grant: Grant, said: Said) -> annotation.Annotated:
        request_id = await self._about(grant, said)
        request_us, now_us = (ulid_ms(request_id) or 0) * 1000, self._identify.clock.now_us()
        if not now_us - MOST_DAYS * DAY_US < request_us < now_us + _AHEAD_US:
            raise InvalidRequest(
                f"{request_id!r} is no request of the last {MOST_DAYS} days; send the value of"
                " x-trimtab-request-id",
                param="request_id",
            )
        captured = None
        if said.comment is not None and grant.content is ContentPolicy.FULL:
            # It may be lost with its frame: each is written whole.
            self._capture.forget()
            captured = self._capture.capture(grant.tenant.id, request_us, said.comment.encode())
        by_app = said.kind == AnnotationKind.OUTCOME
        source = AnnotationSource.APP if by_app else AnnotationSource.USER
        return annotation.Annotated(
            annotation=Annotation(
                annotation_id=self._id(grant.tenant.id, source, said.idempotency_key),
                request_id=request_id,
                tenant_id=grant.tenant.id,
                ts_us=now_us,
                kind=said.kind,
                name=said.name,
                score=said.score,
                label=said.label,
                text_ref=None if captured is None else captured.ref,
                source=source,
            ),
            request_us=request_us,
            content=() if captured is None else captured.blobs,
            claimed=True,
        )

    async def _about(self, grant: Grant, said: Said) -> str:
        if (said.request_id is None) == (said.response_id is None):
            raise InvalidRequest("one of request_id and response_id must be there; send one")
        if said.request_id is not None:
            return said.request_id
        for pause_s in PAUSES_S:
            # Its record may still be on its way.
            await asyncio.sleep(pause_s)
            record = await self._stored(grant.tenant.id, said.response_id or "")
            if record is not None:
                return record.request_id
        raise NotFound("no request of yours has this response_id; send request_id")

    def _id(self, tenant_id: str, source: str, key: str | None) -> str:
        """Make an id: the same for what a tenant says again under one key, so it is stored once."""
        if key is None:
            return annotation.PREFIX + ulid(self._identify.clock.now_us() // 1000, self._entropy)
        made_of = sha256(f"{tenant_id}\0{source}\0{key}".encode()).digest()
        return annotation.PREFIX + ulid(0, lambda size: made_of[:size])

    def _pace(self, key_id: str, n: int) -> None:
        second = int(self._identify.clock.monotonic_s())
        if second != self._second:
            self._second = second
            self._said.clear()
        self._said[key_id] = said = self._said.get(key_id, 0) + n
        if said > MOST_A_SECOND:
            raise RateLimited(
                f"key {key_id!r} said more than {MOST_A_SECOND} things in a second; send fewer",
                wait_s=1.0,
            )


def _items(data: bytes) -> Sequence[Said]:
    try:
        found = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InvalidRequest(
            "the body cannot be read; send {request_id or response_id, name, score, label, comment,"
            " idempotency_key}, or a list of up to 100"
        ) from exc
    return found if isinstance(found, list) else [found]
