"""What a worker tells about its targets: a small file beside the spools, for the keeper to read."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from trimtab.domain.health import Ailing
from trimtab.telemetry.spool import is_free

DIRECTORY = "health"

_list = msgspec.json.Decoder(list[Ailing])


class HealthFile:
    """Tells how the targets of one worker are doing. State: what was told last."""

    def __init__(self, home: Path, worker_id: str) -> None:
        self._path = home / DIRECTORY / f"{worker_id}.json"
        self._told: Sequence[Ailing] = ()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def tell(self, ailing: Sequence[Ailing]) -> None:
        """Replace what was told before; a full disk is nobody's reason to stop serving."""
        if ailing == self._told:
            return
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_bytes(msgspec.json.encode(ailing))
            fresh.replace(self._path)
            self._told = ailing


def read_ailing(home: Path) -> tuple[Ailing, ...]:
    """Read what the workers of a state directory told last; one that died tells nothing any more.

    What cannot be read is left out.
    """
    found: list[Ailing] = []
    for path in sorted((home / DIRECTORY).glob("*.json")):
        if is_free(home / "spool" / path.stem):
            continue
        with contextlib.suppress(OSError, msgspec.DecodeError):
            told_us = path.stat().st_mtime_ns // 1000
            found += [replace(it, told_us=told_us) for it in _list.decode(path.read_bytes())]
    return tuple(found)
