"""How a call of the admin API is described, and the OpenAPI document of a table of them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from trimtab.console.auth import Right
from trimtab.console.base import Visit
from trimtab.console.gate import MAX_BODY_BYTES

_JSON = "application/json"
_OBJECT = {"type": "object"}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a call answers, if not with its usual status."""

    value: object
    status: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what right it takes, and what answers; its docstring says what it is.

    Attributes:
        query: Members of the query string it reads.
        body: What must be posted, if anything.
        reply: What it answers, if that is one of our structs.
        status: HTTP status of success.
        header: A header it must be sent with, if any.
        max_bytes: The most that may be posted.
    """

    method: str
    path: str
    right: Right
    answer: Callable[[Visit], Awaitable[object]]
    query: tuple[str, ...] = ()
    body: type[Struct] | None = None
    reply: type[Struct] | None = None
    status: int = 200
    header: str | None = None
    max_bytes: int = MAX_BODY_BYTES

    @property
    def summary(self) -> str:
        """What is told of it."""
        return (self.answer.__doc__ or "").removesuffix(".")


def document(calls: Sequence[Call]) -> bytes:
    """Describe the calls as an OpenAPI 3.1 document."""
    kinds = [kind for call in calls for kind in (call.body, call.reply) if kind is not None]
    _, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    described = {
        "openapi": "3.1.0",
        "info": {"title": "Trimtab admin API", "version": "1"},
        "security": [{"bearer": ()}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    # refs are hex, see `wire.record_members`
    return msgspec.json.encode(described).replace(b'"base64"', b'"base16"')


def _operation(call: Call) -> dict[str, Any]:
    names = [part[1:-1] for part in call.path.split("/") if part.startswith("{")]
    parameters = [_parameter(name, "path") for name in names]
    parameters += [_parameter(name, "query") for name in call.query]
    if call.header is not None:
        parameters.append({**_parameter(call.header, "header"), "required": True})
    reply = _OBJECT if call.reply is None else _reference(call.reply)
    operation: dict[str, Any] = {
        "operationId": call.answer.__name__,
        "summary": call.summary,
        "description": f"Takes the right `{call.right.value}`.",
        "parameters": parameters,
        "responses": {
            str(call.status): {
                "description": "done",
                "content": {_JSON: {"schema": reply}},
            },
            "4XX": {"description": "refused", "content": {_JSON: {"schema": _ERROR}}},
        },
    }
    if call.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": _reference(call.body)}},
        }
    return operation


def _reference(kind: type[Struct]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}
