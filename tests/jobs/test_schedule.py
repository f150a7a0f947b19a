import asyncio
import logging

import pytest

from trimtab.domain.errors import TryLater
from trimtab.jobs.schedule import Job, Schedule


class Work:
    """Fails as often as told, then succeeds. State: how often it was done."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.done = asyncio.Event()
        self.times = 0

    async def run(self) -> None:
        self.times += 1
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()


async def run_until(schedule: Schedule, *work: Work) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(schedule.run())
        for it in work:
            await it.done.wait()
        running.cancel()


async def test_a_job_that_fails_is_done_again_in_its_time() -> None:
    work = Work(TryLater("the store is away"), OSError("the disk is full"))

    await run_until(Schedule([Job("work", 0.001, work.run)]), work)

    assert work.times == 3


async def test_a_job_that_waits_holds_up_no_other() -> None:
    stuck, other = asyncio.Event(), Work()

    async def wait() -> None:
        await stuck.wait()

    await run_until(Schedule([Job("stuck", 0.001, wait), Job("work", 9.0, other.run)]), other)

    assert other.times == 1


async def test_the_same_failure_is_logged_once_and_that_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    away = TryLater("the store is away; wait")
    job = Job("work", 1.0, Work(away, away, TryLater("it is full; tidy up")).run)
    schedule = Schedule([job])

    with caplog.at_level(logging.WARNING, "trimtab"):
        for _ in range(5):
            await schedule.once(job)

    assert caplog.messages == [
        "job 'work' is tried again in 1 s: the store is away; wait",
        "job 'work' is tried again in 1 s: it is full; tidy up",
        "job 'work' is through again",
    ]


async def test_what_nobody_raises_on_purpose_ends_the_keeper() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await Schedule([Job("work", 1.0, Work(KeyError("a bug")).run)]).run()

    assert caught.group_contains(KeyError)
