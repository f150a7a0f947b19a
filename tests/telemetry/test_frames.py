from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.domain.record import SCHEMA_VERSION
from trimtab.telemetry.frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    MAGIC,
    MAX_PAYLOAD,
    Damage,
    Frame,
    Kind,
    encode,
    header,
    read,
    segment_path,
    segments,
)

INNER = encode(Kind.FINISH, 9, b"what somebody made up")
PAYLOADS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        # What people write may look like our own.
        st.lists(
            st.sampled_from([MAGIC, b"TTF", b"TTF\0", b"T", b"R", b"\0", INNER]), max_size=6
        ).map(b"".join),
    ),
    min_size=1,
    max_size=6,
)


def written(payloads: list[bytes]) -> list[bytes]:
    return [encode(Kind.FINISH, number, it) for number, it in enumerate(payloads, 1)]


def payloads_of(data: bytes, start: int = 0) -> list[bytes]:
    return [it.payload for it in read(data, start) if isinstance(it, Frame)]


@given(PAYLOADS)
def test_every_frame_is_read_back_in_order(payloads: list[bytes]) -> None:
    data = header(1, 5) + b"".join(written(payloads))

    found = list(read(data, HEADER_BYTES))

    assert [it.payload for it in found if isinstance(it, Frame)] == payloads
    assert all(isinstance(it, Frame) and it.schema == SCHEMA_VERSION for it in found)
    assert [it.seq for it in found if isinstance(it, Frame)] == [*range(1, len(payloads) + 1)]
    assert found[-1].end == len(data)


@given(PAYLOADS, st.data())
def test_a_cut_loses_at_most_the_frame_that_was_cut(
    payloads: list[bytes], data: st.DataObject
) -> None:
    frames = written(payloads)
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))

    found = list(read(whole[:cut], 0))

    kept = [it for number, it in enumerate(payloads) if sum(map(len, frames[: number + 1])) <= cut]
    assert [it.payload for it in found if isinstance(it, Frame)] == kept
    assert all(it.at_end for it in found if isinstance(it, Damage))


@given(PAYLOADS, st.data())
def test_a_changed_byte_loses_at_most_its_own_frame(
    payloads: list[bytes], data: st.DataObject
) -> None:
    frames = written(payloads)
    hit = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[hit]) - 1))
    changed = bytearray(frames[hit])
    changed[place] ^= data.draw(st.integers(1, 255))

    found = payloads_of(b"".join([*frames[:hit], bytes(changed), *frames[hit + 1 :]]))

    assert found == [*payloads[:hit], *payloads[hit + 1 :]]


@given(st.binary(max_size=300))
@example(MAGIC * 20)
@example(INNER[:-1] + MAGIC)
def test_bytes_that_are_no_frames_are_one_damage(data: bytes) -> None:
    found = list(read(data, 0))

    assert found == ([Damage(0, len(data), at_end=True)] if data else [])


@given(PAYLOADS, st.binary(max_size=40), st.data())
def test_what_lies_between_frames_is_told_and_passed(
    payloads: list[bytes], junk: bytes, data: st.DataObject
) -> None:
    frames = written(payloads)
    place = data.draw(st.integers(0, len(frames)))
    before = b"".join(frames[:place])

    found = list(read(before + junk + b"".join(frames[place:]), 0))

    assert [it.payload for it in found if isinstance(it, Frame)] == payloads
    damages = [it for it in found if isinstance(it, Damage)]
    assert damages == (
        [Damage(len(before), len(before) + len(junk), at_end=place == len(frames))] if junk else []
    )


def test_a_frame_inside_a_torn_frame_is_no_frame() -> None:
    outer = encode(Kind.BEGIN, 1, b"asked: " + INNER + b" and more")

    for cut in range(len(outer)):
        assert payloads_of(outer[:cut]) == []
    assert payloads_of(outer) == [b"asked: " + INNER + b" and more"]


def test_a_payload_costs_nothing_unless_it_looks_like_a_frame() -> None:
    assert len(encode(Kind.NOTE, 1, b"TT F")) == FRAME_BYTES + 4
    assert len(encode(Kind.NOTE, 1, b"TTFTTF")) == FRAME_BYTES + 8


def test_a_length_beyond_reason_is_damage() -> None:
    frame = bytearray(encode(Kind.NOTE, 1, b"x"))
    frame[4:8] = (MAX_PAYLOAD + 1).to_bytes(4, "little")

    assert list(read(bytes(frame), 0)) == [Damage(0, len(frame), at_end=True)]


def test_kind_schema_and_number_are_checked_with_the_payload() -> None:
    frame = encode(Kind.FINISH, 77, b"payload")

    (found,) = read(frame, 0)

    assert found == Frame(Kind.FINISH, SCHEMA_VERSION, 77, b"payload", len(frame))
    for place in range(12, FRAME_BYTES):
        changed = bytearray(frame)
        changed[place] ^= 1
        assert payloads_of(bytes(changed)) == []


def test_the_layout_is_the_one_that_is_written_down() -> None:
    assert header(0x0102, 0x0304) == (
        b"TTSPOOL1\x01\0\0\0" + b"\x02\x01" + b"\0" * 6 + b"\x04\x03" + b"\0" * 6
    ).ljust(64, b"\0")
    frame = encode(Kind.FINISH, 5, b"ab")
    assert frame[:8] == b"TTFR\x02\0\0\0"
    assert frame[12:] == b"\x03\0\x01\0" + b"\x05" + b"\0" * 7 + b"ab"


def test_segments_are_listed_oldest_first_and_other_files_are_none(tmp_path: Path) -> None:
    for segment in (10, 9, 100):
        segment_path(tmp_path, segment).touch()
    for name in ("lock", "copy.spool", "000000000011.spool~", ".spool"):
        (tmp_path / name).touch()

    assert segments(tmp_path) == [9, 10, 100]
    assert segment_path(tmp_path, 9).name == "000000000009.spool"
    assert segments(tmp_path / "nowhere") == []


@pytest.mark.parametrize("start", [0, 5])
def test_nothing_is_nothing(start: int) -> None:
    assert list(read(b"", start)) == []
