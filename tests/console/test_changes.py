"""The change log."""

import re

import pytest
from msgspec.structs import replace
from tests.console.conftest import Site

from trimtab.console.changes import marked_lines, summary
from trimtab.domain.change import PointerKind


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, b"{}", "created"),
        (b"{}", None, "removed"),
        (b'{"to":{"model":"a","n":1}}', b'{"to":{"model":"b","n":1}}', "to.model: a → b"),
        (b'{"a":1,"b":1}', b'{"a":2,"b":2}', "changed a, b"),
        (b"{}", b'{"revoked":true}', "revoked: nothing → true"),
        (b'{"a":"x"}', b'{"a":"' + b"y" * 60 + b'"}', f"a: x → {'y' * 40}…"),
    ],
)
async def test_a_change_is_said_in_a_few_words(
    site: Site, before: bytes | None, after: bytes | None, words: str
) -> None:
    change = replace(site.control.changes[0], before=before, after=after)

    assert summary(change) == words


def test_only_lines_that_differ_are_marked() -> None:
    lines = marked_lines(b'{"a":1,"b":2}', b'{"a":1,"b":3}')

    assert [line for changed, line in lines if changed] == ['  "b": 2']
    assert marked_lines(None, b"{}") == ()


async def test_the_log_is_newest_first_and_pages_by_sequence_number(site: Site) -> None:
    for number in range(60):
        tenant = {"id": f"t{number}", "tier": "smb"}
        site.control.write(PointerKind.TENANT, f"t{number}", tenant, reason="growth")
    await site.log_in("viewer")

    first = (await site.client.get("/console/changes")).text
    older = re.findall(r'href="([^"]+)" rel="next"', first)[0]
    second = (await site.client.get(older)).text

    pattern = r'class="row" href="/console/changes/(\d+)"'
    seen = [int(seq) for seq in re.findall(pattern, first) + re.findall(pattern, second)]
    assert seen == list(range(69, 0, -1))


async def test_one_change_shows_before_after_and_its_place_in_the_chain(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/changes/9")).text

    assert "&#34;model&#34;: &#34;large-2026&#34;" in html
    assert site.control.changes[8].hash in html
    assert site.control.changes[7].hash in html
    assert "Undo change 9" in html


async def test_a_change_that_was_overtaken_says_by_which(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/changes/2")).text

    assert 'has moved since, by <a href="/console/changes/9">change 9</a>' in html


async def test_undoing_needs_a_reason(site: Site) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": ""}

    answer = await site.client.post("/console/changes/9/undo", data=form)

    assert answer.status_code == 400
    assert "a reason is missing" in answer.text
    assert len(site.control.changes) == 9


@pytest.mark.parametrize("seq", ["0", "99", "x", "²", "-1"])
async def test_a_change_that_does_not_exist_is_not_found(site: Site, seq: str) -> None:
    await site.log_in("operator")

    assert (await site.client.get(f"/console/changes/{seq}")).status_code == 404
