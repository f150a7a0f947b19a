"""Small charts."""

import json

import pytest

from trimtab.console.chart import HEIGHT, WIDTH, Chart, Line, round_up


def chart(*values: float | None, kind: str = "lines") -> Chart:
    line = Line("p95", "warn", values)
    return Chart(kind, "s", "latency", tuple(range(0, 60 * len(values), 60)), (line,))


@pytest.mark.parametrize(
    ("value", "top"), [(0.03, 0.05), (1, 1), (1.2, 2), (2.2, 2.5), (7, 10), (171, 200), (1e6, 1e6)]
)
def test_the_axis_ends_at_a_round_number_above_every_value(value: float, top: float) -> None:
    assert round_up(value) == pytest.approx(top)


def test_a_curve_has_a_gap_where_nothing_is_known() -> None:
    drawing = chart(1.0, 2.0, None, 1.0)

    assert drawing.path(drawing.lines[0]).count("M") == 2


def test_bars_stay_inside_the_drawing_and_zero_draws_nothing() -> None:
    drawing = chart(0.0, 7.0, 3.0, kind="bars")

    bars = drawing.bars(drawing.lines[0])

    assert len(bars) == 2
    for bar in bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH
        assert bar.y + bar.height == pytest.approx(HEIGHT, abs=0.11)


def test_a_stack_adds_up_to_its_highest_series() -> None:
    lines = (Line("a", "c1", (3.0, None, -1.0)), Line("b", "c2", (1.0, 2.0, 5.0)))
    drawing = Chart("stack", "USD", "cost", (0, 1, 2), lines, step="day")

    assert [it.values for it in drawing.drawn] == [(4.0, 2.0, 5.0), (1.0, 2.0, 5.0)]
    assert drawing.top == 5
    assert drawing.bars(drawing.drawn[0])[0].height == pytest.approx(HEIGHT * 4 / 5)
    assert json.loads(drawing.series)[1] == [3.0, None, -1.0]


def test_a_chart_without_values_can_be_drawn() -> None:
    drawing = chart(None, None)

    assert drawing.top == 1
    assert drawing.path(drawing.lines[0]) == ""
    assert json.loads(drawing.series) == [[0, 60], [None, None]]


def test_an_axis_that_begins_above_zero_is_drawn_from_there() -> None:
    line = Line("score", "accent", (0.8, 0.9, 1.0))
    drawing = Chart("lines", "", "scores", (0, 60, 120), (line,), low=0.8)

    heights = [float(it.split()[1]) for it in drawing.path(line).replace("h0.1", "").split("L")]

    assert heights[0] == HEIGHT
    assert heights[1] == pytest.approx(HEIGHT / 2)
    assert heights[2] == 0
