"""A verdict as JUnit XML: a suite for each metric with a test for each case, and one for the gate.

A case is a failure only if its metric fails and it became worse: tests are red where the gate is.
The rules of the gate are tests in their order; the first that matches decides, those after it are
skipped. What is inconclusive is an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from trimtab.evals.cells import Samples
from trimtab.evals.judgement import Judgement, Line, Shift, reason_of, shifts_of
from trimtab.evals.metrics.base import Status
from trimtab.evals.report.figures import share
from trimtab.evals.report.plain import one_line, plain, shortened
from trimtab.evals.report.words import headline, meaning
from trimtab.evals.result import CaseSeen, Sample
from trimtab.evals.verdict import Attacks, Reason, Verdict

MOST_REASON = 2000
GATE = "gate"
RULES: Sequence[Sequence[Reason]] = (
    *((Reason.UNCALIBRATED,), (Reason.ERRORS,), (Reason.FLOOR,)),
    *((Reason.REGRESSION,), (Reason.MARGIN,), (Reason.TOO_FEW_CASES,)),
)
ATTACK_RULES: Sequence[Sequence[Reason]] = (
    (Reason.UNCALIBRATED,),
    (Reason.LEAK,),
    (Reason.ERRORS, Reason.ATTACK_RATE, Reason.TOO_FEW_CASES),
    (Reason.NOT_REPEATED,),
)


def junit(judgements: Sequence[Judgement]) -> bytes:
    """Write verdicts as one document."""
    root = Element("testsuites", name="trimtab evals")
    for judgement in judgements:
        samples = Samples.of(judgement.run, judgement.terms.repeats.first)
        for line in judgement.metrics:
            _metric(root, judgement, line, samples)
        _gate(root, judgement)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(it.get(name, "0")) for it in root)))
    return tostring(root, encoding="utf-8", xml_declaration=True)


def _metric(root: Element, judgement: Judgement, line: Line, samples: Samples) -> None:
    name = one_line(f"{judgement.run.suite}/{line.row.name}")
    suite = SubElement(root, "testsuite", name=name)
    failing = line.row.blocking and line.row.verdict is Verdict.FAIL
    metric = line.column.setting.name
    worse = {it.case: it for it in shifts_of(line) if it.delta < 0} if failing else {}
    for case in judgement.run.cases:
        made = SubElement(suite, "testcase", name=one_line(case.id), classname=name)
        found = samples.candidate.get(case.id, ())
        _case(made, case, found, metric, worse)
        if case.id in judgement.run.quarantine:
            _said(made, "skipped", "in quarantine", judgement.run.quarantine[case.id])
        _said(made, "system-out", "", "\n".join(_out(judgement, case, found)))
    _count(suite)


def _case(
    made: Element,
    case: CaseSeen,
    samples: Sequence[Sample],
    metric: str,
    worse: Mapping[str, Shift],
) -> None:
    score = samples[0].scores.get(metric) if samples else None
    if samples and samples[0].error:
        _said(made, "error", samples[0].error, samples[0].error_detail)
    elif score is None or score.status is Status.ERROR:
        why = ("missing", "there is no score") if score is None else (score.code, score.detail)
        _said(made, "error", *why)
    elif score.status is Status.NOT_APPLICABLE:
        _said(made, "skipped", "not applicable", score.detail)
    elif case.id in worse:
        it = worse[case.id]
        before = "" if it.before is None else f"{share(it.before)} -> "
        _said(made, "failure", f"{metric} {before}{share(it.after)}", score.detail)


def _out(judgement: Judgement, case: CaseSeen, samples: Sequence[Sample]) -> Iterator[str]:
    for it in samples:
        told = ", ".join(
            f"{name} {share(score.value)}"
            for name, score in it.scores.items()
            if score.value is not None
        )
        yield f"sample {it.index}: {told}{f'  request {it.request_id}' if it.request_id else ''}"
    yield f"trimtab evals show {judgement.run.run_id} {case.id}"


def _gate(root: Element, judgement: Judgement) -> None:
    """Write each rule of each blocking metric, and the verdict itself."""
    name = one_line(f"{judgement.run.suite}/{GATE}")
    suite = SubElement(root, "testsuite", name=name)
    for line in judgement.lines:
        if line.row.blocking:
            _rules(suite, name, line)
    made = SubElement(suite, "testcase", name="verdict", classname=name)
    if judgement.verdict is not Verdict.PASS:
        kind = "failure" if judgement.verdict is Verdict.FAIL else "error"
        _said(made, kind, headline(judgement), meaning(judgement.reason))
    _count(suite)


def _rules(suite: Element, name: str, line: Line) -> None:
    row = line.row
    rules = ATTACK_RULES if isinstance(line.column.given, Attacks) else RULES
    reached = True
    for rule in rules:
        told = " or ".join(sorted(rule))
        made = SubElement(suite, "testcase", name=one_line(f"{row.name}: {told}"), classname=name)
        if not reached:
            _said(made, "skipped", "a rule before it decided", "")
        elif row.reason in rule:
            kind = "failure" if row.verdict is Verdict.FAIL else "error"
            _said(made, kind, f"{row.verdict} {reason_of(row)}", meaning(row.reason))
            reached = False


def _said(parent: Element, kind: str, message: str, text: str) -> None:
    if kind == "skipped" and parent.find("skipped") is not None:
        return
    made = SubElement(parent, kind)
    if kind != "system-out":
        made.set("message", one_line(message, MOST_REASON))
        made.set("type", kind)
    made.text = plain(shortened(text, MOST_REASON))


def _count(suite: Element) -> None:
    suite.set("tests", str(len(suite)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(it.find(kind) is not None for it in suite)))
