import base64
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from tests.gateway.conftest import AUTH, Answer, call, gateway
from tests.pipeline.conftest import KEY, Rig
from tests.prompts import CHAT, SEED, registry, version

from trimtab.control.prompts import Prompts
from trimtab.domain.prompt import Yank
from trimtab.gateway.prompt_events import PromptEvents
from trimtab.gateway.prompts import OF_TRIMTAB, PromptReads
from trimtab.registry.feed import Feed
from trimtab.registry.jinja import ENGINES
from trimtab.registry.render import Renderer
from trimtab.testing import seeded_entropy

OURS = (AUTH, (b"accept", OF_TRIMTAB))
JINJA = """\
name: listing
version: 1.0.0
engine: jinja
variables: {docs: {type: array}}
template: "{% for d in docs %}[{{ loop.index }}] {{ d }}\\n{% endfor %}"
"""
LABELS = {"rag-answer/production/default": "3.2.0", "listing/production/tenant:acme": "1.0.0"}
PROMPTS = registry(
    version(),
    version(SEED.replace("Cite", "Never cite"), version="3.3.0"),
    version(CHAT),
    version(JINJA),
    labels=LABELS,
    yanked={"rag-answer@3.3.0": Yank(reason="it lies\nmuch")},
)


async def get(
    path: str,
    *body: bytes,
    method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = (AUTH,),
    prompts: Prompts = PROMPTS,
) -> Answer:
    rig = Rig()
    rig.snapshot = replace(rig.snapshot, prompts=prompts)
    reads = PromptReads(
        rig.pipeline.identify, Renderer(ENGINES), PromptEvents(Feed()), "dev", seeded_entropy()
    )
    return await call(gateway(rig, reads), method, path, *body, headers=headers)


def basic(user: str, password: str) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(f"{user}:{password}".encode())


async def test_the_seeds_client_gets_the_entry_it_knows() -> None:
    answer = await get("/prompts/rag-answer/versions/3.2.0")

    assert answer.status == 200
    entry: Any = answer.json
    assert entry["template"].startswith("You are a $persona.")
    assert entry["required_vars"] == ["context", "question"]
    assert entry["optional_vars"] == ["persona"]
    assert answer.headers["etag"] == f'"{entry["hash"]}"'
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "header", [basic("app", KEY.text), basic(KEY.text, ""), (b"x-api-key", KEY.text.encode())]
)
async def test_a_key_may_come_as_the_password_of_a_url(header: tuple[bytes, bytes]) -> None:
    answer = await get("/prompts/rag-answer/versions/3.2.0", headers=(header,))

    assert answer.status == 200


async def test_our_own_clients_get_the_text_that_the_hash_covers() -> None:
    answer = await get("/prompts/triage/versions/1.0.0", headers=OURS)

    told: Any = answer.json
    assert sha256(told["content"].encode()).hexdigest() == told["hash"]
    assert "label" not in told


async def test_a_label_is_read_with_its_scope_and_is_never_kept() -> None:
    answer = await get("/prompts/rag-answer/labels/production")

    told: Any = answer.json
    assert (told["version"], told["label"], told["scope"]) == ("3.2.0", "production", "default")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"] == f'"{told["seq"]}"'


async def test_a_label_of_the_tenant_is_found_by_its_key() -> None:
    told: Any = (await get("/prompts/listing/labels/production")).json

    assert told["scope"] == "tenant:acme"


async def test_a_key_sees_the_labels_it_is_given_and_no_other_tenants() -> None:
    labels = {**LABELS, "rag-answer/production/tenant:globex": "3.3.0"}
    prompts = registry(version(), version(JINJA), labels={**labels, "rag-answer/beta/env:x": "9"})

    shown: Any = (await get("/prompts/rag-answer", prompts=prompts)).json
    listed: Any = (await get("/prompts", prompts=prompts)).json

    assert shown["labels"] == {"production": {"default": "3.2.0"}}
    assert [it["labels"] for it in listed["prompts"]] == [
        {"production": {"tenant:acme": "1.0.0"}},
        {"production": {"default": "3.2.0"}},
    ]


async def test_a_yanked_version_is_told_to_be_one() -> None:
    answer = await get("/prompts/rag-answer/versions/3.3.0", headers=OURS)

    assert answer.headers["x-trimtab-yanked"] == "it liesmuch"
    assert answer.json["yanked"] == "it lies\nmuch"


async def test_the_server_renders_what_clients_cannot() -> None:
    body = msgspec.json.encode({"variables": {"docs": ["a", "{{ b }}"]}})

    answer = await get("/prompts/listing/render", body, method="POST")

    assert answer.json["messages"] == [{"role": "user", "content": "[1] a\n[2] {{ b }}\n"}]


async def test_lists_tell_where_labels_point() -> None:
    listed: Any = (await get("/prompts")).json
    shown: Any = (await get("/prompts/rag-answer")).json

    assert [it["name"] for it in listed["prompts"]] == ["listing", "rag-answer", "triage"]
    assert shown["labels"] == {"production": {"default": "3.2.0"}}
    assert [(it["version"], it["yanked"]) for it in shown["versions"]] == [
        ("3.2.0", False),
        ("3.3.0", True),
    ]


BLOCKED = registry(version(), yanked={"rag-answer@3.2.0": Yank(reason="leaks", blocked=True)})
CORRUPT = registry(msgspec.structs.replace(version(), content=version(CHAT).content))


@pytest.mark.parametrize(
    ("path", "prompts", "status", "code"),
    [
        pytest.param("/prompts/x/versions/1.0.0", PROMPTS, 404, "prompt_not_found", id="no prompt"),
        pytest.param(
            "/prompts/rag-answer/versions/9.0.0", PROMPTS, 404, "prompt_not_found", id="no version"
        ),
        pytest.param(
            "/prompts/rag-answer/versions/production", PROMPTS, 404, "not_a_version", id="a label"
        ),
        pytest.param(
            "/prompts/rag-answer/labels/staging", PROMPTS, 404, "prompt_not_found", id="unset label"
        ),
        pytest.param(
            "/prompts/triage/versions/1.0.0", PROMPTS, 406, "not_a_plain_template", id="messages"
        ),
        pytest.param(
            "/prompts/listing/versions/1.0.0", PROMPTS, 406, "not_a_plain_template", id="engine"
        ),
        pytest.param(
            "/prompts/rag-answer/versions/3.2.0", BLOCKED, 410, "version_blocked", id="blocked"
        ),
        pytest.param(
            "/prompts/rag-answer/versions/3.2.0", CORRUPT, 500, "version_corrupt", id="corrupt"
        ),
        pytest.param("/prompts/a/b/c/d", PROMPTS, 404, "not_found", id="no such path"),
    ],
)
async def test_what_is_not_there_says_why(
    path: str, prompts: Prompts, status: int, code: str
) -> None:
    answer = await get(path, prompts=prompts)

    assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_nothing_can_be_written_over_here(method: str) -> None:
    answer = await get("/prompts/rag-answer/versions/3.2.0", b"{}", method=method)

    assert answer.status == 404


async def test_nobody_reads_without_a_key() -> None:
    answer = await get("/prompts", headers=())

    assert (answer.status, answer.json["error"]["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"variables": 5}', b'{"more": 1}', b"[" * 5000])
async def test_a_render_that_cannot_be_read_is_refused(body: bytes) -> None:
    answer = await get("/prompts/listing/render", body, method="POST")

    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")
