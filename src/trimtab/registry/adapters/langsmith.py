"""LangSmith: the manifest of a prompt, alone or as a commit has it.

A manifest is a LangChain object as `dumps` writes it: a constructor by name, with arguments. No
object is made of it; the few that are prompts and models are read, and any other is refused by its
name. `f-string` texts become ours with `$name`, mustache stays.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

import msgspec

from trimtab.domain.prompt import Content, Engine, Message, ModelChoice, Role
from trimtab.domain.rendering import split_template
from trimtab.registry.adapters.base import ORIGIN, Adapter, Foreign, name_from
from trimtab.registry.adapters.source import Place, read_json, write_json
from trimtab.registry.adapters.texts import (
    from_fstring,
    to_fstring,
    to_template,
    variable,
    variables_of,
)
from trimtab.registry.adapters.wire import content_of, model_of, params_of, role_of, tools_of

_TEMPLATES = {
    "SystemMessagePromptTemplate": Role.SYSTEM,
    "HumanMessagePromptTemplate": Role.USER,
    "AIMessagePromptTemplate": Role.ASSISTANT,
    "ChatMessagePromptTemplate": None,
}
_LITERALS = {
    "SystemMessage": Role.SYSTEM,
    "HumanMessage": Role.USER,
    "AIMessage": Role.ASSISTANT,
    "ChatMessage": None,
}
_MODELS = ("ChatOpenAI", "ChatAnthropic")
_BOUND = ("tool_choice", "parallel_tool_calls")
_DERIVED = ("input_variables", "input_types", "optional_variables", "partial_variables")
_PROMPT_MEMBERS = (*_DERIVED, "messages", "metadata", "validate_template", "template_format")

Said = tuple[Engine | None, Message]
"""A message, and the engine of its text; none if it is the same in every one."""


def _parse(text: str, path: str) -> Foreign:
    top = read_json(text, path)
    manifest = top.at("manifest") if "manifest" in top.map() else top
    if manifest is not top:
        top.only("manifest", "owner", "repo", "commit_hash")
    content, hub = _content(manifest)
    owner = top.at("owner").text_or("") or hub.at("lc_hub_owner").text_or("")
    repo = top.at("repo") if top.at("repo").given else hub.at("lc_hub_repo")
    commit = top.at("commit_hash").text_or("") or hub.at("lc_hub_commit_hash").text_or("")
    # `-` is LangSmith's word for one's own workspace.
    origin = f"langsmith:{owner or '-'}/{repo.text_or('') or '-'}@{commit}"
    meta = {ORIGIN: origin if commit else ""}
    return Foreign.of(top, name_from(repo), None, content, meta)


def _object(place: Place) -> tuple[str, Place]:
    """Read the name and the arguments of a LangChain object."""
    words = [it.text() for it in place.at("id").items()]
    if place.at("lc").value != 1 or not words or not words[0].startswith("langchain"):
        place.refuse("is no LangChain object; export the manifest of a prompt")
    if place.at("type").value != "constructor":
        _other(place, words[-1])
    place.only("lc", "type", "id", "kwargs", "name")
    return words[-1], place.at("kwargs")


def _other(place: Place, name: str) -> NoReturn:
    place.refuse(f"is a LangChain {name[:64]}, which is no part of a prompt; take it out")


def _content(manifest: Place) -> tuple[Content, Place]:
    name, kwargs = _object(manifest)
    if name != "RunnableSequence":
        return _prompt(manifest)
    kwargs.only("first", "middle", "last", "name")
    content, hub = _prompt(kwargs.at("first"))
    for step in (*kwargs.at("middle").items(), kwargs.at("last")):
        content = _with_model(content, step)
    return content, hub


def _with_model(content: Content, step: Place) -> Content:
    name, kwargs = _object(step)
    if name == "RunnableBinding":
        kwargs.only("bound", "kwargs")
        content = _with_model(content, kwargs.at("bound"))
        bound = kwargs.at("kwargs")
        tools = tools_of(bound.at("tools"))
        rest = {key: it for key, it in bound.map().items() if key != "tools"}
        params = params_of(replace(bound, value=rest))
        old = content.model or ModelChoice()
        model = model_of(old.id or "", old.params | params)
        return msgspec.structs.replace(content, model=model, tools=tools)
    if name not in _MODELS or content.model is not None:
        _other(step, name)
    named = "model" if kwargs.at("model").given else "model_name"
    own: dict[str, object] = {}
    for key, place in kwargs.members().items():
        if place.is_map and place.at("type").value == "secret":
            place.lose("is a secret", "keep it with the provider")
        elif key not in (named, "model_kwargs"):
            own[key] = place.value
    params = params_of(replace(kwargs, value=own)) | params_of(kwargs.at("model_kwargs"))
    return msgspec.structs.replace(content, model=model_of(kwargs.at(named).text_or(""), params))


def _prompt(place: Place) -> tuple[Content, Place]:
    name, kwargs = _object(place)
    if name == "PromptTemplate":
        engine, text = _text(place)
        return _declared(Content(engine=engine, template=text), kwargs), kwargs.at("metadata")
    if name not in ("ChatPromptTemplate", "StructuredPrompt"):
        _other(place, name)
    kwargs.only(*_PROMPT_MEMBERS, "schema_")
    said = [_message(it) for it in kwargs.at("messages").items()]
    engines = {engine for engine, _ in said if engine is not None}
    if len(engines) > 1:
        kwargs.at("messages").refuse("are of two template formats; write all in one")
    engine = engines.pop() if engines else Engine.TEMPLATE
    messages = [
        it if of is not None or it.content is None else _literal(place, engine, it)
        for of, it in said
    ]
    schema = kwargs.at("schema_")
    content = Content(
        engine=engine,
        messages=tuple(messages),
        output_schema=schema.map() if schema.given else None,
    )
    return _declared(content, kwargs), kwargs.at("metadata")


def _message(place: Place) -> Said:
    name, kwargs = _object(place)
    if name == "MessagesPlaceholder":
        kwargs.only("variable_name", "optional")
        # In mustache prompts its name is kept with half of its braces.
        return None, Message(placeholder=kwargs.at("variable_name").text().strip("{}"))
    if name in _LITERALS:
        kwargs.only("content", "type", "role")
        role = _LITERALS[name] or role_of(kwargs.at("role"))
        return None, Message(role=role, content=content_of(kwargs.at("content")))
    if name not in _TEMPLATES:
        _other(place, name)
    kwargs.only("prompt", "role")
    role = _TEMPLATES[name] or role_of(kwargs.at("role"))
    prompt = kwargs.at("prompt")
    if prompt.is_list:
        parts = prompt.items()
        if len(parts) != 1:
            prompt.refuse("has several parts; a message here is one text")
        prompt = parts[0]
    engine, text = _text(prompt)
    partial = prompt.at("kwargs").at("partial_variables")
    if partial.given:
        partial.refuse("belong to one message; set them for the whole prompt")
    return engine, Message(role=role, content=text)


def _text(place: Place) -> tuple[Engine, str]:
    name, kwargs = _object(place)
    if name != "PromptTemplate":
        _other(place, name)
    kwargs.only(*_PROMPT_MEMBERS, "template")
    form, template = kwargs.at("template_format"), kwargs.at("template")
    if form.text_or("f-string") == "f-string":
        return Engine.TEMPLATE, to_template(template.read_as(from_fstring))
    if form.value != "mustache":
        form.refuse(f"is {form.text()[:32]!r}; write the text as f-string or mustache")
    _ = template.read_as(lambda text: variables_of(Engine.MUSTACHE, [text]))
    return Engine.MUSTACHE, template.text()


def _literal(place: Place, engine: Engine, message: Message) -> Message:
    text = message.content or ""
    if engine is Engine.MUSTACHE and "{{" in text:
        place.refuse("has a message with '{{' that is text; mustache cannot say that")
    text = to_template(([text], [])) if engine is Engine.TEMPLATE else text
    return msgspec.structs.replace(message, content=text)


def _declared(content: Content, kwargs: Place) -> Content:
    names = variables_of(content.engine, [it.content for it in content.said if it.content])
    for name, place in kwargs.at("partial_variables").members().items():
        if name.strip("{}") == content.placeholder:
            continue
        if name not in names or not isinstance(place.value, str):
            place.refuse("is no value of a variable of the texts; set it in the call")
        names[name] = variable(names[name].json_schema, required=False, default=place.value)
    return msgspec.structs.replace(content, variables=names)


def _form(foreign: Foreign) -> str:
    content = foreign.content
    if content.engine is Engine.JINJA:
        raise ADAPTER.unsayable(foreign, "engine", "is jinja, which LangSmith does not take")
    given = [it for it in content.variables.items() if isinstance(it[1].default, str)]
    defaults: dict[str, object] = {name: it.default for name, it in given}
    more = {"partial_variables": defaults, "metadata": {"lc_hub_repo": foreign.name}}
    if content.template is not None:
        manifest = _templated(content, content.template, more)
    else:
        manifest = _chat(content, more)
    if content.model is not None or content.tools:
        first, last = manifest, _model(content, content.model or ModelChoice())
        manifest = _made("schema.runnable.RunnableSequence", {"first": first, "last": last})
    return write_json(manifest)


def _chat(content: Content, more: Mapping[str, object]) -> dict[str, object]:
    messages = [_formed(content, it) for it in content.messages]
    kwargs = {"input_variables": [*content.variables], "messages": messages, **more}
    if content.output_schema is None:
        return _made("prompts.chat.ChatPromptTemplate", kwargs)
    schema = {"schema_": content.output_schema}
    return _made("prompts.structured.StructuredPrompt", kwargs | schema, "langchain_core")


def _formed(content: Content, message: Message) -> dict[str, object]:
    if message.role is None or message.content is None:
        name = {"variable_name": message.placeholder, "optional": True}
        return _made("prompts.chat.MessagesPlaceholder", name)
    kind = next(name for name, role in _TEMPLATES.items() if role is message.role)
    return _made(f"prompts.chat.{kind}", {"prompt": _templated(content, message.content, {})})


def _templated(content: Content, text: str, more: Mapping[str, object]) -> dict[str, object]:
    plain = content.engine is Engine.TEMPLATE
    kwargs = {
        "input_variables": [*variables_of(content.engine, [text])],
        "template": to_fstring(split_template(text)) if plain else text,
        "template_format": "f-string" if plain else "mustache",
        **more,
    }
    return _made("prompts.prompt.PromptTemplate", kwargs)


def _model(content: Content, model: ModelChoice) -> dict[str, object]:
    kwargs = {name: it for name, it in model.params.items() if name not in _BOUND}
    kwargs |= {"model": model.id} if model.id else {}
    anthropic = (model.id or "").startswith("claude")
    kind = "anthropic.ChatAnthropic" if anthropic else "openai.ChatOpenAI"
    made = _made(f"chat_models.{kind}", kwargs)
    bound: dict[str, object] = {k: it for k, it in model.params.items() if k in _BOUND}
    bound |= {"tools": content.tools} if content.tools else {}
    if not bound:
        return made
    return _made("schema.runnable.RunnableBinding", {"bound": made, "kwargs": bound})


def _made(path: str, kwargs: Mapping[str, object], package: str = "langchain") -> dict[str, object]:
    return {"lc": 1, "type": "constructor", "id": [package, *path.split(".")], "kwargs": kwargs}


ADAPTER = Adapter("langsmith", _parse, _form)
