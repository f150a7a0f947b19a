"""Verdicts as one HTML file that needs no network and no trust.

Whatever is not our own markup is escaped, and a policy forbids everything but the one stylesheet
and the one script that are in the file.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import jinja2

from trimtab.domain.prompt import canonical
from trimtab.evals.cells import Samples
from trimtab.evals.judgement import Judgement, Shift
from trimtab.evals.metrics.base import Score, Status
from trimtab.evals.report.figures import amount, share, signed
from trimtab.evals.report.picture import picture
from trimtab.evals.report.plain import one_line, plain, shortened
from trimtab.evals.report.rows import HEAD, cells, shown
from trimtab.evals.report.words import headline, judge, notes, spent, subject
from trimtab.evals.result import Arm, CaseSeen, Sample
from trimtab.evals.verdict import Row

MOST_TEXT = 20_000
MOST_DETAIL = 4_000

_HERE = Path(__file__).parent


def page(judgements: Sequence[Judgement]) -> str:
    """Write the file."""
    style, script = ((_HERE / f"page.{it}").read_text("utf-8") for it in ("css", "js"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        style=style,
        script=script,
        policy=_policy(style, script),
        reports=[_report(it) for it in judgements],
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _report(judgement: Judgement) -> dict[str, object]:
    run = judgement.run
    lines = shown(judgement)
    return {
        "suite": one_line(run.suite),
        "run_id": one_line(run.run_id),
        "suite_hash": run.suite_hash,
        "dataset_hash": run.dataset_hash,
        "verdict": str(judgement.verdict),
        "headline": headline(judgement),
        "candidate": subject(run.candidate),
        "baseline": subject(run.baseline) if run.baseline else "",
        "judge": judge(judgement),
        "spent": spent(run),
        "notes": [plain(it) for it in notes(judgement)],
        "head": HEAD,
        "rows": [(tuple(cells(it)), _tone(it.row)) for it in lines],
        "hidden": len(judgement.lines) - len(lines),
        "picture": picture(judgement),
        "cases": list(_cases(judgement)),
    }


def _tone(row: Row) -> str:
    return str(row.verdict).lower() if row.blocking else "quiet"


def _cases(judgement: Judgement) -> Iterator[Mapping[str, object]]:
    """Show every case: what became worse first, then errors, then the others."""
    run = judgement.run
    samples = Samples.of(run, judgement.terms.repeats.first)
    shifts = {it.case: it for it in judgement.shifts()}
    places = {case: at for at, case in enumerate(shifts)}
    failed = {case for line in judgement.metrics for case in line.column.failed}
    ordered = sorted(
        run.cases, key=lambda it: (places.get(it.id, len(places)), it.id not in failed, it.id)
    )
    for case in ordered:
        yield _shown(judgement, case, shifts.get(case.id), samples, failed=case.id in failed)


def _shown(
    judgement: Judgement, case: CaseSeen, shift: Shift | None, samples: Samples, *, failed: bool
) -> Mapping[str, object]:
    ours = samples.candidate.get(case.id, ())
    theirs = samples.baseline.get(case.id, ())
    indexes = range(max(len(ours), len(theirs)))
    metrics = [it.name for it in judgement.terms.metrics]
    return {
        "id": one_line(case.id),
        "kind": "error" if failed else "worse" if shift else "same",
        "metric": "" if shift is None else one_line(shift.metric),
        "change": "" if shift is None else _change(shift),
        "tags": tuple(one_line(it) for it in case.tags),
        "quarantine": plain(judgement.run.quarantine.get(case.id, "")),
        "asked": _asked(case),
        "expected": _text(case.expected),
        "pairs": tuple(
            (
                _said(theirs[at], metrics) if at < len(theirs) else None,
                _said(ours[at], metrics) if at < len(ours) else None,
            )
            for at in indexes
        ),
    }


def _change(shift: Shift) -> str:
    if shift.before is None:
        return share(shift.after, 2)
    told = f"{share(shift.before, 2)} → {share(shift.after, 2)}"
    return f"{told} ({signed(share(shift.delta, 2))})"


def _asked(case: CaseSeen) -> str:
    question = case.input.get("question")
    alone = isinstance(question, str) and len(case.input) == 1
    return _text(question if alone else case.input)


def _text(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else canonical(value)
    return plain(shortened(text, MOST_TEXT))


def _said(sample: Sample, metrics: Sequence[str]) -> Mapping[str, object]:
    told = (sample.model, sample.request_id)
    return {
        "arm": "candidate" if sample.arm is Arm.CANDIDATE else "baseline",
        "index": sample.index,
        "text": _text(sample.text),
        "error": one_line(f"{sample.error} {sample.error_detail}", MOST_DETAIL)
        if sample.error
        else "",
        "note": "  ".join(one_line(it) for it in told if it),
        "scores": tuple(_scored(it, sample.scores[it]) for it in metrics if it in sample.scores),
    }


def _scored(metric: str, score: Score) -> Mapping[str, object]:
    if score.value is not None:
        value = share(score.value, 2) if score.value <= 1 else amount(score.value)
    else:
        value = "n/a" if score.status is Status.NOT_APPLICABLE else one_line(score.code or "error")
    return {
        "metric": one_line(metric),
        "value": value,
        "detail": plain(shortened(score.detail, MOST_DETAIL)),
        "status": str(score.status),
    }
