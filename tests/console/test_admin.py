"""The admin API."""

import httpx2
import msgspec
import pytest
from msgspec.structs import replace
from tests.console.conftest import BEARER, EXAMPLE, V1, Site

from trimtab.console.app import CALLS
from trimtab.domain.annotation import Annotated
from trimtab.domain.ids import request_id
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.telemetry.frames import Kind
from trimtab.testing import seeded_entropy


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {BEARER}", f"Bearer {BEARER}x"],
)
async def test_a_wrong_token_opens_nothing_even_beside_a_session(
    site: Site, authorization: str
) -> None:
    await site.log_in("admin")

    answer = await site.client.get(f"{V1}/keys", headers={"authorization": authorization})

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"
    assert BEARER not in answer.text


async def test_a_token_needs_no_csrf_token(api: httpx2.AsyncClient) -> None:
    answer = await api.post(f"{V1}/changes/9/undo", json={"reason": "worse answers"})

    assert answer.status_code == 200
    assert answer.json()["change"]["author"] == "admin-token"


async def test_a_token_does_not_open_pages(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/console")).status_code == 303


async def test_records_are_paged_by_cursor(api: httpx2.AsyncClient) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await api.get(f"{V1}/records", params={"cursor": cursor})).json()
        seen += [record["request_id"] for record in page["records"]]
        cursor = page["next"]

    assert len(seen) == len(set(seen)) == 171


async def test_records_are_filtered_as_in_the_console(api: httpx2.AsyncClient) -> None:
    page = (await api.get(f"{V1}/records?q=status%3Arejected")).json()

    assert {record["status"] for record in page["records"]} == {"rejected"}


async def test_a_record_comes_with_its_parts(api: httpx2.AsyncClient) -> None:
    stored = (await api.get(f"{V1}/records/{EXAMPLE}")).json()

    assert stored["record"]["cost_nano"] == 9_414_000
    assert [attempt["n"] for attempt in stored["attempts"]] == [1, 2]
    assert stored["lines"][0]["line_id"] == f"{EXAMPLE}/2/charge/0"


async def test_content_comes_as_it_was_sent(site: Site, api: httpx2.AsyncClient) -> None:
    content = (await api.get(f"{V1}/records/{EXAMPLE}/content")).json()

    assert content["input"].encode() == site.stores.contents[b"asked"]
    assert content["output"].encode() == site.stores.contents[b"answer"]


async def test_erased_content_is_gone(site: Site, api: httpx2.AsyncClient) -> None:
    stored = site.stores.records[0]
    erased = replace(stored.record, content_state="erased")
    site.stores.records[0] = replace(stored, record=erased)

    answer = await api.get(f"{V1}/records/{EXAMPLE}/content")

    assert answer.status_code == 410
    assert answer.json()["error"]["code"] == "record_erased"


async def test_a_record_just_made_is_not_stored_yet(site: Site, api: httpx2.AsyncClient) -> None:
    young = request_id(site.clock.now_us(), seeded_entropy())

    answer = await api.get(f"{V1}/records/{young}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "record_not_found"
    assert "not stored yet" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["costs?group_by=mood", "costs?q=mood%3Agood", "records?cursor=x"])
async def test_what_cannot_be_read_is_refused_with_a_reason(
    api: httpx2.AsyncClient, path: str
) -> None:
    answer = await api.get(f"{V1}/{path}")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"reason": ""}', '{"reason": 7}', '{"reason": "x", "by": "y"}', "é"]
)
async def test_a_body_that_is_not_described_changes_nothing(
    site: Site, api: httpx2.AsyncClient, body: str
) -> None:
    answer = await api.post(f"{V1}/changes/9/undo", content=body.encode("latin-1"))

    assert answer.status_code == 400
    assert len(site.control.changes) == 9


async def test_a_change_is_undone(site: Site, api: httpx2.AsyncClient) -> None:
    answer = await api.post(f"{V1}/changes/9/undo", json={"reason": "worse answers"})

    assert answer.json()["change"]["after"]["to"]["model"] == "large"
    assert (await site.control.snapshot()).models["chat"].to.model == "large"


async def test_changes_come_newest_first(api: httpx2.AsyncClient) -> None:
    changes = (await api.get(f"{V1}/changes?before=5")).json()["changes"]

    assert [change["seq"] for change in changes] == [4, 3, 2, 1]
    assert changes[0]["after"]["name"] == "smb"


async def test_the_snapshot_holds_no_secret(api: httpx2.AsyncClient) -> None:
    text = (await api.get(f"{V1}/snapshot")).text

    snapshot = msgspec.json.decode(text)
    assert snapshot["config_seq"] == 9
    assert snapshot["models"]["chat"]["to"] == {"provider": "sim", "model": "large-2026"}
    assert "sha256" not in text


async def test_tenants_come_with_their_suspension(site: Site, api: httpx2.AsyncClient) -> None:
    until_us = site.clock.now_us() + 1
    await site.suspend(Scope(ScopeKind.TENANT, "acme"), until_us=until_us)

    tenants = (await api.get(f"{V1}/tenants")).json()["tenants"]

    suspended = {t["tenant"]["id"]: t["suspension"] for t in tenants if t["suspension"]}
    assert suspended == {"acme": {"reason": "loop", "until_us": until_us}}


async def test_the_document_describes_every_call(site: Site) -> None:
    document = (await site.client.get(f"{V1}/openapi.json")).json()

    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert document["openapi"] == "3.1.0"
    assert described == {(call.method, call.path) for call in CALLS}
    assert set(document["components"]["schemas"]) > {"StoredRecord", "CreateKey", "Because"}


@pytest.mark.parametrize("path", [f"records?cursor={'9' * 30}.r_1", f"changes?before={'9' * 5000}"])
async def test_numbers_without_end_are_no_fault_of_ours(api: httpx2.AsyncClient, path: str) -> None:
    assert (await api.get(f"{V1}/{path}")).status_code < 500


async def test_what_somebody_says_of_a_request_is_written_down(
    site: Site, api: httpx2.AsyncClient
) -> None:
    said = {"name": "bad_answer", "score": 2, "label": "hallucination", "text": "no such clause"}

    answer = await api.post(f"{V1}/records/{EXAMPLE}/annotations", json=said)

    ((kind, payload),) = site.stores.spool.frames
    written = msgspec.msgpack.decode(payload, type=Annotated)
    about = written.annotation
    assert (answer.status_code, kind) == (201, Kind.ANNOTATION)
    assert answer.json() == {"annotation_id": about.annotation_id, "request_id": EXAMPLE}
    assert (about.kind, about.source, about.author) == ("label", "reviewer", "admin-token")
    assert (about.name, about.score, about.label) == ("bad_answer", 2.0, "hallucination")
    assert about.text_ref == written.content[0].ref
    assert not written.claimed


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"name": "bad_answer"}, "no score, label or text"),
        ({"name": "Bad answer", "score": 1}, "$.name"),
        ({"name": "a", "label": "b\n"}, "$.label"),
        ({"name": "a", "score": 1, "author": "somebody else"}, "author"),
    ],
)
async def test_what_cannot_be_said_of_a_request_is_refused(
    site: Site, api: httpx2.AsyncClient, said: dict[str, object], told: str
) -> None:
    answer = await api.post(f"{V1}/records/{EXAMPLE}/annotations", json=said)

    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]
    assert site.stores.spool.frames == []


@pytest.mark.parametrize(
    ("field", "value", "status", "told"),
    [
        ("tenant_id", "globex", 400, "nothing is kept of what is written"),
        ("content_state", "erased", 410, "was erased"),
    ],
)
async def test_words_are_kept_as_the_content_of_the_tenant_is(
    site: Site, api: httpx2.AsyncClient, field: str, value: str, status: int, told: str
) -> None:
    stored = site.stores.records[0]
    site.stores.records[0] = replace(stored, record=replace(stored.record, **{field: value}))
    path = f"{V1}/records/{stored.record.request_id}/annotations"

    refused = await api.post(path, json={"name": "a", "text": "my address is"})
    figures = await api.post(path, json={"name": "a", "score": 1})

    assert (refused.status_code, figures.status_code) == (status, 201)
    assert told in refused.json()["error"]["message"]
    assert len(site.stores.spool.frames) == 1
