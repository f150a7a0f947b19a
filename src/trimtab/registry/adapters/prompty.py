"""Prompty, version 2: front matter, and a body with lines `system:`, `user:`, `assistant:`.

Roles are read before any value is known; its own runtime does it after unless told `strict`. The
tail of a conversation is an input of kind `thread`. `${env:...}` and `${file:...}` are refused
where they would be read: a prompt is the same wherever it is.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import msgspec

from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role, Variable
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.base import ORIGIN, Adapter, Foreign, name_from
from trimtab.registry.adapters.schemas import (
    object_of,
    properties,
    properties_from,
    property_from,
)
from trimtab.registry.adapters.source import Place, as_list, as_map, read_front, write_front
from trimtab.registry.adapters.texts import as_braces, from_braces, variable, variables_of
from trimtab.registry.adapters.wire import model_of, params_of, role_of
from trimtab.registry.format import check_version

_KNOWN = ("name", "description", "metadata", "inputs", "outputs", "model", "tools", "template")
_OPTIONS = {
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "temperature": "temperature",
    "reasoning_effort": "reasoningEffort",
    "parallel_tool_calls": "allowMultipleToolCalls",
}
_ROLE = re.compile(r"#?\s*(system|user|assistant|developer)(\[[^\]]*\])?\s*:", re.IGNORECASE)


def _parse(text: str, path: str) -> Foreign:
    top, body = read_front(text, path)
    for name, place in top.members().items():
        _no_reference(place, within=name)
    top.only(*_KNOWN)
    inputs = list(properties(top.at("inputs")))
    threads = [name for name, it, _ in inputs if it.at("kind").value == "thread"]
    messages = tuple(_messages(Place(top.source, "body", body), threads))
    engine = _engine(top.at("template"), Place(top.source, "body", None), messages)
    texts = [it.content for it in messages if it.content is not None]
    declared = {name: _input(it, schema) for name, it, schema in inputs if name not in threads}
    content = Content(
        engine=engine,
        messages=messages,
        variables={**variables_of(engine, texts), **declared},
        model=_model(top.at("model")),
        tools=tuple(_tools(top.at("tools"))),
        output_schema=object_of(top.at("outputs")) if top.at("outputs").given else None,
    )
    metadata = dict(top.at("metadata").map())
    version, owners = metadata.get("version"), as_list(metadata.get("authors"))
    owner = owners[0] if len(owners) == 1 else None
    numbered = isinstance(version, str) and check_version(version) is None
    for name, taken in (("version", numbered), ("authors", isinstance(owner, str))):
        _ = metadata.pop(name, None) if taken else None
    meta: dict[str, object] = {
        ORIGIN: "prompty",
        "description": top.at("description").text_or(""),
        "owner": owner if isinstance(owner, str) else "",
        "x-metadata": metadata,
    }
    return Foreign.of(
        top, name_from(top.at("name")), str(version) if numbered else None, content, meta
    )


def _no_reference(place: Place, within: str) -> None:
    """Refuse references, but for the connection, which is left out unread."""
    if within == "model.connection":
        return
    if isinstance(place.value, str) and place.value.startswith("${"):
        place.refuse("is taken from elsewhere; write the value out")
    if place.is_map:
        for name, it in place.members().items():
            _no_reference(it, f"{within}.{name}")
    elif place.is_list:
        for it in place.items():
            _no_reference(it, within)


def _messages(body: Place, threads: list[str]) -> Iterator[Message]:
    found = False
    for message in _turns(body):
        rest = message.content or ""
        for name in threads:
            before, tag, after = _split(rest, name)
            if not tag:
                continue
            found = True
            if before.strip():
                yield msgspec.structs.replace(message, content=before.strip())
            yield Message(placeholder=name)
            rest = after.strip()
        if rest.strip("\n"):
            yield msgspec.structs.replace(message, content=rest)
    if threads and not found:
        yield Message(placeholder=threads[0])


def _split(text: str, name: str) -> tuple[str, str, str]:
    match = re.search(rf"\{{\{{\s*{re.escape(name)}\s*\}}\}}", text)
    return (text, "", "") if match is None else (text[: match.start()], name, text[match.end() :])


def _turns(body: Place) -> Iterator[Message]:
    role, lines = Role.SYSTEM, list[str]()
    for line in body.text().splitlines():
        match = _ROLE.fullmatch(line.strip())
        if match is None:
            lines.append(line)
            continue
        yield Message(role=role, content="\n".join(lines).strip("\n"))
        lines.clear()
        role = role_of(replace(body, value=match[1].lower()))
        if match[2]:
            body.lose("has attributes of a role", "say what they say in the text")
    yield Message(role=role, content="\n".join(lines).strip("\n"))


def _engine(template: Place, body: Place, messages: tuple[Message, ...]) -> Engine:
    if template.value is not None and not template.is_map:
        template.refuse("is no map; write {format: {kind: jinja2}, parser: {kind: prompty}}")
    template.only("format", "parser")
    kinds = {name: template.at(name) for name in ("format", "parser")}
    for name, place in kinds.items():
        if place.is_map:
            place.only("kind", "strict")
            kinds[name] = place.at("kind")
    kind, parser = kinds["format"].text_or("jinja2"), kinds["parser"].text_or("prompty")
    if kind not in ("jinja2", "mustache") or parser != "prompty":
        template.refuse("is of another kind; take jinja2 or mustache, and the parser prompty")
    jinja = False
    for it in messages:
        place = replace(body, value=it.content or "")
        engine = Engine.JINJA if kind == "jinja2" and not _plain(place.text()) else Engine.MUSTACHE
        _ = place.read_as(lambda text, engine=engine: variables_of(engine, [text]))
        jinja = jinja or engine is Engine.JINJA
    # Plain names are the same in both, and mustache renders anywhere.
    return Engine.JINJA if jinja else Engine.MUSTACHE


def _plain(text: str) -> bool:
    try:
        _ = from_braces(text)
    except Wrong:
        return False
    return "{%" not in text and "{#" not in text


def _input(place: Place, schema: dict[str, object]) -> Variable:
    kept = {key: it for key, it in schema.items() if key != "default"}
    default = place.map().get("default", msgspec.UNSET)
    return variable(kept, required=place.at("required").value is not False, default=default)


def _model(place: Place) -> ModelChoice | None:
    if isinstance(place.value, str):
        return model_of(place.value, {})
    if place.at("connection").given:
        place.at("connection").lose("says how to reach the model", "set it with the provider")
    if place.at("apiType").value not in (None, "chat"):
        place.at("apiType").lose("is another API", "name a model of that API")
    place.only("id", "options", "connection", "apiType")
    options = place.at("options")
    own = {key: it for key, it in options.map().items() if key != "additionalProperties"}
    params = params_of(replace(options, value=own)) | params_of(options.at("additionalProperties"))
    return model_of(place.at("id").text_or(""), params)


def _tools(tools: Place) -> Iterator[dict[str, object]]:
    for tool in tools.items():
        if tool.at("kind").value != "function":
            tool.lose("is no function", "call it through a function")
            continue
        tool.only("name", "kind", "description", "parameters", "strict")
        function: dict[str, object] = {"name": tool.at("name").text()}
        for key in ("description", "strict"):
            function |= {key: tool.at(key).value} if tool.at(key).given else {}
        if tool.at("parameters").given:
            function["parameters"] = object_of(tool.at("parameters"))
        yield {"type": "function", "function": function}


def _form(foreign: Foreign) -> str:
    content, meta = foreign.content, foreign.meta
    kind = "jinja2" if content.engine is Engine.JINJA else "mustache"
    inputs = [_property(name, it) for name, it in content.variables.items()]
    inputs += [{"name": content.placeholder, "kind": "thread"}] if content.placeholder else []
    outputs = properties_from(content.output_schema or {})
    metadata = dict(as_map(meta.get("x-metadata")))
    metadata |= {"authors": [meta["owner"]]} if meta.get("owner") else {}
    metadata |= {"version": foreign.version} if foreign.version else {}
    members: dict[str, object] = {
        "name": foreign.name,
        "description": meta.get("description"),
        "metadata": metadata,
        "model": _options(content),
        "inputs": inputs,
        "outputs": outputs,
        "tools": [_tool(it) for it in content.tools],
        "template": {"format": {"kind": kind, "strict": True}, "parser": {"kind": "prompty"}},
    }
    turns = [_turn(content, it) for it in content.said]
    written = {name: it for name, it in members.items() if it not in (None, "", [], {})}
    return write_front(written, "\n\n".join(turns) + "\n")


def _property(name: str, it: Variable) -> dict[str, object]:
    found = {"name": name, **property_from(it.json_schema), "required": it.required}
    return found | ({"default": it.default} if it.has_default else {})


def _options(content: Content) -> dict[str, object]:
    if content.model is None:
        return {}
    params = content.model.params
    options: dict[str, object] = {
        _OPTIONS[key]: it for key, it in params.items() if key in _OPTIONS
    }
    more = {key: it for key, it in params.items() if key not in _OPTIONS}
    options |= {"additionalProperties": more} if more else {}
    id_: dict[str, object] = {"id": content.model.id} if content.model.id else {}
    return id_ | ({"options": options} if options else {})


def _tool(tool: dict[str, object]) -> dict[str, object]:
    members = dict(as_map(tool.get("function")))
    if "parameters" in members:
        members["parameters"] = properties_from(as_map(members["parameters"]))
    return {"kind": "function", **members}


def _turn(content: Content, message: Message) -> str:
    if message.role is None or message.content is None:
        return f"{{{{{message.placeholder}}}}}"
    return f"{message.role.value}:\n{as_braces(content.engine, message.content)}"


ADAPTER = Adapter("prompty", _parse, _form)
