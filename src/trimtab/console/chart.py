"""Small charts as SVG shapes: what people see without scripts, and the numbers for those with."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

WIDTH, HEIGHT = 600.0, 140.0
_GAP = 0.25
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Line(NamedTuple):
    """One series: its name, the tone that colours it, and a value per moment."""

    name: str
    tone: str
    values: tuple[float | None, ...]


class Bar(NamedTuple):
    """One rectangle of a drawing, in its units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Values over time on one axis that begins at zero, unless `low` says where.

    Attributes:
        kind: `bars` (each drawn over the one before it), `stack` (each on those after it) or
            `lines`.
        step: What lies between two moments; `day` has dates on the axis.
        unit: Unit of the values, for the axis.
        times_s: Unix seconds at which each bucket begins, evenly spaced.
        label: The figure in one sentence, for those who cannot see it.
        low: Lower end of the axis.
        band: Places of two series between which is shaded, the upper first.
    """

    kind: str
    unit: str
    label: str
    times_s: tuple[int, ...]
    lines: tuple[Line, ...]
    step: str = "minute"
    low: float = 0.0
    band: tuple[int, int] | None = None

    @property
    def drawn(self) -> tuple[Line, ...]:
        """The series as they are drawn: in a stack each reaches from the ground, the highest first.

        What is below zero, as a correction may be, takes no room in a stack.
        """
        if self.kind != "stack":
            return self.lines
        found: list[Line] = []
        below = (0.0,) * len(self.times_s)
        for line in reversed(self.lines):
            below = tuple(
                low + max(0.0, value or 0.0) for low, value in zip(below, line.values, strict=True)
            )
            found.append(line._replace(values=below))
        return tuple(reversed(found))

    @property
    def top(self) -> float:
        """Upper end of the axis: a round number no value exceeds."""
        return round_up(max((v for line in self.drawn for v in line.values if v), default=1.0))

    @property
    def series(self) -> str:
        """Encode times and values as the JSON that the script reads."""
        return msgspec.json.encode([self.times_s, *(line.values for line in self.lines)]).decode()

    def bars(self, line: Line) -> tuple[Bar, ...]:
        """Draw a series as bars; nothing is drawn for zero."""
        step, top = WIDTH / max(1, len(self.times_s)), self.top
        return tuple(
            Bar(
                round(index * step + step * _GAP / 2, 1),
                round(HEIGHT - HEIGHT * value / top, 1),
                round(step * (1 - _GAP), 1),
                round(HEIGHT * value / top, 1),
            )
            for index, value in enumerate(line.values)
            if value
        )

    def path(self, line: Line) -> str:
        """Draw a series as an SVG path, with a gap where a value is missing."""
        step, low = WIDTH / max(1, len(self.times_s)), self.low
        reach = self.top - low
        commands: list[str] = []
        pen_up = True
        for index, value in enumerate(line.values):
            if value is not None:
                x, y = (index + 0.5) * step, HEIGHT - HEIGHT * (value - low) / reach
                commands.append(f"{'M' if pen_up else 'L'}{x:.1f} {y:.1f}")
                if pen_up:
                    commands.append("h0.1")
            pen_up = value is None
        return "".join(commands)


def round_up(value: float) -> float:
    """Find the next number of the form 1, 2, 2.5 or 5 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(step * power for step in _STEPS if step * power >= value)
