import json
from pathlib import Path

import pytest

from trimtab.domain.errors import PromptNotFound, ProviderError, SettingsInvalid
from trimtab.domain.prompt import Content, digest
from trimtab.testing import ScriptedAnswer, ScriptedProvider
from trimtab.wiring.eval_gateway import HttpGateway
from trimtab.wiring.eval_prompts import There
from trimtab.wiring.registry import read_prompts

FILE = """schema: 1
name: rag
version: 1.2.0
description: d
owner: o
template: 'Say $question'
variables: {question: {type: string, x-trust: user}}
"""


def reply(body: object, status: int = 200) -> ScriptedAnswer:
    data = json.dumps(body).encode()
    return ScriptedAnswer([data], status=status, content_type=b"application/json")


def refusal(status: int, code: str) -> ScriptedAnswer:
    return reply({"error": {"code": code, "message": f"{code} happened"}}, status)


def published(content: str, label: str | None = None) -> ScriptedAnswer:
    members = {"name": "rag", "version": "1.2.0", "hash": digest(content), "content": content}
    return reply(members | ({"label": label} if label else {}))


def there(*answers: ScriptedAnswer) -> tuple[There, ScriptedProvider]:
    provider = ScriptedProvider(*answers)
    return There(HttpGateway(provider, "http://far", "tt_key"), "http://far"), provider


def written(folder: Path, text: str = FILE) -> tuple[Path, str]:
    path = folder / "rag.prompt.yaml"
    path.write_text(text)
    [read] = read_prompts([path])
    return path, read.published_as(read.content).content


async def test_a_version_a_label_and_the_newest_are_read_of_a_gateway() -> None:
    content = Content(template="Say $question").canonical()
    newest = reply({"name": "rag", "versions": [{"version": "1.10.0"}, {"version": "1.9.0"}]})
    it, provider = there(
        published(content), published(content, "canary"), newest, published(content)
    )

    version = await it.find("rag", "1.2.0")
    label = await it.find("rag", "canary")
    await it.find("rag", "")

    assert [head.split()[1] for _, head, _ in provider.sent] == [
        b"/prompts/rag/versions/1.2.0",
        b"/prompts/rag/labels/canary",
        b"/prompts/rag",
        b"/prompts/rag/versions/1.10.0",
    ]
    assert (version.ref, version.hash, version.label) == ("rag@1.2.0", digest(content), None)
    assert (label.label, label.text) == ("canary", "Say $question")


async def test_what_a_gateway_does_not_have_or_does_not_give_is_told() -> None:
    it, _ = there(refusal(404, "prompt_not_found"), refusal(401, "invalid_api_key"))

    with pytest.raises(PromptNotFound, match="prompt_not_found happened"):
        await it.find("rag", "1.0.0")
    with pytest.raises(ProviderError, match="answered 401: invalid_api_key happened"):
        await it.find("rag", "1.0.0")


async def test_a_file_must_be_what_is_published_there(tmp_path: Path) -> None:
    path, content = written(tmp_path)
    [file] = read_prompts([path])
    same, _ = there(published(content))
    other, _ = there(published(Content(template="other").canonical()))
    none, _ = there(refusal(404, "prompt_not_found"))

    assert (await same.take(file)).ref == "rag@1.2.0"
    with pytest.raises(SettingsInvalid, match=r"says something else than 'rag@1\.2\.0'"):
        await other.take(file)
    with pytest.raises(SettingsInvalid, match="is not published at 'http://far'; publish it there"):
        await none.take(file)
