"""JSON Schema as dotprompt's Picoschema and as Prompty's properties say it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from trimtab.registry.adapters.source import Place, as_list, as_map

_SCALARS = ("any", "boolean", "integer", "null", "number", "string")
_REST = "(*)"

_KINDS = {"float": "number", **{it: it for it in ("string", "integer", "number", "boolean")}}
_KNOWN = ("name", "kind", "description", "required", "default", "example", "enumValues", "nullable")
_SAME = {"description": "description", "enum": "enumValues", "default": "default"}

Schema = dict[str, object]


def picoschema(place: Place) -> Schema:
    """Read a schema that is JSON Schema, or Picoschema (google.github.io/dotprompt)."""
    schema = as_map(place.value)
    if schema.get("type") in [*_SCALARS, "object", "array"]:
        return schema
    if isinstance(schema.get("properties"), dict):
        return {**schema, "type": "object"}
    return _pico(place)


def _pico(place: Place) -> Schema:
    if not place.is_map:
        word, description = _described(place.text())
        if word not in _SCALARS:
            place.refuse(f"names the schema {word[:32]!r}, which is in code; write it out")
        return {**({} if word == "any" else {"type": word}), **description}
    properties, required = dict[str, object](), list[str]()
    schema: Schema = {"type": "object", "properties": properties}
    rest: object = False
    for key, it in place.members().items():
        if key == _REST:
            rest = _pico(it)
            continue
        written, _, kind = key.partition("(")
        name = written.removesuffix("?")
        if name == written:
            required.append(name)
        properties[name] = _property(it, kind.removesuffix(")"), optional=name != written)
    return {**schema, **({"required": required} if required else {}), "additionalProperties": rest}


def _property(place: Place, kind: str, *, optional: bool) -> Schema:
    word, description = _described(kind)
    if word == "enum":
        values = [it.value for it in place.items()]
        values += [None] if optional and None not in values else []
        return {"enum": values, **description}
    if word == "array":
        return {
            "type": ["array", "null"] if optional else "array",
            "items": _pico(place),
            **description,
        }
    if word not in ("", "object"):
        place.refuse(f"has the kind {word[:32]!r}; take array, object or enum")
    schema = {**_pico(place), **description}
    if optional and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def _described(text: str) -> tuple[str, Schema]:
    word, comma, description = text.partition(",")
    return word.strip(), {"description": description.strip()} if comma else {}


def properties(place: Place) -> Iterator[tuple[str, Place, Schema]]:
    """Read Prompty's properties, a list or a map by name: name, place and schema of each."""
    if not place.is_map:
        for it in place.items():
            yield it.at("name").text(), it, _of_property(it)
        return
    for name, it in place.members().items():
        # A bare value is an example.
        whole = (
            it if it.is_map else replace(it, value={"kind": _kind(it.value), "example": it.value})
        )
        yield name, whole, _of_property(whole)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "float" if isinstance(value, float) else "string"


def object_of(place: Place) -> Schema:
    """Read Prompty's properties as the schema of one object."""
    found, required = dict[str, object](), list[str]()
    for name, it, schema in properties(place):
        found[name] = schema
        if it.at("required").value is True:
            required.append(name)
    needs: Schema = {"required": required} if required else {}
    return {"type": "object", "properties": found, **needs, "additionalProperties": False}


def _of_property(place: Place) -> Schema:
    kind = place.at("kind").text_or("string")
    schema: Schema = {}
    if kind in _KINDS:
        schema["type"] = _KINDS[kind]
    elif kind == "array":
        place.only(*_KNOWN, "items")
        items = place.at("items")
        schema |= {"type": "array", **({"items": _of_property(items)} if items.given else {})}
    elif kind == "object":
        place.only(*_KNOWN, "properties")
        inner = place.at("properties")
        schema |= object_of(inner) if inner.given else {"type": "object"}
    elif kind not in ("any", "thread"):
        place.refuse(f"has the kind {kind[:32]!r}, which is no text; put it into a message")
    if kind in _KINDS:
        place.only(*_KNOWN)
    for ours, theirs in _SAME.items():
        schema |= {ours: place.at(theirs).value} if place.at(theirs).given else {}
    schema |= {"examples": [place.at("example").value]} if place.at("example").given else {}
    if place.at("nullable").value is True and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def property_from(schema: Mapping[str, object]) -> Schema:
    """Write a schema as a property, as far as properties go; its name and need are the caller's."""
    kinds = as_list(schema.get("type")) or [schema.get("type", "any")]
    kind = next((it for it in kinds if it in (*_KINDS, "array", "object")), "any")
    found: Schema = {"kind": kind, **({"nullable": True} if "null" in kinds else {})}
    for ours, theirs in _SAME.items():
        found |= {theirs: schema[ours]} if ours in schema else {}
    if examples := as_list(schema.get("examples")):
        found["example"] = examples[0]
    if kind == "array" and isinstance(schema.get("items"), dict):
        found["items"] = property_from(as_map(schema["items"]))
    if kind == "object" and isinstance(schema.get("properties"), dict):
        found["properties"] = properties_from(schema)
    return found


def properties_from(schema: Mapping[str, object]) -> list[Schema]:
    """Write the members of an object as a list of properties."""
    needs = as_list(schema.get("required"))
    return [
        {"name": name, **property_from(as_map(it)), **({"required": True} if name in needs else {})}
        for name, it in as_map(schema.get("properties")).items()
    ]
