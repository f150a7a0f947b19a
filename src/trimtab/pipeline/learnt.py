"""What ninety-nine of a hundred stay below, learnt from what was seen, in bounded memory."""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import pairwise

LEAST_SEEN = 100
"""Fewer say nothing of the hundredth."""

MOST_KEYS, MOST_SEEN = 256, 20_000

_BITS = 4
_STEPS = 1 << _BITS
_PLACES = 18 * _STEPS
_TOP = _PLACES - 1
_HUNDREDTH = 100


class Learnt:
    """The 99th percentiles of whole numbers, by key.

    Of each key a histogram is kept with 16 steps to an octave, so what is told is up to a
    sixteenth more than the truth, never less; numbers above two million count as two million. A
    mark moves along the histogram with what is seen, so nothing is ever sorted or summed up.

    State: the histograms of the keys that something was seen of last.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Histogram] = OrderedDict()

    def saw(self, key: Hashable, number: int) -> None:
        """Learn from one more, of at least 0."""
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = _Histogram()
            if len(self._seen) > MOST_KEYS:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(key)
        found.add(number)

    def p99(self, key: Hashable) -> int | None:
        """Tell what 99 of 100 stay at or below; `None` while too few were seen."""
        found = self._seen.get(key)
        return None if found is None or found.seen < LEAST_SEEN else _UPPER[found.mark]

    def __len__(self) -> int:
        """How many keys are known."""
        return len(self._seen)


class _Histogram:
    """Counts by place. At most a hundredth of what was seen is above the mark."""

    __slots__ = ("above", "counts", "faded", "mark", "seen")

    def __init__(self) -> None:
        self.counts = [0] * _PLACES
        self.seen = self.above = self.mark = self.faded = 0

    def add(self, number: int) -> None:
        counts, place = self.counts, _place(number)
        counts[place] += 1
        self.seen += 1
        if self.seen >= MOST_SEEN:
            self._fade()
        elif place > self.mark:
            self.above += 1
            if self.above * _HUNDREDTH > self.seen:
                self._move()
        elif (self.above + counts[self.mark]) * _HUNDREDTH <= self.seen:
            self._move()

    def _fade(self) -> None:
        """Count what is old half as much; odd counts by turns more and less than that."""
        self.faded += 1
        self.counts = [(it + (at + self.faded) % 2) // 2 for at, it in enumerate(self.counts)]
        self.seen = sum(self.counts)
        self.above = sum(self.counts[self.mark + 1 :])
        self._move()

    def _move(self) -> None:
        """Put the mark where it belongs again."""
        while self.above * _HUNDREDTH > self.seen:
            self.mark += 1
            self.above -= self.counts[self.mark]
        while self.mark and (self.above + self.counts[self.mark]) * _HUNDREDTH <= self.seen:
            self.above += self.counts[self.mark]
            self.mark -= 1


def _place(number: int) -> int:
    """Find the step a number is in: the numbers below 32 have one each."""
    shift = number.bit_length() - _BITS - 1
    if shift <= 0:
        return number
    return min((shift << _BITS) + (number >> shift), _TOP)


def _first_of(place: int) -> int:
    octave, step = divmod(place, _STEPS)
    return place if octave <= 1 else (_STEPS + step) << (octave - 1)


_UPPER = tuple(following - 1 for _, following in pairwise(map(_first_of, range(_PLACES + 1))))
