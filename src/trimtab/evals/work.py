"""What a run is made of, and the document it becomes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from trimtab.evals.answering import Answering
from trimtab.evals.calling import Judging
from trimtab.evals.case import Case
from trimtab.evals.family import same_family
from trimtab.evals.journal import Head
from trimtab.evals.metrics.base import Metric
from trimtab.evals.purse import Purse
from trimtab.evals.result import Arm, CaseSeen, JudgeSeen, Run, Sample, Spent, Subject
from trimtab.evals.reuse import Key
from trimtab.evals.suite import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An arm.

    Attributes:
        answering: Who answers; `None` where only `known` answers count.
        known: Answers that were given before, by case and sample.
    """

    subject: Subject
    answering: Answering | None
    known: Mapping[Key, Sample] = field(default_factory=dict[Key, Sample])

    def can(self, case: str, index: int) -> bool:
        """Whether it has an answer to give."""
        return self.answering is not None or (case, index) in self.known


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is run."""

    head: Head
    suite: Suite
    metrics: Mapping[str, Metric]
    sides: Mapping[Arm, Side]
    judging: Judging | None = None


def document(work: Work, samples: Collection[Sample], purse: Purse, now_us: int) -> Run:
    """Write down what came of a run, in an order that does not depend on who was faster."""
    suite = work.suite
    ordered = _ordered(work, samples)
    baseline = work.sides.get(Arm.BASELINE)
    judge = None if work.judging is None else work.judging.seen()
    return Run(
        run_id=work.head.run_id,
        suite=suite.name,
        file=suite.file,
        kind=suite.kind,
        dataset_hash=suite.dataset_hash,
        suite_hash=work.head.suite_hash,
        candidate=_named(work.sides[Arm.CANDIDATE].subject, Arm.CANDIDATE, ordered),
        baseline=None if baseline is None else _named(baseline.subject, Arm.BASELINE, ordered),
        judge=judge,
        metrics={name: it.about.version for name, it in work.metrics.items()},
        settings=settings_of(suite),
        cases=tuple(_seen(suite, it) for it in suite.cases),
        samples=ordered,
        quarantine=suite.quarantine,
        unpaired=work.head.unpaired,
        stopped=purse.stopped,
        warnings=(
            *work.head.warnings,
            *_moved(work, ordered),
            *(() if work.judging is None else work.judging.warnings),
            *(() if judge is None else _partial(judge, ordered)),
        ),
        spent=Spent(
            started_us=work.head.started_us,
            ended_us=now_us,
            candidate_nano=purse.candidate_nano,
            judge_nano=purse.judge_nano,
            candidate_calls=purse.candidate_calls,
            judge_calls=purse.judge_calls,
            judge_remembered=0 if work.judging is None else work.judging.remembered,
            priced=purse.priced,
        ),
    )


def settings_of(suite: Suite) -> dict[str, Any]:
    """Give the settings that a verdict is made by, as written."""
    return {
        "metrics": [msgspec.to_builtins(it) for it in suite.metrics],
        "gate": msgspec.to_builtins(suite.gate),
        "repeats": msgspec.to_builtins(suite.repeats),
    }


def _ordered(work: Work, samples: Collection[Sample]) -> tuple[Sample, ...]:
    """Sort samples by case, arm and number, and their scores as the suite has the metrics."""
    order = {it.id: number for number, it in enumerate(work.suite.cases)}
    # An answer that is given a second time does not say which provider it was of.
    full = {it.model.partition("/")[2]: it.model for it in samples if it.model}
    found = [
        replace(
            it,
            model=full.get(it.model or "", it.model),
            scores={name: it.scores[name] for name in work.metrics if name in it.scores},
        )
        for it in samples
        if it.case in order
    ]
    return tuple(sorted(found, key=lambda it: (order[it.case], it.arm != Arm.CANDIDATE, it.index)))


def _seen(suite: Suite, case: Case) -> CaseSeen:
    return CaseSeen(
        id=case.id,
        hash=case.hash,
        input=case.input,
        expected=msgspec.to_builtins(case.expected),
        tags=case.tags,
        group=case.group,
        slices=suite.slices_of(case),
    )


def _named(subject: Subject, arm: Arm, samples: Sequence[Sample]) -> Subject:
    return replace(subject, answered=_models(arm, samples))


def _models(arm: Arm, samples: Sequence[Sample]) -> tuple[str, ...]:
    return tuple(sorted({it.model for it in samples if it.arm is arm and it.model}))


def _partial(judge: JudgeSeen, samples: Sequence[Sample]) -> Iterator[str]:
    """Warn of a judge that judges its own kind."""
    kin = same_family(judge.resolved, _models(Arm.CANDIDATE, samples))
    if kin is not None:
        yield kin


def _moved(work: Work, samples: Sequence[Sample]) -> Iterator[str]:
    """Warn of a name that led elsewhere when the known answers were given."""
    candidate, baseline = work.sides[Arm.CANDIDATE], work.sides.get(Arm.BASELINE)
    if baseline is None or baseline.subject.reused_from is None:
        return
    now, then = _models(Arm.CANDIDATE, samples), _models(Arm.BASELINE, samples)
    model = candidate.subject.model
    if model == baseline.subject.model and now and then and set(now).isdisjoint(then):
        yield (
            f"model {model!r} is {', '.join(now)} now, and was {', '.join(then)} when the baseline"
            " answered; run it again with --no-reuse"
        )
