"""Answers of the baseline that were given before, and are as good as new ones."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from trimtab.evals.case import Case
from trimtab.evals.metrics.base import Status
from trimtab.evals.result import Arm, Run, Sample, Subject

GOOD_FOR_US = 7 * 86_400 * 1_000_000

Key = tuple[str, int]
"""Case and number of the sample."""


class Reused(NamedTuple):
    """Answers of a stored run.

    Attributes:
        unpaired: Cases that it answered in another form, or not at all.
    """

    subject: Subject
    samples: Mapping[Key, Sample]
    unpaired: tuple[str, ...] = ()


def find_answers(
    runs: Iterable[Run], wanted: Subject, suite_hash: str, *, now_us: int
) -> Reused | None:
    """Find what a subject answered to a suite in the last seven days, in the first run that has it.

    What has neither a prompt nor code that can be compared is never the same.
    """
    if wanted.prompt_hash is None and wanted.code_hash is None:
        return None
    for run in runs:
        if run.suite_hash != suite_hash or now_us - run.spent.ended_us > GOOD_FOR_US:
            continue
        for arm, subject in ((Arm.CANDIDATE, run.candidate), (Arm.BASELINE, run.baseline)):
            # What was itself taken from an earlier run is older than this one.
            if subject is None or subject.reused_from is not None or not _same(subject, wanted):
                continue
            samples = _answers(run, arm, keep_scores=True)
            if samples:
                named = replace(wanted, answered=subject.answered, reused_from=run.run_id)
                return Reused(named, samples)
    return None


def answers_of(
    run: Run, cases: Iterable[Case], suite_hash: str, arm: Arm = Arm.CANDIDATE
) -> Reused:
    """Take what an arm of a run answered, to those cases that are still the same."""
    before = {it.id: it.hash for it in run.cases}
    unpaired = tuple(it.id for it in cases if before.get(it.id) != it.hash)
    samples = {
        key: it
        for key, it in _answers(run, arm, keep_scores=run.suite_hash == suite_hash).items()
        if key[0] not in unpaired
    }
    return Reused(replace(run.candidate, reused_from=run.run_id), samples, unpaired)


def _same(one: Subject, other: Subject) -> bool:
    return (one.prompt_hash, one.model, one.code_hash, one.prompt_version) == (
        other.prompt_hash,
        other.model,
        other.code_hash,
        other.prompt_version,
    )


def _answers(run: Run, arm: Arm, *, keep_scores: bool) -> dict[Key, Sample]:
    """Give the answers there are, as ones of a baseline; scores that failed are to be made anew."""
    return {
        (it.case, it.index): replace(
            it,
            arm=Arm.BASELINE,
            scores={
                name: score
                for name, score in it.scores.items()
                if keep_scores and score.status is not Status.ERROR
            },
        )
        for it in run.samples
        if it.arm is arm and not it.error
    }
