"""One conversation of one tenant: turn by turn what was new, what it cost and how long it took.

An app sends what was said before with every turn. Here each turn shows only what it adds.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from starlette.responses import Response

from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.messages import MAX_MESSAGES, Message, read_answer, read_input
from trimtab.console.requests import list_path, read_cursor, write_cursor
from trimtab.domain.record import RequestRecord
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.filter_text import narrowed
from trimtab.store.terms import Op, Term

MOST_TURNS = 30
_MOST_TENANTS = 200

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a conversation.

    Attributes:
        said: What it adds to the turn before; of many messages the last.
        skipped: Messages that it adds and that are not shown.
        answer: What was answered; `None` if nothing is kept, or may be read.
        has_content: Whether any of it is kept and may be read.
    """

    record: RequestRecord
    said: tuple[Message, ...] = ()
    skipped: int = 0
    answer: Message | None = None
    has_content: bool = False


async def show(visit: Visit) -> Response:
    """Show the newest turns of a conversation, oldest first, or those before a cursor."""
    conversation, tenant = visit.param("id"), visit.query("tenant")
    tenants = [tenant] if tenant else await _tenants(visit, conversation)
    turns: Sequence[Turn] = ()
    earlier = None
    if len(tenants) == 1:
        tenant = tenants[0]
        before = read_cursor(visit.query("cursor"))
        where = _where(conversation, tenant)
        found = await visit.console.records.page(where, after=before, limit=MOST_TURNS + 1)
        shown = found[:MOST_TURNS][::-1]
        if len(found) > len(shown):
            cursor = write_cursor(Cursor(shown[0].ts_us, shown[0].request_id))
            earlier = path(conversation, tenant, cursor)
        turns = await _turns(visit, shown)
    records = [it.record for it in turns]
    choices = [(it, path(conversation, it)) for it in tenants] if len(tenants) > 1 else []
    context = {
        "conversation": conversation,
        "tenant": tenant,
        "choices": choices,
        "turns": turns,
        "earlier": earlier,
        "newest": path(conversation, tenant) if visit.query("cursor") else None,
        "listed": list_path(narrowed(f"tenant:{tenant}", "conversation", conversation)),
        "cost_nano": sum(it.cost_nano or 0 for it in records),
        "tokens": sum((it.input_tokens or 0) + (it.output_tokens or 0) for it in records),
        "slowest_us": max((it.latency_us for it in records), default=0),
        "failed": sum(it.error_code is not None for it in records),
    }
    return visit.page("conversation.html", context, status=200 if turns or choices else 404)


def path(conversation: str, tenant: str, cursor: str = "") -> str:
    """Where a conversation is shown."""
    query = {"tenant": tenant, **({"cursor": cursor} if cursor else {})}
    return f"/console/conversations/{quote(conversation, safe='')}?{urlencode(query)}"


def added(before: Sequence[Message], now: Sequence[Message]) -> Sequence[Message]:
    """Leave out what was said before: all of it, or its end where an app forgets the beginning."""
    said = _talk(now)
    known, keys = ([_key(it) for it in of] for of in (_talk(before), said))
    # The answer may have come back in other words: then it is shown as they are.
    overlap = max(_overlap(known, keys), _overlap(known[:-1], keys))
    system = [it for it in now if it.role == "system" and it not in before]
    return (*system, *said[overlap:])


def _overlap(known: Sequence[_Key], keys: Sequence[_Key]) -> int:
    """Count how many of the first are the last that were known."""
    longest = min(len(known), len(keys))
    return next((n for n in range(longest, 0, -1) if known[-n:] == keys[:n]), 0)


def _talk(messages: Sequence[Message]) -> Sequence[Message]:
    return [it for it in messages if it.role != "system"]


def _key(message: Message) -> _Key:
    """Tell messages apart as apps send them back: without what only a model thought."""
    return (message.role, *(it.text for it in message.blocks if it.kind != "reasoning"))


def _where(conversation: str, tenant: str | None = None) -> RecordFilter:
    term = Term("conversation_id", Op.IN, (conversation,))
    return RecordFilter(tenant_id=tenant, terms=(term,))


async def _tenants(visit: Visit, conversation: str) -> list[str]:
    """List who has a conversation of this name: names are the tenants' own."""
    found = await visit.console.records.page(_where(conversation), limit=_MOST_TENANTS)
    return sorted({it.tenant_id for it in found})


async def _turns(visit: Visit, records: Sequence[RequestRecord]) -> Sequence[Turn]:
    if not visit.may(Right.CONTENT):
        return [Turn(it) for it in records]
    audit, author, source = visit.console.audit, visit.author, visit.source
    bodies = [await audit.read(it, author=author, source=source) for it in records]
    return await asyncio.to_thread(_read, records, bodies)


def _read(
    records: Sequence[RequestRecord], bodies: Sequence[tuple[bytes | None, bytes | None]]
) -> Sequence[Turn]:
    turns: list[Turn] = []
    before: Sequence[Message] = ()
    for record, (asked, answered) in zip(records, bodies, strict=True):
        now = () if asked is None else read_input(asked, most=None).messages
        answer = None if answered is None else read_answer(answered)
        fresh = added(before, now)
        shown = tuple(fresh[-MAX_MESSAGES:])
        has_content = asked is not None or answered is not None
        turns.append(Turn(record, shown, len(fresh) - len(shown), answer, has_content))
        # A turn of which nothing is kept tells nothing of what was known.
        if now:
            before = now if answer is None else (*now, answer)
    return turns
