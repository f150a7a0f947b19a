"""How scores and what is said of them are written and drawn; the pages of evaluations share it."""

from collections.abc import Iterable
from dataclasses import dataclass

from trimtab.console.text import DASH
from trimtab.evals.decided import DecidedLine, Span

SMALLEST_P = 0.001
WIDTH, HALF = 160.0, 76.0
"""Of the picture of a difference: its width, and how far it reaches from zero."""
SCALES = (0.02, 0.04, 0.1, 0.2, 0.4, 1.0)


def score(value: float | None, *, lower: bool = False, digits: int = 3) -> str:
    """Write a share without its zero, `.912`; `lower`: what has a unit, in four digits."""
    if value is None:
        return DASH
    if lower:
        return f"{value:.4g}"
    text = f"{value:.{digits}f}"
    if not float(text):
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed_score(value: float | None, *, lower: bool = False, digits: int = 3) -> str:
    """Write a difference with its sign; zero has none."""
    text = score(value, lower=lower, digits=digits)
    return text if text == DASH or text[0] == "-" or not float(text) else f"+{text}"


def chance(value: float | None) -> str:
    """Write a p value."""
    if value is not None and value < SMALLEST_P:
        return "< .001"
    return score(value)


def span(value: Span | None, *, lower: bool = False, sign: bool = False) -> str:
    """Write an interval."""
    if value is None:
        return DASH
    form = signed_score if sign else score
    return f"[{form(value.low, lower=lower)}, {form(value.high, lower=lower)}]"


@dataclass(frozen=True, slots=True)
class Whisker:
    """A difference and its interval around zero; lengths are those of the picture."""

    low: float
    high: float
    at: float
    tone: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the table, with its picture if it is a share with a baseline."""

    line: DecidedLine
    whisker: Whisker | None


def shown(lines: Iterable[DecidedLine]) -> tuple[tuple[Shown, ...], float]:
    """Draw all lines on one scale, and tell how far it reaches."""
    given = tuple(lines)
    spans = (it.interval for it in given if it.interval is not None and not it.lower)
    most = max((max(abs(it.low), abs(it.high)) for it in spans), default=0.0)
    scale = next((it for it in SCALES if it >= most), SCALES[-1])
    return tuple(Shown(it, _whisker(it, scale)) for it in given), scale


def _whisker(line: DecidedLine, scale: float) -> Whisker | None:
    if line.lower or line.interval is None or line.delta is None:
        return None
    low, high, at = (
        round(WIDTH / 2 + max(-1.0, min(1.0, it / scale)) * HALF, 1)
        for it in (line.interval.low, line.interval.high, line.delta)
    )
    return Whisker(low, high, at, tone(line))


def tone(line: DecidedLine) -> str:
    """Colour a line by what it decides; one that only informs is quiet, one not judged neutral."""
    if not line.verdict:
        return "accent"
    if not line.blocking:
        return "quiet"
    return {"FAIL": "bad", "INCONCLUSIVE": "warn"}.get(line.verdict, "good")
