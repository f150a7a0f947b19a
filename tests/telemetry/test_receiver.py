import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.transport import BadResponse, ConnectFailed, Origin
from trimtab.telemetry.receiver import Answer, Post, Receiver, Verdict
from trimtab.testing import ScriptedAnswer, ScriptedProvider

NOW_US = 1_777_142_531_000_000  # Sat, 25 Apr 2026 18:42:11 GMT


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.TAKEN),
        (202, Verdict.TAKEN),
        (0, Verdict.AGAIN),
        (429, Verdict.AGAIN),
        (502, Verdict.AGAIN),
        (503, Verdict.AGAIN),
        (504, Verdict.AGAIN),
        (413, Verdict.HALVE),
        (401, Verdict.PAUSE),
        (403, Verdict.PAUSE),
        (302, Verdict.PAUSE),
        (400, Verdict.PUT_ASIDE),
        (404, Verdict.PUT_ASIDE),
        (500, Verdict.PUT_ASIDE),
    ],
)
def test_each_status_means_what_otlp_says(status: int, verdict: Verdict) -> None:
    assert Answer(status).verdict is verdict


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"7", 7.0),
        (b"0", 0.0),
        (b"9" * 400, 3600.0),
        (b"Sat, 25 Apr 2026 18:42:21 GMT", 10.0),
        (b"Sat, 25 Apr 2026 18:42:01 GMT", 0.0),
        (b"Sat, 25 Apr 2099 18:42:01 GMT", 3600.0),
        (b"soon", None),
        (b"-3", None),
        (b"", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(
    text: bytes, seconds: float | None
) -> None:
    assert Answer(503, ((b"retry-after", text),)).retry_after_s(NOW_US) == seconds


def test_a_partial_success_says_how_many_and_why() -> None:
    said = ExportTraceServiceResponse()
    said.partial_success.rejected_spans = 3
    said.partial_success.error_message = "too old"

    assert Answer(200, body=said.SerializeToString()).rejected() == (3, "too old")


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff\xff", b"<html>"])
def test_a_body_that_says_nothing_rejects_nothing(body: bytes) -> None:
    assert Answer(200, body=body).rejected() == (0, "")


@pytest.mark.parametrize(
    ("endpoint", "origin", "path"),
    [
        ("http://127.0.0.1:4318", ("http", "127.0.0.1", 4318), b"/v1/traces"),
        ("https://otel.example/", ("https", "otel.example", 443), b"/v1/traces"),
        ("https://otel.example/in/v1/traces", ("https", "otel.example", 443), b"/in/v1/traces"),
        ("http://[::1]:4318/otlp?a=b", ("http", "::1", 4318), b"/otlp/v1/traces?a=b"),
    ],
)
async def test_traces_go_below_the_endpoint(
    endpoint: str, origin: tuple[str, str, int], path: bytes
) -> None:
    provider = ScriptedProvider(ScriptedAnswer([]))
    receiver = Receiver("otlp", endpoint, (("authorization", "Bearer k"),))

    await Post(receiver, provider)(b"body")

    (to, head, body) = provider.sent[0]
    scheme, host, port = origin
    assert to == Origin(scheme=scheme, host=host, port=port, allow_private=True)
    assert head.startswith(b"POST " + path + b" HTTP/1.1\r\nhost: ")
    assert b"\r\ncontent-type: application/x-protobuf\r\n" in head
    assert b"\r\ncontent-encoding: gzip\r\n" in head
    assert b"\r\nauthorization: Bearer k\r\n" in head
    assert body == b"body"


@pytest.mark.parametrize(
    ("endpoint", "header"),
    [
        ("otel.example:4318", "x"),
        ("ftp://otel.example", "x"),
        ("http://", "x"),
        ("http://otel.example:nonsense", "x"),
        ("http://otel.example", "x\r\nsmuggled: y"),
    ],
)
def test_an_endpoint_or_header_that_cannot_be_used_is_refused_at_once(
    endpoint: str, header: str
) -> None:
    receiver = Receiver("otlp", endpoint, (("authorization", header),))

    with pytest.raises(SettingsInvalid, match="'otlp'"):
        Post(receiver, ScriptedProvider())


@pytest.mark.parametrize(
    "failure", [ConnectFailed("away"), BadResponse("nonsense"), ScriptedAnswer([None])]
)
async def test_no_answer_is_status_zero(failure: Exception | ScriptedAnswer) -> None:
    receiver = Receiver("otlp", "http://127.0.0.1:4318", timeout_s=0.01)

    assert await Post(receiver, ScriptedProvider(failure))(b"") == Answer(0)


async def test_an_endless_answer_is_cut_and_closed() -> None:
    endless = ScriptedAnswer([b"x" * 40_000] * 100)

    answer = await Post(Receiver("otlp", "http://h:1"), ScriptedProvider(endless))(b"")

    assert len(answer.body) == 80_000
    assert endless.closed


def test_keys_are_not_shown() -> None:
    receiver = Receiver(
        "otlp", "http://h:1", (("x-api-key", "secret"),), proxy="http://u:secret@p:1"
    )

    assert "secret" not in repr(receiver)
