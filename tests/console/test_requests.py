"""The list of requests."""

import gzip
import re

import pytest
from tests.console.conftest import Site

from trimtab.console.requests import choices
from trimtab.store.base.reading import Facet


def ids(html: str) -> list[str]:
    return re.findall(r'class="row" href="/console/requests/(\w+)"', html)


async def test_paging_shows_every_request_once_newest_first(site: Site) -> None:
    await site.log_in("viewer")
    expected = sorted((stored.record for stored in site.stores.records), key=lambda r: -r.ts_us)

    seen: list[str] = []
    path: str | None = "/console/requests"
    while path:
        html = (await site.client.get(path)).text
        seen += ids(html)
        found = re.search(r'href="([^"]+)" rel="next"', html)
        path = found[1].replace("&amp;", "&") if found else None

    assert seen == [record.request_id for record in expected]


async def test_requests_that_arrive_meanwhile_do_not_shift_the_next_page(site: Site) -> None:
    await site.log_in("viewer")
    first = (await site.client.get("/console/requests")).text
    older = re.findall(r'href="([^"]+)" rel="next"', first)[0].replace("&amp;", "&")
    before = ids((await site.client.get(older)).text)

    site.stores.records.pop(0)

    assert ids((await site.client.get(older)).text) == before


async def test_a_filter_lives_in_the_address_and_in_every_next_page(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/requests?q=tenant%3Aacme")).text

    assert 'value="tenant:acme"' in html
    assert "globex<" not in html
    assert re.search(r"\?q=tenant%3Aacme&amp;cursor=\d+\.r_\w+", html)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("q=tenat%3Aacme", "&#39;tenat&#39; is not a filter; did you mean &#39;tenant&#39;?"),
        ("cursor=yesterday", "&#39;yesterday&#39; is not a cursor"),
        ("cursor=²2.r_1", "is not a cursor"),
    ],
)
async def test_a_filter_that_cannot_be_read_says_why(site: Site, query: str, message: str) -> None:
    await site.log_in("viewer")

    answer = await site.client.get(f"/console/requests?{query}")

    assert answer.status_code == 400
    assert message in answer.text


async def test_what_was_typed_comes_back_as_text(site: Site) -> None:
    await site.log_in("viewer")

    answer = await site.client.get("/console/requests", params={"q": '"><b>:1'})

    assert "<b>:1" not in answer.text
    assert "&#34;&gt;&lt;b&gt;:1" in answer.text


async def test_nothing_found_and_nothing_there_are_told_apart(site: Site) -> None:
    await site.log_in("viewer")

    filtered = (await site.client.get("/console/requests?q=tenant%3Anobody")).text
    site.stores.records.clear()
    empty = (await site.client.get("/console/requests")).text

    assert "Nothing fits this filter" in filtered
    assert "No requests yet" in empty
    assert "curl " in empty


async def test_a_full_page_is_small(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/requests")).content

    assert len(ids(html.decode())) == 50
    assert len(gzip.compress(html)) < 50_000


async def test_the_list_is_narrowed_by_a_click_and_widened_by_another(site: Site) -> None:
    await site.log_in("viewer")

    html = (await site.client.get("/console/requests?q=since%3A24h")).text
    narrower = re.search(r'href="(/console/requests\?q=since%3A24h\+status%3Aerror)"', html)
    assert narrower is not None
    narrow = (await site.client.get(narrower[1])).text

    assert set(re.findall(r'class="badge [^>]*>.*?</svg>(\w+)</span>', narrow)) == {"error"}
    assert '<a href="/console/requests?q=since%3A24h" aria-current="true">error</a>' in narrow
    assert "Counted over the newest 5,000 that fit" in narrow


async def test_a_value_with_spaces_narrows_the_list_too() -> None:
    ((_, (first,)),) = choices("tenant:a", [Facet("feature", "a b", 2)])

    assert first.path == "/console/requests?q=tenant%3Aa+feature%3A%22a+b%22"
    ((_, (again,)),) = choices('tenant:a feature:"a b"', [Facet("feature", "a b", 2)])
    assert (again.is_chosen, again.path) == (True, "/console/requests?q=tenant%3Aa")


async def send(site: Site, path: str, **form: str) -> int:
    given = {"csrf": await site.csrf(), **form}
    return (await site.client.post(f"/console/filters{path}", data=given)).status_code


async def test_a_filter_is_kept_opened_and_forgotten(site: Site) -> None:
    await site.log_in("viewer")

    assert await send(site, "", name="slow ones", q="latency_ms:>2000") == 303
    html = (await site.client.get("/console/requests")).text
    assert '<a href="/console/requests?q=latency_ms%3A%3E2000"' in html
    assert ">slow ones</a>" in html

    assert await send(site, "/delete", name="slow ones") == 303
    assert ">slow ones</a>" not in (await site.client.get("/console/requests")).text


async def test_a_filter_of_all_is_changed_by_operators_only(site: Site) -> None:
    await site.log_in("operator")
    assert await send(site, "", name="bad", q="status:error", shared="yes") == 303

    await site.log_in("viewer")
    html = (await site.client.get("/console/requests")).text
    assert '<span class="tag">for all</span>' in html
    assert "Delete the filter" not in html
    assert await send(site, "", name="bad", q="", shared="yes") == 403
    assert await send(site, "/delete", name="bad", shared="yes") == 403


@pytest.mark.parametrize(
    ("name", "query"), [("", "tenant:a"), ("x" * 65, ""), ("a\nb", ""), ("bad", "tenat:a")]
)
async def test_a_filter_that_is_none_or_has_no_name_is_not_kept(
    site: Site, name: str, query: str
) -> None:
    await site.log_in("viewer")

    assert await send(site, "", name=name, q=query) == 400


async def test_words_are_searched_by_who_may_read_content_only(site: Site) -> None:
    await site.log_in("operator")
    assert (await site.client.get("/console/requests?q=refund")).status_code == 403
    assert (await site.client.get("/console/tail/rows?q=refund")).status_code == 403

    await site.log_in("admin")
    assert (await site.client.get("/console/requests?q=refund")).status_code == 200


async def test_new_requests_come_in_by_themselves_until_paused(site: Site) -> None:
    await site.log_in("viewer")

    page = (await site.client.get("/console/tail?q=tenant%3Aacme")).text
    rows = (await site.client.get("/console/tail/rows?q=tenant%3Aacme")).text

    assert 'hx-get="/console/tail/rows?q=tenant%3Aacme" hx-trigger="every 2s"' in page
    assert "data-pause" in page
    assert "<html" not in rows
    assert ids(rows) == ids(page) != []
    assert len(ids((await site.client.get("/console/tail")).text)) <= 100


async def test_a_filter_of_the_tail_that_cannot_be_read_says_why(site: Site) -> None:
    await site.log_in("viewer")

    answer = await site.client.get("/console/tail?q=tenat%3Aacme")

    assert answer.status_code == 400
    assert "did you mean &#39;tenant&#39;" in answer.text
    assert "hx-get" not in answer.text
