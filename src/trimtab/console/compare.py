"""Two requests side by side: what differs in how they were asked, answered, timed and paid for."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import quote, urlencode

import msgspec
from starlette.responses import Response

from trimtab.console import text
from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.messages import Message, read_answer, read_input
from trimtab.domain.record import RequestRecord
from trimtab.incidents.joined import Retrieved, join, retrieved
from trimtab.registry.diff import Change, Piece, pieces
from trimtab.registry.words import hunks
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import StoredRecord

PATH = "/console/compare"
_MOST_OFFERED = 12
_FACTS = (
    *("status", "error_code", "http_status", "finish_reasons", "refusal"),
    *("tenant_id", "feature", "tier", "key_id", "origin", "operation", "wire", "stream"),
    *("model_requested", "target", "model_response", "fallback_used", "cache_hit"),
    *("prompt_name", "prompt_version", "prompt_label", "experiment", "arm"),
    *("index_name", "embedding_model", "config_seq", "price_version"),
    *("policy_version", "guardrail_decision", "guard_failed"),
    *("tool_call_count", "conversation_id", "content_state"),
)
_TOKENS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")
_TIMES = ("latency_us", "ttft_us", "provider_us", "overhead_us", "guard_us", "retrieval_us")

_Told = Callable[[int | None], str]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is told of both. `shares` are of the larger amount, in percent."""

    name: str
    a: str
    b: str
    shares: tuple[float, float] | None = None

    @property
    def differs(self) -> bool:
        """Whether both are told otherwise."""
        return self.a != self.b


@dataclass(frozen=True, slots=True)
class Document:
    """A document that one of them, or both, were made of."""

    doc_id: str
    a: Retrieved | None
    b: Retrieved | None

    @property
    def differs(self) -> bool:
        """Whether it is elsewhere in the other, of another version, or not there."""
        if self.a is None or self.b is None:
            return True
        one, other = ((it.rank, it.version, it.sha256) for it in (self.a, self.b))
        return one != other


@dataclass(frozen=True, slots=True)
class Line:
    """A message of both; nothing of it where it is not. Pieces of one side are marked."""

    roles: tuple[str, str]
    pieces: tuple[tuple[Piece, ...], tuple[Piece, ...]]
    changed: bool


async def show(visit: Visit) -> Response:
    """Compare two requests, named `a` and `b` or chosen from a list; with one, offer others."""
    chosen = visit.request.query_params.getlist("pick")
    ids = (visit.query("a") or _at(chosen, 0), visit.query("b") or _at(chosen, 1))
    a, b = [await visit.console.records.find(it) if it else None for it in ids]
    missing = [it for it, stored in zip(ids, (a, b), strict=True) if it and stored is None]
    context: dict[str, object] = {
        "ids": ids,
        "missing": missing,
        "too_many": len(chosen) > len(ids),
        "both": None,
        "offered": [],
        "turned": path(ids[1], ids[0]),
    }
    if a is not None and b is not None:
        context |= await _context(visit, a, b)
    elif a is not None and not ids[1]:
        context["offered"] = await _offered(visit, a.record)
    return visit.page("compare.html", context, status=404 if missing else 200)


def path(a: str, b: str) -> str:
    """Where two requests are compared."""
    return f"{PATH}?{urlencode({'a': a, 'b': b})}"


def facts(a: StoredRecord, b: StoredRecord) -> Sequence[Fact]:
    """List what is told of both, in words."""
    one, other = a.record, b.record
    found = [_fact(name, _word(one, name), _word(other, name)) for name in _FACTS]
    found += _members("param", one.params, other.params)
    found += _members("tag", one.tags or "{}", other.tags or "{}")
    findings = [", ".join(_finding(it) for it in stored.detail.findings) for stored in (a, b)]
    found.append(_fact("findings", *findings))
    return [it for it in found if it.a or it.b]


def amounts(a: StoredRecord, b: StoredRecord) -> Sequence[Fact]:
    """List what both took and cost, each with bars of one scale."""
    one, other = a.record, b.record
    tokens = [(name, getattr(one, name), getattr(other, name), text.count) for name in _TOKENS]
    money = [("cost", one.cost_nano, other.cost_nano, text.usd)]
    times = [(name, getattr(one, name), getattr(other, name), text.duration) for name in _TIMES]
    stages = [{it.stage: it.dur_us for it in stored.detail.stages} for stored in (a, b)]
    for stage in dict.fromkeys([*stages[0], *stages[1]]):
        pair = (stages[0].get(stage), stages[1].get(stage))
        times.append((f"stage {stage}", *pair, text.duration))
    return [_amount(*it) for it in (*tokens, *money, *times) if it[1] or it[2]]


def documents(a: Sequence[Retrieved], b: Sequence[Retrieved]) -> Sequence[Document]:
    """Lay documents side by side, those of the first in its order."""
    one, other = ({it.doc_id: it for it in reversed(of)} for of in (a, b))
    names = dict.fromkeys(it.doc_id for it in (*a, *b))
    return [Document(it, one.get(it), other.get(it)) for it in names]


def lines(a: Sequence[Message], b: Sequence[Message]) -> Sequence[Line]:
    """Lay messages side by side, those that are the same in one row."""
    one, other = ([(it.role, _text(it)) for it in of] for of in (a, b))
    rows: list[Line] = []
    at = 0
    for hunk in hunks(one, other):
        rows += [_same(*it) for it in one[at : hunk.start]]
        pairs = zip_longest(one[hunk.start : hunk.end], other[hunk.new_start : hunk.new_end])
        rows += [_line(before or ("", ""), after or ("", "")) for before, after in pairs]
        at = hunk.end
    return [*rows, *(_same(*it) for it in one[at:])]


async def _offered(visit: Visit, record: RequestRecord) -> Sequence[tuple[RequestRecord, str]]:
    """Offer the newest others of the same kind, with where each comparison is."""
    where = RecordFilter(
        tenant_id=record.tenant_id, feature=record.feature, model_requested=record.model_requested
    )
    found = await visit.console.records.page(where, limit=_MOST_OFFERED + 1)
    others = [it for it in found if it.request_id != record.request_id][:_MOST_OFFERED]
    return [(it, path(record.request_id, it.request_id)) for it in others]


async def _context(visit: Visit, a: StoredRecord, b: StoredRecord) -> Mapping[str, object]:
    both = (a.record, b.record)
    found = [await _retrieved(visit, it) for it in (a, b)]
    bodies = [await _content(visit, it) for it in both]
    asked, answered = await asyncio.to_thread(_read, *bodies)
    return {
        "both": both,
        "stored": (a, b),
        "facts": facts(a, b),
        "amounts": amounts(a, b),
        "prompt_diff": _prompt_diff(*both),
        "documents": documents(*found),
        "asked": asked,
        "answered": answered,
        "kept": [any(it) for it in bodies],
    }


async def _retrieved(visit: Visit, stored: StoredRecord) -> Sequence[Retrieved]:
    reader = visit.console.records
    return await retrieved(reader, stored, await join(reader, stored.record))


async def _content(visit: Visit, record: RequestRecord) -> tuple[bytes | None, bytes | None]:
    if not visit.may(Right.CONTENT):
        return None, None
    return await visit.console.audit.read(record, author=visit.author, source=visit.source)


def _read(
    a: tuple[bytes | None, bytes | None], b: tuple[bytes | None, bytes | None]
) -> tuple[Sequence[Line], Sequence[Line]]:
    asked = [() if it is None else read_input(it).messages for it, _ in (a, b)]
    answered = [() if it is None else (read_answer(it),) for _, it in (a, b)]
    return lines(*asked), lines(*answered)


def _prompt_diff(a: RequestRecord, b: RequestRecord) -> str | None:
    if a.prompt_name is None or a.prompt_name != b.prompt_name:
        return None
    if None in {a.prompt_version, b.prompt_version} or a.prompt_version == b.prompt_version:
        return None
    versions = urlencode({"from": a.prompt_version, "to": b.prompt_version})
    return f"/console/prompts/{quote(a.prompt_name)}/diff?{versions}"


def _word(record: RequestRecord, name: str) -> str:
    value = getattr(record, name)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _members(kind: str, a: str, b: str) -> Iterable[Fact]:
    one, other = (msgspec.json.decode(it, type=dict[str, object]) for it in (a, b))
    for name in sorted(one.keys() | other.keys()):
        before, after = (
            msgspec.json.encode(it[name]).decode() if name in it else "" for it in (one, other)
        )
        yield Fact(f"{kind} {name}", before, after)


def _finding(told: Mapping[str, str | int]) -> str:
    return " ".join(str(told[it]) for it in ("guard", "kind") if it in told)


def _fact(name: str, a: str, b: str) -> Fact:
    return Fact(name.removesuffix("_id").replace("_", " "), a, b)


def _amount(name: str, a: int | None, b: int | None, told: _Told) -> Fact:
    most = max(a or 0, b or 0)
    shares = (100 * (a or 0) / most, 100 * (b or 0) / most) if most else None
    return Fact(name.removesuffix("_us").replace("_", " "), told(a), told(b), shares)


def _text(message: Message) -> str:
    return "\n".join(
        it.text if it.kind == "text" else f"{it.kind} {it.title}\n{it.text}"
        for it in message.blocks
    )


def _at(chosen: Sequence[str], place: int) -> str:
    return chosen[place].strip() if place < len(chosen) else ""


def _same(role: str, said: str) -> Line:
    same = (Piece(Change.SAME, said),)
    return Line((role, role), (same, same), changed=False)


def _line(before: tuple[str, str], after: tuple[str, str]) -> Line:
    found = pieces(before[1], after[1])
    one = tuple(it for it in found if it.change is not Change.ADDED)
    other = tuple(it for it in found if it.change is not Change.REMOVED)
    return Line((before[0], after[0]), (one, other), changed=True)
