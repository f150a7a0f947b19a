"""What an application told, joined with the request that it is around."""

from typing import Any

from msgspec.structs import replace
from tests.records import finish, tenant_key
from tests.telemetry.shapes import TS_US
from tests.telemetry.told import TRACE, request, span

from trimtab.domain.record import Detail, Finish, RequestRecord
from trimtab.incidents.joined import Retrieved, Trace, join, retrieved
from trimtab.store.base.recording import Batch, StoredRecord
from trimtab.store.memory.records import MemoryRecords
from trimtab.telemetry import ingest
from trimtab.telemetry.otlp import Cuts

OWN_TRACE = "ab" * 16
FOUND = {"gen_ai.retrieval.documents": [{"id": "doc-7", "score": 0.5}, {"id": "doc-1"}]}


class Stored:
    """Records and spans of two tenants."""

    def __init__(self) -> None:
        self.records = MemoryRecords(tenant_key)

    async def spans(self, *told: Any, tenant: str = "acme-corp") -> None:  # noqa: ANN401 -- protobuf
        data = request(*told).SerializeToString()
        found = ingest.spans(data, Cuts(), TS_US, is_json=False)
        spans = [replace(it.span, tenant_id=tenant) for it in found if it.span is not None]
        await self.records.commit(Batch(spans=tuple(spans)))

    async def record(self, seed: int = 1, **members: Any) -> RequestRecord:  # noqa: ANN401
        made = finish(seed, **{"trace_id": TRACE, "response_id": f"resp-{seed}", **members})
        await self.commit(made)
        return made.record

    async def commit(self, made: Finish) -> None:
        await self.records.commit(Batch(finishes=(made,)))

    async def join(self, record: RequestRecord) -> Trace | None:
        return await join(self.records, record)

    async def retrieved(self, record: RequestRecord) -> tuple[Retrieved, ...]:
        stored = await self.records.find(record.request_id)
        assert isinstance(stored, StoredRecord)
        return await retrieved(self.records, stored, await self.join(record))


def number(of: int) -> str:
    return f"{of:016x}"


async def test_spans_of_the_same_trace_are_joined_at_the_parent() -> None:
    site = Stored()
    await site.spans(span(1), span(2, 1))

    trace = await site.join(await site.record(parent_span_id=number(2)))

    assert trace is not None
    assert (trace.trace_id, trace.anchor) == (TRACE, number(2))
    assert list(trace.spans) == [number(1), number(2)]
    assert list(trace.around(trace.anchor)) == [number(2), number(1)]


async def test_else_the_span_that_names_the_request_or_its_answer_is() -> None:
    site = Stored()
    by_request = await site.record(1, trace_id=OWN_TRACE, parent_span_id=None)
    by_answer = await site.record(2, trace_id="cd" * 16)
    alone = await site.record(3, trace_id="ef" * 16, response_id=None)
    await site.spans(
        span(1),
        span(2, 1, attributes={"trimtab.request_id": by_request.request_id}),
        span(3, 1, attributes={"gen_ai.response.id": "resp-2"}),
    )

    first, second = await site.join(by_request), await site.join(by_answer)

    assert first is not None
    assert second is not None
    assert (first.trace_id, first.anchor) == (TRACE, number(2))
    assert (second.trace_id, second.anchor) == (TRACE, number(3))
    assert await site.join(alone) is None


async def test_within_a_trace_whose_parent_is_not_told_the_answer_finds_the_place() -> None:
    site = Stored()
    await site.spans(span(1), span(3, 1, attributes={"gen_ai.response.id": "resp-1"}))

    trace = await site.join(await site.record(parent_span_id=number(99)))

    assert trace is not None
    assert trace.anchor == number(3)


async def test_nothing_of_another_tenant_is_joined_in_any_way() -> None:
    site = Stored()
    record = await site.record(parent_span_id=number(1), tenant_id="acme-corp")
    names = {"trimtab.request_id": record.request_id, "gen_ai.response.id": "resp-1"}

    await site.spans(span(1, attributes={**names, **FOUND}), tenant="other")

    assert await site.join(record) is None
    assert await site.retrieved(record) == ()


async def test_retrieval_spans_tell_what_a_request_was_made_of() -> None:
    site = Stored()
    await site.spans(
        span(1),
        span(2, 1, "retrieval docs", ts_us=TS_US - 10, attributes=FOUND),
        span(3, 1, "chat", ts_us=TS_US),
    )
    record = await site.record(parent_span_id=number(3))

    assert await site.retrieved(record) == (
        Retrieved(1, "doc-7", 0.5, "retrieval docs"),
        Retrieved(2, "doc-1", None, "retrieval docs"),
    )


async def test_a_retrieval_within_the_span_that_then_called_us_is_before_the_request() -> None:
    site, hour = Stored(), 3_600_000_000
    for clock, trace in ((0, TRACE), (hour, "ab" * 16)):
        at_us = TS_US + clock
        await site.spans(
            span(1, trace=trace, ts_us=at_us - 90, dur_us=3_000_000),
            span(2, 1, trace=trace, ts_us=at_us - 80, attributes=FOUND),
            span(3, 1, trace=trace, ts_us=at_us + 2_900_000, attributes=FOUND),
        )
    near = await site.record(1, parent_span_id=number(1))
    far = await site.record(2, trace_id="ab" * 16, parent_span_id=number(1))

    assert [len(await site.retrieved(it)) for it in (near, far)] == [2, 2]


async def test_documents_that_the_request_named_itself_come_first() -> None:
    site = Stored()
    await site.spans(span(2, 0, "retrieval docs", ts_us=TS_US - 10, attributes=FOUND))
    made = finish(1, trace_id=TRACE)
    named = replace(made, detail=Detail(retrieved=({"doc_id": "own", "score": 0.25},)))
    await site.commit(named)

    assert await site.retrieved(made.record) == (Retrieved(1, "own", 0.25, "inline"),)


async def test_of_two_requests_in_a_trace_each_has_the_retrievals_before_it() -> None:
    site = Stored()
    await site.spans(
        span(1, ts_us=TS_US - 100),
        span(2, 1, "first", ts_us=TS_US - 90, attributes=FOUND),
        span(3, 1, ts_us=TS_US - 80),
        span(4, 1, "second", ts_us=TS_US - 70, attributes=FOUND),
        span(5, 1, ts_us=TS_US - 60),
        span(6, 1, "after", ts_us=TS_US - 50, attributes=FOUND),
    )
    one = await site.record(1, parent_span_id=number(3), ts_us=TS_US - 79)
    two = await site.record(2, parent_span_id=number(5), ts_us=TS_US - 59)

    assert {it.source for it in await site.retrieved(one)} == {"first"}
    assert {it.source for it in await site.retrieved(two)} == {"second"}


async def test_parents_that_go_in_a_circle_end() -> None:
    site = Stored()
    await site.spans(span(1, 2), span(2, 1), span(3, 3))

    trace = await site.join(await site.record(parent_span_id=number(1)))

    assert trace is not None
    assert list(trace.around(trace.anchor)) == [number(1), number(2)]
    assert list(trace.around(number(3))) == [number(3)]
