"""Who may open what, and what every answer carries."""

import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from tests.console.alerting import PROPOSED, RATE, fill_alerts, fill_reports
from tests.console.conftest import BEARER, CONVERSATION, EXAMPLE, KEY, ORIGIN, ROLES, Site
from tests.console.evaluated import LABEL, RAG, fill_evals, store
from tests.console.prompting import ANA, NEW, NEXT, OLD, fill_prompts, registry_of, vouch

from trimtab.console.app import CALLS, PAGES
from trimtab.domain.change import PointerKind
from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.suspension import WHOLE_SITE, Scope, ScopeKind

NOTHING: dict[str, object] = {}
OF_ACME = Erasure(scope=ErasureScope(tenant_id="acme"), until_us=1)
TYPED: dict[str, object] = {"tenant": "acme", "confirm": "acme"}
LOWEST = {
    "GET /console": "viewer",
    "GET /console/live": "viewer",
    "POST /console/logout": "viewer",
    "GET /console/requests": "viewer",
    "GET /console/tail": "viewer",
    "GET /console/tail/rows": "viewer",
    "GET /console/conversations/{id:path}": "viewer",
    "GET /console/compare": "viewer",
    "GET /console/pipeline": "viewer",
    "GET /console/pipeline/live": "viewer",
    "POST /console/filters": "viewer",
    "POST /console/filters/delete": "viewer",
    "GET /console/requests/{id}": "viewer",
    "GET /console/requests/{id}/case": "admin",
    "POST /console/requests/{id}/case": "admin",
    "GET /console/tenants": "viewer",
    "GET /console/tenants/{id}/suspend": "operator",
    "POST /console/tenants/{id}/suspend": "operator",
    "GET /console/tenants/{id}/throttle": "operator",
    "POST /console/tenants/{id}/throttle": "operator",
    "GET /console/tenants/{id}/resume": "operator",
    "POST /console/tenants/{id}/resume": "operator",
    "GET /console/evals/calibration": "viewer",
    "GET /console/evals/label/{run}/{metric}": "editor",
    "POST /console/evals/label/{run}/{metric}": "editor",
    "GET /console/erasures": "admin",
    "POST /console/erasures": "admin",
    "GET /console/costs": "viewer",
    "GET /console/costs.csv": "viewer",
    "GET /console/evals": "viewer",
    "GET /console/evals/compare": "viewer",
    "GET /console/evals/{run}": "viewer",
    "GET /console/tenants/{id}": "viewer",
    "GET /console/models": "viewer",
    "GET /console/models/{name}/move": "operator",
    "POST /console/models/{name}/move": "operator",
    "GET /console/breaker": "operator",
    "POST /console/breaker": "operator",
    "POST /admin/v1/breakers/open": "operator",
    "POST /admin/v1/breakers/close": "operator",
    "GET /admin/v1/models": "viewer",
    "POST /admin/v1/models/{name}/move": "operator",
    "POST /admin/v1/models/{name}/fallback": "operator",
    "POST /admin/v1/models/{name}/undo": "operator",
    "GET /console/prompts": "viewer",
    "GET /console/prompts/new": "editor",
    "POST /console/prompts/new": "editor",
    "GET /console/prompts/{name}": "viewer",
    "POST /console/prompts/{name}/rollback": "operator",
    "GET /console/prompts/{name}/move": "operator",
    "POST /console/prompts/{name}/move": "operator",
    "GET /console/prompts/{name}/diff": "viewer",
    "GET /console/prompts/{name}/versions/{version}": "viewer",
    "POST /console/prompts/{name}/versions/{version}/preview": "viewer",
    "POST /console/prompts/{name}/versions/{version}/approve": "editor",
    "POST /console/prompts/{name}/versions/{version}/yank": "operator",
    "POST /console/prompts/{name}/versions/{version}/unyank": "operator",
    "GET /admin/v1/prompts": "viewer",
    "GET /admin/v1/prompts/{name}": "viewer",
    "GET /admin/v1/prompts/{name}/versions/{version}": "viewer",
    "GET /admin/v1/prompts/{name}/history": "viewer",
    "GET /admin/v1/prompts/{name}/diff": "viewer",
    "POST /admin/v1/prompts/{name}/versions": "editor",
    "PUT /admin/v1/prompts/{name}/labels/{label}/{scope}": "operator",
    "DELETE /admin/v1/prompts/{name}/labels/{label}/{scope}": "operator",
    "POST /admin/v1/prompts/{name}/labels/{label}/{scope}/rollback": "operator",
    "POST /admin/v1/prompts/{name}/versions/{version}/yank": "operator",
    "POST /admin/v1/prompts/{name}/versions/{version}/unyank": "operator",
    "POST /admin/v1/prompts/{name}/versions/{version}/approve": "editor",
    "POST /admin/v1/prompts/{name}/versions/{version}/evidence": "admin",
    "GET /console/site/suspend": "operator",
    "POST /console/site/suspend": "operator",
    "GET /console/site/resume": "operator",
    "POST /console/site/resume": "operator",
    "GET /console/alerts": "viewer",
    "GET /console/alerts/{id}": "viewer",
    "POST /console/alerts/{id}/silence": "operator",
    "POST /console/alerts/{id}/tell": "operator",
    "POST /console/alerts/routes/{name}/test": "operator",
    "GET /console/reconcile": "viewer",
    "GET /console/reconcile/adjustments/{id}": "operator",
    "POST /console/reconcile/adjustments/{id}": "operator",
    "GET /console/keys": "operator",
    "GET /console/keys/new": "admin",
    "POST /console/keys/new": "admin",
    "GET /console/keys/{id}/rotate": "admin",
    "POST /console/keys/{id}/rotate": "admin",
    "GET /console/keys/{id}/revoke": "admin",
    "POST /console/keys/{id}/revoke": "admin",
    "GET /console/keys/{id}/suspend": "operator",
    "POST /console/keys/{id}/suspend": "operator",
    "GET /console/keys/{id}/resume": "operator",
    "POST /console/keys/{id}/resume": "operator",
    "GET /console/audit": "admin",
    "GET /admin/v1/audit": "admin",
    "GET /console/changes": "viewer",
    "GET /console/changes/{seq}": "viewer",
    "POST /console/changes/{seq}/undo": "operator",
    "GET /admin/v1/records": "viewer",
    "GET /admin/v1/records/{id}": "viewer",
    "GET /admin/v1/records/{id}/content": "admin",
    "POST /admin/v1/records/{id}/annotations": "operator",
    "GET /admin/v1/costs": "viewer",
    "GET /admin/v1/tenants": "viewer",
    "GET /admin/v1/suspensions": "viewer",
    "POST /admin/v1/suspensions": "operator",
    "POST /admin/v1/traces/{id}/rehydrate": "operator",
    "POST /admin/v1/suspensions/resume": "operator",
    "GET /admin/v1/keys": "operator",
    "POST /admin/v1/keys": "admin",
    "POST /admin/v1/keys/{id}/rotate": "admin",
    "POST /admin/v1/keys/{id}/revoke": "admin",
    "GET /admin/v1/changes": "viewer",
    "POST /admin/v1/changes/{seq}/undo": "operator",
    "GET /admin/v1/erasures": "admin",
    "GET /admin/v1/erasures/{id}": "admin",
    "POST /admin/v1/erasures": "admin",
    "GET /admin/v1/snapshot": "viewer",
}
"""The lowest role that may do it: written by hand, so that the table cannot vouch for itself."""


OF_REQUESTS = ("/requests/", "/records/", "/traces/")


def names(path: str) -> str:
    thing = EXAMPLE if any(it in path for it in OF_REQUESTS) else "acme"
    thing = KEY if "/keys/" in path else thing
    thing = RATE.alert_id if "/alerts/" in path else thing
    thing = PROPOSED.id if "/adjustments/" in path else thing
    path = path.replace("{id:path}", CONVERSATION)
    path = f"{path}?target=sim/large" if path == "/console/breaker" else path
    if "/prompts" in path:
        path = f"{path}?from=3.2.0&to=3.3.0" if path.endswith("/diff") else path
        path = path.replace("{name}", "rag-answer").replace("{version}", OLD)
        return path.replace("{label}", "production").replace("{scope}", "tenant:acme")
    path = path.replace("{run}", RAG.run_id).replace("{metric}", "faithfulness")
    return path.replace("{id}", thing).replace("{seq}", "9").replace("{name}", "chat")


def asked(path: str) -> dict[str, object]:
    """Give what a route about prompts is sent."""
    if path.endswith("/new"):
        return {"file": NEXT, "act": "publish"}
    if path.startswith("/console"):
        where = {"label": "production", "scope": "tenant:acme", "seq": "14"}
        values = {f"value.{name}": "x" for name in ("question", "context", "persona")}
        return {**where, **values, "to": NEW, "and_rollback": "yes"}
    known: Mapping[str, dict[str, object]] = {
        "/versions": {"file": NEXT},
        "/{scope}": {"version": NEW},
        "/yank": {"and_rollback": True},
        "/evidence": {"passed": True},
    }
    return next((it for end, it in known.items() if path.endswith(end)), NOTHING)


def body(method: str, path: str) -> tuple[str, str]:
    members: dict[str, object] = {} if path.endswith("/annotations") else {"reason": "drill"}
    if "/prompts" in path:
        members |= asked(path) if method != "DELETE" else {}
    else:
        members |= told(path)
    if path.startswith("/admin"):
        return "application/json", json.dumps(members)
    return "application/x-www-form-urlencoded", urlencode({"rate": "10", **members})


def told(path: str) -> dict[str, object]:
    """Give what any other route is sent."""
    known: Mapping[str, dict[str, object]] = {
        "/move": {"to": "sim/other"},
        "/{metric}": {"key": "u"},
        "/fallback": {"fallback": {"when_error": ["chat-small"]}},
        "/silence": {"hours": "4"},
        "/case": {"expect": "Yes"},
        "/keys": {"tenant": "acme", "name": "ci"},
        "/keys/new": {"tenant": "acme", "name": "ci"},
        "/filters": {"name": "slow", "q": ""},
        "/annotations": {"name": "bad_answer", "score": 1},
        "/erasures": {"tenant": "acme"} if path.startswith("/admin") else TYPED,
        "/breaker": {"target": "sim/large"},
        "/breakers/open": {"target": "sim/large"},
        "/breakers/close": {"target": "sim/large"},
        "/suspensions": {"kind": "tenant", "name": "acme"},
        "/suspensions/resume": {"kind": "tenant", "name": "acme"},
    }
    return next((it for end, it in known.items() if path.endswith(end)), NOTHING)


async def prepare(site: Site, path: str) -> None:
    """Suspend what a route resumes, publish what it is about."""
    if "/prompts" in path:
        await fill_prompts(site)
        await vouch(site, NEW)
    if path.endswith("/case"):
        site.stores.contents[b"asked"] = b'{"messages": [{"role": "user", "content": "Hi"}]}'
    if "/evals" in path:
        store(site.desk, RAG)
    if "/alerts" in path:
        await fill_alerts(site)
    if "/reconcile" in path:
        fill_reports(site)
    if path.endswith("/unyank"):
        await registry_of(site).yank("rag-answer", OLD, ANA, and_rollback=True)
    if path.endswith("/resume"):
        scope = WHOLE_SITE if "/site/" in path else Scope(ScopeKind.TENANT, "acme")
        scope = Scope(ScopeKind.KEY, KEY) if "/keys/" in path else scope
        await site.suspend(scope)


def test_every_route_stands_in_the_table_of_lowest_roles() -> None:
    guarded = {f"{page.method} {page.path}" for page in PAGES if page.right is not None}
    guarded |= {f"{call.method} {call.path}" for call in CALLS}

    assert guarded == LOWEST.keys()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("route", LOWEST)
async def test_a_route_opens_from_its_lowest_role_on(site: Site, role: str, route: str) -> None:
    method, path = route.split()
    await prepare(site, path)
    site.control.write(PointerKind.ERASURE, "acme", OF_ACME, reason="drill")
    await site.log_in(role)
    media_type, content = body(method, path)
    headers = {"content-type": media_type, "x-csrf-token": await site.csrf(), "if-match": '"14"'}

    if method == "GET":
        answer = await site.client.get(names(path))
    else:
        answer = await site.client.request(method, names(path), content=content, headers=headers)

    if ROLES.index(role) >= ROLES.index(LOWEST[route]):
        assert answer.status_code in {200, 201, 303}
        assert "/login?" not in answer.headers.get("location", "")
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("route", LOWEST)
async def test_a_stranger_gets_nothing(site: Site, route: str) -> None:
    method, path = route.split()

    answer = await site.client.request(method, names(path))

    if path.startswith("/admin"):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthenticated"
    else:
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/login?next=%2Fconsole")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({"x-csrf-token": "0" * 64}, id="wrong token"),
        pytest.param({"x-csrf-token": "é"}, id="token that is not ASCII"),
        pytest.param({"origin": "http://evil.test", "x-csrf-token": "own"}, id="other site"),
        pytest.param({"origin": "null", "x-csrf-token": "own"}, id="no site"),
        pytest.param({"sec-fetch-site": "cross-site", "x-csrf-token": "own"}, id="says so"),
    ],
)
@pytest.mark.parametrize("route", [route for route in LOWEST if not route.startswith("GET")])
async def test_no_change_is_made_on_behalf_of_another_page(
    site: Site, route: str, headers: dict[str, str]
) -> None:
    method, path = route.split()
    await site.log_in("admin")
    own = await site.csrf()
    media_type, content = body(method, path)
    sent = {name: own if value == "own" else value for name, value in headers.items()}
    encoded = [(n.encode(), v.encode()) for n, v in {**sent, "content-type": media_type}.items()]
    before = len(site.control.changes)

    answer = await site.client.request(method, names(path), content=content, headers=encoded)

    assert answer.status_code == 403
    assert len(site.control.changes) == before


async def test_a_form_of_our_own_page_passes(site: Site) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "drill"}
    headers = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}

    answer = await site.client.post("/console/tenants/acme/suspend", data=form, headers=headers)

    assert answer.status_code == 303


async def test_a_form_may_hold_any_letters(site: Site) -> None:
    await site.log_in("operator")
    form = {"csrf": await site.csrf(), "reason": "boucle infinie à Zürich, 壊れた"}

    answer = await site.client.post("/console/tenants/acme/suspend", data=form)

    assert answer.status_code == 303
    assert site.control.changes[-1].reason == form["reason"]


async def test_a_posted_body_is_bounded(site: Site) -> None:
    await site.log_in("operator")

    answer = await site.client.post("/console/changes/1/undo", content=b"a" * 70_000)

    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/console/prompts/new", "/admin/v1/prompts/big/versions"])
@pytest.mark.parametrize(("size", "is_taken"), [(1_000_000, True), (2_200_000, False)])
async def test_a_prompt_file_may_be_a_mebibyte(
    site: Site, path: str, size: int, *, is_taken: bool
) -> None:
    await site.log_in("editor")
    file = f"name: big\nversion: 1.0.0\ndescription: d\nowner: o\ntemplate: {'a' * size}\n"
    members = {"file": file, "act": "publish", "reason": "large"}
    headers = {"x-csrf-token": await site.csrf()}

    if path.startswith("/admin"):
        del members["act"]
        answer = await site.client.post(path, json=members, headers=headers)
    else:
        answer = await site.client.post(path, data=members, headers=headers)

    assert (answer.status_code in {201, 303}) is is_taken
    assert (answer.status_code == 413) is not is_taken


@pytest.mark.parametrize(
    "path",
    [
        "/console/login",
        "/console",
        f"/console/requests/{EXAMPLE}",
        "/console/nowhere",
        "/admin/v1/records",
        "/admin/v1/nowhere",
    ],
)
async def test_every_answer_tells_browsers_what_they_must_not_do(site: Site, path: str) -> None:
    await site.log_in("admin")

    answer = await site.client.get(path)

    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/console/login",
        "/console",
        "/console/requests",
        f"/console/requests/{EXAMPLE}",
        "/console/tenants",
        "/console/tenants/acme/suspend",
        "/console/tenants/acme",
        "/console/costs",
        "/console/costs?tenant=acme&by=key_id",
        LABEL,
        "/console/evals/calibration",
        "/console/changes",
        "/console/changes/9",
        "/console/prompts",
        "/console/prompts/rag-answer",
        "/console/prompts/rag-answer/versions/3.2.0",
        "/console/prompts/rag-answer/diff",
        "/console/prompts/rag-answer/move?to=3.2.0",
        "/console/prompts/new",
        "/console/nowhere",
    ],
)
async def test_no_page_holds_script_or_style_of_its_own(site: Site, path: str) -> None:
    await fill_prompts(site)
    fill_evals(site.desk, site.clock.now_us())
    await site.log_in("admin")

    html = (await site.client.get(path)).text

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=)", html)


async def test_files_are_cached_for_ever_under_the_name_of_their_content(site: Site) -> None:
    html = (await site.client.get("/console/login")).text
    url = re.findall(r"/console/static/console\.css\?v=\w+", html)[0]

    named = await site.client.get(url)
    bare = await site.client.get("/console/static/console.css")

    assert "immutable" in named.headers["cache-control"]
    assert named.headers["content-type"].startswith("text/css")
    assert bare.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["nothing.css", "../app.py", "..%2Fapp.py", "vendor/manifest.json", ""]
)
async def test_no_other_file_is_served(site: Site, name: str) -> None:
    assert (await site.client.get(f"/console/static/{name}")).status_code == 404


async def test_a_page_that_refreshes_itself_is_told_to_load_anew_when_logged_out(
    site: Site,
) -> None:
    answer = await site.client.get("/console/live", headers={"hx-request": "true"})

    assert answer.status_code == 401
    assert answer.headers["hx-refresh"] == "true"


async def test_the_root_leads_to_the_console(site: Site) -> None:
    assert (await site.client.get("/")).headers["location"] == "/console"


async def test_what_is_missing_is_said_in_the_askers_form(site: Site) -> None:
    page = await site.client.get("/console/nowhere")
    call = await site.client.get("/admin/v1/nowhere", headers={"authorization": f"Bearer {BEARER}"})

    assert page.status_code == call.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert call.json()["error"]["code"] == "not_found"
