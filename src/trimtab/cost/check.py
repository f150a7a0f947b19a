"""What is wrong, or worth a look, in all that prices are made of."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from trimtab.cost.lock import Lock, faults
from trimtab.cost.overrides import Context, Override

_CONTEXTS: Mapping[str, frozenset[str] | None] = {
    "batch": frozenset({"true"}),
    "service_tier": frozenset({"flex", "priority", "fast"}),
    "speed": frozenset({"fast"}),
    "region": None,
}
"""Kinds of service that answers tell, and what they may be; `None` is anything."""


class Finding(NamedTuple):
    """Something about prices. `is_fault` is what no request can be priced rightly with."""

    is_fault: bool
    text: str


def check_lock(lock: Lock) -> Iterator[Finding]:
    """Look for gaps and overlaps, tiers out of order, and services nobody tells of."""
    yield from (Finding(is_fault=True, text=fault) for fault in faults(lock))
    for row in lock.rows:
        for pair in _unknown(tuple(row.context.items())):
            yield Finding(
                is_fault=True,
                text=f"row '{row.id}' is for {pair}, a service that no answer tells of",
            )


def check_overrides(overrides: Sequence[Override], where: str) -> Iterator[Finding]:
    """Look for entries that hide one another in time, and for services nobody tells of."""
    groups: defaultdict[tuple[str, Context | None], list[Override]] = defaultdict(list)
    for it in overrides:
        groups[it.pattern, it.context].append(it)
        for pair in _unknown(it.context or ()):
            known = pair.strip("`").partition(":")[0] in _CONTEXTS
            text = f"{where} '{it.pattern}' is for {pair}, a service that no price list knows"
            yield Finding(is_fault=not known, text=text)
    for (pattern, _), entries in groups.items():
        entries.sort(key=lambda it: (it.start_us, it.end_us))
        for earlier, later in pairwise(entries):
            if earlier.end_us > later.start_us:
                text = f"{where} '{pattern}' has two entries for one time; end one with `to`"
                yield Finding(is_fault=True, text=text)
            elif earlier.end_us < later.start_us:
                text = f"{where} '{pattern}' has a gap: the list's own price holds in it"
                yield Finding(is_fault=False, text=text)


def _unknown(context: Context) -> Iterator[str]:
    for name, value in context:
        known = _CONTEXTS.get(name, frozenset[str]())
        if known is not None and value not in known:
            yield f"`{name}: {value}`"
