from pathlib import Path

import msgspec
import pytest
from tests.records import begin, finish
from tests.telemetry.test_recorder import Worker

from trimtab.domain.record import Finish
from trimtab.telemetry.frames import Kind, segment_path
from trimtab.telemetry.peek import Fresh, find_spooled


def ids(found: Fresh) -> list[str]:
    return [it.record.request_id for it in found.read()]


def id_of(made: Finish) -> str:
    return made.record.request_id


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_what_ends_from_now_on_is_given_once(tmp_path: Path, worker: Worker) -> None:
    worker.finish(finish(1))
    fresh = Fresh(tmp_path / "spool")

    assert ids(fresh) == []
    worker.begins(begin(9))
    worker.finish(finish(2), finish(3))
    assert ids(fresh) == [id_of(finish(2)), id_of(finish(3))]
    assert ids(fresh) == []


def test_a_new_segment_and_a_new_worker_are_followed_and_an_old_segment_may_go(
    tmp_path: Path, worker: Worker
) -> None:
    worker.finish(finish(1))
    fresh = Fresh(tmp_path / "spool")
    worker.finish(finish(2))
    worker.rotate()
    worker.finish(finish(3))
    Worker(tmp_path, "gateway-2").finish(finish(4))

    assert ids(fresh) == [id_of(finish(n)) for n in (2, 3, 4)]
    worker.rotate()
    worker.finish(finish(5))
    segment_path(worker.directory, 2).unlink()
    assert ids(fresh) == [id_of(finish(5))]


def test_half_a_frame_is_waited_for(tmp_path: Path, worker: Worker) -> None:
    worker.finish(finish(1))
    fresh = Fresh(tmp_path / "spool")
    whole = worker.frame(Kind.FINISH, msgspec.msgpack.encode(finish(2)))

    worker.raw(whole[:100])
    assert ids(fresh) == []
    worker.raw(whole[100:])
    assert ids(fresh) == [id_of(finish(2))]


def test_a_frame_that_cannot_be_read_is_passed(tmp_path: Path, worker: Worker) -> None:
    fresh = Fresh(tmp_path / "spool")
    worker.raw(worker.frame(Kind.FINISH, b"\xc1"))
    worker.raw(worker.frame(Kind.BEGIN, b"\xc1"))
    worker.finish(finish(2))

    assert ids(fresh) == [id_of(finish(2))]
    assert find_spooled(tmp_path / "spool", id_of(finish(2))) is not None


def test_a_request_is_found_in_whatever_spool_it_is(tmp_path: Path, worker: Worker) -> None:
    other = Worker(tmp_path, "gateway-2")
    worker.begins(begin(1), begin(2))
    other.finish(finish(1))
    spool = tmp_path / "spool"

    ended = find_spooled(spool, id_of(finish(1)))
    runs = find_spooled(spool, id_of(finish(2))[:-3])

    assert ended is not None
    assert (ended.worker, ended.finish) == ("gateway-2", finish(1))
    assert runs is not None
    assert (runs.worker, runs.begin, runs.finish) == ("gateway-1", begin(2), None)
    assert find_spooled(spool, id_of(finish(3))) is None
