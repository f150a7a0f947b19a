"""Whose trace a request is part of: the caller's, or one of its own."""

from collections.abc import Iterator
from urllib.parse import unquote

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import FieldNotAllowed
from trimtab.domain.ids import TraceId
from trimtab.domain.tenant import KeyRight
from trimtab.domain.trace_context import RANDOM, SAMPLED, TraceContext, checked
from trimtab.gateway.headers import MAX_VALUE_CHARS, Headers


def context_of(
    said: Headers, grant: Grant, own: TraceId, allowed: frozenset[str]
) -> tuple[TraceId, TraceContext]:
    """Give trace and context of a request; what a caller may not say is a link at most.

    Raises:
        FieldNotAllowed: it asks to be kept, with a key that may not.
    """
    if said.keep and KeyRight.KEEP not in grant.key.may:
        raise FieldNotAllowed(
            f"key {grant.key.name!r} may not have traces kept; use one made with --may keep",
            param="x-trimtab-keep",
        )
    baggage = tuple(_baggage(said.baggage, allowed)) if allowed and said.baggage else ()
    if said.trace_id is None or said.parent_span_id is None:
        if not said.keep and not baggage:
            return own, _OWN
        return own, TraceContext(keep=said.keep, baggage=baggage)
    if not (grant.key.trust_trace_context and grant.tenant.trust_trace_context):
        link = said.trace_id, said.parent_span_id
        return own, TraceContext(link=link, keep=said.keep, baggage=baggage)
    return said.trace_id, TraceContext(
        parent_span_id=said.parent_span_id,
        tracestate=checked(said.tracestate) if said.tracestate else None,
        is_sampled=bool(said.trace_flags & SAMPLED),
        is_random=bool(said.trace_flags & RANDOM),
        keep=said.keep,
        baggage=baggage,
    )


_OWN = TraceContext()


def _baggage(raw: str, allowed: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Read the members that are let in: https://www.w3.org/TR/baggage/. The first of a key wins."""
    seen: set[str] = set()
    for member in raw.split(","):
        key, equals, value = member.partition(";")[0].partition("=")
        key, text = key.strip(), unquote(value.strip())
        if equals and key in allowed and key not in seen and text.isprintable():
            seen.add(key)
            yield key, text[:MAX_VALUE_CHARS]
