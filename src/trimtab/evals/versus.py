"""Two runs side by side: the candidate of one against the candidate of the other."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from trimtab.domain.errors import InvalidRequest
from trimtab.evals.judgement import Judgement, Shift, shifts_of
from trimtab.evals.result import Arm, CaseSeen, Run
from trimtab.evals.terms import is_versus, read_terms


def side_by_side(before: Run, after: Run) -> Run:
    """Make the run that the later answers and the earlier ones would have been.

    Cases pair on id and hash, metrics on name and version; settings are those of the later run.

    Raises:
        InvalidRequest: they share no case, or no metric.
    """
    known: Mapping[str, CaseSeen] = {it.id: it for it in before.cases}
    shared = tuple(it for it in after.cases if it.id in known and it.hash == known[it.id].hash)
    ids = {it.id for it in shared}
    # Those that compare the arms of one run say nothing about another.
    apart = {it.name for it in read_terms(after).metrics if is_versus(it)}
    metrics = {
        name: it
        for name, it in after.metrics.items()
        if before.metrics.get(name) == it and name not in apart
    }
    if not shared or not metrics:
        raise InvalidRequest(
            f"runs {before.run_id[:40]!r} and {after.run_id[:40]!r} have no"
            f" {'metric' if shared else 'case'} in common; compare runs of one suite"
        )
    return replace(
        after,
        baseline=replace(before.candidate, reused_from=before.run_id),
        metrics=metrics,
        settings=_only(after, metrics),
        cases=shared,
        samples=tuple(
            replace(it, arm=arm)
            for arm, run in ((Arm.CANDIDATE, after), (Arm.BASELINE, before))
            for it in run.samples
            if it.arm is Arm.CANDIDATE and it.case in ids
        ),
        quarantine={case: why for case, why in after.quarantine.items() if case in ids},
        unpaired=tuple(sorted({*known, *(it.id for it in after.cases)} - ids)),
        stopped=after.stopped or before.stopped,
        warnings=(*after.warnings, *_warnings(before, after, metrics)),
    )


def differences(judgement: Judgement) -> tuple[Shift, ...]:
    """Give every case that is not as it was under a metric, the worst first."""
    found = (it for line in judgement.metrics for it in shifts_of(line))
    return tuple(sorted(found, key=lambda it: (it.delta, it.metric, it.case)))


def _only(run: Run, metrics: Mapping[str, str]) -> dict[str, object]:
    kept = [it for it in read_terms(run).metrics if it.name in metrics]
    return {**run.settings, "metrics": [msgspec.to_builtins(it) for it in kept]}


def _warnings(before: Run, after: Run, metrics: Mapping[str, str]) -> tuple[str, ...]:
    told = list[str]()
    if before.judge is not None and after.judge is not None:
        one, other = before.judge, after.judge
        if (one.resolved, one.prompts) != (other.resolved, other.prompts):
            told.append(
                f"the runs were judged by '{one.resolved}' and '{other.resolved}', or by other"
                " prompts; scores of judges may not be comparable"
            )
    apart = sorted({*before.metrics, *after.metrics} - set(metrics))
    if apart:
        told.append(f"not compared, in one run only or of another version: {', '.join(apart)}")
    return tuple(told)
