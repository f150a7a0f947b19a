"""A request as a line of a dataset."""

import json
from html import unescape

import pytest
from msgspec.structs import replace
from tests.console.conftest import EXAMPLE, Site

from trimtab.evals.dataset import read_cases

PAGE = f"/console/requests/{EXAMPLE}"
PATH = f"{PAGE}/case"


def keep(site: Site, body: object) -> None:
    site.stores.contents[b"asked"] = json.dumps(body).encode()


def question(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


async def post(site: Site, **form: str) -> tuple[int, str]:
    answer = await site.client.post(PATH, data={"csrf": await site.csrf(), **form})
    return answer.status_code, answer.text


async def rows(site: Site) -> int:
    return len(await site.stores.audit.readings(limit=50))


async def test_the_request_leads_there(site: Site) -> None:
    await site.log_in("admin")
    assert f'href="{PATH}"' in (await site.client.get(PAGE)).text


async def test_asking_what_is_expected_reads_nothing(site: Site) -> None:
    await site.log_in("admin")
    site.stores.asked.clear()

    html = (await site.client.get(PATH)).text

    assert f"trimtab evals add-case {EXAMPLE} --dataset evals/SUITE.yaml" in html
    assert (site.stores.asked["content"], await rows(site)) == (0, 0)


async def test_the_line_is_shown_without_personal_data_and_the_audit_knows(site: Site) -> None:
    await site.log_in("admin")
    keep(site, question("I am mia@acme.io, <b>may</b> I return it?"))

    status, html = await post(site, expect="Yes\nYes, you may\n", tags="returns, de")

    assert status == 200
    assert "<b>may</b>" not in html
    line = unescape(html).partition("<code>{")[2].partition("}</code>")[0]
    [placed] = read_cases("{" + line + "}", "x")
    assert placed.case.question == "I am [EMAIL], <b>may</b> I return it?"
    assert placed.case.expected == ("Yes", "Yes, you may")
    assert placed.case.tags == ("returns", "de")
    assert placed.case.provenance.added_by == "admin"
    assert "EMAIL ×1" in html  # noqa: RUF001
    [row] = await site.stores.audit.readings(limit=50)
    assert (row.author, row.request_id) == ("admin", EXAMPLE)


async def test_the_line_is_a_file_to_download(site: Site) -> None:
    await site.log_in("admin")
    keep(site, question("May I?"))

    form = {"csrf": await site.csrf(), "as": "download"}
    answer = await site.client.post(PATH, data=form)

    [placed] = read_cases(answer.text, "x")
    assert answer.headers["content-disposition"] == f'attachment; filename="{placed.case.id}.jsonl"'


@pytest.mark.parametrize("role", ["viewer", "editor", "operator"])
async def test_it_takes_the_right_to_content(site: Site, role: str) -> None:
    await site.log_in(role)
    site.stores.asked.clear()

    assert (await site.client.get(PATH)).status_code == 403
    assert (await post(site))[0] == 403
    assert (site.stores.asked["content"], await rows(site)) == (0, 0)


async def test_what_is_not_kept_is_told(site: Site) -> None:
    await site.log_in("admin")
    site.stores.contents.clear()

    status, html = await post(site, expect="Yes")

    assert status == 400
    assert "asked is not kept" in html
    assert "Yes</textarea>" in html


async def test_a_talk_of_tools_is_told(site: Site) -> None:
    await site.log_in("admin")
    assert "does not end with a question in words" in (await post(site))[1]


async def test_an_unknown_request_is_not_found(site: Site) -> None:
    await site.log_in("admin")
    assert (await site.client.get("/console/requests/r_none/case")).status_code == 404


async def test_a_record_without_content_has_no_button(site: Site) -> None:
    await site.log_in("admin")
    stored = site.stores.records[0]
    site.stores.records[0] = replace(stored, record=replace(stored.record, input_ref=None))
    assert PATH not in (await site.client.get(PAGE)).text
