import asyncio
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.records import begin, chance_finish, finish, tenant_key
from tests.telemetry.shapes import TS_US, record
from tests.telemetry.spooled import Spooled

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.domain.app_span import AppSpan, SpanBatch
from trimtab.domain.errors import TryLater
from trimtab.domain.record import Begin, Blob, Checkpoint, Finish
from trimtab.pipeline.content import ContentCapture
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch, OpenRequest, PositionMoved, RecordWriter
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.telemetry import recorder as module
from trimtab.telemetry.follow import START, follow
from trimtab.telemetry.frames import Frame, Kind, segments
from trimtab.telemetry.recorder import MAX_FRAMES, Recorder
from trimtab.telemetry.spool import Claim, Spool, claim
from trimtab.telemetry.sweep import sweep
from trimtab.testing import FrozenClock


class Records(MemoryRecords):
    """A store that can be away, can lose its answer, and knows values it cannot keep."""

    def __init__(self) -> None:
        super().__init__(tenant_key)
        self.away = False
        self.loses_answers = False

    async def commit(self, batch: Batch) -> int:
        if self.away:
            raise TryLater("the record store is away; bring it back")
        new = await super().commit(batch)
        if self.loses_answers:
            raise TryLater("the answer of the record store was lost")
        return new


class Worker(Spooled):
    """A gateway worker: its spool, and whether it lives."""

    def __init__(self, home: Path, name: str = "gateway-1") -> None:
        super().__init__(home, name)
        self._claim: Claim | None = None

    def lives(self) -> None:
        """Hold the spool, as a process does."""
        self._claim = claim(self.directory.parent, "gateway")
        assert self._claim.worker_id == self.directory.name

    def dies(self) -> None:
        """Let the spool go, as the kernel does for a dead process."""
        assert self._claim is not None
        os.close(self._claim.lock)
        self._claim = None

    def begins(self, *begins: Begin) -> None:
        for one in begins:
            self.raw(self.frame(Kind.BEGIN, msgspec.msgpack.encode(one)))

    def reaches(self, seed: int, output_tokens: int) -> None:
        said = Checkpoint(request_id=begin(seed).request_id, output_tokens=output_tokens)
        self.raw(self.frame(Kind.CHECKPOINT, msgspec.msgpack.encode(said)))

    def restarts(self) -> None:
        """Take the spool over in another process."""
        self.rotate()
        self.raw(self.frame(Kind.START, b"\x80"))


class Site:
    """A home with a keeper in it. State: the keeper's spool and recorder, anew at every start."""

    def __init__(self, home: Path, store: RecordWriter) -> None:
        self.home = home
        self.store = store
        self._own: Spool | None = None

    async def start(self) -> Recorder:
        """Start a keeper, after the one before was killed."""
        self.stop()
        self._own = Spool(claim(self.home / "spool", "keeper"), FrozenClock())
        recorder = Recorder(self.home, self.store, self._own, lose)
        await recorder.start()
        return recorder

    def stop(self) -> None:
        if self._own is not None:
            self._own.close()

    @property
    def told(self) -> list[str]:
        """The requests that keepers ended in their own spool, oldest first."""
        steps = follow(self.home / "spool" / "keeper-1", START)
        frames = [step.found for step in steps if isinstance(step.found, Frame)]
        ended = [it for it in frames if it.kind == Kind.FINISH]
        return [msgspec.msgpack.decode(it.payload, type=Finish).record.request_id for it in ended]


def lose(lost: OpenRequest) -> Finish:
    """End a request in the simplest way."""
    ended = record(
        request_id=lost.begin.request_id,
        status="lost",
        worker_id=lost.worker_id,
        provider=lost.begin.provider,
        output_tokens=lost.output_tokens,
    )
    return Finish(record=ended)


@pytest.fixture
def store() -> Records:
    return Records()


@pytest.fixture
def site(tmp_path: Path, store: Records) -> Generator[Site]:
    site = Site(tmp_path, store)
    yield site
    site.stop()


async def settle(recorder: Recorder) -> None:
    """Take steps until there is nothing to do, twice over: what is lost is read, too."""
    idle = 0
    while idle < 2:
        idle = 0 if await recorder.step() else idle + 1


async def statuses(store: MemoryRecords) -> dict[str, str]:
    return {it.request_id: it.status for it in await store.page(RecordFilter(), limit=10_000)}


def ids(*seeds: int) -> list[str]:
    return [begin(seed).request_id for seed in seeds]


async def test_what_workers_wrote_is_stored_and_passed(
    tmp_path: Path, site: Site, store: Records
) -> None:
    one, two = Worker(tmp_path, "gateway-1"), Worker(tmp_path, "gateway-2")
    one.begins(begin(1))
    one.finish(finish(1))
    two.raw(two.frame(Kind.NOTE, b"\x80"))
    two.finish(finish(2))
    recorder = await site.start()

    # Two frames of each, and the start of the keeper.
    assert await recorder.step() == 5
    assert await recorder.step() == 0

    found = await store.find(ids(1)[0])
    assert found is not None
    assert found.record == finish(1).record
    assert found.lines == finish(1).lines
    assert await statuses(store) == dict.fromkeys(ids(1, 2), "ok")
    places = {it.worker_id: (it.segment, it.offset) for it in await store.positions()}
    assert places["gateway-1"] == (1, one.path.stat().st_size)
    assert set(recorder.waiting().values()) == {0}


async def test_content_is_stored_with_the_frame_that_brings_it(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    asked, answered = (_content(text) for text in (b"asked", b"answered"))
    worker.begins(begin(1, content=(asked,)))
    worker.finish(replace(finish(1), content=(answered,)))

    await settle(await site.start())

    assert await store.content("acme-corp", TS_US, asked.ref) == b"asked"
    assert await store.content("acme-corp", TS_US, answered.ref) == b"answered"
    assert await store.opened() == ()


def said(seed: int, text: bytes) -> Annotated:
    """Make what a judge says of a request, with its reason."""
    about, reason = record(seed), _content(text)
    annotation = Annotation(
        annotation_id=f"n_{seed}",
        request_id=about.request_id,
        tenant_id="acme-corp",
        ts_us=about.end_us,
        kind="evaluation",
        name="faithfulness",
        score=0.5,
        text_ref=reason.ref,
        source="judge",
    )
    return Annotated(
        annotation=annotation,
        request_us=TS_US,
        trace_id=about.trace_id,
        span_id=about.span_id,
        content=(reason,),
    )


async def test_an_annotation_is_stored_with_its_words_and_twice_is_once(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker, told = Worker(tmp_path), said(1, b"two claims have no support")
    for _ in range(2):
        worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(told)))

    await settle(await site.start())

    (found,) = await store.annotations(told.annotation.request_id)
    assert found == told.annotation
    assert found.text_ref is not None
    assert await store.content("acme-corp", TS_US, found.text_ref) == b"two claims have no support"


async def test_an_annotation_that_fits_no_column_is_put_aside_and_others_are_stored(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker, good, bad = Worker(tmp_path), said(1, b"good"), said(2, b"bad")
    bad = replace(bad, annotation=replace(bad.annotation, ts_us=1 << 63))
    for it in (bad, good):
        worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(it)))

    await settle(await site.start())

    assert await store.annotations(good.annotation.request_id) == (good.annotation,)
    assert await store.annotations(bad.annotation.request_id) == ()
    assert len(list((tmp_path / "dead" / "recorder").rglob("*.msgpack"))) == 1


async def test_spans_of_applications_are_stored_with_their_content_and_twice_is_once(
    tmp_path: Path, site: Site, store: Records
) -> None:
    said, worker = _content(b"how warm is it"), Worker(tmp_path)
    good = AppSpan(
        tenant_id="acme-corp",
        trace_id="ab" * 16,
        span_id="cd" * 8,
        received_us=TS_US,
        ts_us=5,
        end_us=6,
        name="work",
        content_ref=said.ref,
    )
    bad = replace(good, span_id="ef" * 8, ts_us=1 << 63)
    for it in (good, bad, good):
        told = SpanBatch(tenant_id="acme-corp", received_us=TS_US, spans=(it,), content=(said,))
        worker.raw(worker.frame(Kind.SPANS, msgspec.msgpack.encode(told)))

    await settle(await site.start())

    outline = await store.outline("acme-corp", good.trace_id, limit=9)
    assert [it.span_id for it in outline] == [good.span_id]
    assert await store.content("acme-corp", TS_US, said.ref) == b"how warm is it"
    assert len(list((tmp_path / "dead" / "recorder").rglob("*.msgpack"))) == 1


async def test_who_wants_to_know_is_told_of_outcomes_once_they_are_stored(
    tmp_path: Path, site: Site, store: Records
) -> None:
    told = list[str]()
    recorder = await site.start()
    recorder.stored = lambda finishes: told.extend(it.record.request_id for it in finishes)
    Worker(tmp_path).finish(finish(1), finish(2))
    store.away = True
    with pytest.raises(TryLater):
        await recorder.step()
    assert told == []
    store.away = False

    await settle(recorder)

    assert told == ids(1, 2)


def _content(text: bytes) -> Blob:
    return ContentCapture(tenant_key).capture("acme-corp", TS_US, text).blobs[0]


async def test_a_busy_worker_leaves_room_for_the_others(
    tmp_path: Path, site: Site, store: Records
) -> None:
    busy, quiet = Worker(tmp_path, "gateway-1"), Worker(tmp_path, "gateway-2")
    payload = msgspec.msgpack.encode(begin(1))
    busy.raw(b"".join(busy.frame(Kind.BEGIN, payload) for _ in range(2 * MAX_FRAMES)))
    quiet.finish(finish(2))
    recorder = await site.start()

    assert await recorder.step() <= MAX_FRAMES

    assert ids(2)[0] in await statuses(store)
    assert recorder.waiting()["gateway-1"] > 0


async def test_a_restart_goes_on_where_the_last_commit_was(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    await settle(await site.start())
    worker.finish(finish(1), finish(2))

    recorder = await site.start()
    await settle(recorder)

    assert await statuses(store) == dict.fromkeys(ids(1, 2), "ok")
    assert await store.opened() == ()
    worker.dies()


async def test_what_a_living_worker_began_is_open_and_not_lost(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    worker.reaches(1, 40)

    await settle(await site.start())

    (open_,) = await store.opened()
    assert (open_.begin, open_.output_tokens, open_.lost) == (begin(1), 40, False)
    assert await statuses(store) == {}
    worker.dies()


async def test_what_a_dead_worker_began_is_lost_once_with_what_its_checkpoints_prove(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.begins(begin(1), begin(2), begin(3))
    worker.reaches(1, 40)
    worker.finish(finish(2))
    worker.reaches(1, 85)
    worker.reaches(2, 99)

    await settle(await site.start())

    assert await statuses(store) == dict(zip(ids(1, 2, 3), ("lost", "ok", "lost"), strict=True))
    found = [await store.find(request_id) for request_id in ids(1, 3)]
    assert [it.record.output_tokens for it in found if it] == [85, 0]
    assert await store.opened() == ()
    assert sorted(site.told) == sorted(ids(1, 3))


async def test_a_worker_that_came_back_lost_what_the_one_before_it_began(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    worker.restarts()
    worker.begins(begin(2))
    worker.finish(finish(3))

    await settle(await site.start())

    assert await statuses(store) == dict(zip(ids(1, 3), ("lost", "ok"), strict=True))
    assert [it.begin for it in await store.opened()] == [begin(2)]
    worker.dies()


async def test_a_worker_that_comes_back_between_two_looks_lost_it_too(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker, other = Worker(tmp_path, "gateway-1"), Worker(tmp_path, "gateway-2")
    worker.lives()
    worker.begins(begin(1))
    other.begins(begin(2))
    other.finish(finish(2))
    recorder = await site.start()
    await settle(recorder)
    assert ids(1)[0] not in await statuses(store)

    worker.restarts()
    await settle(recorder)

    assert await statuses(store) == dict(zip(ids(1, 2), ("lost", "ok"), strict=True))
    worker.dies()


async def test_a_keeper_that_dies_after_it_found_the_loss_ends_it_once(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    await settle(await site.start())
    worker.dies()
    # Written to the keeper's own spool, and not yet read from there.
    recorder = await site.start()
    while ids(1)[0] not in site.told:
        await recorder.step()
    assert await statuses(store) == {}

    for _ in range(3):
        await settle(await site.start())

    assert site.told == ids(1)
    assert await statuses(store) == {ids(1)[0]: "lost"}


async def test_a_keeper_that_was_away_finds_what_was_lost_meanwhile(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    worker.reaches(1, 12)
    await settle(await site.start())
    worker.restarts()

    await settle(await site.start())

    found = await store.find(ids(1)[0])
    assert found is not None
    assert (found.record.status, found.record.output_tokens) == ("lost", 12)
    worker.dies()


async def test_nothing_is_lost_before_all_of_a_dead_worker_is_read(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.begins(begin(1))
    filler = msgspec.msgpack.encode(Checkpoint(request_id="r_other", output_tokens=1))
    worker.raw(b"".join(worker.frame(Kind.CHECKPOINT, filler) for _ in range(3 * MAX_FRAMES)))
    worker.finish(finish(1))

    await settle(await site.start())

    assert await statuses(store) == {ids(1)[0]: "ok"}
    assert site.told == []


async def test_a_fallback_is_lost_where_it_was_sent_last(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.begins(begin(1, provider="sim"))
    worker.reaches(1, 40)
    worker.begins(begin(1, provider="sim-us"))

    await settle(await site.start())

    found = await store.find(ids(1)[0])
    assert found is not None
    assert found.record.provider == "sim-us"


async def test_what_ended_before_the_worker_came_back_is_not_lost(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    recorder = await site.start()
    await settle(recorder)
    worker.finish(finish(1))
    worker.reaches(1, 99)
    worker.restarts()

    await settle(recorder)

    assert await store.opened() == ()
    assert site.told == []
    worker.dies()


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_loss_is_told_once_though_its_record_waits_behind_others(
    tmp_path: Path, site: Site, store: Records, *, restarts: bool
) -> None:
    Worker(tmp_path, "gateway-1").begins(begin(1))
    poisoned = Worker(tmp_path, "gateway-2")
    poisoned.finish(*(finish(n) for n in range(2, 7)), finish(7, input_tokens=1 << 63))
    recorder = await site.start()
    while not site.told:
        await recorder.step()
    assert ids(1)[0] not in await statuses(store)

    await settle(await site.start() if restarts else recorder)

    assert site.told == ids(1)
    assert (await statuses(store))[ids(1)[0]] == "lost"


async def test_a_second_keeper_stops_and_stores_nothing(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.finish(finish(1))
    first = await site.start()
    claimed = claim(tmp_path / "spool", "keeper")
    with closing(Spool(claimed, FrozenClock())) as own:
        second = Recorder(tmp_path, store, own, lose)
        await second.start()
        await first.step()
        worker.finish(finish(2))

        with pytest.raises(PositionMoved):
            await second.step()

        assert await statuses(store) == {ids(1)[0]: "ok"}
        await first.step()
        assert await statuses(store) == dict.fromkeys(ids(1, 2), "ok")


async def test_while_the_store_is_away_records_wait(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.begins(begin(1))
    recorder = await site.start()
    store.away = True

    for _ in range(3):
        with pytest.raises(TryLater):
            await recorder.step()
    assert recorder.needed("gateway-1") == 0
    assert site.told == []

    store.away = False
    await settle(recorder)
    assert await statuses(store) == {ids(1)[0]: "lost"}
    assert site.told == ids(1)


async def test_a_commit_whose_answer_was_lost_counts_once(
    tmp_path: Path, site: Site, store: Records
) -> None:
    Worker(tmp_path).finish(finish(1), finish(2))
    recorder = await site.start()
    store.loses_answers = True
    with pytest.raises(TryLater):
        await recorder.step()
    store.loses_answers = False
    # It cannot know that it is its own commit that it meets; a new start can.
    with pytest.raises(PositionMoved):
        await recorder.step()

    await settle(await site.start())

    (row,) = await store.costs(since_us=0, until_us=1 << 62, group_by=())
    assert (row.n, row.cost_nano) == (2, 2 * 9_414_000)


async def test_a_keeper_that_runs_on_after_a_lost_answer_stores_everything_once(
    tmp_path: Path, site: Site, store: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.01)
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1), begin(2))
    worker.finish(finish(1))
    recorder = await site.start()
    store.loses_answers = True
    running = asyncio.create_task(recorder.run())
    await _until(lambda: not recorder.is_recording)
    store.loses_answers = False
    worker.finish(finish(2), finish(3))

    await _until(lambda: running.done() or not sum(recorder.waiting().values()))
    running.cancel()
    await asyncio.wait([running])

    assert await statuses(store) == dict.fromkeys(ids(1, 2, 3), "ok")
    (row,) = await store.costs(since_us=0, until_us=1 << 62, group_by=())
    assert (row.n, row.cost_nano) == (3, 3 * 9_414_000)
    worker.dies()


async def _until(look: Callable[[], bool]) -> None:
    for _ in range(500):
        if look():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


async def test_a_damaged_frame_is_kept_aside_and_what_is_whole_is_stored(
    tmp_path: Path, site: Site, store: Records, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    worker.finish(finish(1))
    damaged = bytearray(worker.frame(Kind.FINISH, msgspec.msgpack.encode(finish(2))))
    damaged[100] ^= 1
    worker.raw(bytes(damaged))
    worker.finish(finish(3))

    await settle(await site.start())

    assert await statuses(store) == dict.fromkeys(ids(1, 3), "ok")
    kept = tmp_path / "quarantine" / "gateway-1" / worker.path.name
    assert kept.read_bytes() == worker.path.read_bytes()
    assert f"is damaged over {len(damaged)} bytes" in caplog.text


async def test_what_is_not_stored_waits_since_it_was_written(tmp_path: Path, site: Site) -> None:
    worker = Worker(tmp_path)
    worker.finish(finish(1))
    recorder = await site.start()
    now_us = finish(1).record.end_us + 2_500_000

    assert recorder.waits_s(now_us)["gateway-1"] == 2.5
    await settle(recorder)
    assert recorder.waits_s(now_us)["gateway-1"] == 0


async def test_a_torn_end_is_told_when_its_segment_is_over(
    tmp_path: Path, site: Site, store: Records, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.finish(finish(1))
    worker.raw(worker.frame(Kind.FINISH, msgspec.msgpack.encode(finish(2)))[:-9])
    recorder = await site.start()
    await settle(recorder)
    assert "no frame" not in caplog.text

    worker.restarts()
    worker.finish(finish(3))
    await settle(recorder)

    assert await statuses(store) == dict.fromkeys(ids(1, 3), "ok")
    assert caplog.text.count("are no frame") == 1
    assert recorder.torn == {"gateway-1": 1}
    assert not (tmp_path / "quarantine").exists()
    worker.dies()


async def test_a_dead_worker_with_a_torn_end_lost_what_it_began(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.begins(begin(1))
    worker.raw(worker.frame(Kind.FINISH, msgspec.msgpack.encode(finish(1)))[:-9])

    await settle(await site.start())

    assert await statuses(store) == {ids(1)[0]: "lost"}


# Text that is no UTF-8, where every kind of frame has a text.
NO_TEXT = b"\x82\xaarequest_id\xa1\xff\xa6record\x81\xaarequest_id\xa1\xff"
NONSENSE = [b"\xc1", b"\x80", NO_TEXT, b"\x81\xa6record\x01"]


@pytest.mark.parametrize("payload", NONSENSE)
@pytest.mark.parametrize("kind", [Kind.BEGIN, Kind.CHECKPOINT, Kind.FINISH])
async def test_a_frame_that_cannot_be_read_is_put_aside_and_passed(
    tmp_path: Path, site: Site, store: Records, kind: Kind, payload: bytes
) -> None:
    worker = Worker(tmp_path)
    worker.finish(finish(1))
    worker.raw(worker.frame(kind, payload))
    worker.finish(finish(2))
    recorder = await site.start()

    await settle(recorder)

    assert await statuses(store) == dict.fromkeys(ids(1, 2), "ok")
    assert recorder.aside == {"gateway-1": 1}
    assert dead(tmp_path) == {"gateway-1/1-2.msgpack": payload}


def dead(home: Path) -> dict[str, bytes]:
    at = home / "dead" / "recorder"
    return {str(it.relative_to(at)): it.read_bytes() for it in at.rglob("*.msgpack")}


async def test_poison_is_put_aside_and_the_rest_of_its_batch_is_stored(
    tmp_path: Path, site: Site, store: Records, caplog: pytest.LogCaptureFixture
) -> None:
    poison = finish(2, input_tokens=1 << 63)
    worker = Worker(tmp_path)
    worker.begins(begin(1))
    worker.finish(finish(1), poison, finish(3))
    recorder = await site.start()

    await settle(recorder)

    assert await statuses(store) == dict.fromkeys(ids(1, 3), "ok")
    ((name, payload),) = dead(tmp_path).items()
    assert name == "gateway-1/1-3.msgpack"
    assert msgspec.msgpack.decode(payload, type=Finish) == poison
    assert "report it" in caplog.text
    assert set(recorder.waiting().values()) == {0}
    worker.finish(finish(4), finish(5))
    assert await recorder.step() == 2


async def test_poison_of_two_workers_is_kept_apart(
    tmp_path: Path, site: Site, store: Records
) -> None:
    for number, name in enumerate(("gateway-1", "gateway-2")):
        worker = Worker(tmp_path, name)
        worker.finish(finish(number, input_tokens=1 << 63))
        worker.rotate()
        worker.finish(finish(number + 5))

    await settle(await site.start())

    assert sorted(dead(tmp_path)) == ["gateway-1/1-1.msgpack", "gateway-2/1-1.msgpack"]
    assert await statuses(store) == dict.fromkeys(ids(5, 6), "ok")


async def test_a_request_whose_outcome_is_poison_is_lost_whether_or_not_the_keeper_restarts(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.lives()
    worker.begins(begin(1))
    recorder = await site.start()
    await settle(recorder)
    worker.finish(finish(1, input_tokens=1 << 63))
    await settle(recorder)
    assert [it.begin for it in await store.opened()] == [begin(1)]

    worker.dies()
    await settle(recorder)

    assert await statuses(store) == {ids(1)[0]: "lost"}
    assert await store.opened() == ()


async def test_a_frame_of_a_newer_version_stops_that_worker_only(
    tmp_path: Path, site: Site, store: Records, caplog: pytest.LogCaptureFixture
) -> None:
    ahead, same = Worker(tmp_path, "gateway-1"), Worker(tmp_path, "gateway-2")
    ahead.begins(begin(1))
    ahead.newer(finish(1))
    ahead.finish(finish(2))
    same.finish(finish(3))
    recorder = await site.start()

    await settle(recorder)
    await settle(recorder)

    # What it began may have ended in what cannot be read yet, so it is not lost.
    assert await statuses(store) == {ids(3)[0]: "ok"}
    assert site.told == []
    assert [it.begin for it in await store.opened()] == [begin(1)]
    assert caplog.text.count("newer trimtab") == 1
    assert recorder.waiting()["gateway-1"] > 0


async def test_what_cannot_be_kept_aside_is_not_passed(
    tmp_path: Path, site: Site, store: Records, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(tmp_path)
    worker.raw(b"junk")
    worker.finish(finish(1))
    recorder = await site.start()
    # Stands for a disk that is full.
    (tmp_path / "quarantine").touch()

    running = asyncio.create_task(recorder.run())
    await eventually(lambda: "records wait" in caplog.text)
    running.cancel()
    assert await statuses(store) == {}
    (tmp_path / "quarantine").unlink()
    await settle(recorder)

    assert await statuses(store) == {ids(1)[0]: "ok"}
    assert (tmp_path / "quarantine" / "gateway-1" / worker.path.name).exists()


async def test_runs_until_it_is_stopped(tmp_path: Path, site: Site, store: Records) -> None:
    worker = Worker(tmp_path)
    recorder = await site.start()
    running = asyncio.create_task(recorder.run())
    worker.finish(finish(1))

    await eventually(lambda: sum(recorder.waiting().values()) == 0)

    assert await statuses(store) == {ids(1)[0]: "ok"}
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- of a thread or a file
            await asyncio.sleep(0.005)


async def test_a_segment_is_needed_until_it_is_committed(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker = Worker(tmp_path)
    worker.finish(finish(1))
    worker.rotate()
    worker.finish(finish(2))
    recorder = await site.start()
    store.away = True
    with suppress(TryLater):
        await recorder.step()
    assert sweep(tmp_path / "spool", [recorder.needed]) == 0

    store.away = False
    await settle(recorder)

    assert recorder.needed("gateway-1") == 2
    assert sweep(tmp_path / "spool", [recorder.needed]) == 1
    assert segments(worker.directory) == [2]
    worker.finish(finish(3))
    await settle(await site.start())
    assert await statuses(store) == dict.fromkeys(ids(1, 2, 3), "ok")


TABLES = (
    "request",
    "request_detail",
    "attempt",
    "ledger",
    "rollup_hour",
    "rollup_day",
    "rollup_day_local",
    "rollup_minute",
    "open_request",
)


def tables(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(home / "records.db")) as connection:
        return {
            # Our own names.
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
            for table in TABLES
        }


@contextmanager
def recording(home: Path) -> Generator[Site]:
    with closing(SqliteRecording(home)) as store:
        site = Site(home, store)
        yield site
        site.stop()


async def test_replaying_twice_from_zero_gives_the_same_tables(tmp_path: Path) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    chance = Random(7)  # noqa: S311
    workers = [Worker(tmp_path, name) for name in ("gateway-1", "gateway-2")]
    for number in range(60):
        worker = chance.choice(workers)
        worker.begins(begin(number))
        if chance.random() < 0.9:
            worker.finish(chance_finish(chance), finish(number))
        if chance.random() < 0.1:
            worker.restarts()
    with recording(tmp_path) as site:
        await settle(await site.start())
        first = tables(tmp_path)
        assert len(first["request"]) > 100
        assert first["open_request"] == []
        told = site.told

        for _ in range(2):
            _forget(tmp_path, "DELETE FROM spool_position")
            await settle(await site.start())

            assert tables(tmp_path) == first
            assert set(site.told) == set(told)

    _remove(tmp_path)
    with recording(tmp_path) as site:
        await settle(await site.start())

        assert tables(tmp_path) == first


def _remove(home: Path) -> None:
    for path in home.glob("records.db*"):
        path.unlink()


def _forget(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "records.db")) as connection, connection:
        connection.execute(statement)


async def test_what_a_caller_says_is_stored_with_its_request_and_not_before(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker, told = Worker(tmp_path), replace(said(1, b"wrong refund window"), claimed=True)
    forged = replace(
        told, annotation=replace(told.annotation, annotation_id="n_f", tenant_id="globex")
    )
    for it in (told, forged):
        worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(it)))
    await settle(await site.start())
    assert await store.annotations(told.annotation.request_id) == ()

    worker.finish(finish(1, tenant_id="acme-corp"))
    await settle(await site.start())

    assert await store.settle_claims(before_us=0) == (1, 0)
    assert await store.annotations(told.annotation.request_id) == (told.annotation,)


async def test_a_claim_that_fits_no_column_is_put_aside(
    tmp_path: Path, site: Site, store: Records
) -> None:
    worker, bad = Worker(tmp_path), replace(said(2, b"bad"), claimed=True)
    bad = replace(bad, annotation=replace(bad.annotation, ts_us=1 << 63))
    worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(bad)))
    worker.finish(finish(1))

    await settle(await site.start())

    assert await store.find(finish(1).record.request_id) is not None
    assert len(list((tmp_path / "dead" / "recorder").rglob("*.msgpack"))) == 1


async def test_a_clock_that_jumps_costs_no_record_and_stores_none_twice(
    site: Site, store: Records
) -> None:
    clock, made = FrozenClock(), list[Finish]()
    for restart in range(3):
        recorder = await site.start()
        with closing(Spool(claim(site.home / "spool", "gateway"), clock)) as spool:
            for number in range(6):
                # Past midnight, and back behind it.
                clock.advance(86_400 if number % 2 else -90_000)
                made.append(finish(10 * restart + number, ts_us=clock.now_us()))
                spool.append(Kind.FINISH, msgspec.msgpack.encode(made[-1]))
                if number % 3 == 0:
                    await recorder.step()
    await settle(await site.start())

    found = await store.page(RecordFilter(), limit=100)
    rows = await store.costs(group_by=("tenant_id",), since_us=0, until_us=1 << 62)
    assert sorted(it.request_id for it in found) == sorted(it.record.request_id for it in made)
    assert sum(row.n for row in rows) == len(made)
    assert sum(row.cost_nano for row in rows) == sum(it.record.cost_nano or 0 for it in made)
