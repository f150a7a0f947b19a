"""Roles, parameters, tools and answer formats, as foreign documents call them."""

from collections.abc import Mapping

from trimtab.domain.prompt import ModelChoice, Role
from trimtab.registry.adapters.source import Place
from trimtab.registry.written import PARAMS

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "human": Role.USER,
    "assistant": Role.ASSISTANT,
    "ai": Role.ASSISTANT,
    "model": Role.ASSISTANT,
}

_PARAMS = {
    **{name: name for name in PARAMS},
    **dict.fromkeys(("maxTokens", "max_output_tokens", "maxOutputTokens"), "max_tokens"),
    "max_completion_tokens": "max_tokens",
    "topP": "top_p",
    "topK": "top_k",
    "stop_sequences": "stop",
    "stopSequences": "stop",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "reasoningEffort": "reasoning_effort",
    "allowMultipleToolCalls": "parallel_tool_calls",
}


def role_of(place: Place) -> Role:
    """Read who says a message; `developer` is our system."""
    word = place.text()
    role = _ROLES.get(word)
    if role is None:
        place.refuse(f"is {word[:32]!r}; a prompt has messages of system, user and assistant")
    if word == "developer":
        place.lose("is 'developer'; it becomes 'system'", "nothing: providers treat them alike")
    return role


def content_of(place: Place) -> str:
    """Read what a message says: one text, or a list with one part that is text."""
    if not place.is_list:
        return place.text()
    parts = place.items()
    if len(parts) != 1 or parts[0].at("type").value != "text":
        place.refuse("has parts that are not one text; put what they hold into variables")
    parts[0].only("type", "text")
    return parts[0].at("text").text()


def params_of(settings: Place) -> dict[str, object]:
    """Read parameters of a model under any of their names; others are left out."""
    params: dict[str, object] = {}
    for name, place in settings.members().items():
        if place.value is None:
            continue
        ours = _PARAMS.get(name)
        if ours is None:
            place.lose("is no parameter that prompts set", "set it where the model is configured")
        elif ours in params:
            place.refuse(f"is given under two names; keep {ours!r}")
        else:
            params[ours] = place.value
    return params


def model_of(name: str, params: Mapping[str, object]) -> ModelChoice | None:
    """Make the model's part of a prompt, if there is anything in it."""
    return ModelChoice(id=name or None, params=dict(params)) if name or params else None


def tools_of(place: Place) -> tuple[dict[str, object], ...]:
    """Read tools of the function shape; others are left out."""
    tools = list[dict[str, object]]()
    for tool in place.items():
        function = tool.at("function")
        if tool.at("type").value == "function" and function.is_map:
            tools.append(tool.map())
        else:
            tool.lose("is no function", "write {type: function, function: {name: ...}}")
    return tuple(tools)


def answer_of(place: Place) -> dict[str, object] | None:
    """Read OpenAI's `response_format`, of which the schema is kept."""
    if not place.given:
        return None
    inner = place.at("json_schema")
    if place.at("type").value != "json_schema" or not inner.at("schema").is_map:
        place.lose("has no JSON Schema", "give the schema of the answer as output_schema")
        return None
    place.only("type", "json_schema")
    inner.only("name", "schema")
    return inner.at("schema").map()


def answer_as(schema: Mapping[str, object]) -> dict[str, object]:
    """Write OpenAI's `response_format`."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
