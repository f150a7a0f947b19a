"""Requests found by what was said in them, and followed as they end, on real processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually
from tests.e2e.raw_http import chat, request, send

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

FOUND_S = 5.0


def lines(stack: Stack, *arguments: str) -> list[str]:
    told = stack.run(*arguments, "--json", check=False).stdout
    return [json.loads(line)["request_id"] for line in told.splitlines()]


def test_what_was_said_is_found_within_seconds_wherever_one_looks(stack: Stack, key: str) -> None:
    one = send(stack.port, request(key, chat("where is my Übergrößen-Zebra order"))).request_id
    send(stack.port, request(key, chat("where is my order")))

    eventually(lambda: lines(stack, "search", "ubergroßen"), "the word is found", FOUND_S)

    assert lines(stack, "search", 'tenant:acme "ZEBRA order" status:ok', "--since", "1h") == [one]
    assert lines(stack, "search", '"order zebra"') == []
    rows = stack.admin("records?q=%22zebra%20order%22")["records"]
    assert [it["request_id"] for it in rows] == [one]


def test_requests_are_followed_from_the_spool(stack: Stack, key: str, tmp_path: Path) -> None:
    send(stack.port, request(key, chat("before")))
    with (tmp_path / "tail").open("wb") as file:
        command = [sys.executable, "-m", "trimtab", "tail", "--json", "status:ok"]
        following = subprocess.Popen(command, stdout=file, env=stack.environ)
    try:

        def seen() -> set[str]:
            sent.add(send(stack.port, request(key, chat("now"))).request_id)
            told = (tmp_path / "tail").read_text().splitlines()
            return {json.loads(line)["request_id"] for line in told}

        sent: set[str | None] = set()
        found = eventually(seen, "it is followed")
    finally:
        following.terminate()
        following.wait()
    assert found <= sent
