"""The verdict on a run with all that made it: what every report is written from."""

from collections.abc import Iterator
from dataclasses import dataclass

from trimtab.evals.gate import gate
from trimtab.evals.lint import MOST_QUARANTINED
from trimtab.evals.outcomes import Column, columns, rules
from trimtab.evals.result import Run
from trimtab.evals.terms import Standings, Terms, judge_valid, read_terms
from trimtab.evals.verdict import Attacks, Reason, Row, Rules, Verdict

QUARANTINE = "quarantine"
"""The reason of a run that keeps too many of its cases out of the gate."""


@dataclass(frozen=True, slots=True)
class Line:
    """A metric, and what was found."""

    column: Column
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A case that is not as it was; `before` is `None` if there is no baseline.

    Attributes:
        delta: How much better it became; without a baseline, how far from the best it is.
    """

    case: str
    metric: str
    before: float | None
    after: float
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on a run.

    Attributes:
        reason: Code of why it is not PASS: of the gate, or of why the run is not whole.
        lines: Each metric, its slices after it.
        standings: What is known of the judges, by metric.
    """

    run: Run
    terms: Terms
    rules: Rules
    standings: Standings
    verdict: Verdict
    reason: str
    lines: tuple[Line, ...]

    @property
    def metrics(self) -> tuple[Line, ...]:
        """Those lines that are about all cases."""
        return tuple(it for it in self.lines if not it.column.slice)

    @property
    def decided(self) -> tuple[Line, ...]:
        """Those lines that made the verdict what it is; none if it is PASS."""
        if self.verdict is Verdict.PASS:
            return ()
        blocking = (it for it in self.lines if it.row.blocking)
        return tuple(it for it in blocking if it.row.verdict is self.verdict)

    @property
    def judge_valid(self) -> bool:
        """Whether every judge that decided something agrees with people."""
        named = {it.column.setting.name for it in self.lines if it.row.blocking}
        deciding = [it for it in self.terms.metrics if it.name in named]
        return judge_valid(deciding, self.standings)

    def shifts(self) -> tuple[Shift, ...]:
        """Give the cases that became worse, each by its worst metric, the gravest first.

        Those of metrics that failed come before others; what has a unit is left out.
        """
        failing = {it.column.setting.name for it in self.decided}
        ordered = sorted(
            (it for line in self.metrics for it in shifts_of(line) if it.delta < 0),
            key=lambda it: (it.metric not in failing, it.delta, it.case),
        )
        by_case = dict[str, Shift]()
        for it in ordered:
            by_case.setdefault(it.case, it)
        return tuple(by_case.values())


def judged(run: Run, standings: Standings) -> Judgement:
    """Judge a run. One that was stopped has no verdict, whatever it saw.

    Raises:
        InvalidRequest: the run's settings cannot be read.
    """
    made, asked = columns(run, standings), rules(run)
    attacks = [it for it in made if isinstance(it.given, Attacks)]
    others = [it for it in made if not isinstance(it.given, Attacks)]
    decision = gate(
        [it.given for it in others if not isinstance(it.given, Attacks)],
        asked,
        [it.given for it in attacks if isinstance(it.given, Attacks)],
    )
    lines = dict(zip([*map(id, others), *map(id, attacks)], decision.rows, strict=True))
    verdict, reason = decision.verdict, str(decision.reason)
    if run.stopped is not None:
        verdict, reason = Verdict.INCONCLUSIVE, str(run.stopped)
    elif verdict is not Verdict.FAIL and _too_many_out(run):
        verdict, reason = Verdict.INCONCLUSIVE, QUARANTINE
    return Judgement(
        run=run,
        terms=read_terms(run),
        rules=asked,
        standings=standings,
        verdict=verdict,
        reason=reason,
        lines=tuple(Line(it, lines[id(it)]) for it in made),
    )


def shifts_of(line: Line) -> Iterator[Shift]:
    """Give the cases that became better or worse under one metric, in their order."""
    column, given = line.column, line.column.given
    apart = column.deltas
    if isinstance(given, Attacks):
        before = given.blocked.astype(float) if column.paired else None
        after = 1 - given.through / given.samples
    elif given.limits.higher_is_better:
        before, after = given.baseline, given.candidate
    else:
        return
    for at, case in enumerate(column.cases):
        # without a baseline the lowest scores are what there is to see
        delta = float(after[at]) - 1 if apart is None else float(apart[at])
        if delta:
            yield Shift(
                case=case,
                metric=column.setting.name,
                before=None if before is None else float(before[at]),
                after=float(after[at]),
                delta=delta,
            )


def _too_many_out(run: Run) -> bool:
    return len(run.quarantine) > MOST_QUARANTINED * len(run.cases)


def reason_of(row: Row) -> str:
    """Say in a word or two why a row is not PASS."""
    if row.reason is Reason.FLOOR and row.within_noise:
        return f"{row.reason}, within noise"
    return str(row.reason)
