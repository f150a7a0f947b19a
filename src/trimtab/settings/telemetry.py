"""The section `telemetry` of the file: where traces are sent, and how they are written."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from trimtab.domain.yaml_tree import Faults, Items, Node, Wrong, nearest
from trimtab.settings.fields import (
    Read,
    count,
    entries,
    members,
    name,
    one_of,
    reference,
    scalar,
    take,
    text,
    texts,
    url,
)
from trimtab.settings.model import ExporterSettings, TelemetrySettings
from trimtab.settings.sampling import read_sampling
from trimtab.telemetry.preset import Content, Preset, Signal, names, preset
from trimtab.telemetry.semconv import Semconv

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,126}")
_LATEST_WORD = "gen_ai_latest_experimental"
_CAPTURED: Mapping[str, Content] = {
    "NO_CONTENT": Content.NONE,
    "SPAN_ONLY": Content.SPAN,
    "EVENT_ONLY": Content.EVENT,
    "SPAN_AND_EVENT": Content.SPAN_AND_EVENT,
}


def read_telemetry(environ: Mapping[str, str], node: Node, faults: Faults) -> TelemetrySettings:
    """Read the section; variables of OpenTelemetry say what it leaves open."""
    table: Mapping[str, Read] = {
        "semconv": one_of(Semconv),
        "exporters": lambda node, _faults: node,
        "sampling": read_sampling,
        "baggage_allow": _baggage_keys,
        "metrics": lambda node, faults: members(node, faults, {"max_tenants": count}) or {},
    }
    given = members(node, faults, table) or {}
    exporters = given.pop("exporters", None)
    given |= given.pop("metrics", {})
    semconv = given.pop("semconv", Semconv.LATEST if _opts_in(environ) else Semconv.V1_41)
    content = _CAPTURED.get(environ.get(CAPTURE, "").upper(), Content.NONE)
    read = partial(_exporter, semconv, content)
    found = () if exporters is None else _exporters(read, exporters, faults)
    return TelemetrySettings(exporters=found, **given)


def _baggage_keys(node: Node, faults: Faults) -> frozenset[str]:
    keys = texts(node, faults)
    for key in keys:
        if _TOKEN.fullmatch(key) is None:
            raise Wrong(f"{key!r} is no key of baggage; write letters, digits, '.', '_' and '-'")
    return frozenset(keys)


def _opts_in(environ: Mapping[str, str]) -> bool:
    return _LATEST_WORD in (it.strip() for it in environ.get(OPT_IN, "").split(","))


def _exporters(read: Read, node: Node, faults: Faults) -> tuple[ExporterSettings, ...]:
    if not isinstance(node, Items):
        faults.add(node.path, "is not a list; write `- {endpoint: https://...}`")
        return ()
    exporters: dict[str, ExporterSettings] = {}
    for item in node.items:
        exporter = read(item, faults)
        if exporter is None:
            continue
        if exporter.name in exporters:
            faults.add(item.path, f"two exporters are called {exporter.name!r}; name them")
        exporters[exporter.name] = exporter
    return tuple(exporters.values())


def _signals(node: Node, faults: Faults) -> tuple[Signal, ...]:
    if not isinstance(node, Items) or not node.items:
        raise Wrong("is not a list; write [traces, metrics, logs], or some of them")
    found: dict[str, Signal] = {}
    for item in node.items:
        take(item, faults, one_of(Signal), found, item.path)
    return tuple(dict.fromkeys(found.values()))


def _preset(node: Node, _faults: Faults) -> str:
    written = scalar(node).text
    if written not in names():
        raise Wrong(f"{written!r} is no preset; {nearest(written, names())}")
    return written


def _value(node: Node, _faults: Faults) -> str:
    written = scalar(node).text
    if _VALUE.fullmatch(written) is None:
        raise Wrong(f"{written!r} cannot stand in a URL or a header; write a plain name")
    return written


_VALUES = ("project", "region", "site", "zone", "instance", "space")
_SECRETS = ("key", "public_key")
_EXPORTER: Mapping[str, Read] = {
    "name": name,
    "preset": _preset,
    "endpoint": url,
    "headers": lambda node, faults: entries(node, faults, _HEADER, _header),
    "semconv": one_of(Semconv),
    "content": one_of(Content),
    "signals": _signals,
    "ca_file": text,
    **dict.fromkeys(_VALUES, _value),
    **dict.fromkeys(_SECRETS, reference),
}


def _exporter(
    semconv: Semconv, content: Content, node: Node, faults: Faults
) -> ExporterSettings | None:
    before = len(faults.found)
    given = members(node, faults, _EXPORTER)
    if given is None:
        return None
    called = given.pop("preset", "otlp")
    of = preset(called)
    values = {it: given.pop(it) for it in _VALUES if it in given}
    secrets = {it: given.pop(it) for it in _SECRETS if it in given}
    exporter = ExporterSettings(
        name=given.pop("name", called),
        preset=called,
        values=values,
        secrets=secrets,
        semconv=given.pop("semconv", of.semconv or semconv),
        content=given.pop("content", content),
        **given,
    )
    if len(faults.found) == before:
        for fault in _misfits(exporter, of):
            faults.add(node.path, fault)
    return exporter


def _misfits(exporter: ExporterSettings, of: Preset) -> Iterator[str]:
    """Tell what does not go with the preset."""
    given = {**exporter.values, **exporter.secrets}
    if exporter.endpoint is None and of.endpoint is None:
        yield "'endpoint' is missing; add it"
    for missing in (it for it in of.required if it not in given):
        yield f"'{missing}' is missing, which preset '{exporter.preset}' needs; add it"
    for idle in (it for it in given if it not in of.takes):
        yield f"'{idle}' means nothing to preset '{exporter.preset}'; remove it"
    region = exporter.values.get("region")
    if region is not None and "region" in of.takes and region not in of.regions:
        yield f"{region!r} is no region of it; write {' | '.join(of.regions)}"
    for signal in (it for it in exporter.signals if it not in of.signals):
        yield f"preset '{exporter.preset}' takes no {signal}; it takes {', '.join(of.signals)}"


def _header(_name: str, node: Node, faults: Faults) -> str:
    return reference(node, faults)
