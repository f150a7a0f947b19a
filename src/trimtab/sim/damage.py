"""What faults do to the events of a stream."""

from enum import Enum, auto
from itertools import takewhile

from trimtab.sim.faults import NO_FAULTS, Faults
from trimtab.sim.reply import Event, Kind
from trimtab.sim.wires import Wire


class Ending(Enum):
    """How the bytes of an answer end."""

    WELL = auto()
    CUT = auto()
    STALL = auto()


def damaged(events: list[Event], wire: Wire, faults: Faults) -> tuple[list[Event], Ending]:
    """Take out, put in and cut off what faults ask for."""
    if faults is NO_FAULTS:
        return events, Ending.WELL
    if faults.error_after_preamble:
        opening = list(takewhile(lambda event: event.kind is Kind.OPENING, events))
        return [*opening, Event(Kind.END, wire.error_event)], Ending.WELL
    if faults.no_done:
        events = [event for event in events if event.kind is not Kind.END]
    if faults.bad_lines:
        place = _after_content(events, 1)
        bad = Event(Kind.FRAME, wire.bad_line * faults.bad_lines)
        events = [*events[:place], bad, *events[place:]]
    if faults.cut_after is not None:
        return events[: _after_content(events, faults.cut_after)], Ending.CUT
    if faults.stall_after is not None:
        return events[: _after_content(events, faults.stall_after)], Ending.STALL
    return events, Ending.WELL


def _after_content(events: list[Event], most: int) -> int:
    """Find the place behind that many events with content, or before the end if there are fewer."""
    left = most
    for place, event in enumerate(events):
        if event.kind in (Kind.CLOSING, Kind.END):
            return place
        if event.tokens and event.raw:
            if not left:
                return place
            left -= 1
    return len(events)
