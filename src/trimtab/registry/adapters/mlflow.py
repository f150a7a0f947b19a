"""MLflow: a prompt version as `register_prompt` makes it, or the model version it is kept as.

The first has `template`, `response_format` and `model_config`; the second keeps the same in tags,
`mlflow.prompt.text` and `_mlflow_prompt_*`, as maps or as lists of key and value. The tag is what
is served, and can be rewritten after the fact; so where both are there, they must agree. A text
with `{% %}` is Jinja there, any other knows `{{name}}` only.
"""

from dataclasses import replace

import msgspec

from trimtab.domain.prompt import Content, Engine, Message, ModelChoice
from trimtab.domain.yaml_tree import Wrong
from trimtab.registry.adapters.base import ORIGIN, Adapter, Foreign, count, counted, name_from
from trimtab.registry.adapters.source import Place, read_json, read_member, write_json
from trimtab.registry.adapters.texts import as_braces, from_braces, variables_of
from trimtab.registry.adapters.wire import content_of, model_of, params_of, role_of

_TEXT, _KIND = "mlflow.prompt.text", "_mlflow_prompt_type"
_IS_PROMPT = "mlflow.prompt.is_prompt"
_RESERVED = (_TEXT, _KIND, _IS_PROMPT)
_IN_TAGS = {
    "response_format": "_mlflow_prompt_response_format",
    "model_config": "_mlflow_prompt_model_config",
}
_TAGS, _COMMIT = "x-tags", "x-commit-message"
_KNOWN = ("name", "version", "template", "commit_message", "description", "tags", *_IN_TAGS)


def _parse(text: str, path: str) -> Foreign:
    top = read_json(text, path)
    if top.at("model_version").is_map:
        top = top.at("model_version")
    top.only(*_KNOWN, "aliases")
    if top.at("aliases").given:
        top.at("aliases").lose("do not come with a version here", "move labels with promote")
    tags = _tags(top.at("tags"))
    name, version = name_from(top.at("name")), counted(top.at("version"))
    content = _content(_template(top, tags))
    config = _either(top, tags, "model_config")
    answer = _either(top, tags, "response_format")
    content = msgspec.structs.replace(
        content, model=_model(config), output_schema=answer.map() if answer.given else None
    )
    reserved = (*_RESERVED, *_IN_TAGS.values())
    meta: dict[str, object] = {
        ORIGIN: f"mlflow:prompts:/{name}" + (f"/{count(version)}" if version else ""),
        _COMMIT: top.at("commit_message").text_or("") or top.at("description").text_or(""),
        _TAGS: {key: it.text() for key, it in tags.items() if key not in reserved},
    }
    return Foreign.of(top, name, version, content, meta)


def _tags(place: Place) -> dict[str, Place]:
    """Read tags as a map, or as REST has them: a list of key and value."""
    if not place.is_list:
        return place.members()
    return {it.at("key").text(): it.at("value") for it in place.items()}


def _template(top: Place, tags: dict[str, Place]) -> Place:
    given, tag = top.at("template"), tags.get(_TEXT)
    if tag is not None:
        chat = _KIND in tags and tags[_KIND].value == "chat"
        served = read_member(tag) if chat else tag
        if given.value not in (None, served.value):
            tag.refuse("is another text than `template`; find out who rewrote it, keep one")
        return served
    if given.value is None:
        top.refuse(f"has neither `template` nor the tag {_TEXT}; export the version")
    return given


def _either(top: Place, tags: dict[str, Place], name: str) -> Place:
    tag = tags.get(_IN_TAGS[name])
    return read_member(tag) if tag is not None else top.at(name)


def _content(template: Place) -> Content:
    places = [template] if not template.is_list else template.items()
    if template.value == []:
        template.refuse("has no message; write one")
    chat = places != [template]
    roles = [role_of(it.at("role")) for it in places] if chat else []
    said = list[Place]()
    for it in places:
        if chat:
            it.only("role", "content")
        at = it.at("content") if chat else it
        said.append(replace(at, value=content_of(at)))
    jinja = any("{%" in it.text() and "%}" in it.text() for it in said)
    engine = Engine.JINJA if jinja else Engine.MUSTACHE
    for it in said:
        if not jinja:
            _ = it.read_as(from_braces)
        _ = it.read_as(lambda text: variables_of(engine, [text]))
    texts = [it.text() for it in said]
    names = variables_of(engine, texts)
    if not chat:
        return Content(engine=engine, template=texts[0], variables=names)
    messages = tuple(
        Message(role=role, content=text) for role, text in zip(roles, texts, strict=True)
    )
    return Content(engine=engine, messages=messages, variables=names)


def _model(config: Place) -> ModelChoice | None:
    extra = config.at("extra_params")
    own = {
        key: it
        for key, it in config.map().items()
        if key not in ("model_name", "extra_params", "provider")
    }
    if config.at("provider").given:
        config.at("provider").lose("is chosen by the model's name here", "map the name to it")
    params = params_of(replace(config, value=own))
    more = params_of(extra)
    if params.keys() & more.keys():
        extra.refuse("gives a parameter again; keep one")
    return model_of(config.at("model_name").text_or(""), params | more)


def _form(foreign: Foreign) -> str:
    content, meta = foreign.content, foreign.meta
    if content.placeholder is not None:
        what = "is a placeholder, which MLflow does not have; let the caller add his messages"
        raise ADAPTER.unsayable(foreign, content.placeholder, what)
    template: object = [
        {"role": it.role, "content": _written(foreign, number, it.content or "")}
        for number, it in enumerate(content.said)
    ]
    if content.template is not None:
        template = _written(foreign, 0, content.template)
    document: dict[str, object] = {"name": foreign.name, "template": template}
    version = count(foreign.version)
    document |= {"version": version} if version is not None else {}
    document |= {"commit_message": meta[_COMMIT]} if isinstance(meta.get(_COMMIT), str) else {}
    document |= {"tags": meta[_TAGS]} if isinstance(meta.get(_TAGS), dict) else {}
    if content.output_schema is not None:
        document["response_format"] = content.output_schema
    if content.model is not None:
        config = dict(content.model.params)
        config |= {"model_name": content.model.id} if content.model.id else {}
        config |= {"stop_sequences": config.pop("stop")} if "stop" in config else {}
        document["model_config"] = config
    return write_json(document)


def _written(foreign: Foreign, number: int, text: str) -> str:
    jinja = foreign.content.engine is Engine.JINJA
    text = as_braces(foreign.content.engine, text)
    try:
        if not jinja or "{%" not in text:
            _ = from_braces(text)
    except Wrong as exc:
        raise ADAPTER.unsayable(foreign, f"messages[{number}]", str(exc)) from exc
    return text


ADAPTER = Adapter("mlflow", _parse, _form)
