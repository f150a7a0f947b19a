"""Metrics of the user's own: plain functions of a case and an answer."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import cast

from trimtab.domain.prompt import digest
from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import About, Answer, Score, failed, scored

Function = Callable[[Case, Answer], object]

CODE = "metric_failed"

_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True)
class UserMetric:
    """Calls a function, which may be async, and takes a truth, a number of 0 to 1, or a `Score`."""

    about: About
    function: Function

    async def score(self, case: Case, answer: Answer, _judge: Judge) -> Score:
        """See `Metric.score`."""
        try:
            said = self.function(case, answer)
            if isinstance(said, Awaitable):
                said = await cast("Awaitable[object]", said)
        # An edge: whatever the user's code raises is an error of this one score.
        except Exception as exc:  # noqa: BLE001
            return failed(CODE, f"{self.about.name} raised {type(exc).__name__}: {exc}")
        if isinstance(said, Score):
            return said
        if isinstance(said, int | float) and 0 <= said <= 1:
            return scored(said)
        what = f"a {type(said).__name__}" if not isinstance(said, int | float) else str(said)
        return failed(CODE, f"{self.about.name} gave {what}; give a truth, a number of 0 to 1")


def user_metric(name: str, path: str) -> UserMetric:
    """Make a metric of `module:function`. Raises `Wrong`."""
    try:
        function = resolve_name(path) if ":" in path else None
    except (ImportError, AttributeError, ValueError, SyntaxError) as exc:
        raise Wrong(f"{path[:80]!r} cannot be imported ({type(exc).__name__}: {exc})") from exc
    if not callable(function):
        raise Wrong(f"{path[:80]!r} is no function; write module:function")
    return UserMetric(About(name=name, version=_version(function)), function)


def _version(function: Function) -> str:
    """Hash its source, so that scores are told from those of an earlier text."""
    try:
        return digest(inspect.getsource(function))[:_VERSION_DIGITS]
    except (OSError, TypeError):
        return "unknown"
