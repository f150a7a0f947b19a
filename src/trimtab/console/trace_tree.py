"""The trace around a request as one tree of bars: the application's spans and ours.

Of a large one a page shows the first children of each span, level by level, and leads on.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from msgspec.structs import replace

from trimtab.console.waterfall import Bar, Waterfall, bars, place
from trimtab.domain.app_span import AppSpan, SpanView
from trimtab.domain.record import RequestRecord
from trimtab.incidents.joined import Trace
from trimtab.store.base.recording import StoredRecord
from trimtab.telemetry.ingest import body_of

MOST_ROWS = 200
MOST_ROOTS, MOST_CHILDREN, MOST_DEEP = 100, 20, 60
OUTSIDE = "outside: not in the ledger"
CLIENT = "client view"

_OURS = "trimtab"


@dataclass(frozen=True, slots=True)
class Tree:
    """What a page shows of a trace.

    Attributes:
        top: The span whose children come first; `None` for the whole.
        after: How many of those are left out before.
        shown: Children of each span that are shown; `more` counts those that are not.
    """

    trace: Trace
    top: str | None
    after: int
    shown: Mapping[str | None, Sequence[str]]
    more: Mapping[str | None, int]

    @property
    def span_ids(self) -> list[str]:
        """List the spans on the page."""
        top = [] if self.top is None else [self.top]
        return [*top, *(it for found in self.shown.values() for it in found)]


def choose(trace: Trace, top: str | None = None, after: int = 0) -> Tree:
    """Choose what a page shows: level by level, and always the way to our request."""
    children, top = _children(trace), top if top in trace.spans else None
    around = tuple(islice(trace.around(trace.anchor), MOST_DEEP))
    if top is None and len(around) == MOST_DEEP:
        top = around[-1]
    way, room = set(around), MOST_ROWS
    shown: dict[str | None, list[str]] = {}
    more: dict[str | None, int] = {}
    waiting, seen = deque([top]), {top}
    while waiting:
        parent = waiting.popleft()
        found = [it for it in children[parent] if it not in seen]
        skipped = after if parent == top else 0
        most = min(room, MOST_ROOTS if parent == top else MOST_CHILDREN)
        taken = found[skipped : skipped + most]
        more[parent] = len(found) - skipped - len(taken)
        taken += [it for it in found[skipped + most :] if it in way]
        shown[parent] = taken
        room = max(0, room - len(taken))
        seen.update(taken)
        waiting.extend(taken)
    return Tree(trace, top, after, shown, more)


def draw(tree: Tree, stored: StoredRecord, spans: Sequence[AppSpan]) -> Waterfall:
    """Lay the tree out."""
    drawn = list(_Drawing(tree, stored, {it.span_id: it for it in spans}).bars())
    begin_us = min((bar.start_us for bar in drawn), default=stored.record.ts_us)
    return place(drawn, begin_us, begin_us)


class _Drawing:
    """Walks a tree. State: which of our requests hang where, and which spans are around one."""

    def __init__(self, tree: Tree, stored: StoredRecord, spans: Mapping[str, AppSpan]) -> None:
        self._tree, self._stored, self._spans = tree, stored, spans
        trace, own = tree.trace, stored.record
        self._hung = defaultdict[str | None, list[RequestRecord]](list)
        self._around: set[str] = set()
        self._answers = {it.response_id for it in trace.records if it.response_id}
        self._requests = {it.request_id for it in trace.records}
        for it in trace.records:
            named = trace.anchor if it.request_id == own.request_id else it.parent_span_id
            anchor = named if named in trace.spans else None
            self._hung[anchor].append(it)
            self._around.update(trace.around(anchor))
        self._path = f"/console/requests/{own.request_id}"

    def bars(self) -> Iterator[Bar]:
        top = self._tree.top
        if top is None:
            yield from self._below(None, None, 0)
        else:
            yield from self._span(top, None, 0)

    def _below(self, parent: str | None, within: Bar | None, depth: int) -> Iterator[Bar]:
        for record in self._hung[parent]:
            yield from self._record(record, within, depth)
        for span_id in self._tree.shown.get(parent, ()):
            if span_id in self._spans:
                yield from self._span(span_id, within, depth)
        hidden = self._tree.more.get(parent, 0)
        if hidden > 0 and (parent == self._tree.top or self._tree.shown.get(parent)):
            at_us = within.start_us if within else next(iter(self._tree.trace.spans.values())).ts_us
            skipped = self._tree.after if parent == self._tree.top else 0
            after = skipped + len(self._tree.shown.get(parent, ()))
            named = f"span={parent}&" if parent else ""
            yield Bar(
                name=f"{hidden} more",
                tone="more",
                depth=depth,
                start_us=at_us,
                dur_us=0,
                link=f"{self._path}?{named}after={after}#time",
            )

    def _span(self, span_id: str, within: Bar | None, depth: int) -> Iterator[Bar]:
        span = self._spans[span_id]
        bar = Bar(
            name=span.name,
            note=self._note(span),
            error="error" if span.status == "error" else "",
            tone="bad" if span.status == "error" else "app",
            depth=depth,
            start_us=span.ts_us,
            dur_us=span.end_us - span.ts_us,
            link=f"{self._path}?span={span_id}#time" if span_id != self._tree.top else "",
        )
        parent = self._spans.get(span.parent_span_id or "")
        is_foreign = parent is not None and parent.service != span.service
        bar = _set_right(bar, within, is_foreign=is_foreign)
        yield bar
        yield from self._below(span_id, bar, depth + 1)

    def _note(self, span: AppSpan) -> str:
        words = [span.service] if span.service else []
        if span.view == SpanView.LLM:
            facts = body_of(span).facts
            words.append(facts.model or "")
            is_ours = (
                span.span_id in self._around
                or span.request_id in self._requests
                or span.response_id in self._answers
            )
            if is_ours:
                words.append(CLIENT)
            elif not self._tree.trace.is_cut:
                words.append(OUTSIDE)
        elif span.view == SpanView.RETRIEVAL:
            words.append(f"{len(body_of(span).facts.documents)} documents")
        if not self._tree.shown.get(span.span_id) and self._tree.more.get(span.span_id, 0):
            words.append(f"{self._tree.more[span.span_id]} within")
        return " · ".join(filter(None, words))

    def _record(self, record: RequestRecord, within: Bar | None, depth: int) -> Iterator[Bar]:
        own = self._stored.record
        is_own = record.request_id == own.request_id
        bar = Bar(
            name=f"{record.operation} {record.model_requested}",
            note=_OURS if is_own else record.request_id,
            error=record.error_code or "",
            tone="bad" if record.error_code else "good",
            depth=depth,
            start_us=record.ts_us,
            dur_us=record.latency_us,
            link="" if is_own else f"/console/requests/{record.request_id}",
        )
        bar = _set_right(bar, within, is_foreign=True)
        yield bar
        if is_own:
            for it in bars(self._stored, depth + 1):
                yield _shifted(it, bar.shifted_us)


def _children(trace: Trace) -> Mapping[str | None, Sequence[str]]:
    """Say what is in what; in a circle the earliest is taken for the outermost."""
    spans = trace.spans
    found = defaultdict[str | None, list[str]](list)
    for it in spans.values():
        parent = it.parent_span_id
        found[parent if parent in spans else None].append(it.span_id)
    reached: set[str] = set()
    _reach(found[None], found, reached)
    for span_id in spans if len(reached) < len(spans) else ():
        if span_id not in reached:
            found[None].append(span_id)
            _reach([span_id], found, reached)
    return found


def _reach(
    first: Sequence[str], found: Mapping[str | None, Sequence[str]], reached: set[str]
) -> None:
    waiting = list(first)
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting += found.get(one, ())


def _set_right(bar: Bar, within: Bar | None, *, is_foreign: bool) -> Bar:
    """Draw what another clock timed within its parent: in the middle, or from its beginning."""
    if within is None:
        return bar
    moved = _shifted(bar, within.shifted_us) if not is_foreign else bar
    spare_us = within.dur_us - moved.dur_us
    after_us = moved.start_us - within.start_us
    if not is_foreign or 0 <= after_us <= max(0, spare_us):
        return moved
    return _shifted(bar, within.start_us + max(0, spare_us) // 2 - bar.start_us)


def _shifted(bar: Bar, by_us: int) -> Bar:
    first_us = None if bar.first_us is None else bar.first_us + by_us
    return replace(
        bar,
        start_us=bar.start_us + by_us,
        first_us=first_us,
        shifted_us=bar.shifted_us + by_us,
    )
