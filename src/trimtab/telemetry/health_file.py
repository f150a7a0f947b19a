"""What a worker tells about what is around it: a small file, for the keeper to read."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.domain.health import Ailing
from trimtab.telemetry.pressure import Level
from trimtab.telemetry.spool import is_free

DIRECTORY = "health"


class Told(Struct, frozen=True, omit_defaults=True):
    """How a worker's targets are doing, whether it shares limits just now, and its backpressure."""

    ailing: Sequence[Ailing] = ()
    redis_up: bool | None = None
    level: Level = Level.NORMAL


_told = msgspec.json.Decoder(Told)


class HealthFile:
    """Tells how the surroundings of one worker are doing. State: what was told last."""

    def __init__(self, home: Path, worker_id: str) -> None:
        self._path = home / DIRECTORY / f"{worker_id}.json"
        self._told = Told()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def tell(
        self,
        ailing: Sequence[Ailing],
        *,
        redis_up: bool | None = None,
        level: Level = Level.NORMAL,
    ) -> None:
        """Replace what was told before; a full disk is nobody's reason to stop serving."""
        told = Told(tuple(ailing), redis_up, level)
        if told == self._told:
            return
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_bytes(msgspec.json.encode(told))
            fresh.replace(self._path)
            self._told = told


def read_ailing(home: Path) -> tuple[Ailing, ...]:
    """Read what the workers of a state directory told last; one that died tells nothing any more.

    What cannot be read is left out.
    """
    found: list[Ailing] = []
    for _, told, told_us in _living(home):
        found += [replace(it, told_us=told_us) for it in told.ailing]
    return tuple(found)


def read_redis_up(home: Path) -> Mapping[str, bool]:
    """Read which workers of a state directory reach the Redis that they share limits through."""
    return {worker: told.redis_up for worker, told, _ in _living(home) if told.redis_up is not None}


def read_levels(home: Path) -> Mapping[str, Level]:
    """Read the level of backpressure that each worker of a state directory is at."""
    return {worker: told.level for worker, told, _ in _living(home)}


def _living(home: Path) -> Iterator[tuple[str, Told, int]]:
    for path in sorted((home / DIRECTORY).glob("*.json")):
        if is_free(home / "spool" / path.stem):
            continue
        with contextlib.suppress(OSError, msgspec.DecodeError):
            told_us = path.stat().st_mtime_ns // 1000
            yield path.stem, _told.decode(path.read_bytes()), told_us
