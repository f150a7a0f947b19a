"""What each receiver is sent, as strictly as it can be: path, headers, encoding and names."""

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from gzip import decompress

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.telemetry.shapes import SAID, SHAPES, answered

from trimtab.settings import ExporterSettings
from trimtab.telemetry.evaluations import evaluation
from trimtab.telemetry.preset import Encoding, Signal, names, preset
from trimtab.telemetry.receiver import Post
from trimtab.telemetry.semconv import Semconv
from trimtab.telemetry.spans import Source, render
from trimtab.telemetry.view import encode
from trimtab.testing import ScriptedAnswer, ScriptedProvider
from trimtab.wiring.exporting import receiver_of

KEYS = {"key": "env:KEY", "public_key": "env:PUBLIC"}
BASIC = {
    "langfuse": "Basic " + b64encode(b"pk-1:sesame").decode(),
    "grafana": "Basic " + b64encode(b"1234:sesame").decode(),
}
GIVEN: Mapping[str, tuple[dict[str, str], str | None]] = {
    "otlp": ({}, "https://otel.internal:4318"),
    "phoenix": ({"project": "shop-prod"}, "http://127.0.0.1:6006"),
    "langsmith": ({"project": "shop", "region": "eu"}, None),
    "langfuse": ({"region": "us"}, None),
    "datadog": ({"site": "datadoghq.eu", "project": "shop"}, None),
    "honeycomb": ({"region": "eu"}, None),
    "arize": ({"space": "U3Bh", "project": "shop"}, None),
    "helicone": ({}, None),
    "grafana": ({"zone": "prod-eu-west-2", "instance": "1234"}, None),
}
WANTED: Mapping[str, tuple[str, dict[str, str]]] = {
    "otlp": ("https://otel.internal:4318/v1/traces", {}),
    "phoenix": (
        "http://127.0.0.1:6006/v1/traces",
        {"authorization": "Bearer sesame", "x-project-name": "shop-prod"},
    ),
    "langsmith": (
        "https://eu.api.smith.langchain.com/otel/v1/traces",
        {"x-api-key": "sesame", "langsmith-project": "shop"},
    ),
    "langfuse": (
        "https://us.cloud.langfuse.com/api/public/otel/v1/traces",
        {"authorization": BASIC["langfuse"], "x-langfuse-ingestion-version": "4"},
    ),
    "datadog": (
        "https://otlp.datadoghq.eu/v1/traces",
        {"dd-api-key": "sesame", "dd-otlp-source": "llmobs"},
    ),
    "honeycomb": ("https://api.eu1.honeycomb.io/v1/traces", {"x-honeycomb-team": "sesame"}),
    "arize": (
        "https://otlp.arize.com/v1/traces",
        {"arize-space-id": "U3Bh", "arize-api-key": "sesame"},
    ),
    "helicone": ("https://api.helicone.ai/v1/trace/log", {"authorization": "Bearer sesame"}),
    "grafana": (
        "https://otlp-gateway-prod-eu-west-2.grafana.net/otlp/v1/traces",
        {"authorization": BASIC["grafana"]},
    ),
}
EXTRAS: Mapping[str, dict[str, object]] = {
    "phoenix": {
        "openinference.span.kind": "LLM",
        "llm.cost.total": 0.009414,
        "llm.prompt_template.version": "3.2.0",
        "session.id": "s-91",
    },
    "langsmith": {
        "langsmith.span.kind": "llm",
        "langsmith.metadata.thread_id": "s-91",
        "langsmith.metadata.prompt_name": "rag-answer",
        "langsmith.metadata.prompt_version": "3.2.0",
    },
    "langfuse": {
        "langfuse.observation.cost_details": '{"total": 0.009414000}',
        "langfuse.session.id": "s-91",
    },
    "honeycomb": {"SampleRate": 20, "gen_ai.conversation.id": "s-91"},
    "helicone": {
        "gen_ai.system": "anthropic",
        "gen_ai.usage.prompt_tokens": 4123,
        "gen_ai.usage.completion_tokens": 487,
        "llm.usage.total_tokens": 4610,
    },
    "arize": {"openinference.span.kind": "LLM"},
    "otlp": {},
    "grafana": {},
    "datadog": {},
}
ASKED = answered(
    conversation_id="s-91",
    prompt_name="rag-answer",
    prompt_version="3.2.0",
    adjusted_count=19.9988,
    sampling_rule="rest",
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sesame")
    monkeypatch.setenv("PUBLIC", "pk-1")


def settings(name: str, *signals: Signal) -> ExporterSettings:
    values, endpoint = GIVEN[name]
    taken = preset(name).takes
    return ExporterSettings(
        name=name,
        preset=name,
        endpoint=endpoint,
        values=values,
        secrets={it: at for it, at in KEYS.items() if it in taken},
        semconv=preset(name).semconv or Semconv.V1_41,
        signals=signals or (Signal.TRACES,),
    )


def attributes(name: str) -> dict[str, object]:
    """Give what the attempt of a request says to a receiver."""
    view = receiver_of(settings(name), Signal.TRACES).view
    span = render(ASKED, view.version, view.extras)[-1]
    return {it.key: getattr(it.value, it.value.WhichOneof("value") or "") for it in span.attributes}


def test_every_preset_is_tested() -> None:
    assert set(names()) == GIVEN.keys() == WANTED.keys() == EXTRAS.keys()


@pytest.mark.parametrize("name", GIVEN)
async def test_a_receiver_gets_its_path_headers_and_encoding(name: str) -> None:
    receiver = receiver_of(settings(name), Signal.TRACES)
    provider = ScriptedProvider(ScriptedAnswer([]))
    post = Post(receiver, provider)

    view = receiver.view
    source = Source("w1", "production")
    await post(encode(((source, it) for it in render(ASKED, view.version, view.extras)), view))

    url, wanted = WANTED[name]
    ((_, head, body),) = provider.sent
    line, *rest = head.decode().split("\r\n")
    headers = dict(it.split(": ", 1) for it in rest if it)
    host, _, path = url.partition("://")[2].partition("/")
    is_json = preset(name).encoding is Encoding.JSON
    assert post.url == url
    assert line == f"POST /{path} HTTP/1.1"
    assert headers == {
        **wanted,
        "host": host,
        "content-type": "application/json" if is_json else "application/x-protobuf",
        "content-encoding": "gzip",
    }
    data = decompress(body)
    assert json.loads(data) if is_json else ExportTraceServiceRequest.FromString(data)


@pytest.mark.parametrize("name", EXTRAS)
def test_a_receiver_gets_the_names_that_it_knows(name: str) -> None:
    assert EXTRAS[name].items() <= attributes(name).items()


@pytest.mark.parametrize("name", GIVEN)
def test_no_name_is_there_twice_and_none_that_is_forbidden(name: str) -> None:
    view = receiver_of(settings(name), Signal.TRACES).view
    judged = evaluation(SAID, view.version, view.extras)
    assert judged is not None
    rendered = [render(it, view.version, view.extras) for it in (ASKED, *SHAPES.values())]
    for span in (judged, *(span for spans in rendered for span in spans)):
        told = [it.key for it in span.attributes]
        assert len(told) == len(set(told))
        assert not preset(name).forbidden & set(told)


def test_langfuse_never_gets_a_cost_that_it_would_count_as_tokens() -> None:
    assert "gen_ai.usage.cost.amount" in preset("langfuse").forbidden
    view = receiver_of(settings("langfuse"), Signal.TRACES).view
    priced = {**view.version.names, "cost": "gen_ai.usage.cost.amount"}
    kept = replace(view.version, names=priced).without(preset("langfuse").forbidden)
    assert kept == view.version


@pytest.mark.parametrize(("operation", "kind"), [("chat", "LLM"), ("embeddings", "EMBEDDING")])
def test_phoenix_knows_each_span_by_its_kind(operation: str, kind: str) -> None:
    view = receiver_of(settings("phoenix"), Signal.TRACES).view
    spans = render(answered(operation=operation), view.version, view.extras)

    kinds = [
        it.value.string_value
        for span in spans
        for it in span.attributes
        if it.key == "openinference.span.kind"
    ]
    assert kinds == ["CHAIN"] * (len(spans) - 1) + [kind]


def test_helicone_gets_json_with_ids_in_hex_and_enums_as_numbers() -> None:
    view = receiver_of(settings("helicone"), Signal.TRACES).view
    spans = render(answered(parent_span_id="00f067aa0ba902b7"), view.version)
    # Bytes and quotes that look like an id are no id.
    spans[0].name = '"traceId":"AAAA"'

    document = json.loads(decompress(encode(((Source("w", "dev"), it) for it in spans), view)))

    told = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert [it["spanId"] for it in told] == [it.span_id.hex() for it in spans]
    assert {it["traceId"] for it in told} == {spans[0].trace_id.hex()}
    assert told[0]["parentSpanId"] == "00f067aa0ba902b7"
    assert told[0]["kind"] == 2
    assert told[0]["name"] == '"traceId":"AAAA"'


def test_values_that_are_not_given_leave_their_header_out() -> None:
    exporter = ExporterSettings(name="p", preset="phoenix", endpoint="http://p:1")

    assert receiver_of(exporter, Signal.TRACES).headers == ()


def test_a_header_of_one_s_own_wins_over_the_preset_s() -> None:
    exporter = ExporterSettings(
        name="p",
        preset="phoenix",
        endpoint="http://p:1",
        values={"project": "shop"},
        headers={"X-Project-Name": "env:KEY"},
    )

    assert receiver_of(exporter, Signal.TRACES).headers == (("x-project-name", "sesame"),)


@pytest.mark.parametrize("signal", list(Signal))
def test_each_signal_has_a_path_and_files_of_its_own(signal: Signal) -> None:
    receiver = receiver_of(settings("grafana", *Signal), signal)

    suffix = "" if signal is Signal.TRACES else f"@{signal}"
    assert receiver.path == f"/otlp/v1/{signal}"
    assert receiver.name == f"grafana{suffix}"
    assert receiver.view.evaluations == (signal is Signal.LOGS)


def test_without_logs_evaluations_go_with_the_traces() -> None:
    assert receiver_of(settings("grafana"), Signal.TRACES).view.evaluations


def test_datadog_and_arize_name_the_project_in_the_resource() -> None:
    told = [receiver_of(settings(it), Signal.TRACES).view.resource for it in ("datadog", "arize")]

    assert told[0]["service.name"] == "shop"
    assert told[1]["openinference.project.name"] == "shop"


@pytest.mark.parametrize("name", GIVEN)
def test_a_preset_is_either_verified_or_says_that_it_is_not(name: str) -> None:
    it = preset(name)

    assert (it.verified is None) != (it.unconfirmed is None)
