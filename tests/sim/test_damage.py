import pytest

from trimtab.sim.damage import Ending, damaged
from trimtab.sim.faults import read_faults
from trimtab.sim.reply import Event, Kind
from trimtab.sim.wires import OPENAI

EVENTS = [
    Event(Kind.OPENING, b"role"),
    Event(Kind.REASONING, b"", 9),
    Event(Kind.CONTENT, b"a", 1),
    Event(Kind.FRAME, b"frame"),
    Event(Kind.CONTENT, b"b", 2),
    Event(Kind.CLOSING, b"stop"),
    Event(Kind.END, b"done"),
]


@pytest.mark.parametrize(
    ("fault", "left", "ending"),
    [
        ("", "role,,a,frame,b,stop,done", Ending.WELL),
        ("cut_after:0", "role,", Ending.CUT),
        ("cut_after:1", "role,,a,frame", Ending.CUT),
        ("cut_after:2", "role,,a,frame,b", Ending.CUT),
        ("cut_after:9", "role,,a,frame,b", Ending.CUT),
        ("stall_after:1", "role,,a,frame", Ending.STALL),
        ("no_done", "role,,a,frame,b,stop", Ending.WELL),
        ("cut_after:9!stall_after:1", "role,,a,frame,b", Ending.CUT),
    ],
)
def test_a_stream_loses_what_the_fault_takes(fault: str, left: str, ending: Ending) -> None:
    events, ended = damaged(EVENTS, OPENAI, read_faults(fault))

    assert ",".join(event.raw.decode() for event in events) == left
    assert ended is ending


def test_a_bad_line_comes_after_the_first_content() -> None:
    events, _ = damaged(EVENTS, OPENAI, read_faults("bad_line"))

    assert [event.raw for event in events[2:6]] == [b"a", b"frame", OPENAI.bad_line, b"b"]
