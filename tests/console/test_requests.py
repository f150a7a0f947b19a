"""The list of requests."""

import gzip
import re

import pytest
from tests.console.conftest import Site


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
