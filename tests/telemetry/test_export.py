import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from gzip import decompress
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry.collector import OK, Collector
from tests.telemetry.shapes import answered, content_of, record, spoken
from tests.telemetry.spooled import Spooled

from trimtab.domain.errors import TryLater
from trimtab.domain.record import Finish
from trimtab.domain.transport import Transport
from trimtab.providers.http1 import Http1Transport
from trimtab.telemetry.export import PAUSE_S, Counts, Exporter
from trimtab.telemetry.follow import Place
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.preset import Content
from trimtab.telemetry.receiver import Receiver
from trimtab.telemetry.semconv import DEFAULT
from trimtab.telemetry.spans import render
from trimtab.telemetry.standing import Standing, standing
from trimtab.telemetry.words import Words
from trimtab.testing import FrozenClock

NOW_US = 1_777_142_600_000_000
DAY_S = 24 * 3600.0

Start = Callable[[], Exporter]
StartWith = Callable[..., Exporter]


def to(port: int, transport: Transport, home: Path, words: Words | None = None) -> Exporter:
    return Exporter(
        Receiver("otlp", f"http://127.0.0.1:{port}"),
        transport,
        home,
        FrozenClock(NOW_US),
        # Repeatable on purpose: nothing made of it is a secret.
        random.Random(7),  # noqa: S311
        words,
    )


@pytest.fixture
async def collector() -> AsyncGenerator[Collector]:
    collector = Collector()
    async with collector.up():
        yield collector


@pytest.fixture
async def start(tmp_path: Path, collector: Collector) -> AsyncGenerator[Start]:
    """Make exporters, each as after a restart."""
    made: list[Http1Transport] = []

    def start() -> Exporter:
        made.append(Http1Transport())
        return to(collector.port, made[-1], tmp_path)

    yield start
    for transport in made:
        transport.close()


@pytest.fixture
async def start_with(tmp_path: Path, collector: Collector) -> AsyncGenerator[StartWith]:
    """Make an exporter that may send content, over a spool that is stored as far as is said."""
    transport = Http1Transport()

    def start(
        content: Content, recorded: Mapping[str, Place], failure: Exception | None = None
    ) -> Exporter:
        async def read(tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
            if failure is not None:
                raise failure
            return await content_of(tenant_id, ts_us, ref)

        words = Words(content=content, read=read, recorded=lambda: recorded)
        return to(collector.port, transport, tmp_path, words)

    yield start
    transport.close()


def ids(*finishes: Finish) -> list[bytes]:
    return [span.span_id for finish in finishes for span in render(finish, DEFAULT)]


def bare(seed: int) -> Finish:
    return Finish(record=record(seed))


async def test_every_record_arrives_once_in_order(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    finishes = [answered(seed) for seed in range(10)]
    Spooled(tmp_path).finish(*finishes)
    exporter = start()

    assert await exporter.step() == 70
    assert exporter.wait_s == 1.0
    assert await exporter.step() == 0

    assert collector.ids == ids(*finishes)
    assert collector.workers == {"w1"}
    assert collector.heads[0].startswith("POST /v1/traces HTTP/1.1\r\n")
    assert exporter.counts == Counts(exported=70)


async def test_tells_for_how_long_what_is_not_sent_has_waited(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(answered(1))
    exporter = start()

    assert exporter.waits_s() > 0
    await exporter.step()

    assert exporter.waits_s() == 0
    assert collector.taken


async def test_a_full_batch_is_followed_by_the_next_at_once(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(*(answered(seed) for seed in range(80)))
    exporter = start()

    await exporter.step()

    assert exporter.wait_s == 0.0
    assert await exporter.step() == 80 * 7 - collector.sizes[0]


async def test_a_restart_goes_on_where_the_last_answer_came(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    finishes = [answered(seed) for seed in range(100)]
    Spooled(tmp_path).finish(*finishes)

    await start().step()
    await start().step()

    assert len(collector.sizes) == 2
    assert collector.ids == ids(*finishes)


@pytest.mark.parametrize("left", [None, b"", b'{"w1": [1'])
async def test_without_its_places_everything_is_sent_again_under_the_same_ids(
    left: bytes | None, tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(answered(1), answered(2))
    await start().step()
    places = tmp_path / "exporters" / "otlp.json"
    places.unlink() if left is None else places.write_bytes(left)

    await start().step()

    once = ids(answered(1), answered(2))
    assert collector.ids == once + once


async def test_a_receiver_that_was_away_gets_everything_when_it_is_back(
    tmp_path: Path,
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered(1))
    collector = Collector()
    async with collector.up():
        pass
    transport = Http1Transport()
    exporter = to(collector.port, transport, tmp_path)

    assert await exporter.step() == 0
    worker.finish(answered(2))
    async with collector.up():
        await exporter.step()
        transport.close()

    assert collector.ids == ids(answered(1), answered(2))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_receiver_is_asked_again_later(
    status: int, tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(answered())
    exporter = start()
    collector.replies += [(status, "", b"busy")] * 20

    waits: list[float] = []
    for _ in range(20):
        assert await exporter.step() == 0
        waits.append(exporter.wait_s)
    await exporter.step()

    assert all(0 <= wait <= 2**number for number, wait in enumerate(waits))
    assert 30 < max(waits) <= 60
    assert collector.ids == ids(answered())
    assert exporter.wait_s == 1.0


async def test_retry_after_wins(tmp_path: Path, collector: Collector, start: Start) -> None:
    Spooled(tmp_path).finish(answered())
    exporter = start()
    collector.replies.append((503, "retry-after: 600\r\n", b""))

    await exporter.step()

    assert exporter.wait_s == 600


async def test_a_batch_that_is_too_large_is_halved_until_it_fits(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    finishes = [answered(seed) for seed in range(30)]
    Spooled(tmp_path).finish(*finishes)
    collector.judge = lambda spans: OK if spans <= 20 else (413, "", b"")
    exporter = start()

    assert await exporter.step() == 210

    assert collector.ids == ids(*finishes)
    assert exporter.counts == Counts(exported=210)


async def test_a_failure_between_halves_costs_nothing(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    finishes = [answered(seed) for seed in range(3)]
    Spooled(tmp_path).finish(*finishes)
    collector.replies += [(413, "", b""), OK, (503, "", b"")]

    assert await start().step() == 10
    await start().step()

    assert set(collector.ids) == set(ids(*finishes))
    assert collector.sizes == [21, 10, 11, 14]


async def test_a_single_span_that_is_too_large_is_put_aside(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(bare(1), bare(2))
    collector.replies += [(413, "", b""), (413, "", b"")]
    exporter = start()

    assert await exporter.step() == 2

    assert collector.ids == ids(bare(2))
    assert exporter.counts == Counts(exported=1, put_aside=1)
    assert aside(tmp_path) == [ids(bare(1))]


@pytest.mark.parametrize("status", [401, 403, 308])
async def test_a_wrong_key_pauses_and_costs_nothing(
    status: int,
    tmp_path: Path,
    collector: Collector,
    start: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    Spooled(tmp_path).finish(answered())
    exporter = start()
    collector.replies += [(status, "", b"")] * 3

    for _ in range(3):
        assert await exporter.step() == 0
        assert exporter.wait_s == PAUSE_S
    assert [line.levelno for line in caplog.records] == [logging.WARNING]
    assert "'otlp' is paused" in caplog.text
    assert str(status) in caplog.text
    await exporter.step()

    assert collector.ids == ids(answered())
    assert "through again" in caplog.text


@pytest.mark.parametrize("status", [400, 404, 422, 500])
async def test_what_is_refused_is_put_aside_whole_and_the_next_goes_out(
    status: int, tmp_path: Path, collector: Collector, start: Start
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered(1))
    collector.replies.append((status, "", b"no"))
    exporter = start()
    await exporter.step()
    worker.finish(answered(2))
    await exporter.step()

    assert collector.ids == ids(answered(2))
    assert aside(tmp_path) == [ids(answered(1))]
    assert exporter.counts == Counts(exported=7, put_aside=7)


async def test_what_was_put_aside_is_kept_for_two_weeks(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    dead = tmp_path / "dead" / "otlp"
    dead.mkdir(parents=True)
    older, newer = (f"{NOW_US - round(days * DAY_S * 1e6)}-400-aa.otlp.gz" for days in (14.1, 13.9))
    (dead / older).touch()
    (dead / newer).touch()
    Spooled(tmp_path).finish(answered())
    collector.replies.append((400, "", b""))

    await start().step()

    assert not (dead / older).exists()
    assert (dead / newer).exists()


async def test_spans_that_a_partial_success_rejects_are_counted_and_not_resent(
    tmp_path: Path, collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    Spooled(tmp_path).finish(answered())
    said = ExportTraceServiceResponse()
    said.partial_success.rejected_spans = 2
    said.partial_success.error_message = "too old"
    collector.replies.append((200, "", said.SerializeToString()))
    exporter = start()

    await exporter.step()
    await exporter.step()

    assert collector.sizes == [7]
    assert exporter.counts == Counts(exported=5, rejected=2)
    assert "too old" in caplog.text


async def test_after_a_day_without_a_receiver_old_segments_are_given_up_and_counted(
    tmp_path: Path, collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(bare(1), bare(2))
    worker.aged(NOW_US / 1e6 - DAY_S - 1)
    worker.rotate()
    worker.finish(bare(3))
    worker.aged(NOW_US / 1e6 - DAY_S + 1)
    collector.judge = lambda _: (503, "", b"")
    exporter = start()

    for _ in range(7):
        await exporter.step()
    collector.judge = lambda _: OK
    await exporter.step()

    assert exporter.counts == Counts(exported=1, given_up=2)
    assert collector.ids == ids(bare(3))
    assert "gives up 2 requests" in caplog.text


async def test_each_outage_is_told_once_and_so_is_its_end(
    tmp_path: Path, collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Spooled(tmp_path)
    exporter = start()
    for seed in range(2):
        worker.finish(answered(seed))
        collector.replies += [(503, "", b""), (503, "", b""), OK]
        for _ in range(3):
            await exporter.step()
        worker.finish(answered(seed + 10))
        await exporter.step()

    told = [line.getMessage().partition(":")[0] for line in caplog.records]
    assert told == ["exporter 'otlp' tries again", "exporter 'otlp' is through again"] * 2


async def test_frames_that_cannot_be_read_are_counted(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    worker = Spooled(tmp_path)
    worker.raw(worker.frame(Kind.FINISH, b"\xc1"))
    worker.finish(bare(1))
    exporter = start()

    await exporter.step()

    assert collector.ids == ids(bare(1))
    assert exporter.counts == Counts(exported=1, unreadable=1)


async def test_one_failure_after_a_long_night_gives_nothing_up(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered())
    worker.aged(NOW_US / 1e6 - 3 * DAY_S)
    collector.replies.append((503, "", b""))
    exporter = start()

    await exporter.step()
    await exporter.step()

    assert collector.ids == ids(answered())


async def test_a_segment_is_needed_until_it_was_passed(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    worker = Spooled(tmp_path, segment=41)
    worker.finish(answered(1))
    worker.rotate()
    collector.replies.append((503, "", b""))
    exporter = start()

    await exporter.step()
    assert exporter.needed("w1") <= 41
    await exporter.step()
    assert exporter.needed("w1") == 42
    assert start().needed("w1") == 42
    assert exporter.needed("unheard-of") == 0


async def test_nothing_is_lost_whatever_the_receiver_says_and_however_often_we_restart(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    chance = random.Random(7)  # noqa: S311
    workers = [Spooled(tmp_path, "w1"), Spooled(tmp_path, "w2")]
    finishes = [answered(seed) for seed in range(300)]
    exporter = start()
    for finish in finishes:
        worker = chance.choice(workers)
        worker.finish(finish)
        if chance.random() < 0.1:
            worker.rotate()
        if chance.random() < 0.3:
            status = chance.choice([200, 401, 413, 429, 502, 503])
            collector.replies.append((status, "", b""))
            await exporter.step()
        if chance.random() < 0.05:
            exporter = start()
    collector.replies.clear()
    while await exporter.step():
        pass

    assert set(collector.ids) == set(ids(*finishes))
    again = {span.span_id: span.SerializeToString() for span in collector.taken}
    assert all(again[span.span_id] == span.SerializeToString() for span in collector.taken)


async def test_files_that_cannot_be_written_stop_nothing_else(
    tmp_path: Path, collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    Spooled(tmp_path).finish(answered())
    exporter = start()
    (tmp_path / "exporters").write_bytes(b"in the way")

    assert await exporter.step() == 0
    assert exporter.wait_s == 60
    assert "'otlp' cannot use its files" in caplog.text
    (tmp_path / "exporters").unlink()
    await exporter.step()

    assert collector.ids == ids(answered()) * 2


async def test_it_runs_until_it_is_told_to_stop(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(answered())
    running = asyncio.create_task(start().run(asyncio.Semaphore(1)))

    await collector.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert collector.ids == ids(answered())


async def test_only_so_many_send_at_a_time(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    Spooled(tmp_path).finish(answered())
    turn = asyncio.Semaphore(1)
    async with turn:
        running = asyncio.create_task(start().run(turn))
        await asyncio.sleep(0.02)
        assert collector.sizes == []
    await collector.arrived.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_was_kept_for_a_reason_is_put_aside_after_a_day_and_not_given_up(
    tmp_path: Path, collector: Collector, start: Start
) -> None:
    worker = Spooled(tmp_path)
    rules = ["rest", "error", "slow", "all"] * 100
    finishes = [answered(seed, sampling_rule=rule) for seed, rule in enumerate(rules)]
    worker.finish(*finishes)
    worker.aged(NOW_US / 1e6 - DAY_S - 1)
    collector.judge = lambda _: (503, "", b"")
    exporter = start()

    for _ in range(7):
        await exporter.step()
    collector.judge = lambda _: OK
    await exporter.step()

    for_a_reason = [it for it in finishes if it.record.sampling_rule in ("error", "slow")]
    assert exporter.counts == Counts(given_up=200, put_aside=200 * 7)
    assert [it for batch in aside(tmp_path) for it in batch] == ids(*for_a_reason)
    assert collector.taken == []


async def test_trouble_is_told_to_other_processes_and_known_after_a_restart(
    tmp_path: Path, collector: Collector, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    Spooled(tmp_path).finish(answered())
    collector.replies += [(401, "", b""), (401, "", b"")]

    await start().step()
    assert standing(tmp_path, "otlp").trouble == 401
    again = start()
    await again.step()
    await again.step()

    assert standing(tmp_path, "otlp") == Standing(waiting_bytes=0, put_aside=0, trouble=None)
    told = [line.getMessage().partition(":")[0] for line in caplog.records]
    assert told == ["exporter 'otlp' is paused", "exporter 'otlp' is through again"]


async def test_words_are_sent_where_they_are_allowed_behind_the_recorder(
    tmp_path: Path, collector: Collector, start_with: StartWith
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(spoken())
    recorded: dict[str, Place] = {}
    exporter = start_with(Content.SPAN, recorded)

    assert await exporter.step() == 0
    recorded["w1"] = Place(1, worker.path.stat().st_size)
    await exporter.step()

    assert b"Yes, for 30 days." in said(collector.taken[-1], "gen_ai.output.messages")
    assert collector.ids == ids(spoken())


async def test_a_single_span_that_is_too_large_goes_without_its_words(
    tmp_path: Path, collector: Collector, start_with: StartWith
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(spoken())
    exporter = start_with(Content.SPAN, {"w1": Place(1, worker.path.stat().st_size)})
    largest = max(it.ByteSize() for it in render(spoken(), DEFAULT))
    collector.weigh = lambda size: (413, "", b"") if size > largest + 300 else OK

    await exporter.step()

    assert collector.ids == ids(spoken())
    assert said(collector.taken[-1], "gen_ai.output.messages") == b""
    assert exporter.counts == Counts(exported=7)


async def test_what_is_put_aside_has_no_words(
    tmp_path: Path, collector: Collector, start_with: StartWith
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(spoken())
    exporter = start_with(Content.SPAN, {"w1": Place(1, worker.path.stat().st_size)})
    collector.replies.append((400, "", b""))

    await exporter.step()

    (letter,) = (tmp_path / "dead" / "otlp").iterdir()
    assert aside(tmp_path) == [ids(spoken())]
    assert b"30 days" not in decompress(letter.read_bytes())


async def test_a_store_that_is_away_holds_words_back_and_loses_nothing(
    tmp_path: Path, collector: Collector, start_with: StartWith
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(spoken())
    exporter = start_with(Content.SPAN, {"w1": Place(1, worker.path.stat().st_size)}, TryLater("x"))

    assert await exporter.step() == 0

    assert (exporter.wait_s, collector.sizes) == (60, [])


def said(span: Span, name: str) -> bytes:
    return b"".join(it.value.string_value.encode() for it in span.attributes if it.key == name)


def aside(home: Path) -> list[list[bytes]]:
    """Read the ids of what was put aside, a list for each file."""
    requests = [
        ExportTraceServiceRequest.FromString(decompress(path.read_bytes()))
        for path in sorted((home / "dead" / "otlp").glob("*.otlp.gz"))
    ]
    return [
        [span.span_id for span in request.resource_spans[0].scope_spans[0].spans]
        for request in requests
    ]
