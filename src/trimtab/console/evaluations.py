"""What the console has of evaluations: stored runs, what was decided, and statistics if it can."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any

from trimtab.evals.decided import Decided, without_verdict
from trimtab.evals.result import Run
from trimtab.evals.shelf import Shelf, content_hash

MISSING = "statistics are computed with numpy and scipy; pip install 'trimtab[stats]'"
REMEMBERED = 32
"""So many computed figures are kept: to compute them takes seconds."""

DECIDE = "trimtab.evals.deciding:decide"
SIDE_BY_SIDE = "trimtab.evals.versus:side_by_side"

Load = Callable[[str], Any]


class Evaluations:
    """The runs of a state directory. One thing is computed at a time, and not twice.

    All but `figured` reads files, and belongs into a thread.
    """

    def __init__(self, shelf: Shelf, load: Load = resolve_name) -> None:
        self.shelf = shelf
        self._load = load
        self._alone = asyncio.Lock()
        self._figured = OrderedDict[str, Decided]()

    def paired(self, before: Run, after: Run) -> Run | None:
        """Make the run that two are together; `None` if what it takes is not installed.

        Raises:
            InvalidRequest: they share no case, or no metric.
        """
        side_by_side: Callable[[Run, Run], Run] | None = self._loaded(SIDE_BY_SIDE)
        return None if side_by_side is None else side_by_side(before, after)

    async def figured(self, run: Run) -> Decided | None:
        """Compute what can be said of a run; `None` if what it takes is not installed.

        Nothing is known of its judges here, so there is no verdict.

        Raises:
            InvalidRequest: the run's settings cannot be read.
        """
        content = await asyncio.to_thread(content_hash, run)
        async with self._alone:
            found = self._figured.get(content) or await asyncio.to_thread(self._decide, run)
            if found is not None:
                self._figured[content] = found
                self._figured.move_to_end(content)
                if len(self._figured) > REMEMBERED:
                    self._figured.popitem(last=False)
            return found

    def _decide(self, run: Run) -> Decided | None:
        decide: Callable[[Run, Mapping[str, Any]], Decided] | None = self._loaded(DECIDE)
        return None if decide is None else without_verdict(decide(run, {}))

    # What is loaded by name has no type before it is there.
    def _loaded(self, name: str) -> Any:  # noqa: ANN401
        """Load what computes; `None` if numpy or scipy is not installed."""
        try:
            return self._load(name)
        except ModuleNotFoundError as exc:
            if exc.name is None or exc.name.partition(".")[0] not in ("numpy", "scipy"):
                raise
            return None
