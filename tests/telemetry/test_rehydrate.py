import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry.collector import Collector
from tests.telemetry.shapes import answered
from tests.telemetry.spooled import Spooled

from trimtab.domain.annotation import Annotated, Annotation, annotation_id
from trimtab.domain.app_span import AppSpan
from trimtab.domain.record import Finish, Sampling
from trimtab.domain.trace_context import TraceContext
from trimtab.providers.http1 import Http1Transport
from trimtab.store.base.recording import Batch, StoredRecord
from trimtab.store.memory.records import MemoryRecords
from trimtab.telemetry.batch import gather
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.receiver import Receiver
from trimtab.telemetry.rehydrate import PATIENCE_US, Rehydrator, rehydrate, why
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.telemetry.semconv import DEFAULT
from trimtab.telemetry.spans import render
from trimtab.telemetry.spool import Spool, claim
from trimtab.telemetry.view import View
from trimtab.testing import FrozenClock

WEIGHED = {"trimtab.sampling.rule", "trimtab.sampling.adjusted_count", "trimtab.sampling.keep"}


def dropped(seed: int = 7, **fields: object) -> Finish:
    """Make the outcome of a request whose trace was not drawn."""
    finish = answered(seed, **fields)
    low = replace(finish.record, trace_id=finish.record.trace_id[:18] + "0" * 14)
    record, note = Sampler(Policy(rest=0.05))(low, TraceContext())
    detail = replace(finish.detail, sampling=Sampling(policy=note.policy))
    assert not record.trace_kept
    return replace(finish, record=record, detail=detail)


def stored(finish: Finish) -> StoredRecord:
    return StoredRecord(
        record=finish.record, detail=finish.detail, attempts=finish.attempts, lines=()
    )


class Store(MemoryRecords):
    """Records, found by their ids."""

    def __init__(self, *finishes: Finish) -> None:
        super().__init__(lambda _tenant: b"key")
        self.found = {it.record.request_id: stored(it) for it in finishes}
        self.asked: list[str] = []

    async def find(self, request_id: str) -> StoredRecord | None:
        self.asked.append(request_id)
        return self.found.get(request_id)


def said(finish: Finish, **fields: object) -> bytes:
    record = finish.record
    members: dict[str, object] = {
        "annotation_id": annotation_id(record, repr(fields)),
        "request_id": record.request_id,
        "tenant_id": record.tenant_id,
        "ts_us": record.end_us,
        "kind": "feedback",
        "name": "thumbs",
        "score": -1.0,
        "source": "user",
    }
    annotation = msgspec.convert({**members, **fields}, Annotation)
    return msgspec.msgpack.encode(
        Annotated(
            annotation=annotation,
            request_us=record.ts_us,
            trace_id=record.trace_id,
            span_id=record.span_id,
        )
    )


class Site:
    """A keeper's spool, a worker's and a store."""

    def __init__(self, home: Path, *finishes: Finish) -> None:
        self.home = home
        self.clock = FrozenClock(finishes[0].record.end_us)
        self.store = Store(*finishes)
        self.worker = Spooled(home)
        self.spool = Spool(claim(home / "spool", "keeper"), self.clock)

    def rehydrator(self) -> Rehydrator:
        return Rehydrator(self.home, self.store, self.spool, self.clock, below=0.5)

    def annotate(self, finish: Finish, **fields: object) -> None:
        self.worker.raw(self.worker.frame(Kind.ANNOTATION, said(finish, **fields)))

    def spans(self) -> list[Span]:
        """List what exporters would send of requests."""
        batch = gather(self.home / "spool", {}, View())
        return [it.span for it in batch.entries if not it.span.name.startswith("evaluation")]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    site = Site(tmp_path, *(dropped(seed) for seed in range(7, 10)))
    yield site
    site.spool.close()


def rules(spans: list[Span]) -> list[str]:
    return [
        pair.value.string_value
        for span in spans
        if span.kind == Span.SPAN_KIND_SERVER
        for pair in span.attributes
        if pair.key == "trimtab.sampling.rule"
    ]


def without_weight(span: Span) -> Span:
    bare = Span()
    bare.CopyFrom(span)
    bare.trace_state = ""
    del bare.attributes[:]
    bare.attributes.extend(it for it in span.attributes if it.key not in WEIGHED)
    return bare


def weights(spans: list[Span]) -> set[float]:
    return {
        pair.value.double_value
        for span in spans
        for pair in span.attributes
        if pair.key == "trimtab.sampling.adjusted_count"
    }


async def test_it_is_the_original_but_for_rule_and_weight(site: Site) -> None:
    finish = dropped(7, tracestate="ot=rv:00000000000001,vendor=x")
    site.worker.finish(finish)
    assert site.spans() == []

    assert await rehydrate(stored(finish), "asked", site.spool, site.store)

    original, again = render(finish, DEFAULT), site.spans()
    assert [without_weight(it) for it in again] == [without_weight(it) for it in original]
    assert rules(again) == ["rehydrated:asked"]
    assert (weights(original), weights(again)) == ({finish.record.adjusted_count}, {0.0})
    assert {it.trace_state for it in again} == {"ot=rv:00000000000001,vendor=x"}


async def test_what_was_kept_is_not_sent_again(site: Site) -> None:
    assert not await rehydrate(stored(answered(7)), "asked", site.spool, site.store)
    assert site.spans() == []


async def test_what_its_application_told_comes_with_it_and_has_no_weight(site: Site) -> None:
    finish = dropped(7)
    of_app = AppSpan(
        tenant_id=finish.record.tenant_id,
        trace_id=finish.record.trace_id,
        span_id="00000000000000aa",
        received_us=1,
        ts_us=1,
        end_us=2,
        name="POST /ask",
    )
    of_others = msgspec.structs.replace(of_app, tenant_id="globex", span_id="00000000000000bb")
    await site.store.commit(Batch(spans=(of_app, of_others)))

    assert await rehydrate(stored(finish), "asked", site.spool, site.store)

    again = site.spans()
    assert [it.span_id.hex() for it in again if it.name == "POST /ask"] == [of_app.span_id]
    assert weights(again) == {0.0}
    assert {it.trace_id.hex() for it in again} == {finish.record.trace_id}


async def test_it_is_on_its_way_within_200_ms(site: Site) -> None:
    began = asyncio.get_running_loop().time()
    await rehydrate(site.store.found[dropped(7).record.request_id], "asked", site.spool, site.store)
    assert len(site.spans()) == len(render(dropped(7), DEFAULT))
    assert asyncio.get_running_loop().time() - began < 0.2


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "thumbs_down"),
        ({"score": 1.0}, None),
        ({"kind": "evaluation", "name": "faithful", "score": 0.2, "source": "judge"}, "low_score"),
        ({"kind": "evaluation", "name": "faithful", "score": 0.9, "source": "judge"}, "judged"),
        ({"kind": "evaluation", "name": "faithful", "score": 0.9, "source": "app"}, None),
        ({"kind": "label", "name": "triage", "label": "complaint", "score": None}, "complaint"),
        ({"kind": "label", "name": "triage", "label": "fine", "score": None}, None),
        ({"kind": "outcome", "score": -1.0}, None),
    ],
)
async def test_by_rule(site: Site, fields: dict[str, object], reason: str | None) -> None:
    finish = dropped(7)
    site.annotate(finish, **fields)

    while await site.rehydrator().step():
        pass

    assert why(msgspec.msgpack.decode(said(finish, **fields), type=Annotated).annotation, 0.5) == (
        reason
    )
    assert rules(site.spans()) == ([] if reason is None else [f"rehydrated:{reason}"])


async def test_one_that_is_named_twice_is_exported_once(site: Site) -> None:
    rehydrator = site.rehydrator()
    site.annotate(dropped(7))
    site.annotate(dropped(7), kind="label", name="complaint")
    await rehydrator.step()

    assert rules(site.spans()) == ["rehydrated:thumbs_down"]


async def test_who_speaks_of_another_tenant_s_request_brings_nothing_back(site: Site) -> None:
    site.annotate(dropped(7), tenant_id="globex")

    await site.rehydrator().step()

    assert site.spans() == []


async def test_a_crash_before_the_place_is_saved_repeats_it_under_the_same_ids(
    site: Site, tmp_path: Path
) -> None:
    site.annotate(dropped(7))
    await site.rehydrator().step()
    (tmp_path / "rehydrate.json").unlink()
    await site.rehydrator().step()

    spans = site.spans()
    assert len(spans) == 2 * len({it.span_id for it in spans})


async def test_what_was_read_is_not_read_again(site: Site) -> None:
    site.annotate(dropped(7))
    assert await site.rehydrator().step() > 0
    asked = len(site.store.asked)

    again = site.rehydrator()
    # its own frame is the only thing new
    await again.step()
    assert await again.step() == 0
    assert len(site.store.asked) == asked
    assert again.needed("w1") == 1
    assert again.needed("nobody") == 0


async def test_a_record_that_is_still_on_its_way_is_waited_for_but_not_for_ever(site: Site) -> None:
    late, gone = dropped(20), dropped(21)
    site.clock.advance(PATIENCE_US / 1e6 - 1)
    rehydrator = site.rehydrator()
    site.annotate(dropped(7))
    site.annotate(late)
    site.annotate(dropped(8))
    await rehydrator.step()
    assert len(rules(site.spans())) == 1

    site.store.found[late.record.request_id] = stored(late)
    await rehydrator.step()
    assert len(rules(site.spans())) == 3

    site.annotate(gone)
    site.annotate(dropped(9))
    await rehydrator.step()
    assert len(rules(site.spans())) == 3
    site.clock.advance(2)
    await rehydrator.step()
    assert len(rules(site.spans())) == 4


async def test_an_exporter_sends_it_and_a_collector_gets_everything(
    site: Site, tmp_path: Path
) -> None:
    site.worker.finish(dropped(7), answered(8))
    await rehydrate(stored(dropped(9)), "asked", site.spool, site.store)
    sent: dict[bool, set[str]] = {}
    for everything in (False, True):
        collector, transport = Collector(), Http1Transport()
        async with collector.up():
            exporter = Exporter(
                Receiver(
                    f"e{everything}".lower(),
                    f"http://127.0.0.1:{collector.port}",
                    view=View(everything=everything),
                ),
                transport,
                tmp_path,
                site.clock,
                random.Random(7),  # noqa: S311 -- repeatable
            )
            while await exporter.step():
                pass
        transport.close()
        sent[everything] = {it.trace_id.hex() for it in collector.taken}

    all_of = {seed: it.record.trace_id for seed, it in ((7, dropped(7)), (8, answered(8)))}
    assert sent[False] == {all_of[8], dropped(9).record.trace_id}
    assert sent[True] == sent[False] | {all_of[7]}
