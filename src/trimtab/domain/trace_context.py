"""W3C Trace Context, level 2, and what OpenTelemetry keeps in its member of `tracestate`.

    tracestate = ot=th:f333;rv:6e6d1a75832a2f,vendor=opaque

`th` is the threshold below which traces were dropped, `rv` the randomness that is held against it:
https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/. A list that breaks a rule is
as good as none; members of others are kept, in order.
"""

import re
from typing import NamedTuple

from msgspec import Struct

MAX_MEMBERS = 32
MAX_CHARS = 512

SAMPLED, RANDOM = 0x01, 0x02

WHOLE = 1 << 56
"""Thresholds and randomness are below it."""

_OURS = "ot"
_DIGITS = 14
_LARGE = 128
_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_TH = re.compile(r"[0-9a-f]{1,14}")
_RV = re.compile(r"[0-9a-f]{14}")


class TraceContext(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request said of the trace that it is part of.

    Attributes:
        parent_span_id: The caller's span; `None` if the trace begins here.
        is_sampled: Whether the caller keeps its own spans.
        is_random: Whether the low 56 bits of the trace id are random.
        link: Trace and span of a caller that is not trusted to be the parent.
        keep: Whether it was asked to be kept, by who may.
        baggage: What of the baggage becomes attributes.
    """

    parent_span_id: str | None = None
    tracestate: str | None = None
    is_sampled: bool = True
    is_random: bool = True
    link: tuple[str, str] | None = None
    keep: bool = False
    baggage: tuple[tuple[str, str], ...] = ()


class OpenTelemetry(NamedTuple):
    """The member `ot`.

    Attributes:
        th: Threshold as a number; `None` if nobody said.
        rv: Explicit randomness, as written.
    """

    th: int | None = None
    rv: str | None = None


def checked(raw: str) -> str | None:
    """Give a `tracestate` as it is passed on; `None` if it breaks a rule or says nothing.

    One that is too long loses large members first, then the last ones.
    """
    members = [it for it in map(str.strip, raw.split(",")) if it]
    parts = [it.partition("=") for it in members]
    keys = {key for key, _, _ in parts}
    if len(keys) < len(parts) or len(parts) > MAX_MEMBERS:
        return None
    if not all(_KEY.fullmatch(key) and _VALUE.fullmatch(value) for key, _, value in parts):
        return None
    if len(",".join(members)) > MAX_CHARS:
        members = [it for it in members if len(it) <= _LARGE]
    while len(",".join(members)) > MAX_CHARS:
        members.pop()
    return ",".join(members) or None


def opentelemetry(tracestate: str) -> OpenTelemetry:
    """Read the member `ot` of a checked `tracestate`; what is malformed in it was not said."""
    value = next((it[3:] for it in tracestate.split(",") if it.startswith("ot=")), "")
    said = {key: text for key, _, text in (it.partition(":") for it in value.split(";"))}
    th, rv = said.get("th", ""), said.get("rv", "")
    return OpenTelemetry(
        int(th.ljust(_DIGITS, "0"), 16) if _TH.fullmatch(th) else None,
        rv if _RV.fullmatch(rv) else None,
    )


def with_opentelemetry(tracestate: str | None, said: OpenTelemetry) -> str | None:
    """Put our member in front of those of others, in place of the one that was there."""
    others = [it for it in (tracestate or "").split(",") if it and not it.startswith("ot=")]
    parts = [] if said.th is None else [f"th:{th_text(said.th)}"]
    parts += [] if said.rv is None else [f"rv:{said.rv}"]
    ours = [f"{_OURS}={';'.join(parts)}"] if parts else []
    return ",".join([*ours, *others][:MAX_MEMBERS]) or None


def th_text(threshold: int) -> str:
    """Write a threshold, without zeros at its end."""
    return f"{threshold:014x}".rstrip("0") or "0"


def traceparent(trace_id: str, span_id: str, flags: int) -> str:
    """Write the header."""
    return f"00-{trace_id}-{span_id}-{flags:02x}"
