"""Many tasks that move one label at once, by what the command line does; tells what became of it.

Arguments: state directory, what the tasks do, how many there are, for how many seconds.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.prompting import NAME

from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.errors import TrimtabError
from trimtab.domain.prompt import Place
from trimtab.registry.publish import Registry
from trimtab.wiring.registry import registry

PLACE = Place(NAME)
VERSIONS = tuple(f"1.{minor}.0" for minor in range(8))
UNSURE = "1.8.0"
"""What is yanked, and put back."""
BY = By("mover", Source.CLI, "race")


@dataclass
class Movers:
    """State: what was accepted, what was read, and why moves were refused.

    Attributes:
        upon: Of each change that was accepted, the one it was decided upon.
    """

    at: Registry
    chance: random.Random
    accepted: list[int] = field(default_factory=list[int])
    upon: dict[int, int] = field(default_factory=dict[int, int])
    read: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    refused: Counter[str] = field(default_factory=Counter[str])

    async def run(self, does: Callable[["Movers"], Awaitable[None]], seconds: float) -> None:
        """Do something again and again."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            try:
                await does(self)
            except TrimtabError as exc:
                self.refused[exc.code] += 1
            await asyncio.sleep(0)

    async def flip(self) -> None:
        """Move the label elsewhere, if it still is where it was seen."""
        pointed = (await self.at.prompts()).at(PLACE)
        assert pointed is not None
        self.read.add((pointed.change.seq, pointed.label.version))
        to = self.chance.choice([it for it in VERSIONS if it != pointed.label.version])
        await asyncio.sleep(0)
        moved = await self.at.labels.promote(PLACE, to, BY, expected_seq=pointed.change.seq)
        self.accepted.append(moved.seq)
        self.upon[moved.seq] = pointed.change.seq

    async def promote(self) -> None:
        """Move the label to one of two versions, wherever it is."""
        moved = await self.at.labels.promote(PLACE, self.chance.choice((VERSIONS[0], UNSURE)), BY)
        self.accepted.append(moved.seq)

    async def rollback(self) -> None:
        """Move the label back."""
        self.accepted.append((await self.at.labels.rollback(PLACE, BY)).seq)

    async def yank(self) -> None:
        """Take a version out of use, or put it back."""
        if f"{NAME}@{UNSURE}" in (await self.at.prompts()).yanked:
            self.accepted.append((await self.at.unyank(NAME, UNSURE, BY)).seq)
        else:
            self.accepted += [it.seq for it in await self.at.yank(NAME, UNSURE, BY)]


async def main() -> None:
    """Begin when a line comes."""
    home, does, tasks, seconds = sys.argv[1:]
    movers = Movers(registry(Path(home)), random.Random(home))  # noqa: S311 -- repeatable
    await movers.at.prompts()
    print("ready", flush=True)  # noqa: T201 -- its answer
    sys.stdin.readline()
    act = getattr(Movers, does)
    await asyncio.gather(*(movers.run(act, float(seconds)) for _ in range(int(tasks))))
    del movers.at, movers.chance
    print(json.dumps(vars(movers), default=sorted))  # noqa: T201 -- its answer


if __name__ == "__main__":
    asyncio.run(main())
