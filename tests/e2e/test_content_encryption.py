"""Sealed content on real processes: it is read by every way there is, and is in no file."""

import json
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually, stack_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PLANTED = "where is my Zebra-4f1c order"
COMMENT = "wrong Zebra-4f1c window"
ON = "content_encryption: {master_key: env:TRIMTAB_MASTER_KEY}\n"
CONFIG = """
version: 1
gateway: {admin_key: env:TRIMTAB_ADMIN_KEY}
providers:
  sim: {wire: caller, url: http://127.0.0.1:PORT, allow_private_network: true}
models:
  chat: {kind: alias, to: sim/large}
tiers:
  wide: {models: [chat]}
tenants:
  acme: {tier: wide}
prices:
  overrides:
    sim/large*: {input: 3, output: 15}
"""


@pytest.fixture(autouse=True)
def master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_MASTER_KEY", "5a" * 32)


def asked(stack: Stack, key: str, text: str, tenant: str | None = None) -> str:
    body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
    headers = {} if tenant is None else {"x-trimtab-tenant": tenant}
    told = stack.post("/v1/chat/completions", json.dumps(body).encode(), key, headers)
    assert told[0] == 200
    return told[1]["x-trimtab-request-id"]


def files_with(home: Path, *words: str) -> list[Path]:
    files = [it for it in home.rglob("*") if it.is_file()]
    return [it for it in files if any(word.encode() in it.read_bytes() for word in words)]


def test_what_is_said_is_in_no_file_and_read_by_every_way_there_is(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with stack_of(tmp_path, CONFIG + ON) as stack:
        key = stack.key()
        one = asked(stack, key, PLANTED)
        said = [{"request_id": one, "name": "helpful", "score": 0, "comment": COMMENT}]
        status, _, told = stack.post("/v1/feedback", json.dumps(said).encode(), key)
        assert (status, json.loads(told)["comments_kept"]) == (202, 1)
        acting = stack.json(
            *("keys", "create", "--act-for", "*", "--new-tenant-tier", "wide", "--name", "all")
        )["key"]
        eventually(lambda: stack.status("/v1/models", acting) != 401, "the key is known")
        new = asked(stack, acting, PLANTED, "fresh")

        for request_id in (one, new):
            assert PLANTED in json.dumps(stack.content(request_id))
            assert stack.record(request_id)["content_state"] == "full"
        assert PLANTED in stack.run("trace", one, "--content").stdout
        taken = tmp_path_factory.mktemp("taken") / "all.jsonl"
        stack.run("records", "export", "--content", "--out", str(taken))
        assert taken.read_text().count(PLANTED) == 2
        eventually(lambda: not stack.rows("SELECT 1 FROM search_due"), "words were looked at")
        assert stack.run("search", "zebra", check=False).stdout == ""
        assert files_with(tmp_path, "Zebra-4f1c", "zebra", "5a" * 32) == []
        stack.stop()
        assert files_with(tmp_path, "Zebra-4f1c", "zebra", "5a" * 32) == []


def test_it_is_switched_off_and_on_and_a_wrong_master_key_stops_nothing_but_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    for number, section in enumerate(("", ON, "")):
        with stack_of(tmp_path, CONFIG + section) as stack:
            said.append(asked(stack, stack.key(), f"{PLANTED} {number}"))
            for n, request_id in enumerate(said):
                assert f"{PLANTED} {n}" in json.dumps(stack.content(request_id))

    with stack_of(tmp_path, CONFIG + ON) as stack:
        assert f"{PLANTED} 1" in json.dumps(stack.content(said[1]))
        stack.stop()
        monkeypatch.setenv("TRIMTAB_MASTER_KEY", "77" * 32)
        up = stack.run("up", *stack.options, check=False)
        assert up.returncode == 2
        assert "does not open the content key of tenant 'acme'" in up.stderr
        told = stack.run("trace", said[1], "--content", check=False)
        assert PLANTED not in told.stdout

        monkeypatch.setenv("TRIMTAB_MASTER_KEY", "5a" * 32)
        assert f"{PLANTED} 1" in stack.run("trace", said[1], "--content").stdout
