"""When and how a trace of application spans is decided, of which nobody says when it is whole.

Its spans are stored at once and only their export waits. A trace of one of our requests goes by
the record: kept as soon as one of its records is. Any other is decided two seconds after its root
came, or a minute after its first span; a trace whose root is elsewhere is one of these. What takes
more room than there is makes the oldest decided with what is there: none is dropped undecided.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

AFTER_ROOT_US = 2_000_000
LONGEST_US = 60_000_000
MAX_BYTES = 256 << 20
MAX_KEPT = 100_000

_SLOTS = 1 << 21
_RECORD_BYTES = 500


class Decision(NamedTuple):
    """What becomes of a trace.

    Attributes:
        th: The threshold it was kept at; `None` if that is unknown.
        policy: Version of the policy that decided.
    """

    is_kept: bool
    rule: str
    th: int | None
    policy: str = ""


class Seen(NamedTuple):
    """What counts of some spans of one trace that came together.

    Attributes:
        size: Bytes that wait with them.
        has_root: Whether one has no parent, not even in another process.
        has_failed: Whether one says that it failed.
        longest_us: How long the longest took.
        tracestate: Of any of them.
        is_random: Whether the low 56 bits of the trace id are random, as flags of spans say.
    """

    trace_id: str
    at_us: int
    size: int
    has_root: bool = False
    has_failed: bool = False
    longest_us: int = 0
    tracestate: str = ""
    is_random: bool = False


Decide = Callable[[Seen], Decision]
"""Decides on a trace of which there is no record, by all that was seen of it."""


@dataclass(slots=True)
class _Waiting:
    """A trace that waits; `ours` is what a record of it said, as long as none was kept."""

    seen: Seen
    ours: Decision | None = None


class Decider:
    """Decides each trace once; what comes later follows.

    State: traces that wait, oldest first, and when those with a root are due; traces that were
    kept, the newest 100,000; marks of dropped ones, each in a slot of its own until another trace
    has it (of one that is forgotten the share decides again, and the same).
    """

    def __init__(self, decide: Decide, *, max_bytes: int = MAX_BYTES) -> None:
        self._decide = decide
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting = OrderedDict[str, _Waiting]()
        self._roots: list[tuple[int, str]] = []
        self._kept = OrderedDict[str, Decision]()
        self._dropped = array("Q", bytes(8 * _SLOTS))

    def add(self, seen: Seen) -> Decision | None:
        """Take spans in; gives the decision if their trace has one, and else they wait."""
        decided = self._decided(seen.trace_id)
        if decided is not None:
            return decided
        self._bytes += seen.size
        known = self._waiting.get(seen.trace_id)
        if known is None:
            self._waiting[seen.trace_id] = _Waiting(seen)
        else:
            known.seen = _together(known.seen, seen)
        if seen.has_root:
            heappush(self._roots, (seen.at_us + AFTER_ROOT_US, seen.trace_id))
        return None

    def of_record(self, trace_id: str, at_us: int, decision: Decision) -> Decision | None:
        """Take in what was decided on a request of ours; gives what that decides at once."""
        known = self._waiting.get(trace_id)
        if known is None:
            known = self._waiting[trace_id] = _Waiting(Seen(trace_id, at_us, _RECORD_BYTES))
            self._bytes += _RECORD_BYTES
        known.ours = decision
        return self._settle(trace_id) if decision.is_kept else None

    def due(self, now_us: int) -> Iterator[tuple[str, Decision]]:
        """Decide what has waited long enough, and the oldest while there is too much."""
        while self._roots and self._roots[0][0] <= now_us:
            _, trace_id = heappop(self._roots)
            if trace_id in self._waiting:
                yield trace_id, self._settle(trace_id)
        while self._waiting:
            oldest = next(iter(self._waiting.values())).seen
            if self._bytes <= self._max_bytes and now_us < oldest.at_us + LONGEST_US:
                return
            yield oldest.trace_id, self._settle(oldest.trace_id)

    def _settle(self, trace_id: str) -> Decision:
        known = self._waiting.pop(trace_id)
        self._bytes -= known.seen.size
        decision = known.ours or self._decide(known.seen)
        if decision.is_kept:
            self._kept[trace_id] = decision
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        else:
            mark = _mark(trace_id)
            self._dropped[mark % _SLOTS] = mark
        return decision

    def _decided(self, trace_id: str) -> Decision | None:
        kept = self._kept.get(trace_id)
        if kept is not None:
            self._kept.move_to_end(trace_id)
            return kept
        mark = _mark(trace_id)
        return _DROPPED if self._dropped[mark % _SLOTS] == mark else None


_DROPPED = Decision(is_kept=False, rule="rest", th=None)


def _mark(trace_id: str) -> int:
    return int(trace_id[16:], 16) or 1


def _together(one: Seen, more: Seen) -> Seen:
    return Seen(
        one.trace_id,
        one.at_us,
        one.size + more.size,
        one.has_root or more.has_root,
        one.has_failed or more.has_failed,
        max(one.longest_us, more.longest_us),
        one.tracestate or more.tracestate,
        one.is_random or more.is_random,
    )
