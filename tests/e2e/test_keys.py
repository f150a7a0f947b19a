"""Keys on real processes: rotated, acting for tenants, and never good at the wrong door."""

from collections.abc import Mapping

import pytest
from tests.e2e.conftest import ADMIN_KEY, Stack, eventually
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, request, send

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

WIRES = (OPENAI, ANTHROPIC)
WHY = ("--reason", "quarterly")


@pytest.fixture(scope="session")
def backend(stack: Stack) -> str:
    """A key that acts for any tenant, and makes those it names first."""
    made = stack.json(
        *("keys", "create", "--name", "backend"), "--act-for=*", "--new-tenant-tier=wide"
    )
    key: str = made["key"]
    eventually(lambda: ask(stack, key, {}).status == 400, "the worker knows the key")
    return key


def ask(stack: Stack, key: str, headers: Mapping[str, str], path: str = OPENAI) -> Answer:
    return send(stack.port, request(key, None, path, *headers.items()))


def named(tenant: str) -> Mapping[str, str]:
    return {"x-trimtab-tenant": tenant}


def test_both_texts_of_a_rotated_key_are_good_until_the_overlap_ends(stack: Stack) -> None:
    made = stack.json("keys", "create", "--tenant", "acme", "--name", "rotated")
    old = made["key"]

    new = stack.json("keys", "rotate", "rotated", "--overlap", "2s", *WHY)["key"]

    eventually(lambda: ask(stack, new, {}).status == 200, "the worker knows the new text")
    assert ask(stack, old, {}).status == 200
    eventually(lambda: ask(stack, old, {}).status == 401, "the overlap ends", 5.0)
    refused = ask(stack, old, {})
    assert refused.headers["x-trimtab-error"] == "key_expired"
    good = ask(stack, new, {})
    assert good.status == 200
    assert stack.record(good.request_id)["key_id"] == made["id"]


@pytest.mark.parametrize("path", WIRES)
def test_a_backend_names_the_tenant_that_pays(stack: Stack, backend: str, path: str) -> None:
    answer = ask(stack, backend, named("globex"), path)

    record = stack.record(answer.request_id)
    assert answer.status == 200
    assert (record["tenant_id"], record["tier"]) == ("globex", "wide")


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 400, "invalid_request", id="missing"),
        pytest.param(named("A B"), 400, "invalid_request", id="no name"),
        pytest.param(named("trimtab-canary"), 403, "tenant_not_allowed", id="the system's own"),
    ],
)
def test_a_backend_is_told_what_is_wrong_with_its_tenant(
    stack: Stack, backend: str, path: str, headers: Mapping[str, str], status: int, code: str
) -> None:
    answer = ask(stack, backend, headers, path)

    assert (answer.status, answer.headers["x-trimtab-error"]) == (status, code)


def test_a_tenant_never_seen_is_made_once_and_served(stack: Stack, backend: str) -> None:
    name = "first-seen"

    answers = [ask(stack, backend, named(name)) for _ in range(3)]

    assert {answer.status for answer in answers} == {200}
    changes = stack.json("changes", "list")["changes"]
    [made] = [change for change in changes if change["pointer"] == f"tenant/{name}"]
    assert (made["source"], made["author"]) == ("system", "key backend")
    assert made["after"] == {"id": name, "tier": "wide"}
    assert stack.record(answers[0].request_id)["tenant_id"] == name


def test_a_key_acts_for_those_of_its_list_alone(stack: Stack) -> None:
    key = stack.json("keys", "create", "--name", "two", "--act-for", "acme,globex")["key"]

    eventually(lambda: ask(stack, key, named("acme")).status == 200, "the worker knows the key")

    for tenant in ("limited", "nobody"):
        answer = ask(stack, key, named(tenant))
        assert (answer.status, answer.headers["x-trimtab-error"]) == (403, "tenant_not_allowed")
        assert answer.json["error"]["code"] == "tenant_not_allowed"


def test_what_a_backend_may_call_is_what_the_tenant_may(stack: Stack, backend: str) -> None:
    models = stack.json("check", "--key", "backend", "--tenant", "clumsy", "--model", "chat")
    body = chat(model="hasty")
    answer = send(stack.port, request(backend, body, OPENAI, ("x-trimtab-tenant", "clumsy")))

    assert models["allowed"]
    assert answer.headers["x-trimtab-error"] == "model_not_allowed"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/v1/messages"])
def test_the_admin_token_opens_no_route_of_the_gateway(stack: Stack, path: str) -> None:
    if path == "/v1/models":
        assert stack.status(path, ADMIN_KEY) == 401
    else:
        assert send(stack.port, request(ADMIN_KEY, None, path)).status == 401


@pytest.mark.parametrize("path", ["keys", "snapshot", "records", "suspensions"])
def test_a_key_of_a_tenant_or_a_backend_opens_no_route_of_the_admin_api(
    stack: Stack, key: str, backend: str, path: str
) -> None:
    assert stack.status(f"/admin/v1/{path}", key) == 401
    assert stack.status(f"/admin/v1/{path}", backend) == 401
