"""The keys page."""

import re
from hashlib import sha256

import pytest
from tests.console.conftest import KEY, Site

from trimtab.control.keyring import find_key, keys_of
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.domain.tenant import Key

MADE = re.compile(r"tt_dev_[a-z0-9]{12}_[0-9A-Za-z]{49}")
CI = {"name": "ci", "tenant": "acme", "reason": "new pipeline"}


async def post(site: Site, path: str, **members: str) -> tuple[int, str]:
    """Send a form of the session's own page."""
    form = {"csrf": await site.csrf(), **members}
    answer = await site.client.post(f"/console/keys/{path}", data=form, follow_redirects=True)
    return answer.status_code, answer.text


async def named(site: Site, name: str) -> Key:
    return find_key(await site.control.state(), name)


async def test_lists_keys_with_their_tenant_state_and_last_day_of_use(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/keys")).text

    assert "acme-prod" in html
    assert "as the tenant" in html
    assert "2026-04-25" in html
    assert "sha256" not in html


async def test_an_operator_may_suspend_keys_and_not_make_them(site: Site) -> None:
    await site.log_in("operator")

    html = (await site.client.get("/console/keys")).text

    assert f"/console/keys/{KEY}/suspend" in html
    assert "/console/keys/new" not in html
    assert "/rotate" not in html
    assert "/revoke" not in html


async def test_a_viewer_is_not_led_to_the_keys(site: Site) -> None:
    await site.log_in("viewer")

    assert "/console/keys" not in (await site.client.get("/console/tenants")).text


async def test_a_new_key_is_shown_once(site: Site) -> None:
    await site.log_in("admin")

    status, html = await post(site, "new", **CI, models="chat, chat-small", expires="2026-12-31")

    (text,) = set(MADE.findall(html))
    key = await named(site, "ci")
    assert status == 200
    assert key.sha256 == sha256(text.encode()).hexdigest()
    assert key.models == ("chat", "chat-small")
    assert key.expires_us == 1_798_761_600_000_000  # 2027-01-01 00:00 UTC
    assert site.control.changes[-1].reason == "new pipeline"
    assert text not in (await site.client.get("/console/keys")).text


async def test_a_key_is_made_for_a_backend_of_many_tenants(site: Site) -> None:
    await site.log_in("admin")
    terms = {"tenant": "", "act_for": "*", "new_tenant_tier": "smb", "may_evals": "yes"}

    _, html = await post(site, "new", **{**CI, **terms})
    listed = (await site.client.get("/console/keys")).text

    key = await named(site, "ci")
    assert (key.tenant, key.act_for, key.new_tenant_tier, key.may) == (
        None,
        ("*",),
        "smb",
        ("evals",),
    )
    assert "x-trimtab-tenant" in html
    assert "new ones in tier smb" in listed


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"name": "A B"}, "no name for a key"),
        ({"tenant": ""}, "name one of the two"),
        ({"tenant": "nobody"}, "there is no tenant"),
        ({"models": "gpt-9"}, "needs model"),
        ({"expires": "tomorrow"}, "is no day"),
        ({"expires": "2026-01-01"}, "expired already"),
        ({"expires": "9999-12-31"}, "is no day"),
        ({"reason": " "}, "a reason is missing"),
    ],
)
async def test_a_form_filled_in_badly_makes_no_key_and_keeps_what_was_written(
    site: Site, members: dict[str, str], problem: str
) -> None:
    await site.log_in("admin")

    status, html = await post(site, "new", **{**CI, "models": "chat", **members})

    assert status == 400
    assert problem in html
    assert 'value="chat"' in html or "models" in members
    assert len(keys_of(await site.control.state())) == 1


async def test_a_rotated_key_keeps_its_old_text_as_long_as_was_chosen(site: Site) -> None:
    await site.log_in("admin")
    was = (await named(site, "acme-prod")).sha256
    preview = (await site.client.get(f"/console/keys/{KEY}/rotate")).text

    _, html = await post(site, f"{KEY}/rotate", reason="due", overlap="1")

    key = await named(site, "acme-prod")
    (text,) = set(MADE.findall(html))
    listed = (await site.client.get("/console/keys")).text
    assert "The text before stays good" in preview
    assert key.sha256 == sha256(text.encode()).hexdigest()
    assert key.knows(was, site.clock.now_us() + 3_599_000_000)
    assert not key.knows(was, site.clock.now_us() + 3_600_000_000)
    assert "the text before is good until" in listed


async def test_a_revoked_key_is_listed_last_and_offers_nothing(site: Site) -> None:
    await site.log_in("admin")
    await post(site, "new", **CI)

    _, html = await post(site, f"{KEY}/revoke", reason="leaked")

    assert (await named(site, KEY)).revoked
    assert html.index(">ci</a>") < html.index(">acme-prod</a>")
    assert f"/console/keys/{KEY}/revoke" not in html


@pytest.mark.parametrize(
    ("path", "members", "problem"),
    [
        ("rotate", {"reason": ""}, "a reason is missing"),
        ("rotate", {"reason": "due", "overlap": "9"}, "is not an overlap"),
        ("revoke", {"reason": ""}, "a reason is missing"),
    ],
)
async def test_a_change_without_what_it_needs_changes_nothing(
    site: Site, path: str, members: dict[str, str], problem: str
) -> None:
    await site.log_in("admin")

    status, html = await post(site, f"{KEY}/{path}", **members)

    assert (status, problem in html) == (400, True)
    assert len(site.control.changes) == 9


async def test_an_unknown_key_is_not_found(site: Site) -> None:
    await site.log_in("admin")

    for verb in ("rotate", "revoke", "suspend"):
        assert (await site.client.get(f"/console/keys/nobody/{verb}")).status_code == 404


async def test_a_suspended_key_says_why(site: Site) -> None:
    await site.suspend(Scope(ScopeKind.KEY, KEY))
    await site.log_in("operator")

    html = (await site.client.get("/console/keys")).text

    assert "suspended" in html
    assert f"/console/keys/{KEY}/resume" in html
