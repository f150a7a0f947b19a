"""Files that are edited while traffic runs: what is applied, and what is refused."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Stack, eventually, processes_of, stack_in

pytestmark = pytest.mark.e2e

ASK = b'{"model":"chat","messages":[{"role":"user","content":"hello"}]}'


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    """A Trimtab whose file may be broken."""
    (tmp_path / "trimtab.yaml").write_text(CONFIG.read_text())
    with stack_in(tmp_path) as running:
        yield running


def edit(stack: Stack, old: str, new: str) -> None:
    file = stack.home / "trimtab.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def target(stack: Stack, key: str) -> str:
    status, headers, _ = stack.post("/v1/chat/completions", ASK, key)
    assert status == 200
    return headers["x-trimtab-target"]


def test_a_file_is_applied_while_traffic_runs(own: Stack) -> None:
    key = own.key()
    assert target(own, key) == "sim/large"
    assert own.json("diff") == {"differences": []}

    edit(own, "chat: {kind: alias, to: sim/large", "chat: {kind: alias, to: sim/small")
    assert "~ model/chat" in own.run("apply").stdout

    eventually(lambda: target(own, key) == "sim/small", "the worker follows", deadline_s=2)


def test_t24_a_broken_or_shrunken_file_changes_nothing(own: Stack) -> None:
    key = own.key()
    _, headers, _ = own.post("/v1/chat/completions", ASK, key)
    own.record(headers["x-trimtab-request-id"])
    before = own.json("changes", "list")
    whole = (own.home / "trimtab.yaml").read_text()

    edit(own, "models: [chat, chat-small,", "models: [chat-small,")
    shrunken = own.run("apply", check=False)
    (own.home / "trimtab.yaml").write_text("version: 1\nmodels: [")
    broken = own.run("apply", check=False)
    # A worker that dies now comes back with the file that was applied.
    [gateway] = [pid for pid, line in processes_of(own.home).items() if " gateway " in line]
    os.kill(gateway, signal.SIGKILL)
    eventually(lambda: gateway not in processes_of(own.home), "it is gone")
    eventually(own.ready, "another serves")

    assert (shrunken.returncode, broken.returncode) == (2, 2)
    assert "tenant 'acme' called model 'chat' in the last hour" in shrunken.stderr
    assert own.json("changes", "list") == before
    assert target(own, key) == "sim/large"

    (own.home / "trimtab.yaml").write_text(
        whole.replace("models: [chat, chat-small,", "models: [chat-small,")
    )
    assert "~ tier/wide" in own.run("apply", "--yes").stdout
