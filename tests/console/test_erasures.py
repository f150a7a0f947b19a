"""The page that orders erasures, and the calls that do."""

from tests.console.conftest import EXAMPLE, Site

from trimtab.domain.change import Change, PointerKind


def ordered(site: Site) -> list[Change]:
    return [it for it in site.control.changes if it.pointer.kind is PointerKind.ERASURE]


async def send(site: Site, **form: str) -> tuple[int, str]:
    answer = await site.client.post(
        "/console/erasures", data={"csrf": await site.csrf(), "reason": "GDPR", **form}
    )
    return answer.status_code, answer.text


async def test_an_admin_orders_and_it_is_in_the_log(site: Site) -> None:
    await site.log_in("admin")
    status, _ = await send(site, tenant="acme", confirm="acme")
    assert status == 303
    [change] = ordered(site)
    assert (change.author, change.reason) == ("admin", "GDPR")
    assert "under way" in (await site.client.get("/console/erasures")).text


async def test_what_is_not_typed_once_more_is_not_erased(site: Site) -> None:
    await site.log_in("admin")
    status, page = await send(site, tenant="acme", confirm="acm")
    assert status == 400
    assert "another name" in page
    assert ordered(site) == []


async def test_a_user_is_known_by_a_hash_only(site: Site) -> None:
    await site.log_in("admin")
    status, _ = await send(site, tenant="acme", user="dana-4711", confirm="dana-4711")
    assert status == 303
    assert b"dana" not in (ordered(site)[0].after or b"")
    assert "dana" not in (await site.client.get("/console/erasures")).text


async def test_nobody_in_particular_cannot_be_erased(site: Site) -> None:
    await site.log_in("admin")
    assert (await send(site, confirm=""))[0] == 400
    assert ordered(site) == []


async def test_a_request_that_is_kept_for_a_case_is_answered_409(site: Site, api: object) -> None:
    _ = api
    stored = await site.stores.find(EXAMPLE)
    assert stored is not None
    await site.stores.keeper.hold("CASE-12", [stored.record], author="dana", until_us=None)
    answer = await site.client.post(
        "/admin/v1/erasures", json={"request_id": stored.record.request_id, "reason": "x"}
    )
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "legal_hold_active"
    assert "CASE-12" in answer.json()["error"]["message"]


async def test_a_dry_run_only_counts(site: Site, api: object) -> None:
    _ = api
    answer = await site.client.post(
        "/admin/v1/erasures", json={"tenant": "acme", "reason": "x", "dry_run": True}
    )
    assert answer.json()["would_erase"] == {"records": 0, "legal_hold": 0}
    assert ordered(site) == []
