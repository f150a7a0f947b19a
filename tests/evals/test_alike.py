import random
from itertools import combinations

import pytest

from trimtab.evals.alike import LETTERS, alike_pairs


def _grams(text: str) -> set[str]:
    return {text[at : at + LETTERS] for at in range(max(1, len(text) - LETTERS + 1))}


def _dice(one: str, other: str) -> float:
    sets = _grams(one), _grams(other)
    return 2 * len(sets[0] & sets[1]) / (len(sets[0]) + len(sets[1]))


@pytest.mark.parametrize("least", [0.5, 0.8, 0.95])
def test_finds_the_pairs_that_comparing_all_of_them_finds(least: float) -> None:
    chance = random.Random(7)  # noqa: S311
    texts = ["".join(chance.choices("abcd", k=chance.randint(0, 120))) for _ in range(40)]
    # Some that differ from others by little, and so stand on both sides of the line.
    for _ in range(60):
        near = list(chance.choice(texts[:40]) or "x")
        for _ in range(chance.randint(1, 3)):
            near[chance.randrange(len(near))] = chance.choice("abcde")
        texts.append("".join(near))
    # Equal ones are told otherwise.
    texts = list({frozenset(_grams(it)): it for it in texts}.values())
    wanted = {
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if _dice(texts[one], texts[other]) >= least
    }

    found = list(alike_pairs(texts, least))

    assert len(wanted) > 5
    assert len(found) == len(set(found))
    assert {*found} == wanted


def test_equal_texts_are_paired_with_the_first_of_them() -> None:
    texts = ["Is it  refundable?", "x", "is it refundable?\n", "is it refundable?"]

    assert list(alike_pairs(texts, 0.95)) == [(0, 2), (0, 3)]


def test_nothing_is_like_an_empty_list_and_short_texts_are_like_themselves() -> None:
    assert list(alike_pairs([], 0.95)) == []
    assert list(alike_pairs(["a", "b", "", "A"], 0.95)) == [(0, 3)]
