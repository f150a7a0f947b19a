"""What a verdict says of a published version of a prompt."""

from trimtab.domain.prompt import Evidence
from trimtab.evals.judgement import Judgement
from trimtab.evals.shelf import SHA256, content_hash
from trimtab.evals.verdict import Verdict


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
