"""One prompt for end-to-end tests, a site that may move its production freely, and reading it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.e2e.conftest import CONFIG, Stack
from tests.e2e.raw_http import Answer, head, send

NAME = "greeting"
FREE = "\nregistry:\n  protected: {}\n"
WHOLE = ("accept", "application/vnd.trimtab.prompt+json")
WHY = ("--reason", "test")
CHANGED = "I was changed"
ASKED = {"who": "Ada"}

FILE = """\
name: {name}
version: {version}
description: Say hello.
owner: search-team
required_vars: [who]
template: {text}
"""


def greeting(version: str, text: str | None = None, name: str = NAME, more: str = "") -> str:
    """Write a prompt file; its text tells its number, unless another one is given."""
    said = text or f"This is the text of {version}. Say hello to $who."
    return FILE.format(name=name, version=version, text=json.dumps(said)) + more


def free_config(home: Path, redis: str | None = None) -> Path:
    """Write a file that protects no label."""
    file, text = home / "prompts.yaml", CONFIG.read_text() + FREE
    if redis is not None:
        text = text.replace("gateway:\n", f"gateway:\n  redis: {redis}\n", 1)
    file.write_text(text)
    return file


def written(home: Path, text: str, name: str = "one") -> str:
    """Write a prompt file, and tell where."""
    path = home / f"{name}.prompt.yaml"
    path.write_text(text)
    return str(path)


def publish(site: Stack, *texts: str) -> None:
    """Publish prompt files."""
    site.run("prompts", "publish", *(written(site.home, it, str(n)) for n, it in enumerate(texts)))


def promote(site: Stack, version: str, label: str = "production") -> int:
    """Move a label; gives the change."""
    moved = site.json("prompts", "promote", NAME, version, "--label", label, *WHY)
    return int(moved["change"]["seq"])


def ask(
    site: Stack, key: str, *path: str, method: str = "GET", body: Mapping[str, Any] | None = None
) -> Answer:
    """Ask for something below `/prompts`."""
    data = b"" if body is None else json.dumps(body).encode()
    target = "/".join(("/prompts", *(quote(it, safe="") for it in path)))
    line = f"{method} {target} HTTP/1.1"
    sent = head(key, (WHOLE,), line=line, length=len(data) if data else None) + data
    return send(site.port, sent, method=method)


class Served(NamedTuple):
    """What everybody gets: where production points, the text there, and how it renders."""

    version: str
    hash: str
    content: str
    rendered: str


def served(site: Stack, key: str) -> Served:
    """Read a version in all the ways there are; they must agree."""
    label = ask(site, key, NAME, "labels", "production")
    assert label.status == 200, label
    told = label.json
    version = ask(site, key, NAME, "versions", told["version"]).json
    assert (version["hash"], version["content"]) == (told["hash"], told["content"])
    rendered = ask(site, key, NAME, "render", method="POST", body={"variables": ASKED}).json
    assert rendered["hash"] == told["hash"]
    said = rendered["messages"][0]["content"]
    return Served(told["version"], told["hash"], told["content"], said)


def served_version(site: Stack, key: str, version: str) -> Mapping[str, Any]:
    """Read an exact version."""
    told = ask(site, key, NAME, "versions", version)
    assert told.status == 200, told
    return told.json
