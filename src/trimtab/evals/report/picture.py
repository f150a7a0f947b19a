"""A picture of the differences: for each metric its interval, and where no difference is."""

from dataclasses import dataclass

from trimtab.evals.judgement import Judgement
from trimtab.evals.report.figures import share, signed
from trimtab.evals.report.plain import one_line
from trimtab.evals.report.rows import shown
from trimtab.evals.verdict import Row, Verdict

LEFT, WIDTH, STEP, TOP, RIGHT = 230, 470, 30, 26, 90
SCALES = (0.02, 0.04, 0.1, 0.2, 0.4, 1.0)
"""How far the picture reaches to each side; the least that holds every interval."""

MOST_NAME = 32


@dataclass(frozen=True, slots=True)
class Mark:
    """A metric in the picture; lengths are in pixels.

    Attributes:
        low: Where its interval begins.
        high: Where it ends.
        at: Where the difference is.
        tone: `bad` or `warn` where it decides against the candidate, `quiet` where it informs.
    """

    name: str
    y: int
    low: float
    high: float
    at: float
    told: str
    tone: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All marks on one scale.

    Attributes:
        zero: Where no difference is.
        ticks: Places of the scale, and what they are called.
    """

    width: int
    height: int
    left: int
    right: int
    zero: float
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]


def picture(judgement: Judgement) -> Picture | None:
    """Draw the metrics that are shares and have a baseline; `None` if there are none."""
    rows = [it.row for it in shown(judgement) if _is_share(it.row, judgement)]
    if not rows:
        return None
    ends = [
        abs(end) for row in rows if row.interval for end in (row.interval.low, row.interval.high)
    ]
    most = next((it for it in SCALES if it >= max(ends)), SCALES[-1])

    def x(value: float) -> float:
        return round(LEFT + WIDTH / 2 + value / most * WIDTH / 2, 1)

    marks = tuple(
        Mark(
            name=one_line(row.name, MOST_NAME),
            y=TOP + STEP * at + STEP // 2,
            low=x(row.interval.low),
            high=x(row.interval.high),
            at=x(row.delta),
            told=signed(share(row.delta)),
            tone=_tone(row),
        )
        for at, row in enumerate(rows)
        if row.interval is not None and row.delta is not None
    )
    ticks = tuple((x(it), signed(share(it, 2))) for it in (-most, -most / 2, 0.0, most / 2, most))
    height = TOP + STEP * len(rows) + STEP // 2
    return Picture(LEFT + WIDTH + RIGHT, height, LEFT, LEFT + WIDTH, x(0.0), ticks, marks)


def _is_share(row: Row, judgement: Judgement) -> bool:
    line = next(it for it in judgement.lines if it.row is row)
    limits = getattr(line.column.given, "limits", None)
    turned = limits is not None and limits.higher_is_better
    return turned and row.interval is not None and row.delta is not None


def _tone(row: Row) -> str:
    if not row.blocking:
        return "quiet"
    return {Verdict.FAIL: "bad", Verdict.INCONCLUSIVE: "warn", Verdict.PASS: "good"}[row.verdict]
