"""A small disk that fills up under load: content is left out first, then requests are refused; what
was answered is remembered and charged, and all goes on by itself once there is room.
"""

import json
import os
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.e2e.conftest import Stack, eventually, stack_of
from tests.services import lacking

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MOUNT, UMOUNT = "/bin/mount", "/bin/umount"
DISK_BYTES = 64 << 20
LONG = "lorem ipsum " * 1500
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
  closed: {tier: wide}
  open: {tier: wide, when_spool_is_full: open}
prices:
  overrides:
    sim/large*: {input: 3, output: 15}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        lacking("the right to mount a small disk (run as root)")
    mount = (MOUNT, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place))
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        lacking("a kernel that mounts a small disk")
    try:
        yield place
    finally:
        subprocess.run((UMOUNT, "-l", str(place)), check=True)


class Filler:
    """A file of somebody else on the same disk."""

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "filler"

    def until_full_by(self, share: float) -> None:
        """Grow until so much of the disk is used."""
        found = os.statvfs(self._disk)
        free = found.f_bavail - round(found.f_blocks * (1 - share))
        with self._file.open("ab") as file:
            file.write(bytes(max(0, free) * found.f_frsize))

    def to_the_brim(self) -> None:
        """Grow until not a byte fits."""
        with self._file.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def away(self) -> None:
        self._file.unlink(missing_ok=True)


def asked(stack: Stack, key: str, text: str) -> tuple[int, str]:
    body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
    status, headers, _ = stack.post("/v1/chat/completions", json.dumps(body).encode(), key)
    return status, headers["x-trimtab-request-id"]


def level(stack: Stack) -> int:
    told = stack.home / "health" / "gateway-1.json"
    return int(json.loads(told.read_bytes()).get("level", 0)) if told.exists() else 0


def test_a_disk_that_fills_up_costs_content_first_and_never_a_charge(disk: Path) -> None:
    filler = Filler(disk)
    with stack_of(disk, CONFIG) as stack:
        closed, opened = stack.key("closed"), stack.key("open")
        answered = {asked(stack, closed, f"whole {LONG}"): "full"}

        filler.until_full_by(0.88)
        eventually(lambda: level(stack) == 3, "long content is cut")
        answered[asked(stack, closed, f"cut {LONG}")] = "truncated"
        answered[asked(stack, closed, "short enough")] = "full"

        filler.until_full_by(0.97)
        eventually(lambda: level(stack) == 4, "content is not kept")
        answered[asked(stack, closed, "nothing of this is kept")] = "truncated"

        filler.to_the_brim()
        reserve = disk / "spool" / "gateway-1" / "reserve"
        while reserve.exists():
            answered[asked(stack, closed, "the reserve has room for this")] = "truncated"
        filler.to_the_brim()
        statuses = {asked(stack, closed, f"no room for {n}")[0] for n in range(30)}
        assert 503 in statuses
        blind = {asked(stack, opened, "go on without") for _ in range(20)}
        assert {status for status, _ in blind} == {200}

        filler.away()
        eventually(lambda: asked(stack, closed, "there is room")[0] == 200, "it goes on by itself")
        for (status, request_id), state in answered.items():
            assert status == 200
            assert stack.record(request_id)["content_state"] == state
        for _, request_id in blind:
            assert stack.record(request_id)["cost_nano"] > 0
        eventually(lambda: charged(stack) == billed(stack), "all that was billed is charged")
        log = stack.log()
        assert log.index("from 0 to 3") < log.index("from 3 to 4") < log.index("from 4 to 5")


def charged(stack: Stack) -> int:
    [row] = stack.rows("SELECT sum(cost_nano) AS nano FROM ledger")
    return int(row["nano"])


def billed(stack: Stack) -> int:
    return sum(line["cost_nano"] for line in stack.sim("bill")["lines"])
