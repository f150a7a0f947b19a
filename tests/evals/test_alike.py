import random
import time
from itertools import combinations

import pytest

from trimtab.evals.alike import LETTERS, twins


def _grams(text: str) -> set[str]:
    return {text[at : at + LETTERS] for at in range(max(1, len(text) - LETTERS + 1))}


def _dice(one: str, other: str) -> float:
    sets = _grams(one), _grams(other)
    return 2 * len(sets[0] & sets[1]) / (len(sets[0]) + len(sets[1]))


def _texts() -> list[str]:
    chance = random.Random(7)  # noqa: S311
    texts = ["".join(chance.choices("abcd", k=chance.randint(0, 120))) for _ in range(40)]
    # Some that differ from others by little, and so stand on both sides of the line.
    for _ in range(60):
        near = list(chance.choice(texts[:40]) or "x")
        for _ in range(chance.randint(1, 3)):
            near[chance.randrange(len(near))] = chance.choice("abcde")
        texts.append("".join(near))
    return texts


@pytest.mark.parametrize("least", [0.5, 0.8, 0.95])
def test_every_twin_is_like_one_that_stays_and_no_two_that_stay_are_alike(least: float) -> None:
    texts = _texts()

    found = dict(twins(texts, least))

    assert len(found) > 5
    assert found.keys().isdisjoint(found.values())
    assert all(_dice(texts[one], texts[other]) >= least for one, other in found.items())
    stay = [it for at, it in enumerate(texts) if at not in found]
    assert all(_dice(*it) < least for it in combinations(stay, 2))


def test_equal_texts_are_twins_of_the_first_of_them() -> None:
    texts = ["Is it  refundable?", "x", "is it refundable?\n", "is it refundable?"]

    assert list(twins(texts, 0.95)) == [(2, 0), (3, 0)]


def test_nothing_is_like_an_empty_list_and_short_texts_are_like_themselves() -> None:
    assert list(twins([], 0.95)) == []
    assert list(twins(["a", "b", "", "A"], 0.95)) == [(3, 0)]


def test_many_texts_of_one_template_cost_no_more() -> None:
    template = "Please tell me where the parcel is that I sent last week, its number is {:06d}."
    begin_s = time.process_time()

    found = dict(twins([template.format(it) for it in range(3000)], 0.9))

    assert len(found) > 2500
    assert time.process_time() - begin_s < 5
