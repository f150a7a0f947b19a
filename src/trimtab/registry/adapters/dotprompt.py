"""dotprompt: front matter, and a body in Handlebars (google.github.io/dotprompt/reference).

Roles are read before any value is known, which its own runtime does after; so a value cannot make
a message here.
"""

from dataclasses import replace

import msgspec

from trimtab.domain.prompt import Content, Engine, Message, Role, Variable
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.base import ORIGIN, Adapter, Foreign, name_from
from trimtab.registry.adapters.handlebars import from_text, to_turns
from trimtab.registry.adapters.schemas import picoschema
from trimtab.registry.adapters.source import Place, as_map, read_front, write_front
from trimtab.registry.adapters.texts import as_braces, variable, variables_of
from trimtab.registry.adapters.wire import model_of, params_of, role_of
from trimtab.registry.format import check_version

_KNOWN = ("name", "version", "description", "model", "config", "input", "output", "toolDefs")
_CONFIG = {
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
}
_HISTORY = "history"


def _parse(text: str, path: str) -> Foreign:
    top, body = read_front(text, path)
    top.only(*_KNOWN, "metadata")
    content = _said(Place(top.source, "body", body.strip()))
    names = [it.content for it in content.said if it.content is not None]
    used = variables_of(content.engine, names)
    schema = _answer(top.at("output"))
    content = msgspec.structs.replace(
        content,
        variables={**used, **_variables(top.at("input"))},
        model=model_of(top.at("model").text_or(""), params_of(top.at("config"))),
        tools=tuple(_tool(it) for it in top.at("toolDefs").items()),
        output_schema=schema,
    )
    meta: dict[str, object] = {
        ORIGIN: "dotprompt",
        "description": top.at("description").text_or(""),
        "x-metadata": top.at("metadata").value,
    }
    return Foreign.of(top, name_from(top.at("name")), _version(top.at("version")), content, meta)


def _version(place: Place) -> str | None:
    if isinstance(place.value, str) and check_version(place.value) is None:
        return place.value
    if place.given:
        place.lose("is no full version", "say which version it becomes")
    return None


def _said(body: Place) -> Content:
    engine, turns, comments = body.read_as(to_turns)
    if comments:
        body.lose("has comments", "write them into the prompt file")
    texts = [it.text for it in turns if it.text is not None]
    _ = [replace(body, value=it).read_as(lambda text: variables_of(engine, [text])) for it in texts]
    if len(turns) == 1 and turns[0].role is None and turns[0].text is not None:
        return Content(engine=engine, template=turns[0].text)
    messages = [
        Message(placeholder=_HISTORY)
        if it.text is None
        else Message(role=role_of(replace(body, value=it.role or "user")), content=it.text)
        for it in turns
    ]
    return Content(engine=engine, messages=tuple(messages))


def _variables(inputs: Place) -> dict[str, Variable]:
    inputs.only("schema", "default")
    defaults = inputs.at("default").map()
    if not inputs.at("schema").given:
        return {name: variable({}, required=False, default=it) for name, it in defaults.items()}
    schema = replace(inputs.at("schema"), value=picoschema(inputs.at("schema")))
    if schema.at("type").value != "object":
        schema.refuse("is of no object; name the variables")
    schema.only("type", "properties", "required", "additionalProperties")
    needed = [it.value for it in schema.at("required").items()]
    found: dict[str, Variable] = {}
    for name, place in schema.at("properties").members().items():
        default = defaults.get(name, msgspec.UNSET)
        found[name] = variable(place.map(), required=name in needed, default=default)
        if not found[name].required and not found[name].has_default:
            place.lose("may be left out there and is empty then", "give it a default")
    extra = [name for name in defaults if name not in found]
    if extra:
        inputs.at("default").at(extra[0]).refuse("is no variable of the schema; add it there")
    return found


def _answer(output: Place) -> dict[str, object] | None:
    output.only("format", "schema")
    schema = output.at("schema")
    form = output.at("format")
    if form.given and form.value != ("json" if schema.given else "text"):
        form.lose("asks for a format", "say so in the text, or give a schema")
    return picoschema(schema) if schema.given else None


def _tool(place: Place) -> dict[str, object]:
    place.only("name", "description", "inputSchema")
    function: dict[str, object] = {"name": place.at("name").text()}
    if place.at("description").given:
        function["description"] = place.at("description").text()
    if place.at("inputSchema").given:
        function["parameters"] = picoschema(place.at("inputSchema"))
    return {"type": "function", "function": function}


def _form(foreign: Foreign) -> str:
    content, meta = foreign.content, foreign.meta
    members: dict[str, object] = {"name": foreign.name}
    members |= {"version": foreign.version} if foreign.version is not None else {}
    members |= {"description": meta["description"]} if meta.get("description") else {}
    if content.model is not None:
        members |= {"model": content.model.id} if content.model.id else {}
        config = {_CONFIG.get(name, name): it for name, it in content.model.params.items()}
        members |= {"config": config} if config else {}
    members |= {"toolDefs": [_formed(it) for it in content.tools]} if content.tools else {}
    members |= {"input": _inputs(content)} if content.variables else {}
    if content.output_schema is not None:
        members["output"] = {"format": "json", "schema": content.output_schema}
    members |= {"metadata": meta["x-metadata"]} if "x-metadata" in meta else {}
    if content.template is not None:
        return write_front(members, _written(foreign, 0, content.template))
    body = [_turn(foreign, number, it) for number, it in enumerate(content.messages)]
    return write_front(members, "".join(body))


def _inputs(content: Content) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {name: it.json_schema for name, it in content.variables.items()},
        "required": [name for name, it in content.variables.items() if it.required],
    }
    defaults = {name: it.default for name, it in content.variables.items() if it.has_default}
    return {"schema": schema, **({"default": defaults} if defaults else {})}


def _formed(tool: dict[str, object]) -> dict[str, object]:
    members = dict(as_map(tool.get("function")))
    parameters = members.pop("parameters", None)
    return {**members, **({} if parameters is None else {"inputSchema": parameters})}


def _turn(foreign: Foreign, number: int, message: Message) -> str:
    if message.role is None or message.content is None:
        return "{{history}}"
    role = "model" if message.role is Role.ASSISTANT else message.role.value
    return f'{{{{role "{role}"}}}}{_written(foreign, number, message.content)}'


def _written(foreign: Foreign, number: int, text: str) -> str:
    engine = foreign.content.engine
    text = as_braces(engine, text)
    engine = Engine.MUSTACHE if engine is Engine.TEMPLATE else engine
    try:
        return from_text(engine, text)
    except Wrong as exc:
        raise ADAPTER.unsayable(foreign, f"messages[{number}]", str(exc)) from exc


ADAPTER = Adapter("dotprompt", _parse, _form)
