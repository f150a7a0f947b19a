"""The admin API: kill switches and keys."""

from hashlib import sha256
from typing import Any

import httpx2
import pytest
from tests.console.conftest import KEY, V1, Site

from trimtab.domain.ids import KeyId
from trimtab.domain.suspension import Suspension

CI = {"tenant": "acme", "name": "ci", "reason": "new pipeline"}
LOOP = {"reason": "loop"}


@pytest.mark.parametrize(
    ("named", "pointer"),
    [
        pytest.param({"kind": "site"}, "site:all", id="site"),
        pytest.param({"kind": "tenant", "name": "acme"}, "tenant:acme", id="tenant"),
        pytest.param({"kind": "key", "name": "acme-prod"}, f"key:{KEY}", id="key by name"),
        pytest.param({"kind": "model", "name": "sim/large"}, "model:sim/large", id="model"),
        pytest.param({"kind": "provider", "name": "sim"}, "provider:sim", id="provider"),
        pytest.param(
            {"kind": "feature", "name": "search", "tenant": "acme"},
            "feature:acme/search",
            id="feature",
        ),
        pytest.param(
            {"kind": "user", "name": "u-1", "tenant": "acme"},
            f"user:acme/{sha256(b'acme/u-1').hexdigest()[:32]}",
            id="user",
        ),
        pytest.param(
            {"kind": "user", "name": "5f", "tenant": "acme", "hashed": True},
            "user:acme/5f",
            id="user as records name it",
        ),
    ],
)
async def test_anything_is_suspended_and_resumed_by_its_name(
    site: Site, api: httpx2.AsyncClient, named: dict[str, Any], pointer: str
) -> None:
    thrown = await api.post(f"{V1}/suspensions", json={**named, **LOOP, "running": True})
    listed = (await api.get(f"{V1}/suspensions")).json()["suspensions"]
    shown = (await api.get(f"{V1}/snapshot")).json()["suspensions"]

    assert thrown.status_code == 200
    assert thrown.json()["change"]["pointer"] == f"suspension/{pointer}"
    assert thrown.json()["change"]["author"] == "admin-token"
    assert [it["suspension"] for it in listed] == [{"reason": "loop", "running": True}]
    assert shown == {pointer: {"reason": "loop", "running": True}}

    await api.post(f"{V1}/suspensions/resume", json={**named, **LOOP})
    assert not (await site.control.snapshot()).suspensions


async def test_a_user_is_in_no_change_by_name(site: Site, api: httpx2.AsyncClient) -> None:
    named = {"kind": "user", "name": "ana@example.com", "tenant": "acme"}

    await api.post(f"{V1}/suspensions", json={**named, **LOOP})

    last = site.control.changes[-1]
    assert "ana@" not in f"{last.pointer}{last.after}"


async def test_a_tenant_is_slowed_down(site: Site, api: httpx2.AsyncClient) -> None:
    named = {"kind": "tenant", "name": "acme", "requests_per_minute": 10}

    await api.post(f"{V1}/suspensions", json={**named, **LOOP})

    (suspension,) = (await site.control.snapshot()).suspensions.values()
    assert suspension == Suspension(reason="loop", requests_per_minute=10)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"kind": "tenant"}, 400, id="no name"),
        pytest.param({"kind": "tenant", "name": "acme", "tenant": "acme"}, 400, id="two tenants"),
        pytest.param({"kind": "feature", "name": "search"}, 400, id="whose feature"),
        pytest.param({"kind": "everything", "name": "x"}, 400, id="unknown kind"),
        pytest.param({"kind": "tenant", "name": "acme", "until_us": 7}, 400, id="over already"),
        pytest.param(
            {"kind": "tenant", "name": "acme", "requests_per_minute": 0}, 400, id="no rate"
        ),
        pytest.param({"kind": "tenant", "name": "acme", "reason": ""}, 400, id="no reason"),
        pytest.param({"kind": "tenant", "name": "nobody"}, 404, id="not there"),
    ],
)
async def test_what_cannot_be_suspended_changes_nothing(
    site: Site, api: httpx2.AsyncClient, body: dict[str, Any], status: int
) -> None:
    answer = await api.post(f"{V1}/suspensions", json={**LOOP, **body})

    assert answer.status_code == status
    assert len(site.control.changes) == 9


async def test_a_key_is_shown_once_and_kept_as_a_hash(site: Site, api: httpx2.AsyncClient) -> None:
    made = await api.post(f"{V1}/keys", json=CI)

    assert made.status_code == 201
    text, key_id = made.json()["key"], made.json()["id"]
    grant = (await site.control.snapshot()).grants[KeyId(key_id)]
    assert grant.key.sha256 == sha256(text.encode()).hexdigest()
    listed = await api.get(f"{V1}/keys")
    assert key_id in listed.text
    assert text not in listed.text
    assert grant.key.sha256 not in listed.text


async def test_a_key_is_revoked(site: Site, api: httpx2.AsyncClient) -> None:
    await api.post(f"{V1}/keys/{KEY}/revoke", json={"reason": "leaked"})

    assert (await site.control.snapshot()).grants[KeyId(KEY)].key.revoked


async def test_a_key_is_made_for_a_backend(site: Site, api: httpx2.AsyncClient) -> None:
    terms = {"act_for": ["*"], "new_tenant_tier": "smb", "may": ["evals"], "models": ["chat"]}

    made = await api.post(f"{V1}/keys", json={"name": "backend", **terms, "reason": "product"})

    key = (await site.control.snapshot()).acting[KeyId(made.json()["id"])]
    assert (key.act_for, key.new_tenant_tier, key.may) == (("*",), "smb", ("evals",))
    (listed,) = [k for k in (await api.get(f"{V1}/keys")).json()["keys"] if k["name"] == "backend"]
    assert {name: listed[name] for name in terms} == terms


async def test_a_rotated_key_is_shown_once_and_its_old_text_not_at_all(
    site: Site, api: httpx2.AsyncClient
) -> None:
    was = (await site.control.snapshot()).grants[KeyId(KEY)].key.sha256

    made = await api.post(f"{V1}/keys/acme-prod/rotate", json={"reason": "due", "overlap_s": 60})

    text = made.json()["key"]
    key = (await site.control.snapshot()).grants[KeyId(KEY)].key
    listed = (await api.get(f"{V1}/keys")).text
    assert key.knows(was, site.clock.now_us())
    assert key.sha256 == sha256(text.encode()).hexdigest()
    assert f'"retiring_until_us":{site.clock.now_us() + 60_000_000}' in listed
    assert was not in listed
    assert key.sha256 not in listed


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"tenant": None}, id="nobody pays"),
        pytest.param({"tenant": "nobody"}, id="unknown tenant"),
        pytest.param({"may": ["fly"]}, id="unknown right"),
        pytest.param({"id": "7hq2m9xkd4wx"}, id="an id of one's own"),
        pytest.param({"sha256": "0" * 64}, id="a hash of one's own"),
        pytest.param({"revoked": True}, id="what is no term"),
    ],
)
async def test_a_key_that_could_not_work_is_refused(
    site: Site, api: httpx2.AsyncClient, wrong: dict[str, Any]
) -> None:
    answer = await api.post(f"{V1}/keys", json={**CI, **wrong})

    assert answer.status_code in {400, 404}
    assert len(site.control.changes) == 9
