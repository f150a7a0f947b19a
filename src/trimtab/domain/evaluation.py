"""What runs in an evaluation knows of it: an application that is its target, above all.

The runner says so for each answer; whatever the answer calls, in its tasks and threads, can ask.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

HEADER = "x-trimtab-eval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The evaluation that an answer is for.

    Attributes:
        url: The gateway of the run, without `/v1`.
        key: A key that may evaluate, good for this run.
        place: Run, case, arm and sample, with slashes between.
    """

    url: str
    key: str = field(repr=False)
    place: str

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that calls through the gateway must carry."""
        return {HEADER: self.place}


CURRENT: ContextVar[Evaluation | None] = ContextVar("evaluation", default=None)


def evaluation() -> Evaluation | None:
    """Tell the evaluation that the code which asks runs in; `None` is ordinary traffic."""
    return CURRENT.get()
