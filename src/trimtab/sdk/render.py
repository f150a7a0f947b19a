"""From a version that was found to messages: here, or on the server if its engine needs that."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec

from trimtab.domain.rendering import NONCE_BYTES, Compiled
from trimtab.sdk.answers import Edition
from trimtab.sdk.prompt import Prompt, Source

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """A version, and how it was found. See `Prompt` for the attributes."""

    edition: Edition
    label: str | None
    scope: str | None
    source: Source
    age_s: float | None
    stale: bool

    @property
    def ref(self) -> str:
        """`name@version`."""
        return self.edition.version.ref

    def prompt(self, messages: list[dict[str, Any]], text: str | None, digest: str) -> Prompt:
        """Give what came of it."""
        content, model = self.edition.content, self.edition.content.model
        return Prompt(
            messages=messages,
            text=text,
            name=self.edition.version.name,
            version=self.edition.version.version,
            label=self.label,
            scope=self.scope,
            hash=self.edition.version.hash,
            rendered_hash=digest,
            source=self.source,
            age_s=self.age_s,
            stale=self.stale,
            params={} if model is None else model.params,
            model=None if model is None else model.id,
            tools=content.tools,
            output_schema=content.output_schema,
        )


def render_here(
    found: Found, compiled: Compiled, variables: Mapping[str, object], messages: Messages
) -> Prompt:
    """Render with the caller's messages where the prompt has its place for them, else last.

    Raises:
        PromptVariablesInvalid: a variable is missing, unknown or not of its schema.
    """
    rendered = compiled.render(variables, nonce=os.urandom(NONCE_BYTES))
    before = [{"role": it.role.value, "content": it.content} for it in rendered.before]
    after = [{"role": it.role.value, "content": it.content} for it in rendered.after]
    text = rendered.before[0].content if rendered.content.template is not None else None
    return found.prompt([*before, *map(dict, messages), *after], text, rendered.rendered_hash)


def question(
    found: Found, variables: Mapping[str, object], tenant: str | None, messages: Messages
) -> dict[str, Any]:
    """Ask the server to render exactly this version."""
    asked: dict[str, Any] = {"version": found.edition.version.version, "variables": variables}
    if tenant is not None:
        asked["tenant"] = tenant
    return {**asked, "messages": messages}


def rendered_there(found: Found, messages: list[dict[str, Any]], digest: str | None) -> Prompt:
    """Take what the server rendered."""
    one_text = found.edition.content.template is not None and len(messages) == 1
    text = messages[0].get("content") if one_text else None
    written = sha256(msgspec.json.encode(messages)).hexdigest()
    return found.prompt(messages, text, digest or written)
