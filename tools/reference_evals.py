# A program of its own, outside any package, that holds sentences.
# ruff: noqa: E501
"""What the reference says of suites, cases, metrics and rules, and where the code has them."""

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from trimtab.evals.calibration import STATISTICS, least_of
from trimtab.evals.case import Case, Checks, Provenance
from trimtab.evals.labels import Label
from trimtab.evals.lint import RULES
from trimtab.evals.manifest import Written
from trimtab.evals.metrics.base import Metric, NoOptions, Parts
from trimtab.evals.metrics.table import METRICS, make_metric
from trimtab.evals.report.words import REASONS
from trimtab.evals.scale import SCALES, Kind
from trimtab.evals.suite import GateSetting, JudgeSetting, MetricSetting, Repeats, Target

Rows = list[tuple[str, ...]]

SUITE = {
    "schema": "Version of the format.",
    "name": "What the suite is called.",
    "class": "`golden`: what the application should do; `adversarial`: what nobody should get it to do.",
    "cases": "Files of cases, beside the manifest.",
    "slices": "Tags whose cases are reported apart; `tags` for all of them.",
    "quarantine": "Cases that are reported and kept out of the gate, by id, each with the reason; at most 5%.",
    "shuffle_choices": "Whether choices are shown in an order that the id of the case decides.",
    "target.prompt": "Prompt of the registry that is run.",
    "target.model": "Model it is run on.",
    "target.python": "Function that is run instead, as `module:function`.",
    "target.http": "URL that is asked instead.",
    "target.command": "Command that is run instead, as a list of words.",
    "judge.model": "Model that judges; pin a dated one.",
    "judge.max_tokens": "How long its answers may be.",
    "judge.temperature": "Its temperature.",
    "judge.embeddings": "Model of the metrics that compare vectors.",
    "gate.alpha": "How often a gate may find a regression where there is none.",
    "gate.max_error_rate": "Share of cases that may end in an error before nothing can be said.",
    "gate.max_mde": "The smallest drop that must be visible.",
    "gate.max_usd": "What a run may cost.",
    "gate.max_attack_rate": "What the upper bound of the attack rate must be under.",
    "repeats.first": "How often each case is sampled.",
    "repeats.max": "How often a case is sampled that differs between baseline and candidate.",
    "repeats.when": "Which cases are sampled again.",
    "metrics.NAME.metric": "Which metric it is, where its name does not say so.",
    "metrics.NAME.python": "A metric of your own, as `module:function`.",
    "metrics.NAME.floor": "What the mean must reach.",
    "metrics.NAME.max": "What the mean may not exceed, where lower is better.",
    "metrics.NAME.floor_mode": "What must clear the floor: `point` for the mean, `ci` for the lower bound of its interval.",
    "metrics.NAME.margin": "How much worse than the baseline is still as good.",
    "metrics.NAME.max_mde": "The smallest drop that must be visible, for this metric.",
    "metrics.NAME.na_as": "What a case counts as that it does not apply to: `skip`, 0 or 1.",
    "metrics.NAME.when": "`{tag: ...}`: the cases it is for; all by default.",
    "metrics.NAME.floors": "Floors of single slices, by tag.",
    "metrics.NAME.uncalibrated": "What a judge without calibration makes of it: `inconclusive` or `advisory`.",
    "metrics.NAME.advisory": "Whether it only informs.",
}
CASE = {
    "id": "At most 80 letters, digits, `.`, `_` and `-`; no other case of the suite has it.",
    "input": "Variables of the prompt, or arguments of the target.",
    "expected": "An accepted text, a list of them with the best one first, or an object.",
    "contexts": "Texts that are given to the prompt as they are; without them the target retrieves.",
    "tags": "Slices it is in.",
    "group": "The document or conversation that it shares with other cases.",
    "checks.contains": "Texts that the answer must have.",
    "checks.not_contains": "Texts that the answer must not have.",
    "checks.regex": "Pattern that the answer must have.",
    "checks.refuses": "Whether the answer must decline, or must not.",
    "provenance.source": "Where it comes from, as `request`.",
    "provenance.request_id": "The request it was made of.",
    "provenance.incident_id": "The incident it was made for.",
    "provenance.added_at": "When it was added.",
    "provenance.added_by": "Who added it.",
    "provenance.redacted": "Kinds of personal data that were looked for and taken out.",
}
LABEL = {
    "case_id": "Case whose answer it is of.",
    "answer_hash": "SHA-256 of the answer's text, hex; where two answers are compared, of the hashes of both with a space between.",
    "metric": "What the suite calls the metric.",
    "rater": "Who said it: letters, digits, `.`, `_`, `@`, `+` and `-`.",
    "value": "0 to 1, as scores are; `null` takes the label before it back, or says that it was skipped. Of `refuses`: 1 if the answer declines.",
    "at": "When, with its zone. Of several labels of one rater for one answer the latest counts.",
}
SCORES = {
    "exact_match": "1 if the answer is an accepted text, white space collapsed.",
    "contains": "1 if all texts are in the answer.",
    "not_contains": "1 if none of the texts is in the answer.",
    "regex": "1 if the pattern is found in the answer; in linear time, so without look-around and back-references.",
    "json_schema": "1 if the answer is JSON of the schema.",
    "label_match": "1 if the answer is taken for the right label: by a pattern, by its text, or by the letter of a choice.",
    "token_f1": "F1 of the words that the answer shares with the nearest accepted text.",
    "numeric": "1 if the number in the answer is the expected one, within the larger tolerance.",
    "embedding_similarity": "Cosine to the nearest accepted text.",
    "faithfulness": "Share of the answer's claims that the contexts support, in two calls.",
    "answer_relevancy": "Mean cosine of the question and questions made from the answer; 0 if it commits to nothing.",
    "context_precision": "Average precision of the retrieved texts, in one call.",
    "context_recall": "Share of the expected sentences that the retrieved texts support, in one call.",
    "rubric": "Step of a written scale, as a share of it.",
    "pairwise": "1 if the candidate beats the baseline in both orders, 0 if it loses in both, else 0.5.",
    "refuses": "1 if the answer declines where it must, and does not where it must not.",
    "cost_usd": "What the answer cost.",
    "latency_s": "How long the answer took.",
    "output_tokens": "How long the answer is.",
}
_FLAGS = {
    "casefold": "Case does not count.",
    "strip_punctuation": "ASCII punctuation does not count.",
    "strip_articles": "`a`, `an` and `the` do not count.",
}
OPTIONS = {
    **{
        f"{metric} {name}": said
        for metric in ("exact_match", "contains", "not_contains", "token_f1")
        for name, said in _FLAGS.items()
    },
    "contains texts": "Texts for all cases, instead of their `checks`.",
    "not_contains texts": "Texts for all cases, instead of their `checks`.",
    "regex pattern": "Pattern for all cases, instead of their `checks`.",
    "json_schema schema": "The schema, or the name of its file beside the manifest.",
    "json_schema fence": "The answer may stand in a fence of Markdown.",
    "label_match labels": "A list of labels, or a map from labels to patterns; `input.choices` of the case by default.",
    "numeric abs": "How far apart the numbers may be.",
    "numeric rel": "The same, as a share of the expected number.",
    "numeric take": "Which number of an answer counts: `only`, `first` or `last`.",
    "answer_relevancy n": "How many questions are made.",
    "answer_relevancy one_call": "One call makes them all.",
    "context_precision per_chunk": "Each text is judged in a call of its own.",
    "rubric rubric": "What each step means.",
    "rubric scale": "The highest step.",
    "rubric reference": "The judge sees what is expected.",
    "pairwise rubric": "What makes an answer better.",
    "refuses expected": "What cases without the check must do.",
}

HEAD = ("member", "default", "meaning")


class Member(NamedTuple):
    """A member of a file, or an option, with its default as it is written."""

    name: str
    default: str


def things() -> dict[str, tuple[Iterable[str], Mapping[str, str]]]:
    """Give what must be documented, and what is said of each."""
    options = [f"{metric} {it.name}" for metric in METRICS for it in metric_options(metric)]
    return {
        "suite members": ([it.name for it in suite_members()], SUITE),
        "case members": ([it.name for it in case_members()], CASE),
        "label members": ([it.name for it in label_members()], LABEL),
        "metrics": (METRICS, SCORES),
        "metric options": (options, OPTIONS),
    }


def members(of: list[Member], said: Mapping[str, str]) -> Rows:
    """Give the rows of a table of members."""
    return [(f"`{it.name}`", f"`{it.default}`" if it.default else "", said[it.name]) for it in of]


def metric_rows() -> Rows:
    """Give what each metric scores, and what it cannot do without."""
    return [
        (f"`{name}`", SCORES[name], ", ".join(sorted(it.about.needs)))
        for name, it in _metrics().items()
    ]


def option_rows() -> Rows:
    """Give the options of each metric."""
    return [
        (f"`{metric}`", *row)
        for metric in METRICS
        for row in members(
            metric_options(metric),
            {it.name: OPTIONS[f"{metric} {it.name}"] for it in metric_options(metric)},
        )
    ]


def rule_rows() -> Rows:
    """Give the rules of lint."""
    return [(rule, str(it.level), it.about) for rule, it in RULES.items()]


def reason_rows() -> Rows:
    """Give why a verdict is not PASS."""
    return [(f"`{reason}`", said) for reason, said in REASONS.items()]


def suite_members() -> list[Member]:
    """List the members of a manifest, those within others with a dot."""
    within = {
        "target": Target,
        "judge": JudgeSetting,
        "gate": GateSetting,
        "repeats": Repeats,
        "metrics.NAME": MetricSetting,
    }
    inside = ("metrics", "metrics.NAME.name", "metrics.NAME.options", *within)
    found = _members(Written) + [
        it for at, kind in within.items() for it in _members(kind, f"{at}.")
    ]
    return [it for it in found if it.name not in inside]


def case_members() -> list[Member]:
    """List the members of a case."""
    within = {"checks": Checks, "provenance": Provenance}
    found = [it for it in _members(Case) if it.name not in within]
    return found + [it for at, kind in within.items() for it in _members(kind, f"{at}.")]


def label_members() -> list[Member]:
    """List the members of a label."""
    return _members(Label)


def agreement_rows() -> Rows:
    """Give how a judge is held against people under each metric that asks one."""
    made = {name: make({}) for name, make in SCALES.items()}
    return [
        (
            f"`{name}`",
            it.question,
            STATISTICS[it.kind],
            f"{least_of(it.kind):.2f}"
            + (" and raw agreement 0.60" if it.kind is Kind.NOMINAL else ""),
        )
        for name, it in made.items()
    ]


def metric_options(metric: str) -> list[Member]:
    """List the options of a metric."""
    make: Any = METRICS[metric]
    if isinstance(make, partial):
        return _members(make.args[0])
    return _members(getattr(sys.modules[make.__module__], "Options", NoOptions))


def _metrics() -> Mapping[str, Metric]:
    told: dict[str, dict[str, Any]] = {"rubric": {"rubric": "r"}, "json_schema": {"schema": {}}}
    return {name: make_metric(name, told.get(name, {}), Parts()) for name in METRICS}


def _members(kind: type[msgspec.Struct], at: str = "") -> list[Member]:
    return [
        Member(f"{at}{it.encode_name}", _written(it.default)) for it in msgspec.structs.fields(kind)
    ]


def _written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, str | int | float) else ""
