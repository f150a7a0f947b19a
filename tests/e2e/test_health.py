"""The keeper's health is what it does, not that it runs.

Peers lose here: https://github.com/langfuse/langfuse/issues/13123.
"""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually, stack_in

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

RED_WITHIN_S = 10.0


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Stack]:
    with stack_in(tmp_path) as stack:
        yield stack


def health(stack: Stack) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{stack.url}/console/healthz", timeout=15) as answer:  # noqa: S310
            return answer.status, json.load(answer)["status"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["status"]


def test_health_tells_the_truth(mortal: Stack) -> None:
    eventually(lambda: health(mortal) == (200, "ok"), "the keeper is well")
    for path in mortal.home.glob("records.db*"):
        with path.open("r+b") as file:
            file.write(os.urandom(path.stat().st_size))
    broken_s = time.monotonic()

    eventually(lambda: health(mortal)[0] == 503, "the keeper says so", RED_WITHIN_S)

    assert time.monotonic() - broken_s < RED_WITHIN_S
    assert "/" not in health(mortal)[1]
