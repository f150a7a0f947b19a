"""All metrics by name. A new one is a file and a line here."""

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter

from trimtab.domain.yaml_tree import Wrong, nearest
from trimtab.evals.metrics.base import Metric, Parts, options
from trimtab.evals.metrics.contains import contains, not_contains
from trimtab.evals.metrics.exact import ExactMatch
from trimtab.evals.metrics.faithfulness import Faithfulness
from trimtab.evals.metrics.label import label_match
from trimtab.evals.metrics.measured import cost_usd, measured
from trimtab.evals.metrics.number import Numeric
from trimtab.evals.metrics.overlap import TokenF1
from trimtab.evals.metrics.pairwise import Pairwise
from trimtab.evals.metrics.pattern import regex
from trimtab.evals.metrics.ragas import PREFIX, ragas_metric
from trimtab.evals.metrics.refuses import Refuses
from trimtab.evals.metrics.relevancy import answer_relevancy
from trimtab.evals.metrics.retrieval import ContextPrecision, ContextRecall
from trimtab.evals.metrics.rubric import Rubric
from trimtab.evals.metrics.schema import json_schema
from trimtab.evals.metrics.similarity import embedding_similarity
from trimtab.evals.metrics.user import user_metric

Make = Callable[[Mapping[str, object], Parts], Metric]


def _of(kind: type[Metric], given: Mapping[str, object], _parts: Parts) -> Metric:
    """Make a metric that is nothing but its options."""
    return options(given, kind)


METRICS: Mapping[str, Make] = {
    "exact_match": partial(_of, ExactMatch),
    "contains": contains,
    "not_contains": not_contains,
    "regex": regex,
    "json_schema": json_schema,
    "label_match": label_match,
    "token_f1": partial(_of, TokenF1),
    "numeric": partial(_of, Numeric),
    "embedding_similarity": embedding_similarity,
    "faithfulness": partial(_of, Faithfulness),
    "answer_relevancy": answer_relevancy,
    "context_precision": partial(_of, ContextPrecision),
    "context_recall": partial(_of, ContextRecall),
    "rubric": partial(_of, Rubric),
    "pairwise": partial(_of, Pairwise),
    "refuses": partial(_of, Refuses),
    "cost_usd": measured("cost_usd", cost_usd),
    "latency_s": measured("latency_s", attrgetter("latency_s")),
    "output_tokens": measured("output_tokens", attrgetter("output_tokens")),
}


def make_metric(
    metric: str, given: Mapping[str, object], parts: Parts, *, python: str | None = None
) -> Metric:
    """Make a metric of its name and options, or the user's own of `module:function`.

    Raises:
        Wrong: there is none of that name, or an option is not good.
        ValidationError: an option is not what the metric takes (msgspec).
    """
    if python is not None:
        if given:
            raise Wrong(f"a function takes no options, and has {', '.join(given)}; remove them")
        return user_metric(metric, python)
    if metric.startswith(PREFIX):
        return ragas_metric(metric, given, parts)
    make = METRICS.get(metric)
    if make is None:
        raise Wrong(f"{metric[:64]!r} is no metric; {nearest(metric, METRICS)}")
    return make(given, parts)
