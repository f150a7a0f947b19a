"""The application's spans and ours, drawn as one tree."""

from collections.abc import Sequence
from html import unescape
from typing import Any

import pytest
from msgspec.structs import replace
from tests.console.conftest import EXAMPLE, START_US, Site, example
from tests.telemetry.told import TRACE, request, span

from trimtab.console.trace_tree import CLIENT, MOST_CHILDREN, MOST_ROWS, OUTSIDE, choose, draw
from trimtab.console.waterfall import Row
from trimtab.domain.app_span import AppSpan, SpanOutline
from trimtab.domain.record import RequestRecord
from trimtab.incidents.joined import Trace
from trimtab.store.base.recording import Batch
from trimtab.telemetry import ingest
from trimtab.telemetry.otlp import Cuts

MS = 1_000
LLM = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-x"}
PATH = f"/console/requests/{EXAMPLE}"
BEFORE = START_US - 50 * MS


def number(of: int) -> str:
    return f"{of:016x}"


def told(*spans: Any, service: str = "rag-api") -> list[AppSpan]:  # noqa: ANN401 -- protobuf
    data = request(*spans, service__name=service).SerializeToString()
    found = ingest.spans(data, Cuts(), START_US, is_json=False)
    return [replace(it.span, tenant_id="acme") for it in found if it.span is not None]


def traced(spans: Sequence[AppSpan], anchor: int = 0, *others: RequestRecord) -> Trace:
    outline = sorted(spans, key=lambda it: (it.ts_us, it.span_id))
    made = {
        it.span_id: SpanOutline(it.span_id, it.parent_span_id, it.ts_us, it.end_us, it.view)
        for it in outline
    }
    return Trace(
        TRACE, made, number(anchor) if anchor else None, (example(START_US).record, *others)
    )


def rows(spans: Sequence[AppSpan], trace: Trace, top: str = "", after: int = 0) -> tuple[Row, ...]:
    tree = choose(trace, top or None, after)
    shown = [it for it in spans if it.span_id in tree.span_ids]
    return draw(tree, example(START_US), shown).rows


def test_our_request_hangs_in_the_span_that_called_it() -> None:
    spans = told(
        span(1, 0, "POST /ask", ts_us=BEFORE, dur_us=3_000 * MS),
        span(2, 1, "retrieval docs", ts_us=BEFORE + MS),
        span(3, 1, "chat large", ts_us=START_US - MS, dur_us=2_500 * MS, attributes=LLM),
    )

    drawn = rows(spans, traced(spans, 3))

    assert [(row.depth, row.name) for row in drawn][:6] == [
        (0, "POST /ask"),
        (1, "retrieval docs"),
        (1, "chat large"),
        (2, "chat chat"),
        (3, "admit"),
        (3, "plan"),
    ]
    assert CLIENT in drawn[2].note
    assert drawn[0].start == 0
    assert not any(row.shifted_us for row in drawn)
    assert all(row.start + row.width <= 100.5 for row in drawn)


def test_a_call_that_did_not_go_through_us_is_said_to_be_outside() -> None:
    other = replace(example(START_US).record, request_id="r_other", parent_span_id=number(4))
    spans = told(
        span(1, ts_us=BEFORE, dur_us=3_000 * MS),
        span(2, 1, "elsewhere", ts_us=START_US, attributes=LLM),
        span(3, 1, "chat", ts_us=START_US, attributes=LLM),
        span(4, 3, "POST", ts_us=START_US, dur_us=2_500 * MS),
        span(5, 1, "by its answer", attributes={**LLM, "gen_ai.response.id": "resp-o"}),
    )
    answered = replace(other, request_id="r_third", response_id="resp-o", parent_span_id=None)

    notes = {row.name: row for row in rows(spans, traced(spans, 0, other, answered))}

    assert OUTSIDE in notes["elsewhere"].note
    assert CLIENT in notes["chat"].note
    assert CLIENT in notes["by its answer"].note
    assert notes["POST"].note == "rag-api"


def test_our_other_requests_of_the_trace_are_one_bar_and_lead_to_their_page() -> None:
    other = replace(example(START_US).record, request_id="r_other", parent_span_id=number(1))
    spans = told(span(1, ts_us=BEFORE, dur_us=3_000 * MS))

    [row] = [it for it in rows(spans, traced(spans, 1, other)) if it.note == "r_other"]

    assert row.link == "/console/requests/r_other"


def test_what_another_clock_timed_outside_its_parent_is_drawn_within_and_says_so() -> None:
    late = 3_600_000 * MS
    spans = told(span(1, ts_us=START_US + late, dur_us=4_334 * MS))

    drawn = rows(spans, traced(spans, 1))

    ours = drawn[1]
    assert ours.shifted_us == late + 1_000 * MS
    assert ours.start_us == 1_000 * MS
    assert {row.shifted_us for row in drawn[1:]} == {ours.shifted_us}
    assert ours.start + ours.width <= 100


def test_one_clock_is_believed() -> None:
    spans = told(span(1, ts_us=BEFORE, dur_us=MS), span(2, 1, ts_us=BEFORE + 9 * MS))

    assert not any(row.shifted_us for row in rows(spans, traced(spans)) if row.tone == "app")


def test_of_two_services_the_inner_is_moved_and_all_in_it_with_it() -> None:
    spans = [
        *told(span(1, ts_us=START_US, dur_us=100 * MS)),
        *told(
            span(2, 1, "slow clock", ts_us=START_US - 60 * MS, dur_us=20 * MS),
            span(3, 2, "in it", ts_us=START_US - 55 * MS, dur_us=MS),
            service="search",
        ),
    ]

    found = {row.name: row.shifted_us for row in rows(spans, traced(spans))}

    assert found["slow clock"] == found["in it"] == 100 * MS


@pytest.mark.parametrize("parents", [(2, 1, 1), (1, 1, 2), (3, 1, 2)])
def test_ingest_hostile_parents_in_a_circle_are_drawn_once_each(parents: tuple[int, ...]) -> None:
    spans = told(*(span(n, parent, f"s{n}") for n, parent in enumerate(parents, 1)))

    drawn = [row.name for row in rows(spans, traced(spans, 2)) if row.name.startswith("s")]

    assert sorted(name for name in drawn if len(name) == 2) == ["s1", "s2", "s3"]


def test_a_span_with_many_children_shows_some_and_leads_on() -> None:
    spans = told(
        span(1, ts_us=START_US - 1),
        *(span(n, 1, f"s{n}", ts_us=START_US + n) for n in range(2, 80)),
    )

    first = rows(spans, traced(spans))
    whole = rows(spans, traced(spans), number(1))
    rest = rows(spans, traced(spans), number(1), 70)

    assert sum(row.name.startswith("s") and row.tone == "app" for row in first) == MOST_CHILDREN
    [more] = [row for row in first if row.tone == "more"]
    assert more.name == f"{78 - MOST_CHILDREN} more"
    assert more.link == f"{PATH}?span={number(1)}&after={MOST_CHILDREN}#time"
    assert len([row for row in whole if row.tone == "app"]) == 79
    assert [row.name for row in rest if row.depth] == [f"s{n}" for n in range(72, 80)]


def test_the_way_to_our_request_is_always_shown() -> None:
    spans = told(
        span(1, ts_us=START_US - 1), *(span(n, 1, ts_us=START_US + n) for n in range(2, 500))
    )

    drawn = rows(spans, traced(spans, 499))

    assert any(row.note == "trimtab" for row in drawn)
    assert len(drawn) < MOST_ROWS + 20


def test_a_request_deep_in_its_trace_is_shown_from_where_it_is_near() -> None:
    spans = told(*(span(n, n - 1, f"d{n}", ts_us=START_US + n) for n in range(1, 5_000)))

    drawn = rows(spans, traced(spans, 4_999))

    assert any(row.note == "trimtab" for row in drawn)
    assert len(drawn) < MOST_ROWS + 20


async def store(site: Site, *spans: AppSpan) -> None:
    stored = site.stores.records[0]
    record = replace(stored.record, trace_id=TRACE, parent_span_id=number(3))
    site.stores.records[0] = replace(stored, record=record)
    await site.stores.ledger.commit(Batch(spans=tuple(spans)))
    await site.log_in("admin")


async def test_the_page_of_a_request_shows_its_trace_and_what_was_retrieved(site: Site) -> None:
    found = {"gen_ai.retrieval.documents": [{"id": "doc-<7>", "score": 0.83}]}
    await store(
        site,
        *told(
            span(1, 0, "POST /ask<b>", ts_us=BEFORE, dur_us=9_000 * MS),
            span(2, 1, "retrieval docs", ts_us=BEFORE + 1, attributes=found),
            span(3, 1, "chat", ts_us=START_US - 1, dur_us=8_000 * MS, attributes=LLM),
        ),
    )

    raw = (await site.client.get(PATH)).text

    html = unescape(raw)
    assert "in a trace of 3 spans" in html
    assert "POST /ask<b>" in html
    assert "<b>" not in raw
    assert "client view" in html
    assert "doc-<7>" in html
    assert "0.83" in html
    assert f"?span={number(2)}#time" in html


async def test_a_span_shows_its_attributes_and_its_words_to_those_who_may(site: Site) -> None:
    spans = told(span(3, 0, "chat", ts_us=START_US, attributes={**LLM, "app.step": "third"}))
    ref = b"s" * 32
    site.stores.contents[ref] = b'{"attributes":{"gen_ai.prompt":"How warm?"},"events":[]}'
    at_us = site.stores.records[0].record.ts_us
    await store(site, replace(spans[0], content_ref=ref, received_us=at_us))

    html = (await site.client.get(f"{PATH}?span={number(3)}")).text
    await site.log_in("operator")
    site.stores.asked.clear()
    without = (await site.client.get(f"{PATH}?span={number(3)}")).text

    assert "app.step" in html
    assert "How warm?" in html
    assert "app.step" in without
    assert "How warm?" not in without
    assert site.stores.asked["content"] == 0


@pytest.mark.parametrize(
    "query", ["span=none", "after=-1", "after=99999999", "after=999", "span=%00"]
)
async def test_a_place_that_is_not_in_the_trace_is_a_page_all_the_same(
    site: Site, query: str
) -> None:
    await store(site, *told(span(3, 0, "chat", ts_us=START_US)))

    assert (await site.client.get(f"{PATH}?{query}")).status_code == 200


async def test_30_000_spans_are_one_small_page(site: Site) -> None:
    children = (span(n, max(1, n // 5), ts_us=START_US + n) for n in range(2, 30_000))
    await store(site, *told(span(1, ts_us=BEFORE, dur_us=9_000 * MS)))
    many = list(children)
    for begin in range(0, len(many), 5_000):
        await site.stores.ledger.commit(Batch(spans=tuple(told(*many[begin : begin + 5_000]))))

    page = await site.client.get(PATH)

    assert page.status_code == 200
    assert "in a trace of 29,999 spans" in page.text
    assert page.text.count("<li ") < MOST_ROWS + 100
    assert "5 within" in page.text
