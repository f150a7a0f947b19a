"""The cases of a run for people: what became of each, and its answers side by side.

Nothing here computes a statistic. Whatever a model said is text: controls are taken out of it,
and the templates escape the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.console.wire import pretty
from trimtab.evals.cells import Cell, Fate, Samples
from trimtab.evals.metrics.base import Score
from trimtab.evals.report.plain import one_line, plain, shortened
from trimtab.evals.result import Arm, CaseSeen, Run, Sample
from trimtab.evals.suite import MetricSetting
from trimtab.evals.terms import is_lower_better, is_versus, read_terms

MOST_NAME = 60
MOST_ID = 160
MOST_ERROR = 500
MOST_SAMPLES = 5
KINDS = ("worse", "low", "error", "better", "same")
"""What became of a case, the gravest first; `low`: without a baseline, not the best there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A case under one metric.

    Attributes:
        fate: `scored`, `error`, `baseline_error` or `not_applicable`.
        gain: How much better it became; `None` if there is nothing to compare.
        lower: Whether it has a unit, and less is better.
    """

    metric: str
    fate: str
    before: float | None = None
    after: float | None = None
    gain: float | None = None
    lower: bool = False

    @property
    def is_apart(self) -> bool:
        """Whether it is not as it was, or is an error."""
        return bool(self.gain) or self.fate.endswith("error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case.

    Attributes:
        kind: See `KINDS`.
        gain: Of the metric in which it lost most; or, below zero too, of that in which it won most.
    """

    case: CaseSeen
    kind: str
    gain: float
    marks: tuple[Mark, ...]
    quarantine: str

    @property
    def id(self) -> str:
        """Its name in one line."""
        return one_line(self.case.id, MOST_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A score beside an answer."""

    metric: str
    status: str
    value: float | None
    lower: bool
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer."""

    arm: str
    text: str
    error: str
    model: str
    request_id: str
    scores: tuple[Scored, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A case with its answers side by side, of baseline and candidate, sample by sample.

    Attributes:
        more: Samples that are not shown.
    """

    row: Row
    asked: str
    expected: str
    pairs: tuple[tuple[Said | None, Said | None], ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """All cases of a run, those that lost most first, then errors, then what won, then the rest."""

    run: Run
    samples: Samples
    settings: tuple[MetricSetting, ...]
    rows: tuple[Row, ...]

    @classmethod
    def of(cls, run: Run) -> "Cases":
        """Sort the cases of a run. Raises `InvalidRequest` if its settings cannot be read."""
        terms = read_terms(run)
        samples = Samples.of(run, terms.repeats.first)
        looked = _Looked(run, samples, [_About.of(it) for it in terms.metrics])
        rows = sorted(
            map(looked.row, run.cases), key=lambda it: (KINDS.index(it.kind), it.gain, it.case.id)
        )
        return cls(run=run, samples=samples, settings=terms.metrics, rows=tuple(rows))

    def find(self, case_id: str) -> Row | None:
        """Find a case."""
        return next((it for it in self.rows if it.case.id == case_id), None)

    def beside(self, row: Row, most: int) -> Beside:
        """Show the answers to a case, each cut to so many characters."""
        ours = self.samples.candidate.get(row.case.id, ())
        theirs = self.samples.baseline.get(row.case.id, ())
        count = max(len(ours), len(theirs))
        pairs = [(_at(theirs, at), _at(ours, at)) for at in range(min(count, MOST_SAMPLES))]
        lower = {it.name for it in self.settings if is_lower_better(it)}
        return Beside(
            row=row,
            asked=_asked(row.case, most),
            expected=_text(row.case.expected, most),
            pairs=tuple(
                (one and _said(one, most, lower), two and _said(two, most, lower))
                for one, two in pairs
            ),
            more=count - len(pairs),
        )


@dataclass(frozen=True, slots=True)
class _About:
    """A metric with what is asked of it for every case."""

    setting: MetricSetting
    versus: bool
    lower: bool

    @classmethod
    def of(cls, setting: MetricSetting) -> "_About":
        return cls(setting, is_versus(setting), is_lower_better(setting))


@dataclass(frozen=True, slots=True)
class _Looked:
    run: Run
    samples: Samples
    metrics: Sequence[_About]

    def row(self, case: CaseSeen) -> Row:
        marks = tuple(self._marks(case))
        kind, gain = _became(marks)
        return Row(
            case=case,
            kind=kind,
            gain=gain,
            marks=marks,
            quarantine=plain(self.run.quarantine.get(case.id, ""))[:MOST_ERROR],
        )

    def _marks(self, case: CaseSeen) -> Iterator[Mark]:
        for it in self.metrics:
            cell = self.samples.cell(case, it.setting, versus=it.versus)
            if cell.fate is not Fate.NOT_APPLICABLE:
                yield _mark(cell, it)


def _became(marks: Sequence[Mark]) -> tuple[str, float]:
    """Say what became of a case, and how far it is in that; what has a unit does not count.

    A fall that was measured is told before an error, which says nothing of the answer.
    """
    shares = [it for it in marks if not it.lower]
    gains = [it.gain for it in shares if it.gain is not None]
    alone = [it.after - 1 for it in shares if it.gain is None and it.after is not None]
    if (lost := min(gains, default=0.0)) < 0:
        return "worse", lost
    if (low := min(alone, default=0.0)) < 0:
        return "low", low
    if any(it.fate.endswith("error") for it in marks):
        return "error", 0.0
    won = max(gains, default=0.0)
    return ("better", -won) if won > 0 else ("same", 0.0)


def _mark(cell: Cell, about: _About) -> Mark:
    name = one_line(about.setting.name, MOST_NAME)
    if not cell.candidate:
        return Mark(metric=name, fate=cell.fate.value, lower=about.lower)
    after, before = cell.candidate[0], cell.baseline[0] if cell.baseline else None
    gain = None
    if before is not None:
        gain = before - after if about.lower else after - before
    return Mark(
        metric=name,
        fate=cell.fate.value,
        before=before,
        after=after,
        gain=gain,
        lower=about.lower,
    )


def _at(samples: Sequence[Sample], place: int) -> Sample | None:
    return samples[place] if place < len(samples) else None


def _said(sample: Sample, most: int, lower: set[str]) -> Said:
    error = f"{sample.error} {sample.error_detail}" if sample.error else ""
    return Said(
        arm="candidate" if sample.arm is Arm.CANDIDATE else "baseline",
        text=_text(sample.text, most),
        error=one_line(error, MOST_ERROR) if error else "",
        model=one_line(sample.model or "", MOST_NAME),
        request_id=one_line(sample.request_id or "", MOST_NAME),
        scores=tuple(_scored(name, it, most, lower) for name, it in sample.scores.items()),
    )


def _scored(name: str, score: Score, most: int, lower: set[str]) -> Scored:
    return Scored(
        metric=one_line(name, MOST_NAME),
        status=score.status.value,
        value=score.value,
        lower=name in lower,
        code=one_line(score.code, MOST_NAME),
        detail=plain(shortened(score.detail, min(most, MOST_ERROR))),
    )


def _asked(case: CaseSeen, most: int) -> str:
    question = case.input.get("question")
    alone = isinstance(question, str) and len(case.input) == 1
    return _text(question if alone else case.input, most)


def _text(value: object, most: int) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else pretty(value)
    return plain(shortened(text, most))
