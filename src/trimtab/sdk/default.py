"""The one client of an application that needs no more than one, and the functions of the seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from trimtab.domain.errors import NotAPlainTemplate, SettingsInvalid
from trimtab.domain.prompt import Engine
from trimtab.sdk.client import MAX_STALE_S, Prompts
from trimtab.sdk.lock import Lock
from trimtab.sdk.render import Found


class Dumps(Protocol):
    """What a pydantic model is here."""

    def model_dump(self) -> dict[str, Any]:
        """Give its fields by name."""
        ...


class _Default:
    """State: the client, once it is configured."""

    client: Prompts | None = None


def configure(
    url: str,
    key: str,
    *,
    lock: Lock | Path | str | None = None,
    cache_dir: Path | str | None = None,
    max_stale_s: float = MAX_STALE_S,
) -> Prompts:
    """Make the client that is used where none is given; an earlier one is closed. See `Prompts`."""
    client = Prompts(url, key, lock=lock, cache_dir=cache_dir, max_stale_s=max_stale_s)
    disconnect()
    _Default.client = client
    return client


def disconnect() -> None:
    """Close the configured client, if there is one, and use it no more."""
    client, _Default.client = _Default.client, None
    if client is not None:
        client.close()


def default_client() -> Prompts:
    """Give the configured client. Raises `SettingsInvalid` if there is none."""
    if _Default.client is None:
        raise SettingsInvalid(
            "no registry is configured; call `trimtab.sdk.configure(url, key)` first, or give a"
            " client"
        )
    return _Default.client


def fetch(name: str, version: str) -> str:
    """Give the text of an exact version.

    Raises:
        NotAVersion: a label was given, which this would freeze.
        NotAPlainTemplate: it has messages, or is not for `string.Template`.
        PromptNotFound, VersionBlocked, PromptUnavailable: see `Prompts.find`.
    """
    return _plain(default_client().find(name, version=version))


def render(
    name: str,
    version: str,
    vars: Mapping[str, object] | Dumps,  # noqa: A002 -- the seed's name for it
) -> tuple[str, str]:
    """Render an exact version to one text, and give its id for the log.

    Raises:
        PromptVariablesInvalid: a variable is missing, unknown or not of its schema.
        NotAVersion, NotAPlainTemplate, PromptNotFound, VersionBlocked, PromptUnavailable: as
            `fetch`.
    """
    client = default_client()
    found = client.find(name, version=version)
    _plain(found)
    values = vars if isinstance(vars, Mapping) else vars.model_dump()
    prompt = client.render_found(found, values)
    return str(prompt.text), found.edition.version.prompt_id


def _plain(found: Found) -> str:
    content = found.edition.content
    if content.template is None or content.engine is not Engine.TEMPLATE:
        raise NotAPlainTemplate(
            f"'{found.ref}' is more than one text with $names; use `Prompts.render`"
        )
    return content.template
