"""A simulator on 127.0.0.1, in a thread, and the official SDKs that talk to it."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from anthropic import Anthropic
from openai import OpenAI

from trimtab.sim import serve
from trimtab.sim.app import create

ANTHROPIC_VERSION = {"anthropic-version": "2023-06-01"}
PATIENCE_S = 0.4
"""After this a client of these tests gives up waiting for something that never comes."""


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class Sim:
    """A running simulator."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        request = urllib.request.Request(  # noqa: S310
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json", "x-api-key": "raw", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return Answered(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answered(error.code, dict(error.headers.items()), error.read())

    def post(self, path: str, body: object, **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, body, named)

    def told(self, path: str) -> dict[str, Any]:
        return self.call("GET", f"/_sim/{path}").json()

    def rules(self, *faults: str) -> Answered:
        return self.call("PUT", "/_sim/faults", {"faults": faults})

    def billed(self) -> list[dict[str, Any]]:
        return self.told("bill")["lines"]


def running(latency: str = "instant") -> Iterator[Sim]:
    """Run a simulator until the iterator is closed."""
    with serve.listen("127.0.0.1", 0) as listener:
        server = serve.server(create(latency=latency))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Sim(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def one_sim() -> Iterator[Sim]:
    yield from running()


@pytest.fixture
def sim(one_sim: Sim) -> Sim:
    """An instant simulator with an empty bill and no faults."""
    one_sim.call("POST", "/_sim/reset")
    return one_sim


@pytest.fixture
def openai(sim: Sim) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{sim.url}/v1", api_key="acct", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic(sim: Sim) -> Iterator[Anthropic]:
    with Anthropic(base_url=sim.url, api_key="acct", max_retries=0) as client:
        yield client


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition."""
    pause = threading.Event()

    def wait(condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            pause.wait(0.02)
        raise AssertionError("waited in vain")

    return wait
