"""The scores of a suite over its runs."""

from tests.console.evaluating import line, valid

from trimtab.console.eval_trend import MOST_METRICS, trends
from trimtab.evals.case import Kind
from trimtab.evals.decided import Decided, DecidedLine
from trimtab.evals.shelf import Card


def at(place: int, *lines: DecidedLine) -> tuple[Card, Decided]:
    card = Card(
        run_id=f"ev_{place}", suite="s", kind=Kind.GOLDEN, content="", candidate="x",
        started_us=place * 1_000_000,
    )  # fmt: skip
    return card, Decided(verdict="PASS", lines=lines)


def test_scores_stand_in_the_order_of_time_with_interval_and_floor() -> None:
    (trend,) = trends([at(9, line(0.9)), at(5, line(0.8))])

    assert trend.chart is not None
    assert trend.chart.times_s == (5, 9)
    assert [(it.name, it.values) for it in trend.chart.lines] == [
        ("score", (0.8, 0.9)),
        ("95% from", (0.77, 0.87)),
        ("to", (0.83, 0.93)),
        ("floor", (0.85, 0.85)),
    ]
    assert trend.chart.low == 0.7
    assert trend.chart.top == 1
    upper, lower = trend.chart.band or (0, 0)
    assert trend.chart.lines[upper].name == "to"
    assert trend.chart.lines[lower].name == "95% from"


def test_runs_of_one_second_keep_their_order() -> None:
    (trend,) = trends([at(0, line(0.9)), at(0, line(0.8)), at(0, line(0.7))])

    assert trend.chart is not None
    assert trend.chart.times_s == (0, 1, 2)
    assert trend.chart.lines[0].values == (0.7, 0.8, 0.9)


def test_of_one_run_or_of_what_has_a_unit_there_is_a_table_only() -> None:
    (alone,) = trends([at(1, line(0.9))])
    (latency,) = trends([at(at_, line(2.0, lower=True)) for at_ in (2, 1)])

    assert (alone.chart, latency.chart) == (None, None)
    assert len(latency.points) == 2


def test_a_run_without_the_metric_is_left_out() -> None:
    trend, _ = trends([at(3, line(0.9), valid()), at(2, valid()), at(1, line(0.7), valid())])

    assert [it.card.run_id for it in trend.points] == ["ev_1", "ev_3"]


def test_what_decides_is_drawn_before_what_informs() -> None:
    many = [line(0.9, metric=f"m{it}", blocking=it > 6) for it in range(9)]

    found = [it.metric for it in trends([at(2, *many), at(1, *many)])]

    assert found[:2] == ["m7", "m8"]
    assert len(found) == MOST_METRICS
    assert trends([]) == ()
