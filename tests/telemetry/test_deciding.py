from hypothesis import given
from hypothesis import strategies as st

from trimtab.telemetry.deciding import AFTER_ROOT_US, LONGEST_US, MAX_KEPT, Decider, Decision, Seen

KEPT = Decision(is_kept=True, rule="rest", th=0)
DROPPED = Decision(is_kept=False, rule="rest", th=0)
OF_RECORD = Decision(is_kept=True, rule="error", th=0)


def trace(number: int) -> str:
    return f"{number:032x}"


def seen(number: int, at_us: int = 0, *, size: int = 100, root: bool = False) -> Seen:
    return Seen(trace(number), at_us, size, has_root=root)


def evens(it: Seen) -> Decision:
    return DROPPED if int(it.trace_id, 16) % 2 else KEPT


def decided(decider: Decider, now_us: int) -> dict[str, Decision]:
    return dict(decider.due(now_us))


def test_a_trace_is_decided_two_seconds_after_its_root() -> None:
    decider = Decider(evens)
    assert decider.add(seen(2)) is None
    assert decider.add(seen(2, 1_000, root=True)) is None

    assert decided(decider, 1_000 + AFTER_ROOT_US - 1) == {}
    assert decided(decider, 1_000 + AFTER_ROOT_US) == {trace(2): KEPT}
    assert decided(decider, LONGEST_US) == {}


def test_a_remote_parent_is_sampled_as_any_other_a_minute_after_its_first_span() -> None:
    decider = Decider(evens)
    for number in (2, 3):
        decider.add(seen(number))

    assert decided(decider, LONGEST_US - 1) == {}
    assert decided(decider, LONGEST_US) == {trace(2): KEPT, trace(3): DROPPED}


def test_late_spans_follow_the_decision() -> None:
    decider = Decider(evens)
    for number in (2, 3):
        decider.add(seen(number))
    decided(decider, LONGEST_US)

    assert decider.add(seen(2, 10 * LONGEST_US, root=True)) == KEPT
    late = decider.add(seen(3, 10 * LONGEST_US, root=True))
    assert late is not None
    assert not late.is_kept
    assert decided(decider, 20 * LONGEST_US) == {}


def test_a_trace_of_ours_goes_by_the_record() -> None:
    decider = Decider(evens)
    decider.add(seen(3))

    assert decider.of_record(trace(3), 5, OF_RECORD) == OF_RECORD
    assert decider.add(seen(3, 10)) == OF_RECORD
    assert decided(decider, 2 * LONGEST_US) == {}


def test_a_record_that_was_dropped_waits_for_another_of_its_trace() -> None:
    decider = Decider(evens)
    assert decider.of_record(trace(2), 0, DROPPED) is None
    assert decider.of_record(trace(4), 0, DROPPED) is None

    assert decider.of_record(trace(2), 5, OF_RECORD) == OF_RECORD
    assert decided(decider, LONGEST_US) == {trace(4): DROPPED}


def test_over_the_budget_the_oldest_is_decided_with_what_is_there_and_never_dropped() -> None:
    shown: list[Seen] = []

    def decide(it: Seen) -> Decision:
        shown.append(it)
        return KEPT

    decider = Decider(decide, max_bytes=1_000)
    decider.add(seen(1, 0, size=400)._replace(has_failed=True))
    decider.add(seen(2, 1, size=400))
    decider.add(seen(1, 2, size=400)._replace(longest_us=9))

    assert decided(decider, 3) == {trace(1): KEPT}
    (it,) = shown
    assert (it.size, it.has_failed, it.longest_us) == (800, True, 9)
    assert decided(decider, 4) == {}


def test_records_that_were_dropped_take_room_too() -> None:
    decider = Decider(evens, max_bytes=1_000)
    for number in range(1, 5):
        decider.of_record(trace(number), 0, DROPPED)

    assert decided(decider, 1) == {trace(1): DROPPED, trace(2): DROPPED}


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.integers(1, 500)), max_size=200))
def test_every_trace_is_decided_exactly_once(spans: list[tuple[int, bool, int]]) -> None:
    decider = Decider(evens, max_bytes=1_000)
    told: list[str] = []
    for now_us, (number, root, size) in enumerate(spans):
        decider.add(seen(number, now_us, size=size, root=root))
        told += [trace_id for trace_id, _ in decider.due(now_us)]

    told += [trace_id for trace_id, _ in decider.due(10 * LONGEST_US)]

    assert sorted(told) == sorted({trace(number) for number, _, _ in spans})


def test_what_is_remembered_is_bounded() -> None:
    decider = Decider(evens)
    for number in range(2, 2 * MAX_KEPT + 200, 2):
        decider.add(seen(number))
    decided(decider, LONGEST_US)

    assert decider.add(seen(2 * MAX_KEPT)) == KEPT
    assert decider.add(seen(2, LONGEST_US)) is None
