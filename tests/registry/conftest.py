"""Short ways to write prompts down."""

from collections.abc import Sequence
from typing import Any

from tests.registry.site import site, three

from trimtab.domain.prompt import Content, Engine, Message, PromptVersion, Role, Variable, digest

__all__ = ["site", "three"]

TEXT: dict[str, Any] = {"type": "string"}


def variable(schema: dict[str, Any] | None = None, **members: Any) -> Variable:  # noqa: ANN401
    """A variable, required unless it has a default or says otherwise."""
    required = members.pop("required", "default" not in members)
    return Variable(required=required, json_schema=schema or TEXT, **members)


def said(*messages: tuple[str, str]) -> tuple[Message, ...]:
    """Messages as (role, text); of role `placeholder`, the place of the caller's own."""
    return tuple(
        Message(placeholder=text)
        if role == "placeholder"
        else Message(role=Role(role), content=text)
        for role, text in messages
    )


def published(
    number: str,
    content: Content | str = "Hello.",
    *,
    name: str = "greeting",
    file: str = "",
    engine: Engine = Engine.TEMPLATE,
    names: Sequence[str] = (),
) -> PromptVersion:
    """A version; a text as content takes required texts of these names."""
    if isinstance(content, str):
        variables = {it: variable() for it in names}
        content = Content(template=content, engine=engine, variables=variables)
    written = content.canonical()
    return PromptVersion(
        name=name,
        version=number,
        hash=digest(written),
        shape_hash=content.shape(),
        content=written,
        file=file,
    )
