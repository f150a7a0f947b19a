"""Values that satisfy a JSON schema, for tool arguments and structured output.

Knows types, enum, const, properties, items, bounds, the formats below, `$ref` and combinations.
Does not try `pattern`, `not` or conditions.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, cast

Schema = Mapping[str, Any]

_DEEP = 6
_WORDS = ("harbour", "rudder", "keel", "sail", "anchor", "tide", "chart", "helm")
_FORMATS = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "pilot@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "7d1c2a34-5b6e-4f70-8a91-b2c3d4e5f607",
}


def example(schema: Schema, chance: Random) -> Any:  # noqa: ANN401  # any JSON value
    """Make a value; the same chance makes the same one."""
    return _Maker(schema, chance).make(schema, 0)


class _Maker:
    """State: the chance."""

    def __init__(self, root: Schema, chance: Random) -> None:
        self._root = root
        self._chance = chance
        self._kinds: Mapping[str, Callable[[Schema, int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _schema, _depth: self._chance.random() < 0.5,  # noqa: PLR2004
            "null": lambda _schema, _depth: None,
        }

    def make(self, given: Any, depth: int) -> Any:  # noqa: ANN401  # any JSON value
        """Make a value for one node."""
        schema = self._resolved(given)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._chance.choice(schema["enum"])
        for word in ("anyOf", "oneOf"):
            if schema.get(word):
                return self.make(self._chosen(schema[word], depth), depth + 1)
        return self._kinds.get(_type_of(schema, depth), self._string)(schema, depth)

    def _resolved(self, given: Any) -> Schema:  # noqa: ANN401  # a schema may be `true`
        """Follow references and merge `allOf`."""
        schema = _node(given)
        for _ in range(_DEEP):
            if "$ref" in schema:
                schema = self._referred(str(schema["$ref"]))
            elif "allOf" in schema:
                schema = self._merged(schema)
            else:
                break
        return schema

    def _referred(self, pointer: str) -> Schema:
        node = self._root
        for part in filter(None, pointer.removeprefix("#").split("/")):
            node = _node(node.get(part.replace("~1", "/").replace("~0", "~")))
        return node

    def _merged(self, schema: Schema) -> Schema:
        merged: dict[str, Any] = {name: value for name, value in schema.items() if name != "allOf"}
        for part in schema["allOf"]:
            inner = self._resolved(part)
            properties = {**merged.get("properties", {}), **inner.get("properties", {})}
            required = [*merged.get("required", ()), *inner.get("required", ())]
            merged = {**merged, **inner}
            if properties:
                merged |= {"properties": properties, "required": required}
        return merged

    def _chosen(self, options: list[Any], depth: int) -> Any:  # noqa: ANN401  # a schema
        """Choose an option; deep down one that ends the recursion, if there is one."""
        if depth >= _DEEP:
            for option in options:
                if self._resolved(option).get("type") not in ("object", "array", None):
                    return option
        return self._chance.choice(options)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        properties: Schema = schema.get("properties", {})
        wanted = required if depth >= _DEEP else required | set(properties)
        names = [name for name in properties if name in wanted]
        names += sorted(required - set(properties))
        return {name: self.make(properties.get(name, {}), depth + 1) for name in names}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        fewest = int(schema.get("minItems", 0))
        wanted = fewest if depth >= _DEEP else max(fewest, self._chance.randint(1, 2))
        fixed: list[Any] = schema.get("prefixItems", [])
        size = max(len(fixed), min(wanted, int(schema.get("maxItems", wanted))))
        rest = [schema.get("items", {})] * (size - len(fixed))
        return [self.make(item, depth + 1) for item in [*fixed, *rest]]

    def _string(self, schema: Schema, _depth: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        fewest = int(schema.get("minLength", 0))
        text = self._chance.choice(_WORDS)
        text = (text * (fewest // len(text) + 1)) if len(text) < fewest else text
        return text[: int(schema.get("maxLength", max(fewest, len(text))))]

    def _integer(self, schema: Schema, _depth: int) -> int:
        low, high = _bounds(schema, 1)
        step = int(schema.get("multipleOf", 1)) or 1
        first = -(-int(-(-low // 1)) // step)
        last = max(first, int(high // 1) // step)
        return self._chance.randint(first, last) * step

    def _number(self, schema: Schema, _depth: int) -> float:
        low, high = _bounds(schema, 0.5)
        return round(low + (high - low) * self._chance.randint(1, 3) / 4, 6)


def _node(given: object) -> Schema:
    """Give a node that may be `true`, or missing, as a schema."""
    return cast("Schema", given) if isinstance(given, dict) else {}


def _type_of(schema: Schema, depth: int) -> str:
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        kinds = cast("list[str]", kind)
        return "null" if depth >= _DEEP and "null" in kinds else kinds[0]
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "string"


def _bounds(schema: Schema, margin: float) -> tuple[float, float]:
    """Give the inclusive bounds of a number."""
    low = schema.get("minimum")
    if "exclusiveMinimum" in schema:
        low = max(schema["exclusiveMinimum"] + margin, low if low is not None else float("-inf"))
    high = schema.get("maximum")
    if "exclusiveMaximum" in schema:
        high = min(schema["exclusiveMaximum"] - margin, high if high is not None else float("inf"))
    if low is None:
        low = 0 if high is None or high >= 0 else high - 100
    return low, low + 100 if high is None else high
