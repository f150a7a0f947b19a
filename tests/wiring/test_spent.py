import asyncio
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from tests.postgres import Server
from tests.records import begin, finish
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import LimitsUnavailable
from trimtab.domain.record import Begin, Finish
from trimtab.store.base.limits import Already, Spending
from trimtab.store.base.recording import Batch, Move, OpenRequest, SpoolPosition
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.spool import Spool, claim
from trimtab.testing import FrozenClock
from trimtab.wiring.record_store import join_records, recording
from trimtab.wiring.spent import Books, spent, unstored_bytes

COST_NANO, HELD_NANO = 9_414_000, 12_000_000
EVER = Spending(tenant_id="globex", since_us=0, until_us=TS_US * 2)


def written(home: Path, count: int) -> SpoolPosition:
    """Write outcomes into a spool, and say where it ends."""
    spool = Spool(claim(home / "spool", "gateway"), FrozenClock())
    for number in range(count):
        made = finish(number, tenant_id="globex" if number % 2 else "acme")
        spool.append(Kind.FINISH, msgspec.msgpack.encode(made))
    [segment] = sorted((home / "spool" / spool.worker_id).glob("*.spool"))
    spool.close()
    return SpoolPosition(
        worker_id=spool.worker_id, segment=int(segment.stem), offset=segment.stat().st_size
    )


async def test_before_the_keeper_stored_anything_the_spool_tells(tmp_path: Path) -> None:
    written(tmp_path, 6)

    assert (await spent(tmp_path)(EVER)).spent == 3 * COST_NANO


async def test_what_is_stored_is_not_counted_again(tmp_path: Path) -> None:
    end = written(tmp_path, 6)
    stored = tuple(finish(number, tenant_id="globex") for number in (1, 3, 5))
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=stored, moves=(Move(end, None),)))

    assert (await spent(tmp_path)(EVER)).spent == 3 * COST_NANO


def opened(number: int, **fields: object) -> Begin:
    made = begin(number, tenant_id="globex", held_nano=HELD_NANO)
    return msgspec.structs.replace(made, **fields)


def write(home: Path, *frames: tuple[Kind, Begin | Finish]) -> None:
    spool = Spool(claim(home / "spool", "gateway"), FrozenClock())
    for kind, frame in frames:
        spool.append(kind, msgspec.msgpack.encode(frame))
    spool.close()


async def test_what_runs_is_told_with_what_it_holds_stored_or_not(tmp_path: Path) -> None:
    stored, ended, waiting = opened(1), opened(2), opened(3)
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(
            Batch(opened=tuple(OpenRequest(worker_id="w", begin=it) for it in (stored, ended)))
        )
    end = finish(2, tenant_id="globex", request_id=ended.request_id)
    write(
        tmp_path,
        (Kind.BEGIN, waiting),
        (Kind.BEGIN, opened(4, tenant_id="acme")),
        (Kind.BEGIN, opened(5, ts_us=TS_US * 3)),
        (Kind.FINISH, end),
    )

    told = await spent(tmp_path)(EVER)

    assert told.held == {stored.request_id: HELD_NANO, waiting.request_id: HELD_NANO}


async def test_what_has_no_price_is_counted_stored_or_not(tmp_path: Path) -> None:
    def unpriced(number: int) -> Finish:
        made = finish(number, tenant_id="globex")
        lines = tuple(msgspec.structs.replace(it, cost_nano=None) for it in made.lines)
        record = msgspec.structs.replace(made.record, cost_nano=None)
        return msgspec.structs.replace(made, record=record, lines=lines)

    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=(unpriced(1),)))
    write(tmp_path, (Kind.FINISH, unpriced(2)))

    told = await spent(tmp_path)(EVER)

    assert (told.spent, told.unpriced) == (0, 2)


async def test_which_requests_are_in_the_ledger(tmp_path: Path) -> None:
    books = Books(tmp_path)
    assert await books.ended(["r"]) == set()
    made = finish(1)
    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(finishes=(made,)))

    assert await books.ended([made.record.request_id, "r"]) == {made.record.request_id}


async def test_what_other_hosts_stored_counts_and_how_far_their_spools_are_does_not(
    tmp_path: Path, postgres: Server
) -> None:
    url = postgres.database()
    await asyncio.to_thread(join_records, tmp_path, url, "proof")
    end = written(tmp_path, 6)
    theirs = tuple(finish(number, tenant_id="globex") for number in range(10, 14))
    with closing(PostgresRecording(url, "other", is_keeper=True)) as store:
        await store.commit(Batch(finishes=theirs, moves=(Move(end, None),)))

    assert (await spent(tmp_path)(EVER)).spent == (4 + 3) * COST_NANO

    ours = tuple(finish(number, tenant_id="globex") for number in (1, 3, 5))
    with closing(recording(tmp_path, is_keeper=True)) as keeper:
        await keeper.commit(Batch(finishes=ours, moves=(Move(end, None),)))

    assert (await spent(tmp_path)(EVER)).spent == (4 + 3) * COST_NANO
    assert await unstored_bytes(tmp_path) == 0


async def test_what_is_not_stored_yet_is_counted_in_bytes(tmp_path: Path) -> None:
    end = written(tmp_path, 6)
    assert await unstored_bytes(tmp_path) > 1_000

    with closing(SqliteRecording(tmp_path)) as store:
        await store.commit(Batch(moves=(Move(end, None),)))

    assert await unstored_bytes(tmp_path) == 0


async def test_what_is_tried_out_counts_against_keys_and_no_tenant(tmp_path: Path) -> None:
    tried = {"tenant_id": "globex", "key_id": "abcabcabcabc", "origin": "eval"}
    write(
        tmp_path,
        (Kind.FINISH, finish(1, **tried)),
        (Kind.BEGIN, opened(2, key_id="abcabcabcabc", origin="judge")),
    )

    of_key = replace(EVER, tenant_id=None, key_id="abcabcabcabc")

    assert (await spent(tmp_path)(EVER)) == Already(0, {})
    told = await spent(tmp_path)(of_key)
    assert (told.spent, [*told.held.values()]) == (COST_NANO, [HELD_NANO])


async def test_only_the_span_that_is_asked_about_counts(tmp_path: Path) -> None:
    written(tmp_path, 6)

    before = Spending(tenant_id="globex", since_us=0, until_us=TS_US)
    assert (await spent(tmp_path)(before)).spent == 0


async def test_a_ledger_that_cannot_be_read_refuses_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "records.db").write_bytes(b"this is no database" * 1000)

    with pytest.raises(LimitsUnavailable, match="ledger that a budget begins at"):
        await spent(tmp_path)(EVER)
