"""Where the time went, drawn."""

from msgspec.structs import replace
from tests.console.conftest import START_US, example

from trimtab.console.waterfall import draw
from trimtab.domain.record import Detail


def test_stages_stand_in_order_with_attempts_under_their_call() -> None:
    rows = draw(example(START_US)).rows

    assert [row.name for row in rows] == [
        "admit",
        "plan",
        "screen_input",
        "fund",
        "call",
        "attempt 1",
        "attempt 2",
        "settle",
    ]
    assert [row.name for row in rows if row.depth] == ["attempt 1", "attempt 2"]


def test_a_failed_attempt_names_its_error_and_an_answer_its_first_token() -> None:
    failed, answered = draw(example(START_US)).rows[5:7]

    assert (failed.tone, failed.error, failed.first_token) == ("bad", "provider_overloaded", None)
    assert answered.tone == "good"
    assert answered.first_token == round(100 * (206 + 412) / 2334, 2)


def test_every_bar_lies_on_the_axis_and_can_be_seen() -> None:
    picture = draw(example(START_US))

    for row in picture.rows:
        assert row.start >= 0
        assert row.width > 0
        assert row.start + row.width <= 100.01
    assert [label for _, label in picture.ticks] == ["0", "500 ms", "1.00 s", "1.50 s", "2.00 s"]


def test_a_record_without_stages_still_shows_its_attempts() -> None:
    rows = draw(replace(example(START_US), detail=Detail())).rows

    assert [row.name for row in rows] == ["attempt 1", "attempt 2"]


def test_a_request_that_took_no_time_is_drawn() -> None:
    stored = example(START_US)
    instant = replace(stored.record, latency_us=0)

    picture = draw(replace(stored, record=instant, detail=Detail(), attempts=()))

    assert picture.rows == ()
    assert picture.ticks[0] == (0, "0")
