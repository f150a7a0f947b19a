"""Vectors of texts through the gateway, remembered like verdicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw, Struct

from trimtab.domain.prompt import digest
from trimtab.evals.asking import Asking
from trimtab.evals.cache import Cache, Entry, Key, Said
from trimtab.evals.calling import Reply
from trimtab.evals.flight import SingleFlight
from trimtab.evals.judging import Fault, JudgeError
from trimtab.evals.naming import Naming, answered_by

EMBEDDINGS = "/v1/embeddings"
MOST_AT_ONCE = 128
STEP = "embedding"

_NULL = Raw(b"null")

Vector = tuple[float, ...]


class _Vector(Struct):
    index: int
    embedding: Vector


class _Vectors(Struct):
    data: tuple[_Vector, ...]
    model: str = ""
    usage: Raw = _NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayEmbedder:
    """See `Embedder`. State: the batches that are being waited for."""

    naming: Naming
    asking: Asking
    cache: Cache
    place: str
    _flights: SingleFlight[Sequence[Vector]] = field(default_factory=SingleFlight[Sequence[Vector]])

    @property
    def model(self) -> str:
        """See `Embedder.model`; of what is no freezer it is the name that is asked for."""
        return self.naming.known or self.naming.name

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """See `Embedder.embed`."""
        model = await self.naming.resolved(self._probe)
        found = {it: self._remembered(it, model) for it in texts}
        missing = [text for text, vector in found.items() if vector is None]
        for start in range(0, len(missing), MOST_AT_ONCE):
            batch = missing[start : start + MOST_AT_ONCE]
            vectors = await self._flights.once(
                digest("\0".join(batch)), lambda batch=batch: self._ask(batch, model)
            )
            found |= zip(batch, vectors, strict=True)
        return [vector for it in texts if (vector := found[it]) is not None]

    def _remembered(self, text: str, model: str) -> Vector | None:
        entry = self.cache.get(_key(text, model))
        if entry is None:
            return None
        try:
            vector = msgspec.json.decode(entry.parsed, type=Vector)
        except msgspec.DecodeError:
            return None
        return vector if _is_good(vector) else None

    async def _ask(self, texts: Sequence[str], model: str) -> Sequence[Vector]:
        reply = await self._send(texts)
        read = _read(reply)
        data = sorted(read.data, key=lambda it: it.index)
        vectors = [it.embedding for it in data]
        in_order = [it.index for it in data] == list(range(len(texts)))
        if not in_order or not all(map(_is_good, vectors)):
            raise _unreadable()
        model = self.naming.said(answered_by(reply, read.model))
        for text, vector in zip(texts, vectors, strict=True):
            self.cache.put(
                Entry(
                    key=_key(text, model),
                    response=Said(model=read.model, request_id=reply.request_id),
                    parsed=Raw(msgspec.json.encode(vector)),
                    usage=_NULL,
                    cost_nano=None,
                    at=self.cache.now(),
                )
            )
        return vectors

    async def _probe(self) -> str:
        reply = await self._send(["ok"])
        return answered_by(reply, _read(reply).model)

    async def _send(self, texts: Sequence[str]) -> Reply:
        body: dict[str, Any] = {"model": self.naming.name, "input": texts}
        return await self.asking.send(EMBEDDINGS, msgspec.json.encode(body), self.place)


def _key(text: str, model: str) -> Key:
    return Key(
        judge_model=model, judge_prompt_hash="", candidate_output_hash=digest(text), step=STEP
    )


def _read(reply: Reply) -> _Vectors:
    try:
        return msgspec.json.decode(reply.body, type=_Vectors)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise _unreadable() from exc


def _is_good(vector: Vector) -> bool:
    return bool(vector) and all(map(math.isfinite, vector))


def _unreadable() -> JudgeError:
    return JudgeError(Fault.UNREADABLE, "the embedding model gave other vectors than asked for")
