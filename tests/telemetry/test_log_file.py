import asyncio
import io
import json
import resource
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records import finish
from tests.telemetry.spooled import Spooled

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.domain.record import Blob, Finish
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.log_file import MAX_LINES, LogFile
from trimtab.testing import FrozenClock

NO_TEXT = b"\x81\xa6record\x81\xaarequest_id\xa1\xff"
FIRST, SECOND = "requests-20260101.jsonl", "requests-20260102.jsonl"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def ids(*finishes: Finish) -> list[str]:
    return [it.record.request_id for it in finishes]


def logged(home: Path, name: str = FIRST) -> list[str]:
    path = home / "log" / name
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line)["request_id"] for line in lines]


@contextmanager
def full_at(size: int) -> Generator[None]:
    """Let no file of this process grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_every_outcome_has_one_line_in_the_file_of_the_day(
    tmp_path: Path, clock: FrozenClock
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(finish(1))
    worker.raw(worker.frame(Kind.BEGIN, b"\x80"))
    worker.finish(finish(2))
    log_file = LogFile(tmp_path, clock)

    assert log_file.step() == 2
    assert log_file.step() == 0

    assert logged(tmp_path) == ids(finish(1), finish(2))


def test_what_is_said_later_has_a_line_of_its_own_without_its_words(
    tmp_path: Path, clock: FrozenClock
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(finish(1))
    said = Annotation(
        annotation_id="n_1",
        request_id=finish(1).record.request_id,
        tenant_id="acme",
        ts_us=1_777_142_531_482_000,
        kind="feedback",
        name="thumbs",
        score=-1.0,
        text_ref=b"r" * 32,
        source="user",
    )
    blob = Blob(b"r" * 32, "raw", b"wrong refund window")
    annotated = Annotated(annotation=said, request_us=1, content=(blob,), claimed=True)
    worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(annotated)))
    worker.raw(worker.frame(Kind.ANNOTATION, b"\x80"))

    assert LogFile(tmp_path, clock).step() == 2

    line = (tmp_path / "log" / FIRST).read_text().splitlines()[1]
    assert json.loads(line) == {
        "ts": "2026-04-25T18:42:11.482Z",
        "event": "annotation",
        "v": 1,
        "request_id": finish(1).record.request_id,
        "tenant_id": "acme",
        "kind": "feedback",
        "name": "thumbs",
        "score": -1.0,
        "label": None,
        "source": "user",
        "author": None,
        "version": None,
        "claimed": True,
    }


def test_a_restart_goes_on_behind_the_last_line(tmp_path: Path, clock: FrozenClock) -> None:
    worker = Spooled(tmp_path)
    worker.finish(finish(1))
    LogFile(tmp_path, clock).step()
    worker.rotate()
    worker.finish(finish(2))

    assert LogFile(tmp_path, clock).step() == 1

    assert logged(tmp_path) == ids(finish(1), finish(2))


def test_lines_go_to_the_file_of_the_day_they_are_written_on(
    tmp_path: Path, clock: FrozenClock
) -> None:
    worker, log_file = Spooled(tmp_path), LogFile(tmp_path, clock)
    worker.finish(finish(1))
    log_file.step()
    clock.advance(24 * 3600)
    worker.finish(finish(2))
    log_file.step()
    clock.advance(-1)
    worker.finish(finish(3))
    log_file.step()

    assert logged(tmp_path, FIRST) == ids(finish(1), finish(3))
    assert logged(tmp_path, SECOND) == ids(finish(2))


def test_what_is_in_the_file_already_stays(tmp_path: Path, clock: FrozenClock) -> None:
    path = tmp_path / "log" / FIRST
    path.parent.mkdir()
    path.write_text('{"request_id":"r_before"}\n')
    Spooled(tmp_path).finish(finish(1))

    LogFile(tmp_path, clock).step()
    LogFile(tmp_path, clock).step()

    assert logged(tmp_path) == ["r_before", *ids(finish(1))]


CRASHES = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.floats(0, 1), st.booleans()), max_size=6
)


@given(CRASHES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_there_exactly_once_whenever_it_crashes(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, bool, float, bool]]
) -> None:
    """A turn: so many outcomes; crash before the save, with that share written; a new day."""
    home, clock = tmp_path_factory.mktemp("home"), FrozenClock()
    worker, log_file = Spooled(home), LogFile(home, clock)
    made: list[Finish] = []
    for number, crashes, share, new_day in turns:
        if new_day:
            clock.advance(24 * 3600)
        more = [finish(len(made) + n) for n in range(number)]
        made += more
        worker.finish(*more)
        if crashes:
            _step_and_crash(log_file, home, share)
            log_file = LogFile(home, clock)
        log_file.step()

    names = sorted(path.name for path in (home / "log").glob("*.jsonl"))
    assert [one for name in names for one in logged(home, name)] == ids(*made)


def _step_and_crash(log_file: LogFile, home: Path, share: float) -> None:
    """Leave behind what a process does that dies between writing lines and saving how far."""
    state, files = home / "log" / "position.json", sorted((home / "log").glob("*.jsonl"))
    if not files:
        return
    saved, length = state.read_bytes(), files[-1].stat().st_size
    log_file.step()
    if sorted((home / "log").glob("*.jsonl")) == files:
        state.write_bytes(saved)
        grown = files[-1].stat().st_size - length
        with files[-1].open("r+b") as file:
            file.truncate(length + round(share * grown))


def test_a_crash_in_the_first_batch_of_a_day_leaves_nothing_twice(
    tmp_path: Path, clock: FrozenClock
) -> None:
    Spooled(tmp_path).finish(finish(1))
    with full_at(50), suppress(OSError):
        LogFile(tmp_path, clock).step()

    LogFile(tmp_path, clock).step()

    assert logged(tmp_path) == ids(finish(1))


async def test_a_full_disk_is_waited_for_and_leaves_no_half_line(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    worker, log_file = Spooled(tmp_path), LogFile(tmp_path, clock)
    worker.finish(finish(1))
    log_file.step()
    worker.finish(finish(2))
    path = tmp_path / "log" / FIRST
    size = path.stat().st_size

    with full_at(size + 100):
        running = asyncio.create_task(log_file.run())
        await eventually(lambda: "make room" in caplog.text)
        await eventually(lambda: path.stat().st_size == size)
    await eventually(lambda: logged(tmp_path) == ids(finish(1), finish(2)))

    running.cancel()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- of a thread or a file
            await asyncio.sleep(0.005)


def test_a_copy_gets_the_same_lines(tmp_path: Path, clock: FrozenClock) -> None:
    copy = io.BytesIO()
    Spooled(tmp_path).finish(finish(1), finish(2))

    LogFile(tmp_path, clock, copy=copy).step()

    assert copy.getvalue() == (tmp_path / "log" / FIRST).read_bytes()


class Gone(io.BytesIO):
    """A pipe whose other end is closed."""

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_the_file_does_not_wait_for_whoever_reads_the_copy(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    worker, log_file = Spooled(tmp_path), LogFile(tmp_path, clock, copy=Gone())
    worker.finish(finish(1))

    assert log_file.step() == 1
    assert log_file.step() == 0

    assert logged(tmp_path) == ids(finish(1))
    assert "cannot be copied" in caplog.text


def test_at_most_a_thousand_lines_are_written_at_once(tmp_path: Path, clock: FrozenClock) -> None:
    worker, payload = Spooled(tmp_path), msgspec.msgpack.encode(finish(1))
    worker.raw(b"".join(worker.frame(Kind.FINISH, payload) for _ in range(MAX_LINES + 5)))
    log_file = LogFile(tmp_path, clock)

    assert [log_file.step() for _ in range(3)] == [MAX_LINES, 5, 0]


@pytest.mark.parametrize("payload", [b"\xc1", b"\x80", NO_TEXT])
def test_a_frame_that_holds_no_record_is_told_and_left_out(
    tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture, payload: bytes
) -> None:
    worker = Spooled(tmp_path)
    worker.raw(worker.frame(Kind.FINISH, payload))
    worker.finish(finish(1))

    assert LogFile(tmp_path, clock).step() == 1

    assert logged(tmp_path) == ids(finish(1))
    assert "frame 1 of the spool holds no record" in caplog.text


def test_damage_costs_a_line_of_its_own_at_most(tmp_path: Path, clock: FrozenClock) -> None:
    worker = Spooled(tmp_path)
    worker.finish(finish(1))
    worker.raw(worker.frame(Kind.FINISH, msgspec.msgpack.encode(finish(2)))[:-1])
    worker.finish(finish(3))

    LogFile(tmp_path, clock).step()

    assert logged(tmp_path) == ids(finish(1), finish(3))


def test_a_frame_of_a_newer_version_stops_its_worker_alone(
    tmp_path: Path, clock: FrozenClock
) -> None:
    ahead = Spooled(tmp_path, "w1")
    ahead.newer(finish(1))
    ahead.finish(finish(2))
    Spooled(tmp_path, "w2").finish(finish(3))

    LogFile(tmp_path, clock).step()

    assert logged(tmp_path) == ids(finish(3))


def test_segments_it_has_passed_are_needed_no_more(tmp_path: Path, clock: FrozenClock) -> None:
    worker, log_file = Spooled(tmp_path), LogFile(tmp_path, clock)
    assert log_file.needed("w1") == 0
    worker.finish(finish(1))
    worker.rotate()

    log_file.step()

    assert log_file.needed("w1") == LogFile(tmp_path, clock).needed("w1") == 2


def test_without_a_readable_position_it_begins_anew(tmp_path: Path, clock: FrozenClock) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "position.json").write_bytes(b'{"places')
    Spooled(tmp_path).finish(finish(1))

    LogFile(tmp_path, clock).step()

    assert logged(tmp_path) == ids(finish(1))
