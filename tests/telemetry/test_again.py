import random
from collections.abc import AsyncIterator
from datetime import datetime
from gzip import decompress
from pathlib import Path

import pytest
from msgspec.structs import replace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.telemetry.shapes import TS_US, answered, content_of
from tests.telemetry.told import TRACE

from trimtab.domain.app_span import AppSpan
from trimtab.domain.errors import TryLater
from trimtab.domain.record import Finish
from trimtab.store.base.recording import Batch
from trimtab.store.memory.records import MemoryRecords
from trimtab.telemetry.again import Backfill, Patient, Reposted, repost
from trimtab.telemetry.preset import Content
from trimtab.telemetry.receiver import Answer
from trimtab.telemetry.semconv import DEFAULT
from trimtab.telemetry.spans import render
from trimtab.telemetry.standing import dead_letters, letters
from trimtab.telemetry.view import View
from trimtab.telemetry.words import Words

NEVER = Words(content=Content.NONE, read=content_of, recorded=dict)


class Receiving:
    """Takes bodies and answers by a list of statuses, the last for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []

    async def __call__(self, body: bytes) -> Answer:
        self.bodies.append(body)
        return Answer(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    @property
    def ids(self) -> list[bytes]:
        requests = [ExportTraceServiceRequest.FromString(decompress(it)) for it in self.bodies]
        return [
            span.span_id
            for request in requests
            for resource in request.resource_spans
            for span in resource.scope_spans[0].spans
        ]


@pytest.fixture
def aside(tmp_path: Path) -> list[Path]:
    directory = dead_letters(tmp_path, "otlp")
    directory.mkdir(parents=True)
    for number in range(3):
        (directory / f"{number}-400-aa.otlp.gz").write_bytes(b"%d" % number)
    return letters(tmp_path, "otlp")


async def test_what_was_put_aside_is_sent_as_it_was_and_removed_once_it_is_taken(
    aside: list[Path], tmp_path: Path
) -> None:
    receiving = Receiving(200, 400, 200)

    sent = await repost(aside, receiving)

    assert receiving.bodies == [b"0", b"1", b"2"]
    assert sent == Reposted(taken=2, refused=1, left=0, answer=Answer(200))
    assert [it.name for it in letters(tmp_path, "otlp")] == ["1-400-aa.otlp.gz"]


@pytest.mark.parametrize("status", [0, 401, 503])
async def test_nothing_more_is_tried_if_the_receiver_is_away_or_the_key_is_wrong(
    aside: list[Path], tmp_path: Path, status: int
) -> None:
    receiving = Receiving(200, status)

    assert await repost(aside, receiving) == Reposted(1, 0, 2, Answer(status))
    assert len(letters(tmp_path, "otlp")) == 2


async def test_a_busy_receiver_is_waited_for_a_while() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def patient(receiving: Receiving) -> Patient:
        return Patient(receiving, sleep, lambda: TS_US, random.Random(7))  # noqa: S311 -- repeatable

    assert (await patient(Receiving(503, 0, 200))(b"")).status == 200
    assert (await patient(Receiving(503))(b"")).status == 503
    assert len(waits) == 2 + 5
    assert all(0 <= wait <= 32 for wait in waits)


async def stored(*finishes: Finish) -> MemoryRecords:
    records = MemoryRecords(lambda _tenant: b"key")
    await records.commit(Batch(finishes=finishes))
    return records


async def collected(spans: AsyncIterator[int]) -> int:
    return sum([it async for it in spans])


def at(seed: int, **fields: object) -> Finish:
    return answered(seed, ts_us=TS_US + seed, **fields)


def ids(*finishes: Finish) -> set[bytes]:
    return {span.span_id for it in finishes for span in render(it, DEFAULT)}


async def test_stored_requests_are_rendered_as_they_were_sent_newest_first() -> None:
    finishes = [at(seed) for seed in range(100)]
    receiving = Receiving(200)
    fill = Backfill(await stored(*finishes), receiving, View(), NEVER)

    spans = await collected(fill(TS_US, TS_US + 100))

    assert spans == 700 == len(receiving.ids)
    assert set(receiving.ids) == ids(*finishes)
    assert receiving.ids[0].hex() == finishes[99].record.span_id
    assert len(receiving.bodies) == 2


async def test_what_applications_told_of_a_trace_is_sent_once_with_its_requests() -> None:
    finishes = [at(5, trace_id=TRACE), at(6, trace_id=TRACE), at(7, trace_kept=False)]
    made = AppSpan(
        tenant_id=finishes[0].record.tenant_id,
        trace_id=TRACE,
        span_id="00000000000000aa",
        received_us=1,
        ts_us=1,
        end_us=2,
        name="POST /ask",
    )
    records, receiving = await stored(*finishes), Receiving(200)
    dropped = replace(made, trace_id=finishes[2].record.trace_id, span_id="00000000000000bb")
    await records.commit(Batch(spans=(made, dropped)))

    await collected(Backfill(records, receiving, View(), NEVER)(TS_US, TS_US + 100))

    assert receiving.ids.count(bytes.fromhex(made.span_id)) == 1
    assert set(receiving.ids) == {*ids(*finishes[:2]), bytes.fromhex(made.span_id)}


async def test_only_the_span_of_time_and_kept_traces_are_sent() -> None:
    kept, dropped, before, after = at(5), at(6, trace_kept=False), at(1), at(9)
    receiving = Receiving(200)
    fill = Backfill(await stored(kept, dropped, before, after), receiving, View(), NEVER)

    await collected(fill(TS_US + 2, TS_US + 9))

    assert set(receiving.ids) == ids(kept)


async def test_a_refusal_says_up_to_which_instant_all_is_sent_and_it_goes_on_there() -> None:
    finishes = [at(seed) for seed in range(100)]
    records, receiving = await stored(*finishes), Receiving(200, 503)

    with pytest.raises(TryLater, match=r"began before \S+ \(answer 503\)") as caught:
        await collected(Backfill(records, receiving, View(), NEVER)(TS_US, TS_US + 100))
    instant = str(caught.value).partition("before ")[2].partition(" ")[0]
    until_us = round(datetime.fromisoformat(instant).timestamp() * 1e6)
    rest = Receiving(200)
    await collected(Backfill(records, rest, View(), NEVER)(TS_US, until_us))

    first = ExportTraceServiceRequest.FromString(decompress(receiving.bodies[0]))
    sent = {it.span_id for of in first.resource_spans for it in of.scope_spans[0].spans}
    assert sent | set(rest.ids) == ids(*finishes)


async def test_content_goes_with_what_is_sent_again_where_it_is_allowed() -> None:
    records = await stored(at(1, input_ref=b"asked", output_ref=b"answered"))
    words = Words(content=Content.SPAN, read=content_of, recorded=dict)
    for told, is_there in ((words, True), (NEVER, False)):
        receiving = Receiving(200)

        await collected(Backfill(records, receiving, View(), told)(TS_US, TS_US + 9))

        assert (b"Yes, for 30 days" in decompress(receiving.bodies[0])) == is_there
