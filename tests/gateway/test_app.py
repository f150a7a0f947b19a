import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest
from tests.gateway.conftest import (
    AUTH,
    CHAT,
    HI,
    HI_STREAM,
    MAX_BODY,
    MESSAGES,
    Caller,
    call,
    gateway,
    scope,
)
from tests.pipeline.conftest import (
    ANSWER,
    BEGAN,
    CREATED,
    DONE,
    GRANT,
    KEY,
    LIMITED,
    OVER,
    ROLE,
    SAID,
    SIM,
    STOP,
    SUSPENDED,
    TOLD,
    WARM,
    WROTE,
    Rig,
    good_stream,
    json_answer,
    streamed,
)

from trimtab.domain.endpoints import ENDPOINTS
from trimtab.domain.errors import SchemaTooNew, TryLater
from trimtab.domain.model import ProviderWire, Wire
from trimtab.domain.retrieval import Document, Retrieval, encode
from trimtab.domain.tenant import KeyRight, Limits
from trimtab.gateway import body as module
from trimtab.gateway.app import WIRES, Gateway
from trimtab.gateway.reply import Message
from trimtab.telemetry.log_line import log_line
from trimtab.testing import seeded_entropy
from trimtab.wiring.gateway import SPOKEN

RESPONSES = "/v1/responses"
COUNT = "/v1/messages/count_tokens"
ROUTES = sorted(WIRES)
VERSION = (b"anthropic-version", b"2023-06-01")


async def test_a_call_is_answered() -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", CHAT, HI)

    assert (answer.status, answer.body) == (200, ANSWER)
    assert answer.headers["x-trimtab-request-id"] == rig.record.request_id
    assert answer.headers["x-request-id"] == answer.headers["request-id"] == rig.record.request_id
    assert answer.headers["x-trimtab-cost-usd"] == "0.000081"
    assert answer.headers["x-trimtab-usage"] == "provider"
    assert answer.headers["x-trimtab-target"] == "sim/large"
    assert answer.headers["x-trimtab-config"] == "7"


async def test_a_stream_is_answered_with_its_cost_in_a_comment() -> None:
    rig = Rig(good_stream())

    answer = await call(gateway(rig), "POST", CHAT, HI_STREAM)

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    head, comment, rest = answer.body.partition(b": trimtab ")
    told, _, terminal = rest.partition(b"\n\n")
    assert head + terminal == ROLE + WARM + STOP + DONE
    assert comment
    assert msgspec.json.decode(told)["cost_usd"] == "0.000081"


async def test_the_other_wire_is_answered() -> None:
    rig = Rig(streamed(BEGAN, SAID, TOLD + OVER))

    answer = await call(gateway(rig), "POST", MESSAGES, HI_STREAM, headers=[AUTH, VERSION])

    assert answer.body.startswith(BEGAN + SAID + TOLD)
    assert answer.body.endswith(OVER)
    assert b"\r\nanthropic-version: 2023-06-01\r\n" in rig.provider.sent[0][1]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_stream_that_is_cut_ends_in_an_error_of_its_wire(path: str) -> None:
    first = ROLE + WARM if path == CHAT else BEGAN + SAID
    rig = Rig(streamed(first))

    answer = await call(gateway(rig), "POST", path, HI_STREAM)

    last = answer.body.rstrip().rpartition(b"\n\n")[2]
    named, _, data = last.rpartition(b"data: ")
    assert named == (b"" if path == CHAT else b"event: error\n")
    error = msgspec.json.decode(data)["error"]
    assert (error.get("code") or error["details"]["error_code"]) == "stream_truncated"
    assert DONE not in answer.body
    assert OVER not in answer.body


async def test_a_response_that_is_cut_ends_as_failed_and_counts_on() -> None:
    rig = Rig(streamed(CREATED + WROTE))

    answer = await call(gateway(rig), "POST", RESPONSES, HI_STREAM)

    *_, first, second = answer.body.decode().removesuffix("\n\n").split("\n\n")
    error = msgspec.json.decode(first.removeprefix("event: error\ndata: "))
    failed = msgspec.json.decode(second.removeprefix("event: response.failed\ndata: "))
    assert (error["code"], error["sequence_number"]) == ("stream_truncated", 2)
    assert failed["sequence_number"] == 3
    assert failed["response"]["id"] == "resp_1"
    assert failed["response"]["status"] == "failed"
    assert (rig.record.status, rig.record.error_code) == ("truncated", "stream_truncated")


async def test_an_embedding_is_relayed_and_charged_and_its_vector_is_not_kept() -> None:
    body = b'{"data":[{"embedding":"AAAA"}],"model":"embed-1","usage":{"prompt_tokens":5}}'
    rig = Rig(json_answer(body))

    answer = await call(gateway(rig), "POST", "/v1/embeddings", HI)

    assert answer.body == body
    assert rig.provider.sent[0][1].startswith(b"POST /v1/embeddings ")
    assert (rig.record.operation, rig.record.wire) == ("embeddings", "openai.embeddings")
    assert (rig.record.input_tokens, rig.record.output_tokens) == (5, 0)
    assert rig.record.cost_nano == 5 * 3_000
    assert rig.record.model_response == "embed-1"
    assert rig.record.output_ref is None


async def test_a_moderation_costs_nothing_though_the_model_has_no_price() -> None:
    body = b'{"id":"modr-1","model":"m","results":[{"flagged":false}]}'
    rig = Rig(json_answer(body), provider=msgspec.structs.replace(SIM, prices_as="unpriced"))

    answer = await call(gateway(rig), "POST", "/v1/moderations", HI)

    assert answer.body == body
    assert answer.headers["x-trimtab-cost-usd"] == "0"
    assert (rig.record.operation, rig.record.cost_nano) == ("moderations", 0)
    assert [line.cost_nano for line in rig.finish.lines] == [0]


async def test_a_count_of_tokens_is_the_providers_and_costs_nothing() -> None:
    rig = Rig(json_answer(b'{"input_tokens":11}'), grant=LIMITED)

    answer = await call(gateway(rig), "POST", COUNT, HI)

    assert (answer.status, answer.body) == (200, b'{"input_tokens":11}')
    assert rig.provider.sent[0][1].startswith(b"POST /v1/messages/count_tokens ")
    assert "x-trimtab-estimated" not in answer.headers
    assert (rig.record.operation, rig.record.cost_nano) == ("count_tokens", 0)
    assert (rig.record.input_tokens, rig.record.output_tokens) == (0, 0)


async def test_a_count_of_tokens_that_no_target_can_make_is_estimated() -> None:
    rig = Rig(provider=msgspec.structs.replace(SIM, wire=ProviderWire.OPENAI), grant=LIMITED)

    answer = await call(gateway(rig), "POST", COUNT, HI)

    read = len(b'[{"role":"user","content":"hi"}]') + len(b'"hi"')
    assert answer.json == {"input_tokens": -(-read // 4)}
    assert answer.headers["x-trimtab-estimated"] == "true"
    assert rig.provider.sent == []
    assert (rig.record.status, rig.record.attempt_count) == ("ok", 0)
    assert rig.record.cost_nano == 0
    assert rig.finish.lines == ()
    assert await rig.free() == (1,)


async def test_counting_tokens_passes_the_kill_switch_and_the_limits() -> None:
    suspended = Rig(grant=SUSPENDED)
    limited = Rig(
        *(json_answer(b'{"input_tokens":11}') for _ in range(2)),
        grant=replace(GRANT, limits=Limits(requests_per_minute=1, tokens_per_minute=1)),
    )

    stopped = await call(gateway(suspended), "POST", COUNT, HI)
    served = await call(gateway(limited), "POST", COUNT, HI)
    one_too_many = await call(gateway(limited), "POST", COUNT, HI)

    assert (stopped.status, served.status, one_too_many.status) == (403, 200, 429)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("background", "true"),
        ("conversation", '"conv_1"'),
        ("input[1]", '[{"role":"user","content":"hi"},{"type":"item_reference","id":"msg_1"}]'),
        ("input[0]", '[{"id":"msg_1"}]'),
    ],
)
async def test_what_is_not_served_of_responses_is_named(member: str, value: str) -> None:
    rig = Rig()
    body = {"model": "chat", "input": "hi"}
    body[member.partition("[")[0]] = msgspec.json.decode(value)

    answer = await call(gateway(rig), "POST", RESPONSES, msgspec.json.encode(body))

    assert (answer.status, answer.json["error"]["code"]) == (400, "unsupported")
    assert answer.json["error"]["param"] == member
    assert (rig.record.status, rig.record.error_code) == ("rejected", "unsupported")
    assert rig.provider.sent == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/moderations", COUNT])
async def test_what_has_no_stream_refuses_to_stream(path: str) -> None:
    answer = await call(gateway(Rig()), "POST", path, HI_STREAM)

    assert answer.status == 400
    assert answer.headers["x-trimtab-error"] == "unsupported"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, b'{"error":{"type":"t","message":"m"}}', id="its own"),
        pytest.param(404, b"<html>", id="a page"),
    ],
)
async def test_a_refusal_of_the_provider_is_json_whatever_it_sent(
    path: str, status: int, body: bytes
) -> None:
    rig = Rig(json_answer(body, status))

    answer = await call(gateway(rig), "POST", path, HI)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-trimtab-error"] == "provider_refused"
    assert "error" in answer.json
    if body.startswith(b"{"):
        assert answer.body == body


@pytest.mark.parametrize(
    ("blocks", "status"),
    [
        pytest.param([HI], 200, id="in one"),
        pytest.param([HI[:9], b"", HI[9:]], 200, id="in blocks"),
        pytest.param([HI + b" " * (MAX_BODY - len(HI))], 200, id="exactly as long as allowed"),
        pytest.param([HI + b" " * (MAX_BODY - len(HI) + 1)], 413, id="too long"),
        pytest.param([b" " * 5_000] * 3, 413, id="too long in blocks"),
    ],
)
async def test_a_body_is_bounded(blocks: list[bytes], status: int) -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", CHAT, *blocks)

    assert answer.status == status


async def test_a_body_too_long_is_not_read_to_its_end() -> None:
    caller = Caller([b" " * 5_000] * 1_000)

    await gateway(Rig())(scope("POST", CHAT, [AUTH]), caller.receive, caller.send)

    assert caller.answer.status == 413
    assert len(caller.unread) > 990


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPLOAD_S", 0.01)
    rig, caller = Rig(), Caller([b"{"], ends=False)

    await gateway(rig)(scope("POST", CHAT, [AUTH]), caller.receive, caller.send)

    assert caller.answer.status == 408
    assert rig.record.error_code == "request_timeout"


@pytest.mark.parametrize("blocks", [[], [HI[:-1]], [HI]])
async def test_a_body_that_was_cut_short_is_not_sent_on(blocks: list[bytes]) -> None:
    rig, caller = Rig(json_answer()), Caller(blocks, ends=False, hangs_up=True)

    await gateway(rig)(scope("POST", CHAT, [AUTH]), caller.receive, caller.send)

    assert rig.provider.sent == []
    assert rig.record.error_code == "invalid_request"


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="malformed"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(HI.replace(b"hi", b"\xff"), id="invalid UTF-8"),
        pytest.param(HI.replace(b"hi", b"\x00"), id="a bare NUL"),
        pytest.param(HI.replace(b'"chat"', b"7"), id="wrong type"),
        pytest.param(HI[:-1] + b',"x":' + b"[" * 9_000 + b"]" * 9 + b"}", id="deep and cut"),
        pytest.param(HI + HI, id="twice"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_and_recorded(path: str, body: bytes) -> None:
    rig = Rig()

    answer = await call(gateway(rig), "POST", path, body)

    assert answer.status == 400
    assert answer.headers["x-trimtab-error"] == "invalid_request"
    assert rig.provider.sent == []
    assert rig.spool.notes == {}
    assert (rig.record.status, rig.record.http_status) == ("rejected", 400)
    assert rig.record.request_id == answer.headers["x-trimtab-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model":"nothing","messages":[1],"model":"chat"}', id="twice"),
        pytest.param(b'{"model":"nothing","messages":[1],"mod\\u0065l":"chat"}', id="escaped"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_member_given_twice_is_refused_for_two_readers_could_see_two(
    path: str, body: bytes
) -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", path, body)

    assert (answer.status, rig.provider.sent) == (400, [])
    assert answer.headers["x-trimtab-error"] == "invalid_request"
    assert "`model` is given twice" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param([], 401, "unauthenticated", id="no key"),
        pytest.param([(b"x-api-key", b"nonsense")], 401, "unauthenticated", id="wrong key"),
        pytest.param([AUTH, (b"x-api-key", b"other")], 401, "unauthenticated", id="two keys"),
        pytest.param([(b"cookie", b"key=" + AUTH[1])], 401, "unauthenticated", id="in a cookie"),
    ],
)
async def test_without_a_good_key_nothing_is_read_and_nothing_recorded(
    headers: list[tuple[bytes, bytes]], status: int, code: str
) -> None:
    rig, caller = Rig(), Caller([HI])

    await gateway(rig)(scope("POST", CHAT, headers), caller.receive, caller.send)

    assert caller.answer.status == status
    assert caller.answer.headers["x-trimtab-error"] == code
    assert caller.unread == [HI]
    assert rig.spool.frames == []
    assert rig.spool.notes == {code: 1}


@pytest.mark.parametrize("header", [AUTH, (b"x-api-key", KEY.text.encode())])
async def test_a_key_comes_in_the_header_of_either_wire(header: tuple[bytes, bytes]) -> None:
    answer = await call(gateway(Rig(json_answer())), "POST", CHAT, HI, headers=[header])

    assert answer.status == 200


async def test_a_key_never_comes_in_the_query() -> None:
    caller = Caller([HI])
    query = f"api_key={KEY.text}".encode()

    await gateway(Rig())(scope("POST", CHAT, query=query), caller.receive, caller.send)

    assert caller.answer.status == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param((b"x-trimtab-tenant", b"acme"), 200, id="the key's own tenant"),
        pytest.param((b"x-trimtab-tenant", b"globex"), 403, id="another tenant"),
        pytest.param((b"x-trimtab-featur", b"search"), 400, id="a typo"),
        pytest.param((b"x-trimtab-feature", b"search"), 200, id="a feature"),
        pytest.param((b"x-trimtab-feature", b"Se arch"), 400, id="no name of a feature"),
        pytest.param((b"x-trimtab-user", b"a\nb"), 400, id="a line break"),
        pytest.param((b"x-trimtab-deadline-ms", b"5000"), 200, id="a deadline"),
        pytest.param((b"x-trimtab-deadline-ms", b"5s"), 400, id="no number of milliseconds"),
        pytest.param((b"x-unknown", b"\x00\xff"), 200, id="a header that stops here"),
    ],
)
async def test_headers_of_ours_must_be_right(header: tuple[bytes, bytes], status: int) -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, header])

    assert answer.status == status
    assert rig.record.http_status == status
    assert len(rig.provider.sent) == (status == 200)


async def test_what_the_body_says_of_us_wins_over_the_headers_and_goes_no_further() -> None:
    rig = Rig(json_answer())
    body = HI[:-1] + b',"trimtab":{"feature":"search","tags":{"a":"b"}},"user":"u1"}'
    headers = [AUTH, (b"x-trimtab-feature", b"other"), (b"x-trimtab-conversation", b"c1")]

    await call(gateway(rig), "POST", CHAT, body, headers=headers)

    record = rig.record
    assert (record.feature, record.conversation_id, record.tags) == ("search", "c1", '{"a":"b"}')
    assert record.user_hash
    assert b"trimtab" not in rig.provider.sent[0][2]
    assert b"x-trimtab" not in rig.provider.sent[0][1]


@pytest.mark.parametrize(
    ("arm", "origin"), [("candidate", "eval"), ("baseline", "eval"), ("judge", "judge")]
)
async def test_a_key_that_may_evaluate_marks_its_calls(arm: str, origin: str) -> None:
    key = msgspec.structs.replace(GRANT.key, may=(KeyRight.EVALS,))
    rig = Rig(json_answer(), grant=replace(GRANT, key=key))
    header = (b"x-trimtab-eval", f"ev_1/q-1/{arm}/0".encode())

    await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, header])

    assert (rig.record.origin, rig.record.tags) == (origin, f'{{"eval":"ev_1/q-1/{arm}/0"}}')
    assert {line.origin for line in rig.finish.lines} == {origin}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"ev_1/q-1/candidate/0", id="a key that may not"),
        pytest.param(b"ev_1/q-1/live/0", id="no arm"),
        pytest.param(b"candidate", id="no place"),
    ],
)
async def test_no_other_call_passes_for_an_evaluation(value: bytes) -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, (b"x-trimtab-eval", value)])

    assert answer.status == 400
    assert not rig.provider.sent
    assert "x-trimtab-eval" in answer.body.decode()


async def test_a_trace_is_continued() -> None:
    rig = Rig(json_answer())
    trace = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

    answer = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, trace])

    assert rig.record.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert rig.record.parent_span_id == "00f067aa0ba902b7"
    assert answer.headers["x-trimtab-trace-id"] == rig.record.trace_id
    assert answer.headers["traceresponse"] == f"00-{rig.record.trace_id}-{rig.record.span_id}-01"


@pytest.mark.parametrize("options", [b"null", b'{"include_usage":null}', b"{}"])
async def test_stream_options_may_say_nothing(options: bytes) -> None:
    rig = Rig(good_stream())
    body = HI_STREAM[:-1] + b',"stream_options":' + options + b"}"

    answer = await call(gateway(rig), "POST", CHAT, body)

    assert answer.status == 200
    assert b'"usage"' not in answer.body.partition(b": trimtab")[0]


@pytest.mark.parametrize("options", [b"5", b"[]", b'"x"', b'{"include_usage":"yes"}'])
async def test_stream_options_of_the_wrong_type_are_refused(options: bytes) -> None:
    rig = Rig()
    body = HI_STREAM[:-1] + b',"stream_options":' + options + b"}"

    answer = await call(gateway(rig), "POST", CHAT, body)

    assert answer.status == 400
    assert answer.json["error"]["param"].startswith("stream_options")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("POST", "/v1/files"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/chat"),
        ("GET", "/"),
        ("GET", "/console"),
        ("OPTIONS", CHAT),
    ],
)
@pytest.mark.parametrize("headers", [[AUTH], [AUTH, VERSION]])
async def test_what_is_not_served_is_told_in_the_callers_wire(
    method: str, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    rig = Rig()

    answer = await call(gateway(rig), method, path, headers=headers)

    assert answer.status == 404
    assert ("type" in answer.json) == (VERSION in headers)
    assert CHAT in answer.json["error"]["message"]
    assert rig.spool.frames == []


async def test_t03_every_route_to_a_provider_goes_through_the_pipeline() -> None:
    class NoPipeline(Exception):
        """The pipeline was called."""

    asked: list[object] = []

    async def counted(request: object, _reply: object) -> None:
        asked.append(request)
        raise NoPipeline

    rig = Rig()
    served = gateway(rig)
    vars(served)["_pipeline"] = Stand(rig.pipeline, counted)

    for method, path in vars(served)["_routes"]:
        caller = Caller([HI])
        try:
            await served(scope(method, path, [AUTH]), caller.receive, caller.send)
        except NoPipeline:
            assert path in WIRES
        else:
            assert path not in WIRES
    assert len(asked) == len(WIRES)
    assert rig.provider.sent == []
    assert set(WIRES.values()) == set(ENDPOINTS) == set(SPOKEN) == set(Wire)


class Stand:
    """Stands where the pipeline does, and is called in its place."""

    def __init__(self, real: object, called: Callable[[object, object], Awaitable[None]]) -> None:
        self._real, self._called = real, called

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    async def __call__(self, request: object, reply: object) -> None:
        await self._called(request, reply)


async def test_is_healthy_while_it_answers_at_all() -> None:
    answer = await call(gateway(Rig()), "GET", "/healthz", headers=())

    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_is_ready_with_a_configuration() -> None:
    rig = Rig()
    app = gateway(rig)

    assert (await call(app, "GET", "/readyz", headers=())).json == {
        "status": "ready",
        "config_seq": 7,
    }
    rig.snapshot = replace(rig.snapshot, config_seq=0)
    answer = await call(app, "GET", "/readyz", headers=())
    assert (answer.status, answer.json) == (503, {"status": "no configuration yet"})


async def test_is_ready_without_its_control_store_and_says_so() -> None:
    problem = TryLater("the control store 'db.internal/trimtab' cannot be used")

    answer = await call(gateway(Rig(), problem=problem), "GET", "/readyz", headers=())

    assert (answer.status, answer.json) == (
        200,
        {
            "status": "ready",
            "config_seq": 7,
            "control_store": "cannot be followed; nothing can be changed",
        },
    )


async def test_t35_is_not_ready_on_a_schema_of_a_newer_program() -> None:
    problem = SchemaTooNew("'control' has schema 99, this program knows 1")

    answer = await call(gateway(Rig(), problem=problem), "GET", "/readyz", headers=())

    assert answer.status == 503
    assert "upgrade trimtab" in answer.json["status"]


async def test_takes_nothing_new_while_draining() -> None:
    rig = Rig(json_answer())
    app = gateway(rig)
    app.drain()

    answer = await call(app, "POST", CHAT, HI)

    assert (answer.status, answer.headers["x-trimtab-error"]) == (503, "draining")
    assert answer.headers["x-should-retry"] == "true"
    assert (await call(app, "GET", "/readyz", headers=())).status == 503
    assert (await call(app, "GET", "/healthz", headers=())).status == 200
    assert rig.provider.sent == []


async def test_a_start_that_fails_is_told_to_the_server_in_one_line() -> None:
    @asynccontextmanager
    async def broken() -> AsyncGenerator[None]:
        if MAX_BODY:
            raise TryLater("the control store is away")
        yield

    app = Gateway(Rig().pipeline, seeded_entropy(), (), broken, max_body=1)
    events: asyncio.Queue[Message] = asyncio.Queue()
    said: list[Message] = []

    async def say(message: Message) -> None:
        said.append(message)

    await events.put({"type": "lifespan.startup"})
    await app({"type": "lifespan"}, events.get, say)

    assert said == [{"type": "lifespan.startup.failed", "message": "the control store is away"}]


async def test_shutting_down_waits_for_what_runs() -> None:
    going_on = asyncio.Event()

    rig = Rig(streamed(ROLE, WARM, STOP, DONE))
    app = gateway(rig)
    caller = Caller([HI_STREAM])

    async def hesitant(message: Message) -> None:
        await going_on.wait()
        caller.sent.append(message)

    running = asyncio.create_task(app(scope("POST", CHAT, [AUTH]), caller.receive, hesitant))
    events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: list[str] = []

    async def say(message: Message) -> None:
        said.append(message["type"])

    life = asyncio.create_task(app({"type": "lifespan"}, events.get, say))
    await events.put({"type": "lifespan.startup"})
    await events.put({"type": "lifespan.shutdown"})
    async with asyncio.timeout(1):
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert not life.done()

    going_on.set()
    await asyncio.gather(running, life)

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert rig.record.status == "ok"


async def test_lists_the_models_of_a_key_in_either_wire() -> None:
    rig = Rig()

    openai = await call(gateway(rig), "GET", "/v1/models")
    anthropic = await call(gateway(rig), "GET", "/v1/models", headers=[AUTH, VERSION])

    assert [model["id"] for model in openai.json["data"]] == ["chat"]
    assert openai.json["object"] == "list"
    assert anthropic.json["data"][0]["type"] == "model"
    assert [finish.record.wire for finish in rig.finishes] == [
        "openai.chat",
        "anthropic.messages",
    ]


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ([], "/v1/models", 401),
        ([AUTH], "/v1/models/chat", 200),
        ([AUTH], "/v1/models/sim/large", 200),
        ([AUTH], "/v1/models/other", 404),
        ([AUTH, (b"x-trimtab-featur", b"x")], "/v1/models", 400),
    ],
)
async def test_models_are_for_good_keys(
    headers: list[tuple[bytes, bytes]], path: str, status: int
) -> None:
    assert (await call(gateway(Rig()), "GET", path, headers=headers)).status == status


async def test_models_obey_the_kill_switch() -> None:
    rig = Rig(grant=SUSPENDED)

    assert (await call(gateway(rig), "GET", "/v1/models")).status == 403


async def test_a_web_socket_is_not_answered() -> None:
    caller = Caller([])

    await gateway(Rig())({"type": "websocket"}, caller.receive, caller.send)

    assert caller.sent == []


ONCE = (b"idempotency-key", b"order-17")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, "/v1/embeddings", "/v1/moderations"])
async def test_a_request_sent_twice_under_one_key_is_carried_out_once(path: str) -> None:
    whole = b'{"id":"1","choices":[],"content":[],"output":[],"results":[],"data":[],"usage":null}'
    rig = Rig(json_answer(whole))
    app = gateway(rig)

    first = await call(app, "POST", path, HI, headers=[AUTH, ONCE])
    second = await call(app, "POST", path, HI, headers=[AUTH, ONCE])

    assert (first.status, second.status, first.body) == (200, 200, second.body)
    assert "x-trimtab-replayed" not in first.headers
    assert second.headers["x-trimtab-replayed"] == "true"
    assert second.headers["x-trimtab-cost-usd"] == "0"
    assert "x-trimtab-attempts" not in second.headers
    assert len(rig.provider.sent) == 1


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_a_key_used_for_something_else_is_told_in_the_callers_wire(path: str) -> None:
    app = gateway(Rig(json_answer(), json_answer()))
    await call(app, "POST", RESPONSES, HI, headers=[AUTH, ONCE])

    answer = await call(app, "POST", path, HI, headers=[AUTH, ONCE])

    assert answer.status == 422
    assert answer.headers["x-trimtab-error"] == "idempotency_mismatch"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("value", [b"", b"a b", b"\xff", b"k" * 256])
async def test_an_idempotency_key_is_visible_ascii_and_short(path: str, value: bytes) -> None:
    rig = Rig(json_answer())

    answer = await call(gateway(rig), "POST", path, HI, headers=[AUTH, (ONCE[0], value)])

    assert (answer.status, rig.provider.sent) == (400, [])


RATED = replace(GRANT, limits=Limits(requests_per_minute=1, parallel=2))


@pytest.mark.parametrize(
    ("path", "limit", "left"),
    [
        (CHAT, "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
        (MESSAGES, "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining"),
    ],
)
async def test_what_is_left_is_told_with_answers_streams_and_refusals(
    path: str, limit: str, left: str
) -> None:
    for stream in (False, True):
        said = good_stream() if path == CHAT else streamed(BEGAN, SAID, TOLD + OVER)
        rig = Rig(said if stream else json_answer(), grant=RATED)
        app = gateway(rig)

        served = await call(app, "POST", path, HI_STREAM if stream else HI)
        refused = await call(app, "POST", path, HI)

        assert (served.headers[limit], served.headers[left]) == ("1", "0")
        assert (refused.headers[limit], refused.headers[left]) == ("1", "0")
        assert refused.status == 429


async def test_of_a_rate_that_is_not_limited_nothing_is_told() -> None:
    answer = await call(gateway(Rig(json_answer())), "POST", CHAT, HI)

    assert not [name for name in answer.headers if "ratelimit" in name]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_of_who_is_plainly_over_its_rate_no_body_is_read(path: str) -> None:
    rig = Rig(json_answer(), json_answer(), grant=RATED)
    app = gateway(rig)
    for _ in range(2):
        await call(app, "POST", path, HI)
    flood = Caller([HI])

    await app(scope("POST", path, [AUTH]), flood.receive, flood.send)

    assert flood.unread == [HI]
    assert (flood.answer.status, flood.answer.headers["retry-after"]) == (429, "60")
    assert flood.answer.headers["x-trimtab-error"] == "rate_limited"
    assert rig.finishes[-1].record.error_code == "rate_limited"

    rig.clock.advance(60)
    await call(app, "POST", path, HI)
    assert len(rig.provider.sent) == 2


async def test_a_rate_that_was_raised_lets_in_at_once() -> None:
    rig = Rig(json_answer(), json_answer(), grant=RATED)
    app = gateway(rig)
    for _ in range(2):
        await call(app, "POST", CHAT, HI)

    wider = replace(RATED, limits=Limits(requests_per_minute=60_000))
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: wider})
    rig.clock.advance(0.01)

    assert (await call(app, "POST", CHAT, HI)).status == 200


FOUND = Retrieval(
    documents=(Document(id="doc-12", score=0.83, version="3"), Document(id="doc-7")),
    index="docs-index",
    index_build_date="2026-03-01",
    embedding_model="text-embedding-3-large",
    retrieval_us=5_231,
)
DOCUMENTS = b"x-trimtab-documents"


async def test_what_the_caller_found_is_in_the_record() -> None:
    rig = Rig(json_answer())

    answer = await call(
        gateway(rig), "POST", CHAT, HI, headers=[AUTH, (DOCUMENTS, encode(FOUND).encode())]
    )

    assert answer.status == 200
    finish = rig.finishes[-1]
    record = finish.record
    assert (record.retrieval_source, record.retrieval_us) == ("header", 5_231)
    assert (record.index_name, record.index_build_date) == ("docs-index", "2026-03-01")
    assert record.embedding_model == "text-embedding-3-large"
    assert [it["doc_id"] for it in finish.detail.retrieved] == ["doc-12", "doc-7"]
    assert b'"retrieved":["doc-12:0.83","doc-7"]' in log_line(finish)
    ((_, head, _),) = rig.provider.sent
    assert b"x-trimtab" not in head


async def test_a_record_tells_that_a_span_has_what_was_found() -> None:
    rig = Rig(json_answer(), json_answer())

    await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, (DOCUMENTS, b"span")])
    assert rig.finishes[-1].record.retrieval_source == "span"
    assert rig.finishes[-1].detail.retrieved == ()

    await call(gateway(rig), "POST", CHAT, HI)
    assert rig.finishes[-1].record.retrieval_source == "none"


@pytest.mark.parametrize(("path", "kind"), [(CHAT, "error"), (MESSAGES, "type")])
@pytest.mark.parametrize("value", [b"x", b"{}", b"a" * 6_145, "ä".encode()])
async def test_documents_that_cannot_be_read_are_refused_before_anything_is_held(
    path: str, kind: str, value: bytes
) -> None:
    rig = Rig()

    answer = await call(gateway(rig), "POST", path, HI, headers=[AUTH, (DOCUMENTS, value)])

    assert answer.status == 400
    assert "x-trimtab-documents" in answer.json["error"]["message"]
    assert kind in answer.json
    assert rig.finishes[-1].record.status == "rejected"
    assert rig.finishes[-1].record.hold_nano is None
    assert rig.provider.sent == []


async def test_tags_may_come_in_a_header_and_those_of_the_body_win() -> None:
    rig = Rig(json_answer(), json_answer())
    tags = (b"x-trimtab-tags", b"team=search&who=J%C3%BCrgen")

    await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, tags])
    assert rig.finishes[-1].record.tags == '{"team":"search","who":"Jürgen"}'

    body = HI[:-1] + b',"trimtab":{"tags":{"team":"ads"}}}'
    await call(gateway(rig), "POST", CHAT, body, headers=[AUTH, tags])
    assert rig.finishes[-1].record.tags == '{"team":"ads"}'
