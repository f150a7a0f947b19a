"""Which of many texts are nearly the same.

Texts are sets of four letters in a row, and alike by Dice. Two sets that share as much as is asked
must share one of the rarest members of each, and only those are looked up (prefix filtering:
Chaudhuri, Ganti and Kaushik, "A Primitive Operator for Similarity Joins", 2006). So the answer is
exact, and nearly all of the pairs are never compared.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

LETTERS = 4


def alike_pairs(texts: Sequence[str], least: float) -> Iterator[tuple[int, int]]:
    """Give the numbers of texts that are alike to a share of at least `least`, smaller first.

    Of equal texts each is paired with the first only. Case and white space do not count.
    """
    first = dict[frozenset[str], int]()
    for number, grams in enumerate(map(_grams, texts)):
        before = first.setdefault(grams, number)
        if before != number:
            yield before, number
    yield from _joined(first, least)


def _joined(sets: dict[frozenset[str], int], least: float) -> Iterator[tuple[int, int]]:
    counts = Counter(gram for grams in sets for gram in grams)
    index = dict[str, list[frozenset[str]]]()
    # Of two sets of one pair, the smaller has at least this share of the larger.
    share = least / (2 - least)
    for grams in sorted(sets, key=len):
        rare = sorted(grams, key=lambda gram: (counts[gram], gram))
        prefix = rare[: len(rare) - math.ceil(share * len(rare)) + 1]
        seen = {it for gram in prefix for it in index.get(gram, ()) if len(it) >= share * len(rare)}
        for other in seen:
            if 2 * len(grams & other) >= least * (len(grams) + len(other)):
                one, two = sorted((sets[grams], sets[other]))
                yield one, two
        for gram in prefix:
            index.setdefault(gram, []).append(grams)


def _grams(text: str) -> frozenset[str]:
    plain = " ".join(text.casefold().split())
    return frozenset(plain[at : at + LETTERS] for at in range(max(1, len(plain) - LETTERS + 1)))
