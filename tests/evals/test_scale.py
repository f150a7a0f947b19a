from pathlib import Path
from typing import Any

import pytest
from tests.evals.suites import suite_of

from trimtab.evals.manifest import make_metrics
from trimtab.evals.metrics.base import Need, Parts
from trimtab.evals.metrics.table import METRICS, make_metric
from trimtab.evals.scale import SCALES, Kind, judged_metrics

OPTIONS: dict[str, dict[str, Any]] = {
    "contains": {"texts": ["a"]},
    "regex": {"pattern": "a"},
    "rubric": {"rubric": "5 is good"},
    "label_match": {"labels": ["a"]},
    "json_schema": {"schema": {}},
}


def test_every_metric_that_asks_a_judge_has_a_scale_and_no_other() -> None:
    made = [make_metric(it, OPTIONS.get(it, {}), Parts()).about for it in METRICS]

    assert {it.name for it in made if Need.JUDGE in it.needs} == set(SCALES)


@pytest.mark.parametrize("metric", SCALES)
def test_choices_rise_from_zero_to_one_with_a_key_each(metric: str) -> None:
    scale = SCALES[metric]({})

    values = [it.value for it in scale.choices]
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (0, 1)
    assert len({it.key for it in scale.choices}) == len(values)


@pytest.mark.parametrize("steps", [2, 5, 10, 100])
def test_a_step_of_a_rubric_is_the_class_of_its_value(steps: int) -> None:
    scale = SCALES["rubric"]({"scale": steps})

    codes = [scale.code((step - 1) / (steps - 1)) for step in range(1, steps + 1)]

    assert codes == list(range(steps))
    assert len(scale.classes) == steps


def test_what_is_continuous_is_cut_in_halves() -> None:
    scale = SCALES["faithfulness"]({})

    assert [scale.code(it) for it in (0, 0.49, 0.5, 1)] == [0, 0, 1, 1]
    assert scale.kind is Kind.CONTINUOUS


def test_metrics_are_known_by_what_they_are_and_not_by_what_the_suite_calls_them(
    tmp_path: Path,
) -> None:
    body = (
        "judge: {model: j}\nmetrics:\n  tone: {metric: rubric, rubric: 3 is good, scale: 3}\n"
        "  faithfulness: {floor: 0.8}\n  exact_match: {}\n"
    )
    suite = suite_of(tmp_path, body)
    settings = {
        "metrics": {it.name: {"metric": it.metric, "options": it.options} for it in suite.metrics}
    }

    found = judged_metrics(make_metrics(suite), settings)

    assert {name: len(it.scale.choices) for name, it in found.items()} == {
        "tone": 3,
        "faithfulness": 5,
    }
