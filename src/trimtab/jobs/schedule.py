"""What the keeper does again and again: one table of jobs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from trimtab.domain.errors import TrimtabError

log = logging.getLogger("trimtab")


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so often. It may be killed in the middle and begun anew.

    Attributes:
        run: Does it once. What it raises on purpose is logged, and it is done again in its time.
    """

    name: str
    every_s: float
    run: Callable[[], Awaitable[object]]


class Schedule:
    """Does jobs, each by itself: a slow one does not hold up another, nor run beside itself.

    State: what each job failed with last.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._failing: dict[str, str] = {}

    async def run(self) -> None:
        """Do all of them at once, and then each in its time, for ever."""
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(self._keep(job))

    async def once(self, job: Job) -> None:
        """Do a job. The same failure again is not logged again."""
        try:
            await job.run()
        except (TrimtabError, OSError) as exc:
            if self._failing.get(job.name) != str(exc):
                log.warning("job '%s' is tried again in %g s: %s", job.name, job.every_s, exc)
            self._failing[job.name] = str(exc)
        else:
            if self._failing.pop(job.name, None) is not None:
                log.warning("job '%s' is through again", job.name)

    async def _keep(self, job: Job) -> None:
        while True:
            await self.once(job)
            await asyncio.sleep(job.every_s)
