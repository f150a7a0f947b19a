import socket
import subprocess
import sys
import urllib.request

import pytest

from trimtab.sim import serve

PROGRAM = """
import sys
from trimtab.sim.serve import run
run("127.0.0.1", 0, seed=3, latency="instant", faults=sys.argv[1:],
    announce=lambda url: print(url, flush=True))
"""


def test_it_serves_what_it_announces_until_it_is_told_to_stop() -> None:
    # Our own interpreter and program.
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PROGRAM, "status:500"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()

        with urllib.request.urlopen(f"{url}/_sim/faults", timeout=10) as answer:  # noqa: S310
            told = answer.read()
        process.terminate()

        assert process.wait(10) in (0, -15)
    assert b'"status:500"' in told


def _say_nothing(_url: str) -> None:
    pass


@pytest.mark.parametrize("fault", ["explode", "cut_after:3 rate=7"])
def test_a_fault_that_cannot_be_read_ends_it_with_a_reason(fault: str) -> None:
    with pytest.raises(SystemExit, match="'"):
        serve.run("127.0.0.1", 0, seed=7, latency="instant", faults=[fault], announce=_say_nothing)


def test_a_port_that_is_taken_ends_it_with_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(SystemExit, match="choose another port"):
            serve.run(
                "127.0.0.1", port, seed=7, latency="instant", faults=[], announce=_say_nothing
            )
