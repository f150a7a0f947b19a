"""Reading OTLP that others sent, in bounded memory.

A message of protobuf is taken apart by hand down to single spans and log records, and what is too
much of one is cut before it is made into objects: two bytes can say an object of a hundred.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError, Message
from msgspec import json
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from trimtab.domain.errors import BodyTooLarge, InvalidRequest

MAX_INFLATED = 32 << 20
MAX_ITEMS = 10_000
MAX_ATTRIBUTES = 128
MAX_VALUE = 64 << 10
MAX_NAME = 256

_MAX_PARTS = 250_000
_SMALL = 64 << 10
_MOST_NESTED = 8
_GZIP = 16 + zlib.MAX_WBITS
_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_LONGEST_VARINT = 63
_MORE = 0x80

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"
Attributes = dict[str, Value]
Plan: TypeAlias = "Mapping[int, Plan]"

_ATTRIBUTE: Plan = {}
_EVENT: Plan = {3: _ATTRIBUTE}
_OF_RESOURCE: Plan = {1: _ATTRIBUTE}
_PLANS: Mapping[type[Message], Plan] = {
    Span: {9: _ATTRIBUTE, 11: _EVENT, 13: {4: _ATTRIBUTE}},
    LogRecord: {6: _ATTRIBUTE},
}
"""Which fields repeat, and what repeats in them; a plan of nothing is an attribute."""

_Item = TypeVar("_Item", Span, LogRecord)


class Field(NamedTuple):
    """One field of a message: where it begins and ends, and where its payload begins."""

    number: int
    wire: int
    start: int
    payload: int
    end: int


class Cuts:
    """Counts what was too much: values cut or left out, items not taken, parts looked at.

    Attributes:
        unplaced: Evaluations of something that is not there.
    """

    def __init__(self) -> None:
        self.values = 0
        self.rejected = 0
        self.unplaced = 0
        self.parts = 0


def inflated(data: bytes) -> bytes:
    """Inflate gzip, and stop where it is too much.

    Raises:
        InvalidRequest: it is no gzip; BodyTooLarge: it is more than 32 MiB.
    """
    unpack = zlib.decompressobj(_GZIP)
    try:
        out = unpack.decompress(data, MAX_INFLATED + 1)
    except zlib.error as exc:
        raise InvalidRequest("the body is no gzip; send what `content-encoding` says") from exc
    if len(out) > MAX_INFLATED:
        raise BodyTooLarge(f"the body inflates to more than {MAX_INFLATED} bytes; send less")
    if not unpack.eof:
        raise InvalidRequest("the body is cut short; send all of it")
    return out


def items(
    kind: type[_Item], data: bytes, cuts: Cuts, *, is_json: bool
) -> Iterator[tuple[Attributes, _Item]]:
    """Read spans or log records, each with the attributes of its resource.

    Raises:
        InvalidRequest: it is no such message; BodyTooLarge: it has too many parts.
    """
    try:
        found = _of_json(kind, data, cuts) if is_json else _of_protobuf(kind, data, cuts)
        about, known = None, Attributes()
        for number, (resource, item) in enumerate(found):
            if number >= MAX_ITEMS:
                cuts.rejected += 1
                continue
            if resource is not about:
                about, known = resource, attributes(resource.attributes, cuts)
            yield known, item
    # Texts that are no text, numbers that do not fit, and nesting without end.
    except (DecodeError, ParseError, ValueError, RecursionError, IndexError, TypeError) as exc:
        raise InvalidRequest("the body is no OTLP; send protobuf, or JSON as OTLP has it") from exc


def hex_id(value: bytes) -> str:
    """Write an id as hex; protobuf took that of JSON for base64, in which it has other lengths."""
    of_json = len(value) in (12, 24)
    return base64.b64encode(value).decode().lower() if of_json else value.hex()


def attributes(pairs: Iterable[KeyValue], cuts: Cuts) -> Attributes:
    """Read attributes; too many are left out, and too long ones cut."""
    found: Attributes = {}
    for pair in pairs:
        if len(found) >= MAX_ATTRIBUTES or len(pair.key) > MAX_NAME:
            cuts.values += 1
        else:
            found[pair.key] = value_of(pair.value, cuts)
    return found


def value_of(value: AnyValue, cuts: Cuts, depth: int = 0) -> Value:
    """Read a value; a text that is too long is cut, all else that is too much is left out."""
    match value.WhichOneof("value"):
        case "string_value":
            return _shortened(value.string_value, cuts)
        case "bytes_value":
            return _shortened(value.bytes_value.hex(), cuts)
        case "array_value" | "kvlist_value":
            return _nested(value, cuts, depth)
        case name:
            return getattr(value, name) if name else None


def _nested(value: AnyValue, cuts: Cuts, depth: int) -> Value:
    if depth >= _MOST_NESTED or value.ByteSize() > MAX_VALUE:
        cuts.values += 1
        return None
    if value.HasField("array_value"):
        return [value_of(it, cuts, depth + 1) for it in value.array_value.values]
    pairs = value.kvlist_value.values
    return {it.key: value_of(it.value, cuts, depth + 1) for it in pairs}


def _shortened(text: str, cuts: Cuts) -> str:
    if len(text) * 4 <= MAX_VALUE or len(data := text.encode()) <= MAX_VALUE:
        return text
    cuts.values += 1
    return data[:MAX_VALUE].decode(errors="ignore")


def _of_json(kind: type[_Item], data: bytes, cuts: Cuts) -> Iterator[tuple[Resource, _Item]]:
    if sum(map(data.count, (b"{", b"[", b","))) > _MAX_PARTS:
        raise BodyTooLarge("the body has too many parts; send less at once")
    request = ExportTraceServiceRequest() if kind is Span else ExportLogsServiceRequest()
    ParseDict(json.decode(data, type=dict[str, Any]), request, ignore_unknown_fields=True)
    # Its size is bounded by now, and so is what the other way makes of it.
    yield from _of_protobuf(kind, request.SerializeToString(), cuts)


def _of_protobuf(kind: type[_Item], data: bytes, cuts: Cuts) -> Iterator[tuple[Resource, _Item]]:
    """Traces and logs number the fields of what is around their items alike."""
    view = memoryview(data)
    for of_resource in _within(view, 1, cuts):
        resource = Resource()
        for it in _within(of_resource, 1, cuts):
            resource = Resource.FromString(_trimmed(it, _OF_RESOURCE, cuts))
        for scope in _within(of_resource, 2, cuts):
            for it in _within(scope, 2, cuts):
                yield resource, kind.FromString(_trimmed(it, _PLANS[kind], cuts))


def _within(view: memoryview, number: int, cuts: Cuts) -> Iterator[memoryview]:
    for field in _fields(view, cuts):
        if field.number == number and field.wire == _LEN:
            yield view[field.payload : field.end]


def _trimmed(view: memoryview, plan: Plan, cuts: Cuts) -> bytes:
    """Leave out of a large message what would be left out anyway, before it is made of objects."""
    if len(view) <= _SMALL:
        return bytes(view)
    kept: list[bytes] = []
    counts = dict.fromkeys(plan, 0)
    for field in _fields(view, cuts):
        inner = plan.get(field.number)
        if inner is None or field.wire != _LEN:
            kept.append(bytes(view[field.start : field.end]))
            continue
        counts[field.number] += 1
        if counts[field.number] > MAX_ATTRIBUTES:
            cuts.values += 1
            continue
        payload = view[field.payload : field.end]
        part = _attribute(payload, cuts) if not inner else _trimmed(payload, inner, cuts)
        kept.append(_tagged(field.number, part))
    return b"".join(kept)


def _attribute(view: memoryview, cuts: Cuts) -> bytes:
    """Take an attribute as it is; of a large one only a text, and no more of that than is kept."""
    if len(view) <= _SMALL:
        return bytes(view)
    key = text = b""
    for field in _fields(view, cuts):
        payload = view[field.payload : field.end]
        if field.number == 1:
            key = bytes(payload[: MAX_NAME + 1])
        elif field.wire == _LEN:
            text = next((bytes(it[: MAX_VALUE + 1]) for it in _within(payload, 1, cuts)), b"")
    if not text or len(text) > MAX_VALUE:
        cuts.values += 1
    told = text[:MAX_VALUE].decode(errors="ignore")
    return KeyValue(
        key=key.decode(errors="ignore"), value=AnyValue(string_value=told)
    ).SerializeToString()


def _tagged(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | _LEN) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    """Write a number that is not negative as protobuf does."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & 0x7F | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(view: memoryview, cuts: Cuts) -> Iterator[Field]:
    at = 0
    while at < len(view):
        cuts.parts += 1
        if cuts.parts > _MAX_PARTS:
            raise BodyTooLarge("the body has too many parts; send less at once")
        start = at
        tag, at = _number(view, at)
        payload, wire = at, tag & 7
        if wire == _LEN:
            size, payload = _number(view, at)
            at = payload + size
        elif wire == _VARINT:
            _, at = _number(view, at)
        elif wire in (_I64, _I32):
            at += 8 if wire == _I64 else 4
        else:
            raise DecodeError("no such type")
        if at > len(view):
            raise DecodeError("cut short")
        yield Field(tag >> 3, wire, start, payload, at)


def _number(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift <= _LONGEST_VARINT:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, at
        shift += 7
    raise DecodeError("no number")
