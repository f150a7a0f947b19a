"""Removing segments of the spool that everybody has read."""

from collections.abc import Callable, Sequence
from pathlib import Path

from trimtab.telemetry.follow import workers
from trimtab.telemetry.frames import segment_path, segments

Needed = Callable[[str], int]
"""Gives the oldest segment of a worker that a reader still needs."""


def sweep(spool: Path, readers: Sequence[Needed]) -> int:
    """Unlink what no reader needs; gives the number of segments.

    The newest of each worker stays: it is written to, and its number is the next one's measure.
    """
    removed = 0
    for directory in workers(spool):
        oldest = min(needed(directory.name) for needed in readers)
        for segment in segments(directory)[:-1]:
            if segment < oldest:
                segment_path(directory, segment).unlink()
                removed += 1
    return removed
