"""What the console has of evaluations: stored runs, what was decided, and statistics if it can."""

from collections.abc import Iterator
from typing import Protocol

from trimtab.evals.decided import Decided
from trimtab.evals.result import Run
from trimtab.evals.shelf import Card

MISSING = "statistics are computed with numpy and scipy; pip install 'trimtab[stats]'"


class Evaluations(Protocol):
    """Stored runs. All but `figured` reads files, and belongs into a thread."""

    def cards(self) -> Iterator[Card]:
        """Give the runs in short, newest first."""
        ...

    def find(self, text: str) -> Card:
        """Find a run by its id, or its beginning, or its content's hash.

        Raises:
            InvalidRequest: several begin so.
            NotFound: there is none.
        """
        ...

    def read(self, run_id: str) -> Run:
        """Read a run. Raises `NotFound`."""
        ...

    def decided(self, card: Card) -> Decided | None:
        """Read what was decided on a run; `None` if that was not written down."""
        ...

    def paired(self, before: Run, after: Run) -> Run | None:
        """Make the run that two are together; `None` if what it takes is not installed.

        Raises:
            InvalidRequest: they share no case, or no metric.
        """
        ...

    async def figured(self, run: Run) -> Decided | None:
        """Compute what can be said of a run; `None` if what it takes is not installed.

        Nothing is known of its judges here, so there is no verdict.

        Raises:
            InvalidRequest: the run's settings cannot be read.
        """
        ...
