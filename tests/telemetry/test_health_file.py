from pathlib import Path

from trimtab.domain.health import Ailing, BreakerState
from trimtab.telemetry.health_file import HealthFile, read_ailing


def ailing(worker_id: str) -> Ailing:
    return Ailing(
        worker_id=worker_id, target="sim/large", state=BreakerState.OPEN, until_us=1_777_142_531
    )


def test_what_workers_tell_is_read_together(tmp_path: Path) -> None:
    for name in ("gateway-1", "gateway-2"):
        HealthFile(tmp_path, name).tell([ailing(name)])

    assert read_ailing(tmp_path) == (ailing("gateway-1"), ailing("gateway-2"))


def test_a_worker_that_begins_anew_has_nothing_to_tell(tmp_path: Path) -> None:
    HealthFile(tmp_path, "gateway-1").tell([ailing("gateway-1")])

    HealthFile(tmp_path, "gateway-1")

    assert read_ailing(tmp_path) == ()


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert read_ailing(tmp_path) == ()
    HealthFile(tmp_path, "gateway-1").tell([ailing("gateway-1")])
    (tmp_path / "health" / "gateway-2.json").write_bytes(b"{oops")

    assert read_ailing(tmp_path) == (ailing("gateway-1"),)


def test_a_directory_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "health").write_bytes(b"")

    HealthFile(tmp_path, "gateway-1").tell([ailing("gateway-1")])
