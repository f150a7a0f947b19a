from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.providers.sse import SseEvent, SseSplitter

STREAM = (
    b'data: {"a":1}\n\n'
    b"event: ping\r\ndata: x\r\ndata:y\r\n\r\n"
    b": comment\n\n"
    b"data: caf\xc3\xa9\r\rid: 3\n\n"
    b"data: last\n\n"
)


def _read(blocks: list[bytes]) -> list[SseEvent]:
    splitter = SseSplitter()
    return [event for block in blocks for event in splitter.feed(block)]


def test_reads_names_and_data_whatever_the_line_ends() -> None:
    events = _read([STREAM])

    assert [(event.name, event.data) for event in events] == [
        (b"", b'{"a":1}'),
        (b"ping", b"x\ny"),
        (b"", None),
        (b"", "café".encode()),
        (b"", None),
        (b"", b"last"),
    ]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_gives_the_same_events_wherever_the_blocks_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    blocks = [STREAM[start:end] for start, end in pairwise(edges)]

    assert _read(blocks) == _read([STREAM])


def test_keeps_every_byte_in_raw() -> None:
    assert b"".join(event.raw for event in _read([STREAM])) == STREAM


@pytest.mark.parametrize("cut", [b"data: x", b"data: x\n", b"data: x\r"])
def test_an_event_without_its_end_is_no_event(cut: bytes) -> None:
    splitter = SseSplitter()

    assert splitter.feed(cut) == []
    assert splitter.pending == cut
