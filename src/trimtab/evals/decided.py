"""Verdicts as they are written down, beside the run: see `Shelf.decide`.

To judge takes numpy and seconds; whoever only shows a verdict reads it here, and needs neither.
"""

from msgspec import Struct
from msgspec.structs import replace


class Span(Struct, frozen=True):
    """An interval; both ends count as inside."""

    low: float
    high: float


class DecidedLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found of a metric: the members of `verdict.Row`, and these.

    Attributes:
        metric: Its name in the suite; `name` has the slice, too.
        slice: The tag whose cases these are; "" for all.
        lower: Whether lower is better.
        floor: What the candidate must have at least, or, where lower is better, at most.
        cases: Cases that made the verdict.
        failed: Cases that are errors.
        unstable: Cases whose repeats disagree.
    """

    name: str
    metric: str
    slice: str = ""
    n: int
    errors: int = 0
    na: int = 0
    lost_repeats: int = 0
    blocking: bool = True
    lower: bool = False
    floor: float | None = None
    candidate: float | None = None
    level: Span | None = None
    baseline: float | None = None
    delta: float | None = None
    interval: Span | None = None
    first: int | None = None
    second: int | None = None
    p: float | None = None
    p_holm: float | None = None
    mde: float | None = None
    effective_n: float | None = None
    verdict: str = ""
    reason: str = ""
    within_noise: bool = False
    cases: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unstable: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """Why it is not PASS, in a word or two."""
        return f"{self.reason}, within noise" if self.within_noise else self.reason


class Decided(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict on a run, and what made it.

    Attributes:
        meaning: What the reason means, and what to do.
        because: The metrics that made it, or the reason if none did.
        report: `sha256:` and the content's hash of the run that this is about.
    """

    verdict: str
    reason: str = ""
    meaning: str = ""
    because: str = ""
    judge_valid: bool = True
    report: str = ""
    lines: tuple[DecidedLine, ...] = ()

    @property
    def metrics(self) -> tuple[DecidedLine, ...]:
        """Those lines that are about all cases."""
        return tuple(it for it in self.lines if not it.slice)


def without_verdict(decided: Decided) -> Decided:
    """Give the figures alone, as of one who does not know the judges."""
    lines = (replace(it, verdict="", reason="", within_noise=False) for it in decided.lines)
    return replace(decided, verdict="", reason="", meaning="", because="", lines=tuple(lines))
