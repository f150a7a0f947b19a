import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from trimtab.domain.health import Ailing, BreakerState
from trimtab.telemetry.health_file import HealthFile, read_ailing
from trimtab.telemetry.spool import Claim, claim


def ailing(worker_id: str) -> Ailing:
    return Ailing(
        worker_id=worker_id, target="sim/large", state=BreakerState.OPEN, until_us=1_777_142_531
    )


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Sequence[Claim]]:
    """Two workers that live: they hold their spools."""
    claims = [claim(tmp_path / "spool", "gateway") for _ in range(2)]
    yield claims
    for it in claims:
        with suppress(OSError):
            os.close(it.lock)


def told(home: Path) -> list[str]:
    return [it.worker_id for it in read_ailing(home)]


def test_what_workers_tell_is_read_together_with_when_they_told(
    tmp_path: Path, workers: Sequence[Claim]
) -> None:
    for worker in workers:
        HealthFile(tmp_path, worker.worker_id).tell([ailing(worker.worker_id)])

    assert told(tmp_path) == [worker.worker_id for worker in workers]
    assert read_ailing(tmp_path)[0] == replace(
        ailing(workers[0].worker_id), told_us=read_ailing(tmp_path)[0].told_us
    )
    assert read_ailing(tmp_path)[0].told_us > 1_777_142_531_000_000


def test_a_worker_that_died_tells_nothing_any_more(
    tmp_path: Path, workers: Sequence[Claim]
) -> None:
    for worker in workers:
        HealthFile(tmp_path, worker.worker_id).tell([ailing(worker.worker_id)])

    os.close(workers[0].lock)

    assert told(tmp_path) == [workers[1].worker_id]


def test_a_worker_that_begins_anew_has_nothing_to_tell(
    tmp_path: Path, workers: Sequence[Claim]
) -> None:
    HealthFile(tmp_path, workers[0].worker_id).tell([ailing(workers[0].worker_id)])

    HealthFile(tmp_path, workers[0].worker_id)

    assert read_ailing(tmp_path) == ()


def test_what_cannot_be_read_is_left_out(tmp_path: Path, workers: Sequence[Claim]) -> None:
    assert read_ailing(tmp_path) == ()
    one, two = (worker.worker_id for worker in workers)
    HealthFile(tmp_path, one).tell([ailing(one)])
    (tmp_path / "health" / f"{two}.json").write_bytes(b"{oops")

    assert told(tmp_path) == [one]


def test_a_directory_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "health").write_bytes(b"")

    HealthFile(tmp_path, "gateway-1").tell([ailing("gateway-1")])
