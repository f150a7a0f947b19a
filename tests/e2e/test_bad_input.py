"""Whatever a caller sends, the answer is an error in the caller's own shape, with a stable code;
nothing stays held, and the next request is served.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import ADMIN_KEY, Stack, eventually, processes_of
from tests.e2e.raw_http import ANTHROPIC, OPENAI, Answer, chat, head, read, request, send

from trimtab.domain.keys import new_key

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

INPUT_ROUTES = ("/v1/responses", "/v1/embeddings", "/v1/moderations")
COUNT = "/v1/messages/count_tokens"
HUGE = 50_000_000
LARGEST = 32 << 20
SLACK = 8 << 20
WIRES = [pytest.param(OPENAI, id="openai"), pytest.param(ANTHROPIC, id="anthropic")]
SILENT_S = 60.0
DENIED_S = 3.0


@pytest.fixture(scope="module")
def clumsy(stack: Stack) -> str:
    """A key of a tenant that may have one request at a time: what stays held is seen at once."""
    return stack.key("clumsy")


@pytest.fixture(scope="module", autouse=True)
def slow(stack: Stack, clumsy: str) -> Iterator[dict[str, "Future[tuple[Answer, float]]"]]:
    """Clients that take their time, at work while the other tests run."""
    starts = {
        "no head": b"",
        "half a head": head(clumsy)[:-2],
        "half a body": head(clumsy, length=1000) + b'{"model": "chat"',
        "half a form": head(None, line="POST /console/login HTTP/1.1", length=1000) + b"name=",
    }
    with ThreadPoolExecutor(len(starts)) as threads:
        yield {name: threads.submit(_trickle, stack.port, data) for name, data in starts.items()}


@pytest.fixture(autouse=True)
def served_before_and_after(stack: Stack, clumsy: str) -> Iterator[None]:
    """No test leaves anything held, or a traceback in what was printed."""
    printed = len(stack.log())
    yield
    assert "Traceback" not in stack.log()[printed:]
    assert send(stack.port, request(clumsy)).status == 200


BODIES = [
    pytest.param(b"", None, id="empty"),
    pytest.param(b"model=chat", None, id="a form"),
    pytest.param(b'{"model": "chat", "messages": [', None, id="cut off"),
    pytest.param(b"[]", None, id="a list"),
    pytest.param(b"null", None, id="null"),
    pytest.param(b'"chat"', None, id="a string"),
    pytest.param(b"\xef\xbb\xbf" + chat(), None, id="byte order mark"),
    pytest.param(chat().replace(b"hi", b"\xff\xfe"), None, id="not UTF-8"),
    pytest.param(chat().replace(b"hi", b"\\ud800"), None, id="half a surrogate pair"),
    pytest.param(chat().replace(b"50", b"NaN"), None, id="not a number"),
    pytest.param(chat().replace(b'"hi"', b"[" * 100_000 + b"]" * 100_000), None, id="too deep"),
    pytest.param(chat().replace(b"{", b'{"model": "x", ', 1), "model", id="model is there twice"),
    pytest.param(chat(model=1), "model", id="model is a number"),
    pytest.param(chat(model=""), "model", id="model is empty"),
    pytest.param(chat(model="m" * 300), "model", id="model is long"),
    pytest.param(b'{"messages": [{}]}', "model", id="no model"),
    pytest.param(b'{"model": "chat"}', "messages", id="no messages"),
    pytest.param(chat(messages="hi"), "messages", id="messages are text"),
    pytest.param(chat(messages=[]), "messages", id="messages are empty"),
    pytest.param(chat(stream="yes"), "stream", id="stream is text"),
    pytest.param(chat(trimtab="x"), "trimtab", id="our member is text"),
    pytest.param(chat(trimtab={"fature": "x"}), "trimtab.fature", id="typo in our member"),
    pytest.param(chat(trimtab={"feature": "A B"}), "trimtab", id="feature is no name"),
    pytest.param(chat(trimtab={"tags": {"a": 1}}), "trimtab.tags[...]", id="tag is a number"),
    pytest.param(
        chat(trimtab={"tags": {str(n): "" for n in range(17)}}), "trimtab.tags", id="17 tags"
    ),
]


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(("body", "param"), BODIES)
def test_a_body_that_cannot_be_read_is_explained(
    stack: Stack, clumsy: str, path: str, body: bytes, param: str | None
) -> None:
    answer = send(stack.port, request(clumsy, body, path))

    _check_error(answer, path, 400, "invalid_request")
    assert len(answer.body) < 1000
    if path == OPENAI:
        assert answer.json["error"]["param"] == param
    _check_denied(stack, answer, "invalid_request")


INPUTS = [
    pytest.param({"input": None}, "input", id="no input"),
    pytest.param({"input": ""}, "input", id="an empty text"),
    pytest.param({"input": []}, "input", id="an empty list"),
    pytest.param({"input": {"text": "hi"}}, "input", id="input is an object"),
    pytest.param({"input": 7}, "input", id="input is a number"),
    pytest.param({"model": 1}, "model", id="model is a number"),
    pytest.param({"model": ""}, "model", id="model is empty"),
    pytest.param({"stream": "yes"}, "stream", id="stream is text"),
    pytest.param({"user": 7}, "user", id="user is a number"),
    pytest.param({"user": "u" * 600}, "user", id="user is long"),
    pytest.param({"trimtab": {"fature": "x"}}, "trimtab.fature", id="typo in our member"),
]


@pytest.mark.parametrize("path", INPUT_ROUTES)
@pytest.mark.parametrize(("members", "param"), INPUTS)
def test_an_input_that_cannot_be_read_is_explained(
    stack: Stack, clumsy: str, path: str, members: dict[str, Any], param: str
) -> None:
    body = json.dumps({"model": "chat", "input": "hi", **members}).encode()

    answer = send(stack.port, request(clumsy, body, path))

    _check_error(answer, OPENAI, 400, "invalid_request")
    assert answer.json["error"]["param"] == param
    _check_denied(stack, answer, "invalid_request")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        pytest.param({"previous_response_id": ""}, "previous_response_id", id="an empty id"),
        pytest.param({"previous_response_id": 7}, "previous_response_id", id="id is a number"),
        pytest.param({"previous_response_id": "r" * 300}, "previous_response_id", id="a long id"),
        pytest.param({"background": "yes"}, "background", id="background is text"),
        pytest.param({"tools": {}}, "tools", id="tools are no list"),
        pytest.param({"tools": [7]}, "tools[0]", id="a tool is a number"),
        pytest.param({"input": ["hi"]}, "input[0]", id="an item is text"),
    ],
)
def test_a_member_of_responses_that_cannot_be_read_is_explained(
    stack: Stack, clumsy: str, members: dict[str, Any], param: str
) -> None:
    body = json.dumps({"model": "chat", "input": "hi", **members}).encode()

    answer = send(stack.port, request(clumsy, body, "/v1/responses"))

    _check_error(answer, OPENAI, 400, "invalid_request")
    assert answer.json["error"]["param"] == param
    _check_denied(stack, answer, "invalid_request")


@pytest.mark.parametrize("path", [*INPUT_ROUTES, COUNT])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"hi"', b'{"model": "chat"', b"\xff"])
def test_what_is_no_object_is_refused_on_every_route(
    stack: Stack, clumsy: str, path: str, body: bytes
) -> None:
    answer = send(stack.port, request(clumsy, body, path))

    _check_error(answer, ANTHROPIC if path == COUNT else OPENAI, 400, "invalid_request")
    _check_denied(stack, answer, "invalid_request")


@pytest.mark.parametrize(
    ("members", "told"),
    [
        pytest.param({"messages": []}, "messages", id="no message"),
        pytest.param({"messages": "hi"}, "messages", id="messages are text"),
        pytest.param({"model": 1}, "model", id="model is a number"),
        pytest.param({"metadata": {"user_id": 7}}, "metadata.user_id", id="user is a number"),
    ],
)
def test_a_count_that_cannot_be_read_is_explained(
    stack: Stack, clumsy: str, members: dict[str, Any], told: str
) -> None:
    answer = send(stack.port, request(clumsy, chat(**members), COUNT))

    _check_error(answer, ANTHROPIC, 400, "invalid_request")
    assert f"`{told}`" in answer.json["error"]["message"]
    _check_denied(stack, answer, "invalid_request")


@pytest.mark.parametrize("path", [*INPUT_ROUTES, COUNT])
def test_new_routes_know_keys_and_models_as_the_old_ones_do(
    stack: Stack, clumsy: str, path: str
) -> None:
    shape = ANTHROPIC if path == COUNT else OPENAI
    body = chat(model="nothing", input="hi")

    unknown_key = send(stack.port, request(None, body, path))
    unknown_model = send(stack.port, request(clumsy, body, path))

    _check_error(unknown_key, shape, 401, "unauthenticated")
    _check_error(unknown_model, shape, 404, "model_not_found")
    _check_denied(stack, unknown_model, "model_not_found")


def test_what_is_told_about_a_typo_is_short(stack: Stack, clumsy: str) -> None:
    answer = send(stack.port, request(clumsy, chat(trimtab={"f" * 100_000: "x"})))

    _check_error(answer, OPENAI, 400, "invalid_request")
    assert len(answer.body) < 1000
    _check_denied(stack, answer, "invalid_request")


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    "model",
    ["nothing", "chat ", "CHAT", "cat\u00e9", "../chat", "chat\x00", "chat\r\nx-evil: 1", "sim/"],
)
def test_an_unknown_model_is_not_found(stack: Stack, clumsy: str, path: str, model: str) -> None:
    answer = send(stack.port, request(clumsy, chat(model=model), path))

    _check_error(answer, path, 404, "model_not_found")
    _check_denied(stack, answer, "model_not_found")


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    "model", ["sim/large\r\nx-evil: 1", "sim/large\x00", "sim/large\x7f", "chat!a\r\nx-evil: 1"]
)
def test_a_model_cannot_smuggle_headers(stack: Stack, clumsy: str, path: str, model: str) -> None:
    for stream in (False, True):
        answer = send(stack.port, request(clumsy, chat(model=model, stream=stream), path))

        assert 400 <= answer.status < 500
        assert "x-evil" not in answer.headers
        assert stack.record(answer.request_id)["status"] in {"rejected", "error"}


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("path", WIRES)
def test_a_body_of_50_megabytes_is_refused_and_not_kept(
    stack: Stack, clumsy: str, path: str, *, chunked: bool
) -> None:
    before = _peak_bytes(stack)
    data = b'{"model": "chat", "messages": "' + b"a" * HUGE + b'"}'
    if chunked:
        start = head(clumsy, [("transfer-encoding", "chunked")], line=f"POST {path} HTTP/1.1")
        data = start + b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    else:
        data = request(clumsy, data, path)

    answer = send(stack.port, data)

    _check_error(answer, path, 413, "body_too_large")
    _check_denied(stack, answer, "body_too_large")
    assert _peak_bytes(stack) - before < LARGEST + SLACK


def test_nobody_unknown_gets_a_body_read(stack: Stack) -> None:
    began_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head(None, length=HUGE))
        answer = read(connection)

    _check_error(answer, OPENAI, 401, "unauthenticated")
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("authorization", "Bearer")], id="no token"),
        pytest.param([("authorization", "Basic Zm9vOmJhcg==")], id="another scheme"),
        pytest.param([("authorization", "Bearer sk-proj-abcdef")], id="somebody else's form"),
        pytest.param([("authorization", "Bearer " + "x" * 5000)], id="long"),
        pytest.param([("x-api-key", "caf\u00e9")], id="not ASCII"),
        pytest.param([("authorization", f"Bearer {ADMIN_KEY}")], id="admin token"),
        pytest.param(
            [("x-api-key", new_key("dev", lambda size: b"\x07" * size).text)], id="unknown"
        ),
    ],
)
def test_without_a_good_key_nothing_is_served(
    stack: Stack, path: str, headers: Sequence[tuple[str, str]]
) -> None:
    answer = send(stack.port, request(None, None, path, *headers))

    _check_error(answer, path, 401, "unauthenticated")
    assert _records(stack, answer) == []


def test_a_key_is_not_read_from_elsewhere(stack: Stack, clumsy: str) -> None:
    in_query = send(stack.port, request(None, None, f"{OPENAI}?api_key={clumsy}&key={clumsy}"))
    in_cookie = send(stack.port, request(None, None, OPENAI, ("cookie", f"api_key={clumsy}")))
    in_body = send(stack.port, request(None, chat(api_key=clumsy, authorization=clumsy)))

    assert {in_query.status, in_cookie.status, in_body.status} == {401}


@pytest.mark.parametrize("path", WIRES)
def test_two_different_keys_are_none(stack: Stack, clumsy: str, key: str, path: str) -> None:
    two = send(stack.port, request(clumsy, None, path, ("x-api-key", key)))
    same = send(stack.port, request(clumsy, None, path, ("x-api-key", clumsy)))

    _check_error(two, path, 401, "unauthenticated")
    assert same.status == 200


@pytest.mark.parametrize("path", WIRES)
def test_a_typo_in_a_key_is_refused(stack: Stack, clumsy: str, path: str) -> None:
    answer = send(
        stack.port, request(clumsy[:-1] + ("0" if clumsy[-1] != "0" else "1"), None, path)
    )

    _check_error(answer, path, 401, "unauthenticated")
    assert clumsy[-20:-1] not in answer.body.decode()


@pytest.mark.parametrize("path", WIRES)
def test_a_revoked_key_opens_nothing(stack: Stack, path: str) -> None:
    made = stack.json("keys", "create", "--tenant", "globex", "--name", "leaked")
    eventually(lambda: stack.status("/v1/models", made["key"]) == 200, "the key works")

    stack.run("keys", "revoke", made["id"], "--reason", "leaked in a log")
    eventually(lambda: stack.status("/v1/models", made["key"]) == 401, "the key works no more")

    _check_error(send(stack.port, request(made["key"], None, path)), path, 401, "key_revoked")


@pytest.mark.parametrize("path", WIRES)
def test_an_expired_key_opens_nothing(stack: Stack, path: str) -> None:
    key = _make_key(stack, expires_us=time.time_ns() // 1000 + 500_000)
    eventually(lambda: stack.status("/v1/models", key) == 200, "the key works", 0.5)
    eventually(lambda: stack.status("/v1/models", key) == 401, "the key has expired")

    _check_error(send(stack.port, request(key, None, path)), path, 401, "key_expired")


def test_a_suspended_tenant_is_admitted_no_more_after_300_ms(stack: Stack) -> None:
    key = stack.key("switched")
    stop = threading.Event()
    with ThreadPoolExecutor(4) as threads:
        asking = [
            threads.submit(_hammer, stack, key, path, stop) for path in (OPENAI, ANTHROPIC) * 2
        ]
        time.sleep(0.3)
        stack.run("tenants", "suspend", "switched", "--reason", "runaway agent")
        suspended_s = time.monotonic()
        time.sleep(1.0)
        stop.set()
        answers = list(chain.from_iterable(future.result() for future in asking))

    before = [answer for at_s, answer in answers if at_s < suspended_s - 0.5]
    after = [answer for at_s, answer in answers if at_s > suspended_s + 0.3]
    assert {answer.status for answer in before} == {200}
    assert len(after) > 50
    assert {answer.status for answer in after} == {403}
    assert {answer.headers["x-trimtab-error"] for answer in after} == {"tenant_suspended"}
    # Of a flood not every refusal is recorded; of what comes after it, each is.
    time.sleep(1.1)
    _check_denied(stack, send(stack.port, request(key, None, OPENAI)), "tenant_suspended")
    assert stack.status("/v1/models", key) == 403

    stack.run("tenants", "resume", "switched", "--reason", "agent fixed")

    eventually(lambda: stack.status("/v1/models", key) == 200, "the tenant is back", 1.0)
    assert send(stack.port, request(key)).status == 200


@pytest.mark.parametrize("path", WIRES)
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        pytest.param("x-trimtab-featur", "search", "invalid_request", id="a typo"),
        pytest.param("x-trimtab-", "1", "invalid_request", id="no name"),
        pytest.param("X-Trimtab-Url", "http://evil", "invalid_request", id="a URL"),
        pytest.param("x-trimtab-feature", "", "invalid_request", id="empty"),
        pytest.param("x-trimtab-feature", "f" * 300, "invalid_request", id="long"),
        pytest.param("x-trimtab-feature", "caf\u00e9", "invalid_request", id="not ASCII"),
        pytest.param("x-trimtab-feature", "A B", "invalid_request", id="no name of a feature"),
        pytest.param("x-trimtab-feature", "a\tb", "invalid_request", id="a tabulator"),
    ],
)
def test_a_header_of_ours_is_right_or_refused(
    stack: Stack, clumsy: str, path: str, name: str, value: str, code: str
) -> None:
    answer = send(stack.port, request(clumsy, None, path, (name, value)))

    _check_error(answer, path, 400, code)
    _check_denied(stack, answer, code)


@pytest.mark.parametrize("path", WIRES)
def test_a_key_of_one_tenant_may_name_no_other(stack: Stack, clumsy: str, path: str) -> None:
    answer = send(stack.port, request(clumsy, None, path, ("x-trimtab-tenant", "hobby")))

    _check_error(answer, path, 403, "tenant_not_allowed")
    _check_denied(stack, answer, "tenant_not_allowed")


def test_a_trace_that_makes_no_sense_is_as_good_as_none(stack: Stack, clumsy: str) -> None:
    junk = [("traceparent", "junk"), ("tracestate", "\xe9" * 1000), ("baggage", "a=b")]

    answer = send(stack.port, request(clumsy, None, OPENAI, *junk))

    assert answer.status == 200
    assert stack.record(answer.request_id)["parent_span_id"] is None


@pytest.mark.parametrize(
    "name",
    [
        *("x-sim-fault", "x-forwarded-for", "forwarded", "x-real-ip", "x-original-url"),
        *("x-rewrite-url", "x-http-method-override", "openai-organization", "cookie", "via"),
    ],
)
def test_other_headers_stop_here(stack: Stack, clumsy: str, name: str) -> None:
    answer = send(stack.port, request(clumsy, None, OPENAI, (name, "status:500")))

    assert answer.status == 200
    assert stack.record(answer.request_id)["tenant_id"] == "clumsy"
    assert name not in stack.sim("calls")["calls"][-1]["headers"]


@pytest.mark.parametrize(
    "line",
    [
        *("GET {}", "HEAD {}", "OPTIONS {}", "PUT {}", "DELETE {}", "PATCH {}", "TRACE {}"),
        *("POST {}/", "POST /{}", "POST /v1/..{}", "POST {}%00", "POST {}%0d%0ax:1", "POST {};a"),
        *("POST /v1/files", "POST /v1/batches", "POST /v1/assistants", "POST /v1/audio/speech"),
        *("POST /v1/images/generations", "GET /v1/responses", "GET /v1/responses/resp_1"),
        *("POST /v1/responses/resp_1/cancel", "POST *", "GET /v2/models", "POST /v1/realtime"),
        *("POST /v1/models", "HEAD /v1/models", "GET /v1", "GET /.env"),
    ],
)
@pytest.mark.parametrize("path", WIRES)
def test_what_is_not_served_is_not_found(stack: Stack, clumsy: str, path: str, line: str) -> None:
    method, target = line.format(path).split(" ", 1)
    version = [("anthropic-version", "2023-06-01")] if path == ANTHROPIC else []
    start = head(clumsy, version, line=f"{method} {target} HTTP/1.1", length=0)

    answer = send(stack.port, start, method=method)

    if method == "HEAD":
        assert (answer.status, answer.body) == (404, b"")
    else:
        _check_error(answer, path, 404, "not_found")


@pytest.mark.parametrize("target", ["/v1/chat%2Fcompletions", "/v1/%63hat/completions?a=%00#b"])
def test_a_path_in_disguise_has_no_way_around_the_key(
    stack: Stack, clumsy: str, target: str
) -> None:
    known = send(stack.port, request(clumsy, None, target))
    unknown = send(stack.port, request(None, None, target))

    assert known.status in {200, 404}
    assert unknown.status in {401, 404}
    assert known.status == 404 or stack.record(known.request_id)["tenant_id"] == "clumsy"


@pytest.mark.parametrize(
    "target",
    ["/admin/v1/records", "/admin/v1/../v1/records", "/admin/v1/%2e%2e/v1/records", "/admin/v1/"],
)
def test_a_tenants_key_opens_no_admin_route(stack: Stack, clumsy: str, target: str) -> None:
    answer = send(stack.port, head(clumsy, line=f"GET {target} HTTP/1.1"))

    assert answer.status in {401, 404}
    assert "error" in answer.json


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fetc", "chat%0d%0ax-evil:1", "forbidden"])
def test_the_record_of_a_listing_tells_the_status_the_caller_got(
    stack: Stack, clumsy: str, name: str
) -> None:
    answer = send(stack.port, head(clumsy, line=f"GET /v1/models/{name} HTTP/1.1"))

    _check_error(answer, OPENAI, 404, "model_not_found")
    assert "x-evil" not in answer.headers
    _check_denied(stack, answer, "model_not_found")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"BREW /pot HTTP/1.1\r\nhost: t\r\n\r\n", id="no method"),
        pytest.param(b"GET /\xff HTTP/1.1\r\nhost: t\r\n\r\n", id="path is not ASCII"),
        pytest.param(b"GET /v1/models HTTP/9.9\r\nhost: t\r\n\r\n", id="no version"),
        pytest.param(b"GET /v1/models\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /v1/models HTTP/1.1\nhost t\n\n", id="header without a colon"),
        pytest.param(b"GET /v1/models HTTP/1.1\r\nhost : t\r\n\r\n", id="space before the colon"),
        pytest.param(b"GET /v1/models HTTP/1.1\r\nhost: t\r\n a\r\n\r\n", id="folded header"),
        pytest.param(
            b"GET /v1/models HTTP/1.1\r\nhost: t\r\na: \x00\r\n\r\n", id="NUL in a header"
        ),
        pytest.param(b"GET /v1/models HTTP/1.1\r\nhost: t\r\na: b\rc: d\r\n\r\n", id="bare CR"),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n", id="length -1"
        ),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ncontent-length: 9" + b"9" * 30 + b"\r\n\r\n",
            id="endless length",
        ),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\ncontent-length: 3"
            b"\r\n\r\n{}",
            id="two lengths",
        ),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n"
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n",
            id="length and chunks",
        ),
        pytest.param(
            b"POST /v1/messages HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
            id="no size of a chunk",
        ),
    ],
)
def test_what_is_not_http_is_refused_and_hung_up_on(stack: Stack, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(data)
        heard = b"".join(iter(lambda: connection.recv(65536), b""))

    assert heard.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ", b"HTTP/1.1 404 "))
    assert heard.count(b"HTTP/1.1 ") == 1
    assert b"Traceback" not in heard


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("x-long", "a" * 40_000)], id="one of 40 kB"),
        pytest.param([("x-long", "a" * 400_000)], id="one of 400 kB"),
        pytest.param([(f"x-{number}", "a" * 100) for number in range(1000)], id="a thousand"),
        pytest.param([("cookie", "a" * 33_000)], id="cookies"),
    ],
)
@pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["at once", "piece by piece"])
def test_a_head_that_is_too_long_is_refused(
    stack: Stack, clumsy: str, headers: Sequence[tuple[str, str]], pause_s: float
) -> None:
    data = head(clumsy, headers, length=len(chat())) + chat()
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        try:
            for start in range(0, len(data), 30_000):
                connection.sendall(data[start : start + 30_000])
                time.sleep(pause_s)
        except ConnectionError:
            return  # it hung up before we were done: as good as told
        answer = read(connection)

    assert answer.status in {0, 431}


def test_garbage_behind_a_request_does_no_harm(stack: Stack, clumsy: str) -> None:
    marked = chat(trimtab={"conversation": "before-garbage"})
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(request(clumsy, marked) + b"\x00\x01 GARBAGE\r\n\r\n")
        heard = b"".join(iter(lambda: connection.recv(65536), b""))

    assert heard.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
    sql = "SELECT * FROM request WHERE conversation_id = 'before-garbage'"
    assert len(eventually(lambda: stack.rows(sql), "the request is recorded")) == 1


def test_pipelined_requests_are_answered_in_order(stack: Stack, clumsy: str) -> None:
    data = b"".join(request(clumsy, chat(f"[[sim: answer=answer {n}]]")) for n in range(5))
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(data)
        heard = b""
        while heard.count(b'"usage"') < 5:
            heard += connection.recv(65536)

    said = [part.partition(b'"')[0] for part in heard.split(b'"content":"')[1:]]
    assert said == [b"answer %d" % number for number in range(5)]


@pytest.mark.parametrize(
    ("host", "more"),
    [
        pytest.param("evil.example", [], id="another"),
        pytest.param("127.0.0.1:1", [], id="another port"),
        pytest.param("globex", [("x-forwarded-host", "acme")], id="a tenant"),
        pytest.param("a/../b?c#d", [], id="a path"),
        pytest.param("", [], id="empty"),
    ],
)
def test_the_host_decides_nothing(
    stack: Stack, clumsy: str, host: str, more: Sequence[tuple[str, str]]
) -> None:
    data = head(clumsy, more, host=host, length=len(chat())) + chat()

    answer = send(stack.port, data)

    assert answer.status == 200
    assert host not in answer.headers.values() or not host
    assert stack.record(answer.request_id)["tenant_id"] == "clumsy"
    assert stack.sim("calls")["calls"][-1]["headers"]["host"] == f"127.0.0.1:{stack.sim_port}"


def test_old_clients_are_served(stack: Stack, clumsy: str) -> None:
    line = f"POST {OPENAI} HTTP/1.0"

    whole = send(stack.port, head(clumsy, line=line, host=None, length=len(chat())) + chat())
    asked = chat(stream=True)
    stream = send(stack.port, head(clumsy, line=line, length=len(asked)) + asked)

    assert whole.status == stream.status == 200
    assert stream.body.endswith(b"data: [DONE]\n\n")
    assert b"\r\n" not in stream.body


def test_a_caller_who_waits_for_a_go_ahead_gets_it(stack: Stack, clumsy: str) -> None:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(head(clumsy, [("expect", "100-continue")], length=len(chat())))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(chat())
        answer = read(connection)

    assert answer.status == 200


@pytest.mark.parametrize("path", WIRES)
def test_a_caller_who_leaves_before_the_end_of_the_body_is_not_served(
    stack: Stack, clumsy: str, path: str
) -> None:
    feature = "left-" + path.rpartition("/")[2]
    body = chat(trimtab={"feature": feature})
    before = stack.sim("calls")["count"]
    for sent in (body, body[:-10], b""):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
            line = f"POST {path} HTTP/1.1"
            connection.sendall(head(clumsy, line=line, length=len(body) + 1) + sent)
            time.sleep(0.05)
    time.sleep(0.2)

    assert stack.sim("calls")["count"] == before
    assert stack.rows("SELECT * FROM request WHERE feature = ? AND cost_nano > 0", feature) == []


def test_many_half_open_connections_do_not_keep_others_waiting(stack: Stack, clumsy: str) -> None:
    with ExitStack() as open_ones:
        for _ in range(300):
            connection = socket.create_connection(("127.0.0.1", stack.port), timeout=10)
            open_ones.enter_context(connection)
            connection.sendall(head(clumsy, length=100)[:-1])

        began_s = time.monotonic()
        answer = send(stack.port, request(clumsy))

    assert answer.status == 200
    assert time.monotonic() - began_s < 2


@pytest.mark.parametrize("name", ["no head", "half a head"])
def test_a_head_that_does_not_come_is_waited_for_15_seconds(
    slow: dict[str, "Future[tuple[Answer, float]]"], name: str
) -> None:
    answer, took_s = slow[name].result(SILENT_S)

    assert answer.status == 408
    assert 14 < took_s < 25


def test_a_body_that_does_not_come_is_waited_for_30_seconds(
    stack: Stack, slow: dict[str, "Future[tuple[Answer, float]]"]
) -> None:
    answer, took_s = slow["half a body"].result(SILENT_S)

    _check_error(answer, OPENAI, 408, "request_timeout")
    assert 29 < took_s < 45
    _check_denied(stack, answer, "request_timeout")


def test_a_form_that_does_not_come_is_waited_for_30_seconds(
    slow: dict[str, "Future[tuple[Answer, float]]"],
) -> None:
    answer, took_s = slow["half a form"].result(SILENT_S)

    assert answer.status == 408
    assert 29 < took_s < 45


def _trickle(port: int, data: bytes) -> tuple[Answer, float]:
    """Begin a request and then say nothing; gives the answer and how long it took."""
    began_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=SILENT_S) as connection:
        connection.sendall(data)
        return read(connection), time.monotonic() - began_s


def _hammer(stack: Stack, key: str, path: str, stop: threading.Event) -> list[tuple[float, Answer]]:
    """Ask again and again; gives the answers with the time at which each was asked for."""
    answers: list[tuple[float, Answer]] = []
    for data in repeat(request(key, None, path)):
        if stop.is_set():
            break
        began_s = time.monotonic()
        answers.append((began_s, send(stack.port, data)))
    return answers


def _make_key(stack: Stack, *, expires_us: int) -> str:
    body = {"tenant": "globex", "name": "brief", "reason": "test", "expires_us": expires_us}
    _, _, told = stack.post("/admin/v1/keys", json.dumps(body).encode(), ADMIN_KEY)
    key: str = json.loads(told)["key"]
    return key


def _peak_bytes(stack: Stack) -> int:
    """Tell the most memory the gateway ever had."""
    [pid] = [pid for pid, line in processes_of(stack.home).items() if " gateway " in line]
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no such line")


def _records(stack: Stack, answer: Answer) -> list[dict[str, Any]]:
    return stack.rows("SELECT * FROM request WHERE request_id = ?", answer.request_id)


def _check_error(answer: Answer, path: str, status: int, code: str) -> None:
    """The error has the shape of the wire, and tells its code where that wire does."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-trimtab-error"] == code
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["request-id"] == answer.headers["x-request-id"] == answer.request_id
    told = answer.json
    if path == ANTHROPIC:
        assert told["type"] == "error"
        assert told["request_id"] == answer.request_id
        assert told["error"]["details"]["error_code"] == code
    else:
        expected = "invalid_api_key" if status == 401 else code
        assert told["error"]["code"] == expected
        assert set(told["error"]) == {"message", "type", "param", "code"}
    message = told["error"]["message"]
    assert message
    assert "\n" not in message
    assert "Traceback" not in message


def _check_denied(stack: Stack, answer: Answer, code: str) -> None:
    """There is one record, which cost nothing, and no ledger line."""
    record = stack.record(answer.request_id, DENIED_S)
    assert record["status"] == "rejected"
    assert record["error_code"] == code
    assert record["http_status"] == answer.status
    assert record["attempt_count"] == record["cost_nano"] == 0
    assert stack.ledger(answer.request_id) == []
