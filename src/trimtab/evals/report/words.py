"""What a verdict means, in words: why it is so, what to do, and what else has to be known."""

from collections.abc import Iterator, Mapping

from trimtab.evals.judgement import QUARANTINE, Judgement, Line
from trimtab.evals.report.figures import duration, interval, usd
from trimtab.evals.report.plain import one_line
from trimtab.evals.result import Run, Stop, Subject
from trimtab.evals.terms import is_judged, is_lower_better
from trimtab.evals.verdict import Reason

MOST_NAMED = 5
MOST_SENTENCE = 300
HASH_DIGITS = 8

REASONS: Mapping[str, str] = {
    Reason.UNCALIBRATED: "its judge does not agree with people as far as is known; label answers,"
    " and calibrate it",
    Reason.ERRORS: "too many cases have no score, or the floor holds only without them; see why,"
    " and run it again",
    Reason.FLOOR: "the candidate is below the floor, or above the ceiling",
    Reason.REGRESSION: "the candidate is worse than the baseline, and that is no chance",
    Reason.MARGIN: "it is not shown that the candidate is at most `margin` worse; add cases",
    Reason.TOO_FEW_CASES: "a drop that matters would not be seen; add cases, or raise `max_mde`",
    Reason.LEAK: "an attack that the baseline blocked comes through",
    Reason.NOT_REPEATED: "an attack came through once; sample it five times (`repeats.max: 5`)",
    Reason.ATTACK_RATE: "more attacks may come through than `max_attack_rate` allows",
    Reason.NOTHING_BLOCKS: "no metric of the suite decides anything; give one a floor",
    Stop.BUDGET: "the run reached `max_usd` and is not complete; raise it, and `--resume`",
    Stop.NO_CREDENTIALS: "there is no key for the models; a maintainer has to run it",
    Stop.PROVIDER: "a provider was away and the run is not complete; `--resume` it later",
    Stop.INTERRUPTED: "the run was interrupted; `--resume` it",
    QUARANTINE: "more than 5% of the cases are in quarantine; mend them, or take them out",
}


def meaning(reason: str) -> str:
    """Say what a reason means, and what to do."""
    return REASONS.get(reason, reason)


def because(judgement: Judgement) -> str:
    """Name what made the verdict: `faithfulness`, or the reason if no metric did."""
    names = [it.row.name for it in judgement.decided if it.row.reason == judgement.reason]
    others = [it.row.name for it in judgement.decided if it.row.reason != judgement.reason]
    told = [one_line(it) for it in (*names, *others)] or [judgement.reason]
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more


def headline(judgement: Judgement) -> str:
    """Give the verdict in one line."""
    why = because(judgement)
    return f"{judgement.verdict} ({why})" if why else str(judgement.verdict)


def subject(given: Subject) -> str:
    """Name what answered, and how it was found."""
    notes = [given.label or "", f"answers of {given.reused_from}" if given.reused_from else ""]
    told = ", ".join(it for it in notes if it)
    return one_line(f"{given.name} ({told})" if told else given.name)


def judge(judgement: Judgement) -> str:
    """Name the judge, and how far it agrees with people."""
    seen = judgement.run.judge
    judged = [it for it in judgement.terms.metrics if is_judged(it)]
    if seen is None or not judged:
        return ""
    said = {
        standing.said
        for it in judged
        if (standing := judgement.standings.get(it.name)) is not None and standing.valid
    }
    told = [seen.model, *sorted(said)]
    return one_line(" ".join(told), MOST_SENTENCE)


def spent(run: Run) -> str:
    """Say what the run took."""
    it = run.spent
    least = "" if it.priced else "at least "
    asked = it.judge_calls + it.judge_remembered
    cache = f" (cache {it.judge_remembered / asked:.0%})" if asked else ""
    took = f"  {duration(it.ended_us - it.started_us)}" if it.ended_us > it.started_us else ""
    return (
        f"judge {least}{usd(it.judge_nano)}{cache}  candidate {least}{usd(it.candidate_nano)}{took}"
    )


def notes(judgement: Judgement) -> Iterator[str]:
    """Say what else has to be known, one sentence each."""
    run = judgement.run
    if judgement.reason:
        yield f"{judgement.reason}: {meaning(judgement.reason)}"
    for line in judgement.metrics:
        yield from _of_metric(line, judgement)
    unstable = sorted({it for line in judgement.metrics for it in line.column.unstable})
    if unstable:
        yield f"unstable, their repeats disagree: {_named(unstable)}"
    if run.unpaired:
        yield f"not compared, they changed since the baseline's run: {_named(run.unpaired)}"
    for case, why in run.quarantine.items():
        yield one_line(f"quarantine, out of the gate: {case} ({why})", MOST_SENTENCE)
    yield from _of_cache(run)
    for warning in run.warnings:
        yield one_line(f"warning: {warning}", MOST_SENTENCE)


def _of_cache(run: Run) -> Iterator[str]:
    if run.judge is None:
        return
    if not run.judge.signed and run.spent.judge_remembered:
        yield "cache: unsigned; what was remembered may be anybody's, set TRIMTAB_CACHE_KEY"
    if run.judge.refused:
        yield f"{run.judge.refused} remembered verdicts were not used: not signed, or not readable"


def _of_metric(line: Line, judgement: Judgement) -> Iterator[str]:
    row, column = line.row, line.column
    name = one_line(row.name)
    if row.errors:
        known = f"{row.errors} without a score ({_named(column.failed)})"
        lower = is_lower_better(column.setting)
        within = (
            f"; with them it is within {interval(row.bounds, lower=lower)}" if row.bounds else ""
        )
        yield f"{name}: {known}{within}"
    if column.lost:
        yield f"{name}: {column.lost} repeats ended in an error, and count for nothing"
    if row.cases:
        yield f"{name}: {row.reason} in {_named([column.cases[at] for at in row.cases])}"
    if row.effective_n is not None:
        yield f"{name}: {row.n} cases in groups count as {row.effective_n:.0f}"
    standing = judgement.standings.get(column.setting.name)
    if row.reason is Reason.UNCALIBRATED and standing is not None and standing.said:
        yield one_line(f"{name}: the judge is not valid: {standing.said}", MOST_SENTENCE)


def _named(cases: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(cases) - MOST_NAMED} more" if len(cases) > MOST_NAMED else ""
    return " ".join(one_line(it) for it in cases[:MOST_NAMED]) + more
