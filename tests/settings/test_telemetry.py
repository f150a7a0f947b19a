import pytest
from tests.settings.conftest import Faults, Load

from trimtab.settings import ExporterSettings
from trimtab.telemetry.preset import Content, Signal
from trimtab.telemetry.semconv import Semconv

OPTED_IN = "gen_ai_latest_experimental"


def test_reads_exporters(load_text: Load) -> None:
    settings = load_text(
        "version: 1\ntelemetry:\n  exporters:\n    - {endpoint: http://127.0.0.1:4318}\n"
        "    - {name: honeycomb, endpoint: https://api.honeycomb.io/, content: none,"
        " headers: {x-honeycomb-team: env:KEY}}\nlog_line: {stdout: true}\n"
    )

    assert settings.telemetry.exporters == (
        ExporterSettings(name="otlp", endpoint="http://127.0.0.1:4318"),
        ExporterSettings(
            name="honeycomb",
            endpoint="https://api.honeycomb.io",
            headers={"x-honeycomb-team": "env:KEY"},
        ),
    )
    assert settings.log_to_stdout


def test_reads_an_exporter_with_a_preset(load_text: Load) -> None:
    settings = load_text(
        "version: 1\ntelemetry:\n  exporters:\n    - {preset: honeycomb, region: eu, key: env:KEY,"
        " signals: [traces, metrics, traces], content: event, semconv: genai-latest}\n"
    )

    (exporter,) = settings.telemetry.exporters
    assert exporter == ExporterSettings(
        name="honeycomb",
        preset="honeycomb",
        values={"region": "eu"},
        secrets={"key": "env:KEY"},
        semconv=Semconv.LATEST,
        content=Content.EVENT,
        signals=(Signal.TRACES, Signal.METRICS),
    )
    assert [it for it, _ in settings.unset] == ["telemetry.exporters[0].key"]


@pytest.mark.parametrize(
    ("section", "environ", "expected"),
    [
        ("", {}, "1.41"),
        ("", {"OTEL_SEMCONV_STABILITY_OPT_IN": f"http, {OPTED_IN}"}, "genai-latest"),
        ("", {"OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"}, "1.41"),
        ("semconv: '1.36'", {}, "1.36"),
        ("semconv: '1.36'", {"OTEL_SEMCONV_STABILITY_OPT_IN": OPTED_IN}, "1.36"),
    ],
)
def test_the_version_of_names_is_the_section_s_else_that_which_is_opted_in_to(
    load_text: Load, section: str, environ: dict[str, str], expected: str
) -> None:
    text = (
        f"version: 1\ntelemetry:\n  {section}\n  exporters:\n    - {{endpoint: http://a}}\n"
        "    - {name: own, endpoint: http://a, semconv: '1.36'}\n"
        "    - {preset: phoenix, endpoint: http://a}\n"
    )

    settings = load_text(text, environ)

    assert [it.semconv for it in settings.telemetry.exporters] == [expected, "1.36", "1.41"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("NO_CONTENT", "none"),
        ("SPAN_ONLY", "span"),
        ("event_only", "event"),
        ("SPAN_AND_EVENT", "span_and_event"),
        ("true", "none"),
    ],
)
def test_content_that_the_file_does_not_speak_of_is_as_opentelemetry_s_variable_says(
    load_text: Load, said: str, expected: str
) -> None:
    text = (
        "version: 1\ntelemetry:\n  exporters:\n    - {endpoint: http://a}\n"
        "    - {name: b, endpoint: http://a, content: none}\n"
    )

    settings = load_text(text, {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": said})

    assert [it.content for it in settings.telemetry.exporters] == [expected, "none"]


@pytest.mark.parametrize(
    ("exporter", "at", "says"),
    [
        ("name: a", "", "'endpoint' is missing"),
        ("endpoint: https://e.com, content: all", ".content", "write none | span | event"),
        (
            "endpoint: https://e.com, semconv: '1.40'",
            ".semconv",
            "write 1.36 | 1.41 | genai",
        ),
        ("endpoint: https://e.com, signals: []", ".signals", "write [traces, metrics, logs]"),
        ("preset: zipkin", ".preset", "'zipkin' is no preset"),
        ("preset: langsmith", "", "'key' is missing, which preset 'langsmith' needs"),
        ("preset: langsmith, key: env:K, zone: a", "", "'zone' means nothing to preset"),
        ("preset: honeycomb, key: env:K, region: mars", "", "is no region of it; write us | eu"),
        ("preset: phoenix, endpoint: http://p, signals: [logs]", "", "takes no logs"),
        ("preset: phoenix, endpoint: http://p, project: 'a/b'", ".project", "cannot stand in"),
        ("preset: phoenix, endpoint: http://p, key: sesame", ".key", "must be a reference"),
        ("endpoint: https://e.com, headers: {x: y}", ".headers.x", "must be a reference"),
        ("endpoint: https://e.com, headers: {'a b': env:K}", ".headers.a b", "is no name"),
    ],
)
def test_says_what_is_wrong_with_an_exporter(
    faults: Faults, exporter: str, at: str, says: str
) -> None:
    (fault,) = faults(f"version: 1\ntelemetry:\n  exporters:\n    - {{{exporter}}}\n")

    assert fault.startswith(f"trimtab.yaml:4: telemetry.exporters[0]{at}: ")
    assert says in fault


def test_two_exporters_need_two_names(faults: Faults) -> None:
    (fault,) = faults(
        "version: 1\ntelemetry: {exporters: [{endpoint: https://a.com}, {endpoint: https://b.com}]}"
    )

    assert "two exporters are called 'otlp'; name them" in fault
