"""Which of many texts are nearly the same.

Texts are sets of four letters in a row, and alike by Dice. Two sets that share as much as is asked
must share one of the rarest members of each, and only those are looked up (prefix filtering:
Chaudhuri, Ganti and Kaushik, "A Primitive Operator for Similarity Joins", 2006). So the answer is
exact, and nearly all of the pairs are never compared; nor is anything compared with what has a
twin already, so that many texts made of one template cost no more.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

LETTERS = 4


def twins(texts: Sequence[str], least: float) -> Iterator[tuple[int, int]]:
    """Give the number of each text that is like another to a share of at least `least`, and its.

    Without those that are named first, no two that are left are alike. Case and white space do not
    count.
    """
    sets = dict[frozenset[str], int]()
    for number, grams in enumerate(map(_grams, texts)):
        before = sets.setdefault(grams, number)
        if before != number:
            yield number, before
    counts = Counter(gram for grams in sets for gram in grams)
    index = dict[str, list[frozenset[str]]]()
    # Of two sets that are alike, the smaller has at least this share of the larger.
    share = least / (2 - least)
    for grams in sorted(sets, key=lambda it: (len(it), sets[it])):
        rare = sorted(grams, key=lambda gram: (counts[gram], gram))
        prefix = rare[: len(rare) - math.ceil(share * len(rare)) + 1]
        seen = {it for gram in prefix for it in index.get(gram, ()) if len(it) >= share * len(rare)}
        like = [it for it in seen if 2 * len(grams & it) >= least * (len(grams) + len(it))]
        if like:
            yield sets[grams], min(sets[it] for it in like)
            continue
        for gram in prefix:
            index.setdefault(gram, []).append(grams)


def _grams(text: str) -> frozenset[str]:
    plain = " ".join(text.casefold().split())
    return frozenset(plain[at : at + LETTERS] for at in range(max(1, len(plain) - LETTERS + 1)))
