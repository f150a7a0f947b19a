"""How far an exporter is, and what holds it up, as it lies in the state directory."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from trimtab.store.files import replace_file
from trimtab.telemetry.follow import START, Place, waiting_bytes, workers

log = logging.getLogger("trimtab")


class Standing(NamedTuple):
    """Where an exporter stands.

    Attributes:
        waiting_bytes: Bytes of the spool that it has not passed.
        put_aside: Batches that were refused, or kept when older ones were given up.
        trouble: Status that it is held up by, 0 for no answer; `None` if it is not.
    """

    waiting_bytes: int
    put_aside: int
    trouble: int | None


def standing(home: Path, name: str) -> Standing:
    """Tell where an exporter stands. Blocks on the disk."""
    places = load(places_file(home, name))
    waiting = sum(waiting_bytes(it, places.get(it.name, START)) for it in workers(home / "spool"))
    return Standing(waiting, len(letters(home, name)), trouble(home, name))


def places_file(home: Path, name: str) -> Path:
    """Where an exporter keeps how far it is."""
    return home / "exporters" / f"{name}.json"


def trouble_file(home: Path, name: str) -> Path:
    """Where an exporter that cannot send keeps the last answer's status; 0 is no answer."""
    return home / "exporters" / f"{name}.trouble"


def dead_letters(home: Path, name: str) -> Path:
    """Where an exporter puts aside what was refused."""
    return home / "dead" / name


def trouble(home: Path, name: str) -> int | None:
    """Tell the status that an exporter is held up by; `None` if it is not."""
    try:
        return int(trouble_file(home, name).read_bytes())
    except (OSError, ValueError):
        return None


def load(file: Path) -> dict[str, Place]:
    """Read how far an exporter is in each worker's spool."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Place])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError:
        log.warning("'%s' is damaged; all that is in the spool is sent again", file.name)
        return {}


def save(file: Path, places: Mapping[str, Place]) -> None:
    """Write down how far an exporter is in each worker's spool."""
    replace_file(file, msgspec.json.encode(places))


def letters(home: Path, name: str) -> list[Path]:
    """List what an exporter put aside, oldest first."""
    return sorted(dead_letters(home, name).glob("*.otlp.gz"))


def prune(directory: Path, before_us: int) -> None:
    """Remove what was put aside before an instant."""
    for path in directory.glob("*.otlp.gz"):
        if int(path.name.partition("-")[0]) < before_us:
            path.unlink()
