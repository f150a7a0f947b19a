"""Coming and going."""

import httpx2
import pytest
from tests.console.conftest import PHRASE, Site

from trimtab.console.login import onward


async def say(site: Site, name: str) -> httpx2.Response:
    """Say a name and its password."""
    return await site.client.post("/console/login", data={"name": name, "password": PHRASE})


async def test_the_right_password_opens_a_strict_session(site: Site) -> None:
    answer = await say(site, "viewer")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/console"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/;" in cookie
    assert "max-age=43200" in cookie


@pytest.mark.parametrize("name", ["viewer", "nobody", ""])
async def test_a_wrong_name_and_a_wrong_password_read_the_same(site: Site, name: str) -> None:
    form = {"name": name, "password": "wrong"}

    answer = await site.client.post("/console/login", data=form)

    assert answer.status_code == 401
    assert "That name and password do not match." in answer.text
    assert "set-cookie" not in answer.headers


async def test_guessing_is_slowed_even_for_the_right_password(site: Site) -> None:
    for _ in range(5):
        await site.client.post("/console/login", data={"name": "admin", "password": "wrong"})

    slowed = await say(site, "admin")
    site.clock.advance(61)
    later = await say(site, "admin")

    assert slowed.status_code == 429
    assert "Try again in 60 s" in slowed.text
    assert later.status_code == 303


async def test_another_site_cannot_log_somebody_in(site: Site) -> None:
    form = {"name": "admin", "password": PHRASE}

    answer = await site.client.post(
        "/console/login", data=form, headers={"origin": "http://evil.test"}
    )

    assert answer.status_code == 403


async def test_a_login_leads_on_to_the_page_that_was_wanted(site: Site) -> None:
    wanted = await site.client.get("/console/requests?q=tenant%3Aacme")
    form = (await site.client.get(wanted.headers["location"])).text
    answer = await site.client.post(
        "/console/login",
        data={"name": "viewer", "password": PHRASE, "next": "/console/requests?q=tenant%3Aacme"},
    )

    assert 'value="/console/requests?q=tenant%3Aacme"' in form
    assert answer.headers["location"] == "/console/requests?q=tenant%3Aacme"


@pytest.mark.parametrize(
    "path",
    ["", "//evil.test", "https://evil.test", "/consoleevil", "/console/\\evil", "/admin/v1/keys"],
)
def test_a_login_leads_nowhere_else(path: str) -> None:
    assert onward(path) == "/console"


async def test_logging_out_takes_the_cookie_back(site: Site) -> None:
    await say(site, "viewer")

    answer = await site.client.post("/console/logout", data={"csrf": await site.csrf()})

    assert answer.headers["location"] == "/console/login"
    assert (await site.client.get("/console")).status_code == 303
