import threading
from collections.abc import Callable, Generator
from typing import Protocol

import pytest
from tests.sdk.receiver import Receiver
from tests.sdk.registry import KEY, FakeRegistry, version

from trimtab.sdk import Prompts, flush, init

DEADLINE_S = 5.0


class MakeClient(Protocol):
    def __call__(self, **settings: object) -> Prompts: ...


@pytest.fixture
def registry() -> Generator[FakeRegistry]:
    """A registry whose production is 3.2.0."""
    with FakeRegistry() as registry:
        registry.publish(version("3.2.0"))
        registry.move("3.2.0")
        yield registry


@pytest.fixture
def client(registry: FakeRegistry) -> Generator[MakeClient]:
    """Makes clients of the registry, and closes them; no thread of theirs is left."""
    made: list[Prompts] = []

    def make(**settings: object) -> Prompts:
        prompts = Prompts(
            **{"url": registry.url, "key": KEY, "poll_s": 0.02, "timeout_s": 1.0} | settings  # pyright: ignore[reportArgumentType]
        )
        made.append(prompts)
        return prompts

    yield make
    for prompts in made:
        prompts.close()
    eventually(lambda: not [it for it in threading.enumerate() if "trimtab" in it.name])


@pytest.fixture(scope="session")
def _instrumented() -> Generator[Receiver]:
    """Instrument this process, once and for all tests, as an app is."""
    with Receiver() as receiver:
        init(service="rag-api", url=receiver.url, key=KEY)
        yield receiver


@pytest.fixture
def told(_instrumented: Receiver) -> Receiver:
    """A gateway that this process tells everything, and that has heard nothing yet."""
    assert flush(5.0)
    _instrumented.forget()
    return _instrumented


def eventually(claim: Callable[[], object]) -> None:
    """Wait until a claim holds."""
    end = threading.Event()
    for _ in range(round(DEADLINE_S / 0.01)):
        if claim():
            return
        end.wait(0.01)
    assert claim()
