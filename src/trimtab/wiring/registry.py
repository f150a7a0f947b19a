"""Builds the prompt registry of a state directory, and reads prompt files beside the settings."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab import wiring
from trimtab.control.models import By
from trimtab.control.prompts import pointer_of
from trimtab.domain.change import Change, Source
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.prompt import MOST_BYTES, Label, Place
from trimtab.registry.format import PromptFile, read_file
from trimtab.registry.labels import Labels
from trimtab.registry.publish import Registry
from trimtab.settings import DEMO, Settings
from trimtab.settings.secrets import looks_secret
from trimtab.wiring.membership import control_store, living

SEEN_S, POLL_S = 2.0, 0.02


def registry(at: Path) -> Registry:
    """Open the prompt registry of a state directory."""
    clock = wiring.SystemClock()
    control = wiring.control(at)
    return Registry(control, Labels(control, clock), clock, looks_secret)


def prompt_paths(settings: Settings) -> list[Path]:
    """Find the prompt files of a project, below the folder of its settings; of the demo, here."""
    return _below(Path() if settings.file == DEMO else settings.file.parent, settings)


def read_prompts(paths: Sequence[Path]) -> list[PromptFile]:
    """Read prompt files.

    Raises:
        SettingsInvalid: some are not well formed; one line for each fault of all of them.
    """
    files: list[PromptFile] = []
    faults: list[str] = []
    for path in paths:
        try:
            files.append(read_file(_text(path), str(path)))
        except SettingsInvalid as exc:
            faults.append(str(exc))
    if faults:
        raise SettingsInvalid("\n".join(faults))
    return files


@dataclass(frozen=True, slots=True)
class Reach:
    """How many workers run a change.

    Attributes:
        n: Workers that run it.
        of: Workers there are.
        slowest_s: Seconds after the change at which the last of them ran it.
    """

    n: int
    of: int
    slowest_s: float

    def __str__(self) -> str:
        if not self.of:
            return "no worker runs"
        late = "" if self.n < self.of else f", slowest {self.slowest_s:.1f} s"
        return f"{self.n}/{self.of} workers{late}"


async def reach(at: Path, change: Change) -> Reach:
    """Tell how many workers run a change, waiting for all of them for two seconds at most."""
    running = living(at, control_store(at))
    found = Reach(0, 0, 0.0)
    for _ in range(round(SEEN_S / POLL_S)):
        acks = await running.acknowledgements()
        there = [ack for ack in acks if ack.config_seq >= change.seq]
        slowest_us = max((ack.ts_us - change.ts_us for ack in there), default=0)
        found = Reach(len(there), len(acks), max(0, slowest_us) / 1e6)
        if found.n == found.of:
            break
        await asyncio.sleep(POLL_S)
    return found


async def publish_demo(at: Path, settings: Settings, author: str) -> None:
    """Publish the prompts of the demo, and point production at them where it points nowhere.

    Nobody has to approve what comes with the program.
    """
    opened, reason = registry(at), "first start of the demo"
    files = read_prompts(_below(DEMO.parent, settings))
    before = await opened.prompts()
    by = By(author, Source.SYSTEM, reason)
    steps, _ = await opened.publish(files, by)
    for step in steps:
        place = Place(step.file.name)
        if before.at(place) is None and step.file.name not in before.versions:
            await opened.control.move(
                pointer_of(place),
                Label(version=step.file.version),
                reason=reason,
                author=author,
                source=Source.SYSTEM,
            )


def _below(root: Path, settings: Settings) -> list[Path]:
    return sorted({path for glob in settings.registry.files for path in root.glob(glob)})


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise SettingsInvalid(f"'{path}' cannot be read ({exc.strerror}); look at it") from exc
    if len(raw) > MOST_BYTES:
        raise SettingsInvalid(f"{path}: has more than {MOST_BYTES} bytes; split the prompt")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise SettingsInvalid(f"{path}:{line}: this is not UTF-8; save it as UTF-8") from exc
