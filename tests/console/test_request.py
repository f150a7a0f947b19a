"""One request."""

import gzip
from html import unescape

import pytest
from msgspec.structs import replace
from tests.console.conftest import EXAMPLE, START_US, Site, example

from trimtab.console.request import cost_parts, is_too_new, verdict
from trimtab.domain.annotation import Annotation
from trimtab.domain.ids import request_id
from trimtab.domain.retrieval import Document, Retrieval
from trimtab.testing import seeded_entropy

PATH = f"/console/requests/{EXAMPLE}"


def test_the_verdict_is_one_line() -> None:
    record = example(START_US).record

    words = " · ".join((record.status, *verdict(record)))

    assert words == "ok · 2.33 s · $0.009414 · acme/search · chat → sim/large"


def test_a_request_no_provider_saw_has_no_price_in_its_verdict() -> None:
    record = replace(example(START_US).record, attempt_count=0, target="", latency_us=400)

    assert verdict(record) == ("0.40 ms", "acme/search", "chat")


def test_the_parts_of_a_cost_sum_to_it() -> None:
    record = example(START_US).record

    parts = cost_parts(record)

    assert [part.name for part in parts] == ["input", "input from cache", "output"]
    assert sum(part.cost_nano or 0 for part in parts) == record.cost_nano
    assert parts[0].tokens == 4_123 - 3_800
    assert parts[0].rate == "$3.00"


async def test_the_page_tells_what_happened(site: Site) -> None:
    await site.log_in("admin")

    html = unescape((await site.client.get(PATH)).text)

    for words in (
        "provider_overloaded",
        "answered as large-2026-04-01",
        "first token after 618 ms",
        "hold $0.02190",
        "Exactly $0.009414000, prices",
        "tools offered: find_order",
        "so you have until 2 May.",
        f"trimtab trace {EXAMPLE}",
        '"provider_request_id": "req_011CQ2Z61C"',
        'href="/console/changes/9"',
    ):
        assert words in html


async def test_what_people_and_models_wrote_is_never_markup(site: Site) -> None:
    await site.log_in("admin")

    html = (await site.client.get(PATH)).text

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


async def test_content_is_not_even_read_without_the_right(site: Site) -> None:
    await site.log_in("operator")
    site.stores.asked.clear()

    html = (await site.client.get(PATH)).text

    assert "only with the right <code>content</code>" in html
    assert "kettle" not in html
    assert site.stores.asked["content"] == 0


def judged(site: Site, said: bytes) -> None:
    """Let a judge score the example, and then think better of it."""
    record = site.stores.records[0].record
    ref = b"w" * 32
    site.stores.contents[ref] = said
    first = Annotation(
        annotation_id="n_1",
        request_id=record.request_id,
        tenant_id=record.tenant_id,
        ts_us=START_US,
        kind="evaluation",
        name="faithfulness",
        score=0.125,
        source="judge",
    )
    later = replace(first, annotation_id="n_2", score=0.75, author="sim/large", text_ref=ref)
    site.stores.said += [first, later]


async def test_what_arrived_later_is_shown_as_it_was_corrected_last(site: Site) -> None:
    judged(site, b"<b>one claim</b>")
    await site.log_in("admin")

    html = (await site.client.get(PATH)).text

    assert "0.75" in html
    assert "0.125" not in html
    assert "judge sim/large" in html
    assert "&lt;b&gt;one claim&lt;/b&gt;" in html


async def test_the_words_of_a_judge_are_content(site: Site) -> None:
    judged(site, b"one claim has no support")
    await site.log_in("operator")

    html = (await site.client.get(PATH)).text

    assert "0.75" in html
    assert "one claim" not in html


async def test_a_request_without_annotations_has_no_place_for_them(site: Site) -> None:
    await site.log_in("admin")

    assert "Annotations" not in (await site.client.get(PATH)).text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("full", "its retention may have ended"),
        ("absent", "No content is kept for this request"),
        ("erased", "The content was erased"),
    ],
)
async def test_missing_content_says_why(site: Site, state: str, words: str) -> None:
    stored = site.stores.records[0]
    record = replace(stored.record, content_state=state)
    site.stores.records[0] = replace(stored, record=record)
    site.stores.contents.clear()
    await site.log_in("admin")

    assert words in (await site.client.get(PATH)).text


async def test_what_the_app_found_is_shown_and_is_never_markup(site: Site) -> None:
    stored = site.stores.records[0]
    found = Retrieval(
        documents=(
            Document(id="<b>doc-12</b>", score=0.83, version="3", sha256="ab" * 32),
            Document(id="doc-7"),
        ),
        index="docs-index",
    )
    site.stores.records[0] = replace(
        stored,
        record=replace(stored.record, index_name="docs-index", retrieval_us=5_231),
        detail=replace(stored.detail, retrieved=found.rows()),
    )
    await site.log_in("viewer")

    html = (await site.client.get(PATH)).text

    assert "2 documents from <code>docs-index</code>, in 5.2 ms" in html
    assert "&lt;b&gt;doc-12&lt;/b&gt;" in html
    assert f'<code title="{"ab" * 32}">abababababab</code>' in html
    assert "doc-7" in html
    assert "the call itself" in html


async def test_a_rejected_request_shows_what_there_is(site: Site) -> None:
    await site.log_in("admin")
    rejected = next(s.record for s in site.stores.records if s.record.status == "rejected")

    html = (await site.client.get(f"/console/requests/{rejected.request_id}")).text

    assert "No provider was asked." in html
    assert "No stage was timed." in html
    assert "rate_limited" in html


async def test_a_unique_prefix_is_enough(site: Site) -> None:
    await site.log_in("viewer")

    assert (await site.client.get("/console/requests/r_01KQ2Z61")).status_code == 200


async def test_a_request_just_made_is_not_yet_there_and_looked_for_again(site: Site) -> None:
    await site.log_in("viewer")
    young = request_id(site.clock.now_us(), seeded_entropy())

    early = await site.client.get(f"/console/requests/{young}")
    site.clock.advance(5)
    late = await site.client.get(f"/console/requests/{young}")

    assert early.status_code == late.status_code == 404
    assert "not stored yet" in early.text
    assert 'http-equiv="refresh"' in early.text
    assert "No record begins with this id" in late.text
    assert "refresh" not in late.text


def test_an_id_from_the_future_or_of_another_form_is_not_young() -> None:
    assert not is_too_new(request_id(START_US + 60_000_000, seeded_entropy()), START_US)
    assert not is_too_new("r_short", START_US)


async def test_a_page_with_a_long_conversation_is_small(site: Site) -> None:
    await site.log_in("admin")
    words = b" ".join(b"%d" % (index * 7_919 % 100_003) for index in range(9_000))
    said = b'{"role": "user", "content": "' + words + b'"}'
    site.stores.contents[b"asked"] = b'{"messages": [' + b",".join([said] * 60) + b"]}"

    html = (await site.client.get(PATH)).content

    assert b"messages left out" in html
    assert b"more characters" in html
    assert len(gzip.compress(html)) < 50_000
