"""What a renderer in another language must do, too: `vectors/ENGINE.json`.

Each has a file and variables, with a nonce where something is fenced (hex), and either the messages
that are sent, in order and without those of the caller, or the code of the error.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trimtab.domain.errors import TrimtabError
from trimtab.domain.rendering import PURE_ENGINES, Rendered, compile_version
from trimtab.registry.format import read_file

VECTORS: list[tuple[str, dict[str, Any]]] = [
    (f"{path.stem}: {vector['name']}", vector)
    for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
    for vector in json.loads(path.read_text())
]


def having(member: str) -> list[Any]:
    return [pytest.param(vector, id=name) for name, vector in VECTORS if member in vector]


def render(vector: dict[str, Any]) -> Rendered:
    file = read_file(vector["file"], "vector.yaml")
    compiled = compile_version(file.published_as(file.content), PURE_ENGINES)
    return compiled.render(vector["variables"], nonce=bytes.fromhex(vector.get("nonce", "")))


@pytest.mark.parametrize("vector", having("messages"))
def test_sends_the_messages_of_the_vector(vector: dict[str, Any]) -> None:
    assert msgspec.to_builtins([*render(vector).messages]) == vector["messages"]


@pytest.mark.parametrize("vector", having("error"))
def test_refuses_with_the_code_of_the_vector(vector: dict[str, Any]) -> None:
    with pytest.raises(TrimtabError) as refused:
        render(vector)

    assert refused.value.code == vector["error"]
