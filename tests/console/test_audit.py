"""What is read by page and by API is written down first, and admins see it."""

import httpx2
import pytest
from tests.console.conftest import BEARER, EXAMPLE, KEY, V1, Site

from trimtab.domain.audit import Reading
from trimtab.domain.errors import TryLater

TOKEN = {"authorization": f"Bearer {BEARER}"}
READING = [
    f"/console/requests/{EXAMPLE}",
    f"{V1}/records/{EXAMPLE}/content",
    "/console/keys",
    f"{V1}/keys",
]


async def rows(site: Site) -> list[tuple[str, str, str, str, str]]:
    found = await site.stores.audit.readings(limit=99)
    return [(it.author, it.source, it.what, it.tenant_id, it.request_id) for it in found]


async def get(site: Site, path: str) -> httpx2.Response:
    """Ask as a program where there is an API, else as an admin who is logged in."""
    if not path.startswith(V1):
        await site.log_in("admin")
    return await site.client.get(path, headers=TOKEN if path.startswith(V1) else {})


@pytest.mark.parametrize("path", READING)
async def test_each_look_is_a_row_that_says_who_from_where_and_at_what(
    site: Site, path: str
) -> None:
    assert (await get(site, path)).status_code == 200

    who = ("admin-token", "api") if path.startswith(V1) else ("admin", "console")
    of = ("keys", "", "") if "keys" in path else ("content", "acme", EXAMPLE)
    assert await rows(site) == [(*who, *of)]


@pytest.mark.parametrize("path", READING)
async def test_nothing_is_shown_while_the_audit_cannot_be_written(site: Site, path: str) -> None:
    async def note(reading: Reading) -> None:
        raise TryLater(f"the store is away, {reading.author} cannot be written down")

    site.stores.audit.note = note

    answer = await get(site, path)

    assert answer.status_code == 503
    assert "kettle" not in answer.text
    assert KEY not in answer.text
    assert site.stores.asked["content"] == 0


async def test_who_may_not_read_content_reads_none_and_makes_no_row(site: Site) -> None:
    await site.log_in("operator")

    assert (await site.client.get(f"/console/requests/{EXAMPLE}")).status_code == 200

    assert await rows(site) == []


async def test_admins_see_the_rows_page_by_page(site: Site) -> None:
    for _ in range(51):
        await get(site, f"{V1}/keys")
    await get(site, f"/console/requests/{EXAMPLE}")

    html = (await site.client.get("/console/audit")).text
    older = (await site.client.get("/console/audit?before=3")).text

    assert f'href="/console/requests/{EXAMPLE}"' in html
    assert 'href="/console/audit?before=3" rel="next"' in html
    assert older.count("admin-token") == 2
    listed = (await get(site, f"{V1}/audit?before=52")).json()["readings"]
    assert [it["seq"] for it in listed] == list(range(51, 0, -1))


async def test_a_change_shows_no_hash_of_a_key(site: Site, api: httpx2.AsyncClient) -> None:
    [seq] = [it.seq for it in site.control.changes if it.pointer.name == KEY]
    changes = (await api.get(f"{V1}/changes")).text
    del api.headers["authorization"]
    await site.log_in("viewer")

    html = (await site.client.get(f"/console/changes/{seq}")).text

    assert "0" * 64 not in html + changes
    assert '"sha256":"00000000..."' in changes
    assert "00000000..." in html
