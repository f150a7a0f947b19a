import asyncio
from pathlib import Path

import pytest
from tests.control.conftest import BY, OF_ACME, FragileLog, suspend

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.propagate import MAX_STALE_S, Follower
from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import ControlUnavailable, SchemaTooNew, TryLater
from trimtab.store.memory.control import MemoryAcknowledgements
from trimtab.testing import FrozenClock, seeded_entropy


@pytest.fixture
def acknowledgements() -> MemoryAcknowledgements:
    return MemoryAcknowledgements()


@pytest.fixture
def follower(
    log: FragileLog, acknowledgements: MemoryAcknowledgements, clock: FrozenClock, tmp_path: Path
) -> Follower:
    return Follower(log, acknowledgements, clock, worker_id="w1", file=tmp_path / "snapshot")


async def test_starts_with_what_the_log_says(
    follower: Follower, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)

    await follower.start()

    assert follower.current == await control.snapshot()


async def test_starts_with_nothing_on_an_empty_log(follower: Follower) -> None:
    await follower.start()

    assert follower.current == Snapshot()


async def test_swaps_the_snapshot_when_something_moved(
    follower: Follower, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    old = follower.current

    await suspend(control)

    assert await follower.poll()
    assert OF_ACME in follower.current.suspensions
    assert OF_ACME not in old.suspensions
    assert not await follower.poll()


async def test_calls_back_with_each_new_snapshot(
    follower: Follower, control: Control, company: Desired
) -> None:
    seen: list[int] = []
    follower.on_change(lambda snapshot: seen.append(snapshot.config_seq))
    await control.apply_file(company, **BY)

    await follower.start()
    await suspend(control)
    await follower.poll()
    await follower.poll()

    assert seen == [5, 6]


async def test_acknowledges_what_it_runs(
    follower: Follower,
    acknowledgements: MemoryAcknowledgements,
    control: Control,
    company: Desired,
    clock: FrozenClock,
) -> None:
    await follower.start()
    await control.apply_file(company, **BY)
    await follower.poll()

    (ack,) = await acknowledgements.acknowledgements()
    assert (ack.worker_id, ack.config_seq, ack.ts_us) == ("w1", 5, clock.now_us())


async def test_follows_by_itself_until_cancelled(
    follower: Follower, control: Control, company: Desired
) -> None:
    await follower.start()
    moved = asyncio.Event()
    follower.on_change(lambda _: moved.set())
    task = asyncio.create_task(follower.run())

    await control.apply_file(company, **BY)

    await moved.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_keeps_the_last_good_snapshot_while_the_store_is_away(
    follower: Follower, log: FragileLog, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    good = follower.current

    log.away = True
    assert not await follower.poll()

    assert follower.current is good
    assert str(follower.problem) == "the control store is away; bring it back"
    log.away = False
    await follower.poll()
    assert follower.problem is None


async def test_a_suspended_tenant_stays_suspended_when_a_worker_starts_without_the_store(
    follower: Follower,
    log: FragileLog,
    control: Control,
    company: Desired,
    clock: FrozenClock,
    tmp_path: Path,
) -> None:
    await control.apply_file(company, **BY)
    await suspend(control)
    await follower.start()
    log.away = True

    restarted = Follower(
        log, MemoryAcknowledgements(), clock, worker_id="w1", file=tmp_path / "snapshot"
    )
    await restarted.start()

    assert OF_ACME in restarted.current.suspensions
    assert restarted.current == follower.current
    assert restarted.problem is not None


async def test_catches_up_after_a_start_without_the_store(
    follower: Follower, log: FragileLog, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    await suspend(control)
    log.away = True
    await follower.start()

    log.away = False

    assert await follower.poll()
    assert OF_ACME in follower.current.suspensions


async def test_t35_does_not_start_on_a_store_of_a_newer_program_whatever_it_ran_last(
    follower: Follower, log: FragileLog, control: Control, company: Desired, tmp_path: Path
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    log.newer = True

    restarted = Follower(
        log,
        MemoryAcknowledgements(),
        FrozenClock(),
        worker_id="w1",
        file=tmp_path / "snapshot",
    )
    with pytest.raises(SchemaTooNew):
        await restarted.start()


async def test_does_not_start_without_the_store_on_a_damaged_file_and_says_so(
    follower: Follower,
    log: FragileLog,
    control: Control,
    company: Desired,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    path = tmp_path / "snapshot"
    path.write_bytes(path.read_bytes().replace(b"free", b"frEE"))
    log.away = True

    restarted = Follower(log, MemoryAcknowledgements(), FrozenClock(), worker_id="w1", file=path)
    with pytest.raises(TryLater):
        await restarted.start()

    assert f"the last good state in '{path}' is damaged" in caplog.text


async def test_does_not_follow_a_log_that_became_shorter(
    follower: Follower, log: FragileLog, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    good = follower.current

    log.forget()
    assert not await follower.poll()

    assert follower.current is good
    assert follower.problem is not None
    assert "was at 5 before" in str(follower.problem)


async def test_does_not_follow_a_log_that_does_not_continue_the_one_it_knows(
    follower: Follower, log: FragileLog, control: Control, company: Desired, clock: FrozenClock
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    good = follower.current

    log.forget()
    other = Control(log, clock, seeded_entropy(8))
    await other.apply_file(company, **BY)
    await suspend(other)
    assert not await follower.poll()

    assert follower.current is good
    assert follower.problem is not None
    assert "change 6 does not continue" in str(follower.problem)


async def test_another_log_that_grows_to_the_length_of_ours_is_still_another(
    follower: Follower, log: FragileLog, control: Control, company: Desired, clock: FrozenClock
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    good = follower.current

    log.forget()
    await follower.poll()
    await Control(log, clock, seeded_entropy(8)).apply_file(company, **BY)
    await follower.poll()

    assert await log.head() == good.config_seq
    assert follower.current is good
    assert "is not the one this worker runs" in str(follower.problem)


async def test_who_made_a_change_can_wait_until_it_is_in_force(
    follower: Follower, control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    change = await suspend(control)

    waiting = asyncio.create_task(follower.seen(change.seq))
    await asyncio.sleep(0)
    assert not waiting.done()
    await follower.poll()
    await waiting

    assert follower.current.config_seq == change.seq


async def test_who_waits_for_a_change_is_told_when_the_store_cannot_be_followed(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.control.propagate.SEEN_POLLS", 2)

    with pytest.raises(ControlUnavailable, match="change 9 has not reached this worker"):
        await follower.seen(9)


async def test_who_slept_looks_before_it_decides_by_what_it_knew(
    follower: Follower, control: Control, company: Desired, clock: FrozenClock
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    await suspend(control)

    await follower.renew()
    awake = OF_ACME in follower.current.suspensions
    clock.advance(MAX_STALE_S + 1)
    await follower.renew()

    assert not awake
    assert OF_ACME in follower.current.suspensions
    assert not follower.is_stale


async def test_who_slept_and_finds_the_store_away_says_that_it_may_be_old(
    follower: Follower, log: FragileLog, control: Control, company: Desired, clock: FrozenClock
) -> None:
    await control.apply_file(company, **BY)
    await follower.start()
    log.away = True
    clock.advance(MAX_STALE_S + 1)

    await follower.renew()

    assert follower.is_stale
    assert follower.problem is not None
