"""The prompts that evaluations compare: of the registry of a state directory, or of a gateway's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct
from semver import Version

from trimtab import wiring
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.errors import PromptNotFound, ProviderError, SettingsInvalid
from trimtab.domain.prompt import Content
from trimtab.evals.calling import OK
from trimtab.evals.paced import failure
from trimtab.registry.labels import existing
from trimtab.wiring.eval_gateway import HttpGateway
from trimtab.wiring.registry import read_prompts, registry
from trimtab.wiring.start import seen

ACCEPT = "application/vnd.trimtab.prompt+json"
NOT_FOUND = 404

T = TypeVar("T")


class Found(NamedTuple):
    """A version of a prompt, and the label that it was found by."""

    name: str
    version: str
    hash: str
    content: Content
    label: str | None = None

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Schemas of its variables."""
        return {name: it.json_schema for name, it in self.content.variables.items()}

    @property
    def text(self) -> str:
        """All that it says."""
        return "\n".join(it.content or "" for it in self.content.said)


class Library(Protocol):
    """Finds versions of prompts."""

    async def find(self, name: str, at: str) -> Found:
        """Find a version by number or label; "" is the newest.

        Raises:
            PromptNotFound: there is none.
        """
        ...

    async def take(self, file: Path) -> Found:
        """Give the version that a prompt file is, so that the gateway has it.

        Raises:
            SettingsInvalid: it cannot have it; why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """The registry of a state directory, to which files can be published."""

    home: Path
    author: str

    async def find(self, name: str, at: str) -> Found:
        """See `Library.find`."""
        prompts = await registry(self.home).prompts()
        label = None if not at or Version.is_valid(at) else at
        if label is not None:
            resolved = prompts.resolve(name, label, environment=wiring.environment())
            if resolved is None:
                raise _nowhere(name, label)
            at = resolved[1].label.version
        newest = prompts.newest(name)
        version = existing(prompts, name, at or (newest.version if newest else ""))
        return Found(name, version.version, version.hash, version.read(), label)

    async def take(self, file: Path) -> Found:
        """See `Library.take`."""
        read = read_prompts([file])
        by = By(self.author, Source.CLI, "published to be evaluated")
        _, changes = await registry(self.home).publish(read, by, may_jinja=True)
        if changes:
            await seen(self.home, changes[-1].seq)
        return await self.find(read[0].name, read[0].version)


@dataclass(frozen=True, slots=True)
class There:
    """The registry behind a gateway, which is only read."""

    gateway: HttpGateway
    url: str

    async def find(self, name: str, at: str) -> Found:
        """See `Library.find`."""
        if not at:
            listed = await self._read(f"/prompts/{name}", _Shown)
            at = max((it.version for it in listed.versions), key=Version.parse)
        if Version.is_valid(at):
            told = await self._read(f"/prompts/{name}/versions/{at}", _Published)
        else:
            told = await self._read(f"/prompts/{name}/labels/{at}", _Published)
        content = msgspec.json.decode(told.content, type=Content)
        return Found(told.name, told.version, told.hash, content, told.label)

    async def take(self, file: Path) -> Found:
        """See `Library.take`."""
        [read] = read_prompts([file])
        remedy = f"publish it there with `trimtab prompts publish {file}`, or leave out --gateway"
        try:
            found = await self.find(read.name, read.version)
        except PromptNotFound as exc:
            raise SettingsInvalid(
                f"'{read.name}@{read.version}' is not published at '{self.url}'; {remedy}"
            ) from exc
        if not read.partials and read.published_as(read.content).hash != found.hash:
            raise SettingsInvalid(
                f"'{file}' says something else than '{found.ref}' at '{self.url}'; give it another"
                f" number, and {remedy}"
            )
        return found

    async def _read(self, path: str, kind: type[T]) -> T:
        reply = await self.gateway.get(path, ACCEPT)
        if reply.status == NOT_FOUND:
            raise PromptNotFound(failure(reply).message)
        if reply.status != OK:
            raise ProviderError(
                f"'{self.url}{path}' answered {reply.status}: {failure(reply).message}"
            )
        return msgspec.json.decode(reply.body, type=kind)


class _Published(Struct):
    name: str
    version: str
    hash: str
    content: str
    label: str | None = None


class _Version(Struct):
    version: str


class _Shown(Struct):
    versions: list[_Version]


def _nowhere(name: str, label: str) -> PromptNotFound:
    return PromptNotFound(f"label {label[:64]!r} of '{name[:64]}' points nowhere; name a version")
