"""What is known of receivers, as data: one file below `presets/` for each.

Texts may hold `{key}` and the like, which settings fill in. What begins with `Basic ` is encoded
as HTTP asks for it. Extras are attributes that a receiver knows under names of its own: on the
root, on stages, on attempts (those of an operation after that), on evaluations; `words` are what
was asked and answered, on root and last attempt if content is sent. Each is one of our words, or a
text behind `=`.
"""

import string
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from trimtab.domain.yaml_tree import Faults, anything, read_tree
from trimtab.telemetry.semconv import Semconv

_BASIC = "Basic "

Extras = Mapping[str, Mapping[str, str]]
"""Attribute names to words, by the part of a trace."""


class Signal(StrEnum):
    """What can be sent, each by itself."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


class Encoding(StrEnum):
    """How OTLP is written."""

    PROTOBUF = "protobuf"
    JSON = "json"


class Content(StrEnum):
    """How much of what people and models wrote an exporter sends, and where it stands."""

    NONE = "none"
    SPAN = "span"
    EVENT = "event"
    SPAN_AND_EVENT = "span_and_event"
    REFERENCE = "reference"


class Preset(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one receiver wants.

    Attributes:
        endpoint: Base URL; without one the settings name it.
        regions: By name, what `{region}` becomes; the first if none is named.
        path: What follows the base URL.
        headers: One that holds a value which is not given is left out.
        required: Values that must be given.
        semconv: Version of the conventions it needs; `None` takes any.
        signals: What it takes.
        resource: Attributes of the resource; filled in as headers are.
        forbidden: Names it must not get.
        verified: How it is known to work; `None` if it is not.
        unconfirmed: What its shape was taken from, for nobody has sent it anything yet.
    """

    title: str
    endpoint: str | None = None
    regions: Mapping[str, str] = {}
    path: str = "/v1/{signal}"
    encoding: Encoding = Encoding.PROTOBUF
    headers: Mapping[str, str] = {}
    required: tuple[str, ...] = ()
    semconv: Semconv | None = None
    signals: tuple[Signal, ...] = (Signal.TRACES,)
    resource: Mapping[str, str] = {}
    extras: Extras = {}
    forbidden: frozenset[str] = frozenset()
    verified: str | None = None
    unconfirmed: str | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        """Values it has a place for."""
        texts = (self.endpoint or "", *self.headers.values(), *self.resource.values())
        return tuple(dict.fromkeys(it for text in texts for it in _places(text)))


@dataclass(frozen=True, slots=True)
class Filled:
    """A preset with the values of one exporter in it."""

    endpoint: str
    headers: tuple[tuple[str, str], ...]
    resource: Mapping[str, str]


def names() -> tuple[str, ...]:
    """List the presets."""
    found = (files("trimtab.telemetry") / "presets").iterdir()
    return tuple(sorted(it.name.removesuffix(".yaml") for it in found))


@cache
def preset(name: str) -> Preset:
    """Read a preset by its name, one of `names()`."""
    text = (files("trimtab.telemetry") / "presets" / f"{name}.yaml").read_text("utf-8")
    tree = read_tree(text, Faults(name))
    return msgspec.convert(None if tree is None else anything(tree), Preset)


def fill(of: Preset, endpoint: str | None, values: Mapping[str, str]) -> Filled:
    """Put the values of an exporter in; `endpoint` wins over that of the preset."""
    region = values.get("region") or next(iter(of.regions), "")
    known = {**values, "region": of.regions.get(region, "")}
    return Filled(
        endpoint=endpoint or (of.endpoint or "").format_map(known),
        headers=tuple(_filled(of.headers, known)),
        resource=dict(_filled(of.resource, known)),
    )


def _filled(texts: Mapping[str, str], known: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, text in texts.items():
        if known.keys() >= set(_places(text)):
            value = text.format_map(known)
            if text.startswith(_BASIC):
                value = _BASIC + b64encode(value.removeprefix(_BASIC).encode()).decode()
            yield name, value


def _places(text: str) -> list[str]:
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]
