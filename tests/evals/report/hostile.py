"""Answers that would like to be more than text."""

from msgspec.structs import replace
from tests.evals.runs import name_of, worse

from trimtab.evals.metrics.base import scored
from trimtab.evals.result import Arm, Run, Sample, Stop

LONG = "x" * 1_000_000
TEXTS = (
    "@everyone and @octocat, see #1 and https://evil.example/?a=b",
    "| a | b |\n| --- | --- |\n</details><details open>",
    "```\n</details>\n````\n# Heading\n~~~\n![x](https://evil.example/x.png)",
    LONG,
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">",
    "::error file=x::hidden\n::set-output name=a::b\r\n::add-mask::x",
    "\x1b[31mred\x1b[0m \x00\x07 \u202eevil\u202c ]]> <![CDATA[ &amp; \ud800 \ufffe",
    "` ` `` ``` @everyone",
)


def hostile() -> Run:
    """A run that fails, whose worst cases answer so; names and warnings are no better."""
    made = worse(60, 30, warnings=TEXTS, quarantine={name_of(59): "\\| @everyone"})
    samples = tuple(_said(it) for it in made.samples)
    cases = tuple(
        replace(it, input={"question": TEXTS[at % len(TEXTS)]}, tags=(TEXTS[at % len(TEXTS)],))
        for at, it in enumerate(made.cases)
    )
    named = replace(
        made,
        samples=samples,
        cases=cases,
        suite="a`|@everyone\n::error::x",
        file="evals/a,b:c\n%.yaml",
        candidate=replace(made.candidate, name="`@everyone` <b>|"),
    )
    return renamed(named, "m`|@everyone<i>")


def renamed(run: Run, metric: str) -> Run:
    """Call the one metric of a run something else."""
    samples = tuple(
        replace(it, scores={metric: next(iter(it.scores.values()))}) for it in run.samples
    )
    settings = {**run.settings, "metrics": [{"name": metric, "metric": "exact_match"}]}
    return replace(run, samples=samples, metrics={metric: "1"}, settings=settings)


def _said(sample: Sample) -> Sample:
    text = TEXTS[int(sample.case[2:]) % len(TEXTS)]
    if sample.arm is Arm.BASELINE:
        return replace(sample, text=text)
    (score,) = sample.scores.values()
    told = scored(score.value or 0.0, text[:2000])
    return replace(sample, text=text, scores={"exact_match": told})


STOPPED = worse(60, 30, stopped=Stop.BUDGET)
