import pytest

from trimtab.sim.faults import (
    NAMES,
    NO_FAULTS,
    BadFault,
    FaultBoard,
    Faults,
    read_faults,
    read_rule,
)


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


def test_faults_are_joined_with_exclamation_marks() -> None:
    assert read_faults("status:503!retry_after:7!bad_line") == Faults(
        status=503, retry_after="7", bad_lines=1
    )


def test_every_fault_of_the_book_is_known() -> None:
    assert set(NAMES) == {
        *("reset", "hang", "slow_headers", "slow_first", "status", "retry_after", "429_storm"),
        *("401", "error_after_preamble", "cut_after", "stall_after", "bad_line", "no_done"),
        *("no_usage", "usage_zero", "usage_repeated", "usage_after_finish", "usage_string"),
        *("args_in_first_delta", "args_only_in_done", "refusal", "empty", "huge", "wrong_model"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_fault_changes_something(name: str) -> None:
    value = {"status": ":500", "retry_after": ":1", "cut_after": ":0", "stall_after": ":0"}

    assert read_faults(name + value.get(name, "")) != NO_FAULTS


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("explode", id="unknown"),
        pytest.param("status", id="value missing"),
        pytest.param("status:200", id="not an error"),
        pytest.param("cut_after:x", id="no number"),
        pytest.param("cut_after:-1", id="negative"),
        pytest.param("reset:1", id="value not wanted"),
        pytest.param("slow_first:nan", id="not a number"),
        pytest.param("retry_after:1\r\nx: y", id="header injection"),
        pytest.param("refusal:tool_calls", id="impossible finish"),
    ],
)
def test_a_fault_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(BadFault):
        read_faults(text)


@pytest.mark.parametrize(
    "text", ["", "cut_after:3 rate=2", "cut_after:3 colour=red", "hang window=5", "nothing rate=1"]
)
def test_a_rule_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(BadFault):
        read_rule(text)


def test_a_rule_hits_its_model_and_account_only(time: Time) -> None:
    board = FaultBoard(["status:500 model=large account=acme"], 7, time)

    assert board.choose("acme", "sim/large", "").status == 500
    assert board.choose("acme", "sim/small", "") == NO_FAULTS
    assert board.choose("hobby", "sim/large", "") == NO_FAULTS


def test_a_rule_hits_within_its_window_only(time: Time) -> None:
    board = FaultBoard(["hang window=10-20"], 7, time)

    hits: list[bool] = []
    for _ in range(4):
        hits.append(board.choose("a", "sim/large", "").hang)
        time.now_s += 8

    assert hits == [False, False, True, False]


def test_a_rate_hits_its_share_of_calls_and_the_same_ones_again(time: Time) -> None:
    board = FaultBoard(["hang rate=0.1"], 7, time)

    first = [board.choose("a", "sim/large", "").hang for _ in range(2_000)]
    board.set(["hang rate=0.1"])

    assert [board.choose("a", "sim/large", "").hang for _ in range(2_000)] == first
    assert 150 < sum(first) < 250


def test_what_a_call_asks_for_is_added_to_the_rules(time: Time) -> None:
    board = FaultBoard(["no_done"], 7, time)

    assert board.choose("a", "sim/large", "bad_line:2") == Faults(no_done=True, bad_lines=2)


def test_rules_that_cannot_be_read_leave_the_old_ones(time: Time) -> None:
    board = FaultBoard(["no_done"], 7, time)

    with pytest.raises(BadFault):
        board.set(["hang", "explode"])

    assert board.rules() == ["no_done"]


def test_a_storm_refuses_every_call_to_its_model_until_it_is_over(time: Time) -> None:
    board = FaultBoard([], 7, time)

    statuses = [board.choose("a", "sim/large", "429_storm:5").status]
    for _ in range(3):
        statuses.append(board.choose("b", "sim/large", "").status)
        time.now_s += 2
    statuses.append(board.choose("b", "sim/large", "").status)

    assert statuses == [429, 429, 429, 429, None]


def test_a_storm_leaves_other_models_alone(time: Time) -> None:
    board = FaultBoard([], 7, time)
    board.choose("a", "sim/large", "429_storm")

    assert board.choose("a", "sim/small", "") == NO_FAULTS
