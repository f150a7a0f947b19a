"""One request: what happened, how long it took, what was said, what it cost."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace
from starlette.responses import Response

from trimtab.console import text
from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.messages import Conversation, Message, read_answer, read_input
from trimtab.console.trace_tree import choose
from trimtab.console.trace_tree import draw as draw_tree
from trimtab.console.waterfall import draw
from trimtab.console.wire import pretty, stored_members
from trimtab.domain.annotation import Annotation, latest
from trimtab.domain.app_span import AppSpan
from trimtab.domain.ids import ulid_ms
from trimtab.domain.record import RequestRecord
from trimtab.incidents.explain import explain
from trimtab.incidents.joined import join, retrieved
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.foreign import Said
from trimtab.telemetry.ingest import body_of, said_of

NOT_YET_MS = 5_000
_MOST_DIGITS = 7


@dataclass(frozen=True, slots=True)
class CostPart:
    """One addend of the cost. `rate` is dollars per million tokens, worked out backwards."""

    name: str
    tokens: int | None
    cost_nano: int | None

    @property
    def rate(self) -> str:
        """Dollars per million tokens; a dash if there is nothing to divide."""
        if not self.tokens or not self.cost_nano:
            return text.DASH
        return f"${self.cost_nano / self.tokens / 1000:,.2f}"


async def show(visit: Visit) -> Response:
    """Show a record found by its id or a unique prefix of it."""
    request_id = visit.param("id")
    stored = await visit.console.records.find(request_id)
    if stored is None:
        too_new = is_too_new(request_id, visit.console.clock.now_us())
        context = {"request_id": request_id, "too_new": too_new}
        return visit.page("request_missing.html", context, status=404)
    record = stored.record
    annotations = latest(await visit.console.records.annotations(record.request_id))
    asked, answered, *why = await _content(visit, record, annotations)
    around = await _around(visit, stored)
    state = await visit.console.control.state_at(record.config_seq)
    context = {
        **_context(stored, *await asyncio.to_thread(_read, asked, answered)),
        **around,
        "steps": explain(stored, state),
        "annotations": [
            (it, said.decode(errors="replace") if said else "")
            for it, said in zip(annotations, why, strict=True)
        ],
    }
    return visit.page("request.html", context)


def is_too_new(request_id: str, now_us: int) -> bool:
    """Whether an id is so young that its record may still be on its way."""
    made_ms = ulid_ms(request_id)
    return made_ms is not None and 0 <= now_us // 1000 - made_ms < NOT_YET_MS


def verdict(record: RequestRecord) -> Sequence[str]:
    """Say in a few words how a request went, without its status."""
    where = (
        f"{record.model_requested} → {record.target}" if record.target else record.model_requested
    )
    estimated = record.usage_source in ("estimated", "partial")
    words = [text.duration(record.latency_us)]
    if record.attempt_count:
        words.append(text.usd(record.cost_nano, estimated=estimated))
    return (*words, f"{record.tenant_id}/{record.feature}", where)


def cost_parts(record: RequestRecord) -> tuple[CostPart, ...]:
    """Split the cost of a record into parts that sum to it. Parts nobody used are left out."""
    cached, written = record.cached_tokens or 0, record.cache_write_tokens or 0
    plain = None if record.input_tokens is None else record.input_tokens - cached - written
    parts = (
        CostPart("input", plain, record.cost_input_nano),
        CostPart("input from cache", record.cached_tokens, record.cost_cached_nano),
        CostPart("input written to cache", record.cache_write_tokens, record.cost_cache_write_nano),
        CostPart("output", record.output_tokens, record.cost_output_nano),
        CostPart("other", None, record.cost_other_nano),
    )
    return tuple(p for p in parts if p.tokens or p.cost_nano or p.name in ("input", "output"))


async def _around(visit: Visit, stored: StoredRecord) -> Mapping[str, object]:
    """Join what the application told of its work, and show as much of it as a page takes."""
    reader, record = visit.console.records, stored.record
    trace = await join(reader, record)
    found: dict[str, object] = {
        "retrieved": await retrieved(reader, stored, trace),
        "trace": trace,
        "chosen": None,
    }
    if trace is None:
        return {**found, "waterfall": draw(stored)}
    after = visit.query("after")
    is_number = after.isascii() and after.isdecimal() and len(after) < _MOST_DIGITS
    tree = choose(trace, visit.query("span") or None, int(after) if is_number else 0)
    spans = await reader.spans(record.tenant_id, trace.trace_id, tree.span_ids)
    chosen = next((it for it in spans if it.span_id == tree.top), None)
    said = None if chosen is None else await _said(visit, record, chosen)
    return {
        **found,
        "waterfall": draw_tree(tree, stored, spans),
        "chosen": chosen,
        "span_body": chosen and body_of(chosen),
        "span_said": said and (*said.asked, *said.answered),
    }


async def _said(visit: Visit, record: RequestRecord, span: AppSpan) -> Said | None:
    if span.content_ref is None or not visit.may(Right.CONTENT):
        return None
    # It is kept by the day it came, and looked at as part of the request.
    kept = replace(record, ts_us=span.received_us)
    audit, refs = visit.console.audit, (span.content_ref,)
    (data,) = await audit.read_all(kept, refs, author=visit.author, source=visit.source)
    return None if data is None else said_of(span, data)


async def _content(
    visit: Visit, record: RequestRecord, annotations: Sequence[Annotation]
) -> Sequence[bytes | None]:
    """Read what was asked, what was answered, and what each annotation says in words."""
    refs = [record.input_ref, record.output_ref, *(it.text_ref for it in annotations)]
    if not visit.may(Right.CONTENT):
        return [None for _ in refs]
    audit = visit.console.audit
    return await audit.read_all(record, refs, author=visit.author, source=visit.source)


def _read(
    asked: bytes | None, answered: bytes | None
) -> tuple[Conversation | None, Message | None]:
    return (
        None if asked is None else read_input(asked),
        None if answered is None else read_answer(answered),
    )


def _context(
    stored: StoredRecord, asked: Conversation | None, answered: Message | None
) -> Mapping[str, object]:
    record = stored.record
    return {
        "record": record,
        "stored": stored,
        "verdict": verdict(record),
        "estimated": record.usage_source in ("estimated", "partial"),
        "asked": asked,
        "answered": answered,
        "cost_parts": cost_parts(record),
        "raw": pretty(stored_members(stored)),
    }
