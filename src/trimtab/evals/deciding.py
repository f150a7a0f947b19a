"""What is kept of a judgement, with its run and with its prompt. Loaded late: it takes numpy."""

import msgspec

from trimtab.domain.prompt import Evidence
from trimtab.evals.decided import Decided
from trimtab.evals.judgement import Judgement, Line, judged
from trimtab.evals.report.document import decision
from trimtab.evals.result import Run
from trimtab.evals.shelf import SHA256, content_hash
from trimtab.evals.terms import Standings
from trimtab.evals.verdict import Attacks, Verdict


def decide(run: Run, standings: Standings) -> Decided:
    """Judge a run. Raises `InvalidRequest` if its settings cannot be read."""
    return decided_of(judged(run, standings))


def decided_of(judgement: Judgement) -> Decided:
    """Give what is kept of a judgement."""
    written = decision(judgement)
    lines = zip(written["lines"], judgement.lines, strict=True)
    return msgspec.convert(
        {**written, "lines": [{**told, **_asked(line)} for told, line in lines]}, type=Decided
    )


def evidence_of(judgement: Judgement, now_us: int) -> Evidence | None:
    """Give the evidence of a PASS or a FAIL on a prompt; of anything else there is none.

    It is as old as the run: to judge an old run again makes it no younger.
    """
    run = judgement.run
    if judgement.verdict is Verdict.INCONCLUSIVE or run.candidate.prompt_hash is None:
        return None
    return Evidence(
        hash=run.candidate.prompt_hash,
        passed=judgement.verdict is Verdict.PASS,
        ts_us=min(run.spent.ended_us or now_us, now_us),
        datasets=(run.suite,),
        judge_valid=judgement.judge_valid,
        report=SHA256 + content_hash(run),
    )


def _asked(line: Line) -> dict[str, object]:
    given = line.column.given
    if isinstance(given, Attacks):
        return {"lower": True, "floor": given.max_attack_rate}
    return {"lower": not given.limits.higher_is_better, "floor": given.limits.floor}
