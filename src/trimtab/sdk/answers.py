"""What a registry says, and what of it is believed: nothing whose text is not that of its hash.

The same check stands before whatever comes from the network, the disk and the lock file.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from semver import Version

from trimtab.domain.errors import PromptUnavailable, TrimtabError, VersionCorrupt
from trimtab.domain.prompt import FORMAT, NAME, Content, Engine, PromptVersion, digest
from trimtab.domain.rendering import PURE_ENGINES, Compiled, compile_content


class Place(NamedTuple):
    """What is asked for: where a label points for a tenant, or, without a label, a version."""

    name: str
    label: str | None = None
    tenant: str | None = None
    version: str | None = None

    @property
    def ref(self) -> str:
        """`name@version` or `name@label`, for messages."""
        return f"{self.name}@{self.version or self.label}"


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version as a registry sends it, and what it says about the label that led to it.

    Attributes:
        content: Canonical JSON of the `Content`; `hash` is its SHA-256.
        seq: Where in the change log the label was moved there.
        config_seq: What of the change log the registry knew.
        yanked: Why the version should not be used any more.
    """

    name: str
    version: str
    hash: str
    shape_hash: str
    content: str
    label: str | None = None
    scope: str | None = None
    seq: int | None = None
    config_seq: int | None = None
    yanked: Any = None


@dataclass(frozen=True, slots=True)
class Edition:
    """A version that was verified and is ready to render.

    Attributes:
        compiled: `None` for an engine that renders on the server only.
    """

    version: PromptVersion
    content: Content
    number: Version
    compiled: Compiled | None


class _Format(Struct):
    format: int


def verified(answer: Answer, place: Place) -> Edition:
    """Read an answer to a question.

    Raises:
        VersionCorrupt: its text is not that of its hash.
        PromptUnavailable: it answers another question, or cannot be rendered here.
    """
    asked = place.version or answer.version
    if (answer.name, answer.version, answer.label) != (place.name, asked, place.label):
        raise PromptUnavailable(f"the answer for '{place.ref}' is about something else")
    if place.label is not None and (answer.config_seq is None or answer.scope is None):
        raise PromptUnavailable(f"the answer for '{place.ref}' does not say when and for whom")
    if NAME.fullmatch(answer.name) is None or not Version.is_valid(answer.version):
        raise PromptUnavailable(f"the answer for '{place.ref}' has no version")
    if digest(answer.content) != answer.hash:
        raise VersionCorrupt(
            f"the text of '{answer.name}@{answer.version}' is not that of its hash"
            f" '{answer.hash[:12]}'; do not use it, and ask who changed it"
        )
    version = PromptVersion(
        name=answer.name,
        version=answer.version,
        hash=answer.hash,
        shape_hash=answer.shape_hash,
        content=answer.content,
        file="",
    )
    try:
        return _edition(version)
    except (msgspec.MsgspecError, TrimtabError, ValueError) as exc:
        raise PromptUnavailable(
            f"'{version.ref}' cannot be read by this version of Trimtab; upgrade it"
        ) from exc


def _edition(version: PromptVersion) -> Edition:
    if msgspec.json.decode(version.content, type=_Format).format != FORMAT:
        raise ValueError("another format")
    content = version.read()
    if content.shape() != version.shape_hash:
        raise ValueError("another shape")
    compiled = None
    if content.engine is not Engine.JINJA:
        compiled = compile_content(version, content, PURE_ENGINES)
    return Edition(version, content, Version.parse(version.version), compiled)
