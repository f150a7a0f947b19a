"""The admin API of prompts: publishing, moving labels, and what vouches for a version."""

from typing import Any

import httpx2
import pytest
from tests.console.conftest import BEARER, Site
from tests.console.prompting import (
    API,
    LABEL,
    NEW,
    NEXT,
    OLD,
    at,
    fill_prompts,
    publish,
    vouch,
)
from tests.registry.site import seed

from trimtab.domain.prompt import Label, Place

JINJA = NEXT.replace("template:", "engine: jinja\ntemplate:").replace("$", "")
WHY: dict[str, Any] = {"reason": "drill"}


@pytest.fixture
async def filled(site: Site) -> Site:
    """A site with prompts, asked with the admin token."""
    await fill_prompts(site)
    site.client.headers["authorization"] = f"Bearer {BEARER}"
    return site


async def seq_of(site: Site) -> str:
    """Give the `If-Match` of production."""
    told = (await site.client.get(API)).json()["labels"]["production"]["default"]
    return f'"{told["seq"]}"'


async def promote(site: Site, version: str, if_match: str, **members: Any) -> httpx2.Response:  # noqa: ANN401
    body = {**WHY, "version": version, **members}
    return await site.client.put(LABEL, json=body, headers={"if-match": if_match})


async def as_person(site: Site, role: str) -> dict[str, str]:
    """Log in instead of using the token; gives the headers of a call."""
    del site.client.headers["authorization"]
    await site.log_in(role)
    return {"x-csrf-token": await site.csrf()}


async def test_prompts_are_listed_with_where_production_points(filled: Site) -> None:
    told = (await filled.client.get("/admin/v1/prompts")).json()["prompts"]

    assert [it["name"] for it in told] == ["rag-answer", "triage"]
    assert (told[0]["newest"], told[0]["production"]["version"]) == (NEW, NEW)
    assert told[1]["production"] is None


async def test_the_ladder_is_that_of_the_caller_who_is_named(filled: Site) -> None:
    told = (await filled.client.get(f"{API}?tenant=acme&env=prod")).json()

    ladder = [
        (it["scope"], it["at"] and it["at"]["version"]) for it in told["ladder"]["production"]
    ]
    assert ladder == [
        ("tenant:acme", OLD),
        ("cohort:tier-smb", None),
        ("env:prod", None),
        ("default", NEW),
    ]
    assert [it["version"] for it in told["versions"]] == [OLD, NEW]


async def test_a_version_is_read_whole(filled: Site) -> None:
    await vouch(filled, NEW)

    told = (await filled.client.get(f"{API}/versions/{NEW}")).json()

    assert told["content"]["template"].startswith("You are a $persona.")
    assert told["file"] == seed(NEW, "Always cite")
    assert [it["by"] for it in told["approvals"]] == ["ben"]
    assert [it["passed"] for it in told["evidence"]] == [True]


async def test_moves_are_listed_newest_first(filled: Site) -> None:
    told = (await filled.client.get(f"{API}/history")).json()["moves"]
    of_acme = (await filled.client.get(f"{API}/history?scope=tenant:acme")).json()["moves"]

    assert [it["reason"] for it in told] == ["shorter answers", "first release"]
    assert [it["reason"] for it in of_acme] == ["acme waits"]


async def test_a_comparison_tells_what_the_number_must_say(filled: Site) -> None:
    told = (await filled.client.get(f"{API}/diff?from={OLD}&to={NEW}")).json()

    assert (told["required"], told["declared"], told["enough"]) == ("minor", "minor", True)
    assert any("{+" in line for line in told["lines"])
    assert (await filled.client.get(f"{API}/diff?from={OLD}")).status_code == 400


async def test_publishing_is_new_once_and_tells_what_takes_it_back(filled: Site) -> None:
    first = await filled.client.post(f"{API}/versions", json={**WHY, "file": NEXT})
    again = await filled.client.post(f"{API}/versions", json={**WHY, "file": NEXT})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["change"]["pointer"] == "prompt/rag-answer@3.4.0"
    assert first.json()["undo"] == {"method": "POST", "path": f"{API}/versions/3.4.0/yank"}
    assert again.json()["change"] is None
    taken_back = await filled.client.post(first.json()["undo"]["path"], json=WHY)
    assert taken_back.status_code == 200


@pytest.mark.parametrize(
    ("file", "status", "code", "told"),
    [
        (seed(OLD, "Never cite"), 409, "version_immutable", "3.3.1"),
        (seed("3.3.1", "Never cite"), 422, "bump_too_small", "minor"),
        (seed("3.4.0", "Cite $nobody"), 422, "lint_failed", "R004"),
        ("name: rag-answer\nversion: 1\nvolume: 3\n", 422, "settings_invalid", "volume"),
        (NEXT.replace("name: rag-answer", "name: other"), 400, "invalid_request", "of prompt"),
    ],
    ids=["immutable", "bump", "lint", "malformed", "another prompt"],
)
async def test_what_cannot_be_published_is_told_with_all_that_is_wrong(
    filled: Site, file: str, status: int, code: str, told: str
) -> None:
    before = len(filled.control.changes)

    answer = await filled.client.post(f"{API}/versions", json={**WHY, "file": file})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert told in answer.json()["error"]["message"]
    assert len(filled.control.changes) == before


@pytest.mark.parametrize(("role", "status"), [("operator", 403), ("admin", 201)])
async def test_what_runs_on_the_server_is_published_by_admins_only(
    filled: Site, role: str, status: int
) -> None:
    file = JINJA.replace("3.4.0", "4.0.0")
    file = file.replace("name: rag-answer", "name: run").replace(
        "You are a persona.", "{{ persona }} {{ context }} {{ question }}"
    )
    headers = await as_person(filled, role)

    path = "/admin/v1/prompts/run/versions"
    answer = await filled.client.post(path, json={**WHY, "file": file}, headers=headers)

    assert answer.status_code == status, answer.text


async def test_a_label_moves_if_nobody_moved_it_since(filled: Site) -> None:
    await vouch(filled, OLD)
    seen = await seq_of(filled)

    moved = await promote(filled, OLD, seen)
    late = await promote(filled, NEW, seen, override=True)

    assert moved.status_code == 200
    assert await at(filled) == Label(version=OLD)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "change_conflict")
    undo = moved.json()["undo"]
    await filled.client.request(undo["method"], undo["path"], json=WHY)
    assert (await at(filled) or Label(version="")).version == NEW


@pytest.mark.parametrize(("if_match", "status"), [(None, 428), ("418", 400), ("*", 400)])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_label_moves_only_for_who_says_where_it_stood(
    filled: Site, method: str, if_match: str | None, status: int
) -> None:
    headers = {} if if_match is None else {"if-match": if_match}
    body = {**WHY, "version": OLD} if method == "PUT" else WHY

    answer = await filled.client.request(method, LABEL, json=body, headers=headers)

    assert answer.status_code == status
    assert await at(filled) == Label(version=NEW)


async def test_a_label_that_stood_nowhere_is_at_zero(filled: Site) -> None:
    path, body = f"{API}/labels/staging/default", {**WHY, "version": OLD}

    moved = await filled.client.put(path, json=body, headers={"if-match": '"0"'})
    again = await filled.client.put(path, json=body, headers={"if-match": '"0"'})

    assert moved.status_code == 200
    assert again.status_code == 409


@pytest.mark.parametrize(("role", "status"), [("operator", 403), ("admin", 200)])
async def test_only_admins_override_what_a_label_asks_for(
    filled: Site, role: str, status: int
) -> None:
    refused = await promote(filled, OLD, await seq_of(filled))
    seen = await seq_of(filled)
    headers = {**await as_person(filled, role), "if-match": seen}

    body = {**WHY, "version": OLD, "override": True}
    answer = await filled.client.put(LABEL, json=body, headers=headers)

    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "label_protected")
    assert answer.status_code == status
    assert await at(filled) == Label(version=OLD if status == 200 else NEW, override=status == 200)


async def test_a_label_of_a_scope_is_unset(filled: Site) -> None:
    told = (await filled.client.get(API)).json()["labels"]["production"]["tenant:acme"]
    path = f"{API}/labels/production/tenant:acme"

    gone = await filled.client.request(
        "DELETE", path, json=WHY, headers={"if-match": f'"{told["seq"]}"'}
    )

    assert gone.status_code == 200
    assert await at(filled, Place("rag-answer", scope="tenant:acme")) is None


async def test_a_rollback_goes_back_and_is_undone(filled: Site) -> None:
    back = await filled.client.post(f"{LABEL}/rollback", json=WHY)
    further = await filled.client.post(f"{LABEL}/rollback", json=WHY)

    assert await at(filled) == Label(version=OLD, rolled_back=True)
    assert back.json()["undo"]["path"].endswith("/undo")
    assert (further.status_code, further.json()["error"]["code"]) == (
        409,
        "nothing_to_roll_back_to",
    )


async def test_a_yank_takes_labels_back_and_is_undone_from_the_last(filled: Site) -> None:
    path = f"{API}/versions/{NEW}/yank"

    refused = await filled.client.post(path, json=WHY)
    done = (await filled.client.post(path, json={**WHY, "and_rollback": True})).json()["changes"]

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "in_use")
    assert (await at(filled) or Label(version="")).version == OLD
    assert [it["change"]["pointer"].split("/")[0] for it in done] == ["yank", "label"]
    for it in done:
        undone = await filled.client.post(it["undo"]["path"], json=WHY)
        assert undone.status_code == 200, undone.text
    assert (await at(filled) or Label(version="")).version == NEW


async def test_a_version_is_put_back_into_use(filled: Site) -> None:
    await publish(filled, NEXT)
    await filled.client.post(f"{API}/versions/3.4.0/yank", json=WHY)

    back = await filled.client.post(f"{API}/versions/3.4.0/unyank", json=WHY)
    again = await filled.client.post(f"{API}/versions/3.4.0/unyank", json=WHY)

    assert (back.status_code, again.status_code) == (200, 400)


async def test_a_review_is_a_persons(filled: Site) -> None:
    path = f"{API}/versions/{NEW}/approve"

    program = await filled.client.post(path, json=WHY)
    headers = await as_person(filled, "editor")
    person = await filled.client.post(path, json=WHY, headers=headers)

    assert program.status_code == 403
    assert person.status_code == 200
    assert person.json()["undo"] is None


async def test_evidence_is_of_the_content_of_a_version(filled: Site) -> None:
    body = {**WHY, "passed": True, "datasets": ["mt-bench"], "report": "https://ci.example/42"}

    added = await filled.client.post(f"{API}/versions/{NEW}/evidence", json=body)

    version = (await filled.client.get(f"{API}/versions/{NEW}")).json()
    assert added.status_code == 200
    assert version["evidence"][0] == {
        "hash": version["hash"],
        "passed": True,
        "ts_us": filled.clock.now_us(),
        "datasets": ["mt-bench"],
        "report": "https://ci.example/42",
    }


@pytest.mark.parametrize("path", ["/admin/v1/prompts/nobody", f"{API}/versions/9.9.9"])
async def test_what_is_not_there_is_told(filled: Site, path: str) -> None:
    answer = await filled.client.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "prompt_not_found")


async def test_the_api_says_which_calls_need_if_match(filled: Site) -> None:
    paths = (await filled.client.get("/admin/v1/openapi.json")).json()["paths"]

    label = paths["/admin/v1/prompts/{name}/labels/{label}/{scope}"]
    for method in ("put", "delete"):
        named = [it for it in label[method]["parameters"] if it["in"] == "header"]
        assert named == [
            {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}
        ]
