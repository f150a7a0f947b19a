"""Langfuse: what `GET /api/public/v2/prompts/{name}` answers, and `POST` takes.

Its texts know `{{name}}` and nothing else, which is mustache with the rest left out; a reference
`@@@langfusePrompt:name=N|version=V@@@` becomes a partial. `config` is free JSON there; model,
parameters, tools and `response_format` are taken out of it, as its playground does.
"""

import re
from dataclasses import replace

import msgspec

from trimtab.domain.prompt import Content, Engine, Message
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.base import ORIGIN, Adapter, Foreign, count, counted, name_from, slug
from trimtab.registry.adapters.source import Place, as_map, read_json, write_json
from trimtab.registry.adapters.texts import as_braces, from_braces, variables_of
from trimtab.registry.adapters.wire import (
    answer_as,
    answer_of,
    content_of,
    model_of,
    params_of,
    role_of,
    tools_of,
)

_TAGS, _COMMIT = "x-tags", "x-commit-message"
_REFERENCE = re.compile(r"@@@langfusePrompt:(.*?)@@@", re.DOTALL)
_EXACT = re.compile(r"name=(.+)\|version=([1-9][0-9]*)")
_KNOWN = ("type", "name", "prompt", "version", "config", "tags", "commitMessage")
_BESIDE = ("model", "tools", "response_format")


def _parse(text: str, path: str) -> Foreign:
    top = read_json(text, path)
    top.only(*_KNOWN, "labels")
    if top.at("labels").given:
        top.at("labels").lose("do not come with a version here", "move them with promote")
    name, version = name_from(top.at("name")), counted(top.at("version"))
    content, partials = _content(top.at("prompt"))
    config = top.at("config")
    settings = {it: value for it, value in config.map().items() if it not in _BESIDE}
    params = params_of(replace(config, value=settings))
    content = msgspec.structs.replace(
        content,
        model=model_of(config.at("model").text_or(""), params),
        tools=tools_of(config.at("tools")),
        output_schema=answer_of(config.at("response_format")),
    )
    kept = {_TAGS: [it.text() for it in top.at("tags").items()]}
    meta: dict[str, object] = {
        ORIGIN: f"langfuse:{name}" + (f"@{count(version)}" if version else ""),
        _COMMIT: top.at("commitMessage").text_or(""),
        "partials": partials,
        **kept,
    }
    return Foreign.of(top, name, version, content, meta)


def _content(prompt: Place) -> tuple[Content, dict[str, str]]:
    partials: dict[str, str] = {}
    if not prompt.is_list:
        text = _text(prompt, partials)
        content = Content(engine=Engine.MUSTACHE, template=text)
    else:
        messages = tuple(_message(it, partials) for it in prompt.items())
        content = Content(engine=Engine.MUSTACHE, messages=messages)
    names = variables_of(Engine.MUSTACHE, [it.content for it in content.said if it.content])
    # Partials are filled in when it is published, so no caller gives them.
    given = {name: it for name, it in names.items() if name not in partials}
    return msgspec.structs.replace(content, variables=given), partials


def _message(place: Place, partials: dict[str, str]) -> Message:
    if place.at("type").value == "placeholder":
        place.only("type", "name")
        return Message(placeholder=place.at("name").text())
    place.only("type", "role", "content")
    role = role_of(place.at("role"))
    content = place.at("content")
    return Message(role=role, content=_text(replace(content, value=content_of(content)), partials))


def _text(place: Place, partials: dict[str, str]) -> str:
    plain = _REFERENCE.sub(" ", place.text())
    names = set(replace(place, value=plain).read_as(from_braces)[1])

    def reference(match: re.Match[str]) -> str:
        exact = _EXACT.fullmatch(match[1])
        if exact is None:
            place.refuse(f"refers to {match[1][:64]!r}; refer to a version, which cannot move")
        target, partial = slug(exact[1]), re.sub(r"\W|^(?=\d)", "_", slug(exact[1]), flags=re.ASCII)
        version = f"{target}@{exact[2]}.0.0"
        if partial in names or partials.get(partial, version) != version:
            place.refuse(f"{partial!r} would stand for two texts; rename one of them")
        if target != exact[1]:
            place.lose(f"refers to a name that is none here; it becomes {target!r}", "import it so")
        partials[partial] = version
        return f"{{{{{partial}}}}}"

    return _REFERENCE.sub(reference, place.text())


def _form(foreign: Foreign) -> str:
    content, meta = foreign.content, foreign.meta
    config: dict[str, object] = {}
    if content.model is not None:
        config |= {"model": content.model.id} if content.model.id else {}
        config |= content.model.params
    config |= {"tools": content.tools} if content.tools else {}
    if content.output_schema is not None:
        config["response_format"] = answer_as(content.output_schema)
    document: dict[str, object] = {"name": foreign.name, "type": "chat"}
    if content.template is not None:
        document |= {"type": "text", "prompt": _written(foreign, "template", content.template)}
    else:
        document["prompt"] = [
            _formed(foreign, number, it) for number, it in enumerate(content.messages)
        ]
    document |= {"config": config, "labels": []}
    version = count(foreign.version)
    document |= {"version": version} if version is not None else {}
    document |= {"tags": meta[_TAGS]} if isinstance(meta.get(_TAGS), list) else {}
    document |= {"commitMessage": meta[_COMMIT]} if isinstance(meta.get(_COMMIT), str) else {}
    return write_json(document)


def _formed(foreign: Foreign, number: int, message: Message) -> dict[str, object]:
    if message.role is None or message.content is None:
        return {"type": "placeholder", "name": message.placeholder}
    content = _written(foreign, f"messages[{number}]", message.content)
    return {"type": "chatmessage", "role": message.role.value, "content": content}


def _written(foreign: Foreign, member: str, text: str) -> str:
    text = as_braces(foreign.content.engine, text)
    try:
        _ = from_braces(text)
    except Wrong as exc:
        raise ADAPTER.unsayable(foreign, member, str(exc)) from exc
    for partial, ref in as_map(foreign.meta.get("partials")).items():
        name, _, version = str(ref).partition("@")
        if (number := count(version)) is None:
            what = f"version {version[:32]} of {name[:64]!r} is no count; write its text out"
            raise ADAPTER.unsayable(foreign, f"partials.{partial}", what)
        reference = f"@@@langfusePrompt:name={name}|version={number}@@@"
        text = re.sub(rf"\{{\{{\s*{re.escape(partial)}\s*\}}\}}", reference, text)
    return text


ADAPTER = Adapter("langfuse", _parse, _form)
