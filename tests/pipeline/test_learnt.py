from math import ceil
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.pipeline.learnt import LEAST_SEEN, MOST_KEYS, MOST_SEEN, Learnt


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(0, 20), st.integers(LEAST_SEEN, 400))
def test_ninety_nine_of_a_hundred_are_at_or_below_what_is_told_and_it_is_hardly_more(
    dice: Random, bits: int, count: int
) -> None:
    numbers = [dice.randrange(2**bits) for _ in range(count)]
    learnt = Learnt()
    for number in numbers:
        learnt.saw("chat", number)

    told = learnt.p99("chat")
    exact = sorted(numbers)[ceil(len(numbers) * 0.99) - 1]

    assert told is not None
    assert exact <= told <= exact * 17 / 16


def test_too_few_say_nothing() -> None:
    learnt = Learnt()
    for _ in range(LEAST_SEEN - 1):
        learnt.saw("chat", 7)
    assert learnt.p99("chat") is None

    learnt.saw("chat", 7)

    assert learnt.p99("chat") == 7
    assert learnt.p99("other") is None


def test_what_is_new_soon_counts_more_than_what_is_old() -> None:
    learnt = Learnt()
    for _ in range(10 * MOST_SEEN):
        learnt.saw("chat", 1000)
    for _ in range(5 * MOST_SEEN):
        learnt.saw("chat", 10)

    assert learnt.p99("chat") == 10


def test_fading_leaves_the_percentile_where_it_is() -> None:
    dice = Random(1)  # noqa: S311 -- a sample, the same every time
    numbers = [round(dice.lognormvariate(6, 1)) for _ in range(10 * MOST_SEEN)]
    learnt = Learnt()
    for number in numbers:
        learnt.saw("chat", number)

    told = learnt.p99("chat") or 0

    assert 0.95 < told / sorted(numbers)[len(numbers) * 99 // 100] < 1.15


def test_what_was_not_seen_for_longest_is_forgotten_first() -> None:
    learnt = Learnt()
    for key in range(MOST_KEYS):
        for _ in range(LEAST_SEEN):
            learnt.saw(key, 1)
    learnt.saw(0, 1)

    learnt.saw("one more", 1)

    assert len(learnt) == MOST_KEYS
    assert (learnt.p99(0), learnt.p99(1)) == (1, None)


def test_a_number_beyond_all_counts_as_the_largest() -> None:
    learnt = Learnt()
    for _ in range(LEAST_SEEN):
        learnt.saw("chat", 2**40)

    assert learnt.p99("chat") == 2**21 - 1
