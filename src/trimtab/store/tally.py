"""What outcomes add to histograms and counters, the same in every store; whole numbers only.

They are committed in the step that stores the outcomes, grouped in memory first. So no crash
loses, and no repetition counts twice, what they tell.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple, TypeVar

from trimtab.domain.annotation import Annotation, AnnotationKind, AnnotationSource
from trimtab.domain.record import Attempt, Finish, Origin, RequestRecord
from trimtab.store.rollup import kept

MICRO = 1_000_000
NO_BUCKET = 0

_MOST = 1 << 40
_MOST_WEIGHT = 1e6


class Tally(StrEnum):
    """What is counted. Times are in microseconds, scores and weights in millionths."""

    DURATION = "duration"
    FIRST_CHUNK = "first_chunk"
    TOKENS = "tokens"
    OVERHEAD = "overhead"
    ATTEMPTS = "attempts"
    SCORES = "scores"
    SAMPLED = "sampled"
    REPLAY = "replay"


BOUNDS: Mapping[Tally, tuple[int, ...]] = {
    Tally.DURATION: tuple(10_000 << n for n in range(14)),
    Tally.FIRST_CHUNK: tuple(10_000 << n for n in range(14)),
    Tally.TOKENS: tuple(4**n for n in range(14)),
    Tally.OVERHEAD: (*(500 << n for n in range(11)), 1_000_000),
    Tally.SCORES: tuple(50_000 * n for n in range(1, 21)),
}
"""Upper bounds of the buckets, of what has any: those of the conventions, where they say."""


class Cell(NamedTuple):
    """One bucket of one series; what has no buckets is all in `NO_BUCKET`.

    Attributes:
        labels: In the order in which the metric has them.
    """

    tally: Tally
    labels: tuple[str, ...]
    bucket: int


class Exemplar(NamedTuple):
    """A trace that is kept, to look at; of a bucket, the newest."""

    trace_id: str
    value: int
    ts_us: int


class Amount(NamedTuple):
    """What is added up in a cell."""

    n: int
    total: int
    exemplar: Exemplar | None = None

    def plus(self, other: "Amount") -> "Amount":
        """Add up; what is added is newer."""
        exemplar = other.exemplar or self.exemplar
        return Amount(self.n + other.n, self.total + other.total, exemplar)


_Found = dict[tuple[str, tuple[str, ...], int], Amount]
_T = TypeVar("_T")
_K = TypeVar("_K")


class Scored(NamedTuple):
    """The score of a judge, and which version of which prompt made what it judged."""

    annotation: Annotation
    prompt_name: str
    prompt_version: str


_SAMPLED: Callable[[RequestRecord], tuple[str, bool]] = attrgetter("sampling_rule", "trace_kept")
_OPERATION: Callable[[RequestRecord], tuple[str, str, str, str | None]] = attrgetter(
    "operation", "provider", "model_requested", "error_code"
)
_MEASURED: Sequence[tuple[Tally, str, tuple[str, ...]]] = (
    (Tally.FIRST_CHUNK, "ttft_us", ()),
    (Tally.TOKENS, "input_tokens", ("input",)),
    (Tally.TOKENS, "output_tokens", ("output",)),
)


def tally(
    finishes: Sequence[Finish], scores: Iterable[Scored], features: set[str]
) -> list[tuple[Cell, Amount]]:
    """Tell what a batch adds, in the order of its cells.

    Only users' traffic counts, but for what is said of traces. All outcomes of a series are taken
    at once, which is a third of the work of taking them one by one.

    Args:
        finishes: Outcomes that are new.
        scores: Annotations that are new.
        features: Those that have sums of their own; what is new and has room is put to them.
    """
    found: dict[tuple[str, tuple[str, ...], int], Amount] = {}
    records = [it.record for it in finishes]
    for (rule, is_kept), group in _by(records, _SAMPLED).items():
        weight = sum(_micro(it.adjusted_count, _MOST_WEIGHT) for it in group)
        labels = rule, str(is_kept).lower()
        found[Tally.SAMPLED, labels, NO_BUCKET] = Amount(len(group), weight)
    live = [it for it in finishes if it.record.origin == Origin.LIVE]
    _put_overhead(found, live)
    attempts = Counter((it.target, _outcome(it, of.record)) for of in live for it in of.attempts)
    asked = [it.record for it in live if it.record.model_kind]
    replays = Counter((kept(it.feature, features), it.replay) for it in asked)
    for which, counts in ((Tally.ATTEMPTS, attempts), (Tally.REPLAY, replays)):
        found.update(((which, labels, NO_BUCKET), Amount(n, 0)) for labels, n in counts.items())
    _put_operations(found, [it for it in asked if it.attempt_count])
    for labels, scored in _by(scores, _scored).items():
        values = [_micro(it.annotation.score or 0.0, 1.0) for it in scored]
        _put(found, Tally.SCORES, labels, values)
    return [(Cell(Tally(key[0]), *key[1:]), found[key]) for key in sorted(found)]


def _put_overhead(found: _Found, live: Iterable[Finish]) -> None:
    stages: defaultdict[str, list[int]] = defaultdict(list)
    for finish in live:
        for stage in finish.detail.stages:
            stages[stage.stage].append(stage.dur_us)
    # What a call takes is mostly the provider's; `all` has our part of it.
    stages.pop("call", None)
    for name, values in stages.items():
        _put(found, Tally.OVERHEAD, (name,), values)
    records = [it.record for it in live]
    _put(found, Tally.OVERHEAD, ("all",), [it.overhead_us for it in records], records)


def _put_operations(found: _Found, records: Iterable[RequestRecord]) -> None:
    for (operation, provider, asked, error), group in _by(records, _OPERATION).items():
        # From `!` on, a name asks a simulator for a fault.
        labels = operation, provider, asked.partition("!")[0]
        failed = (*labels, error or "")
        _put(found, Tally.DURATION, failed, [it.latency_us for it in group], group)
        for which, name, more in _MEASURED:
            told = [it for it in group if getattr(it, name) is not None]
            _put(found, which, (*labels, *more), [getattr(it, name) for it in told], told)


def _put(
    found: _Found,
    which: Tally,
    labels: tuple[str, ...],
    values: Sequence[int],
    records: Sequence[RequestRecord] = (),
) -> None:
    """Put values to their buckets, with the record of the largest of each whose trace is kept."""
    traces = {v: it for v, it in zip(values, records, strict=False) if it.trace_kept}
    ordered, looked_at = sorted(values), sorted(traces)
    if ordered and not 0 <= ordered[0] <= ordered[-1] <= _MOST:
        ordered = [_bounded(it) for it in ordered]
    start = seen = 0
    for bucket, bound in enumerate((*BOUNDS[which], None)):
        end = len(ordered) if bound is None else bisect_right(ordered, bound, start)
        if end == start:
            continue
        last = len(looked_at) if bound is None else bisect_right(looked_at, bound, seen)
        exemplar = None
        if last > seen:
            of = traces[looked_at[last - 1]]
            exemplar = Exemplar(of.trace_id, _bounded(looked_at[last - 1]), of.end_us)
        amount = Amount(end - start, sum(ordered[start:end]), exemplar)
        key = which, labels, bucket
        found[key] = found[key].plus(amount) if key in found else amount
        start, seen = end, last


def _micro(value: float, most: float) -> int:
    """Give millionths; what is no number, or too small, is 0."""
    return round(min(value, most) * MICRO) if value > 0 else 0


def _bounded(value: int) -> int:
    """Keep sums within a column: a clock may go backwards, and a provider say anything."""
    return min(max(value, 0), _MOST)


def _by(things: Iterable[_T], key: Callable[[_T], _K]) -> dict[_K, list[_T]]:
    groups: defaultdict[_K, list[_T]] = defaultdict(list)
    for it in things:
        groups[key(it)].append(it)
    return groups


def _scored(it: Scored) -> tuple[str, str, str]:
    return it.annotation.name, it.prompt_name, it.prompt_version


def is_scored(annotation: Annotation) -> bool:
    """Whether it is the score of a judge."""
    return (
        annotation.kind == AnnotationKind.EVALUATION
        and annotation.source == AnnotationSource.JUDGE
        and annotation.score is not None
    )


def _outcome(attempt: Attempt, record: RequestRecord) -> str:
    if attempt.error_code is not None:
        return attempt.error_code
    if attempt.cancelled:
        return "cancelled"
    return "refused" if record.refusal and attempt.n == record.attempt_count else "ok"
