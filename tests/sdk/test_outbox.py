import logging
import os
import socket
import threading
import time
from collections.abc import Generator

import msgspec
import pytest
from tests.sdk.conftest import eventually
from tests.sdk.receiver import KEY, Receiver

from trimtab.sdk import outbox as module
from trimtab.sdk.http import Wire
from trimtab.sdk.outbox import WAIT_S, Outbox


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test try again soon."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LEAST_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "GATHER_S", 0.01)


def made(url: str, most: int = 100) -> Outbox[int]:
    return Outbox[int](
        Wire(url, KEY),
        "/v1/feedback",
        lambda them: msgspec.json.encode({"them": them}),
        most=most,
        at_once=10,
    )


def got(receiver: Receiver) -> list[int]:
    return [it for said in receiver.feedback for it in said["them"]]


def nobody() -> str:
    """Give an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_everything_is_sent_once_and_in_order(receiver: Receiver) -> None:
    outbox = made(receiver.url)

    for n in range(35):
        outbox.put(n)

    assert outbox.flush(5.0)
    assert got(receiver) == list(range(35))
    assert max(len(it["them"]) for it in receiver.feedback) <= 10


def test_what_is_put_is_sent_without_a_flush(receiver: Receiver) -> None:
    made_one = made(receiver.url)
    made_one.put(1)

    eventually(lambda: got(receiver) == [1])


def test_it_is_tried_again_until_it_is_taken(receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 500]
    outbox = made(receiver.url)
    outbox.put(1)

    assert outbox.flush(5.0)
    assert got(receiver) == [1]
    assert outbox.dropped == 0


def test_what_is_refused_is_dropped_counted_and_told(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [400]
    outbox = made(receiver.url)
    with caplog.at_level(logging.WARNING):
        for n in range(3):
            outbox.put(n)
        assert outbox.flush(5.0)
    outbox.put(7)

    assert outbox.flush(5.0)
    assert got(receiver) == [7]
    assert outbox.dropped == 3
    assert "answered 400" in caplog.text


def test_an_app_whose_gateway_is_away_waits_once_and_drops_are_counted() -> None:
    outbox = made(nobody(), most=20)

    began_s = time.monotonic()  # noqa: TID251 -- it is what is measured
    for n in range(1_000):
        outbox.put(n)
    took_s = time.monotonic() - began_s  # noqa: TID251 -- as above

    assert WAIT_S <= took_s < 0.5
    assert outbox.dropped >= 1_000 - 20 - 10 - 20
    assert not outbox.flush(0.05)


def test_what_waits_is_sent_when_the_gateway_is_back() -> None:
    url = nobody()
    outbox = made(url)
    outbox.put(1)
    assert not outbox.flush(0.05)

    with Receiver(int(url.rpartition(":")[2])) as receiver:
        assert outbox.flush(5.0)
        assert got(receiver) == [1]


def test_a_slow_gateway_holds_nobody(receiver: Receiver) -> None:
    receiver.delay_s = 0.3
    outbox = made(receiver.url)

    began_s = time.monotonic()  # noqa: TID251 -- as above
    outbox.put(1)
    took_s = time.monotonic() - began_s  # noqa: TID251 -- as above

    assert took_s < WAIT_S
    assert outbox.flush(5.0)


def test_a_fork_sends_what_is_its_own_and_nothing_is_lost_or_doubled(receiver: Receiver) -> None:
    outbox = made(receiver.url)
    receiver.statuses = [503] * 5
    for n in range(5):
        outbox.put(n)

    child = os.fork()
    if child == 0:
        try:
            for n in range(100, 110):
                outbox.put(n)
            os._exit(0 if outbox.flush(5.0) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert outbox.flush(5.0)
    assert sorted(got(receiver)) == [*range(5), *range(100, 110)]


def test_many_threads_lose_nothing(receiver: Receiver) -> None:
    outbox = made(receiver.url, most=1_000)
    threads = [
        threading.Thread(target=lambda: [outbox.put(n) for n in range(100)]) for _ in range(5)
    ]
    for it in threads:
        it.start()
    for it in threads:
        it.join()

    assert outbox.flush(5.0)
    assert sorted(got(receiver)) == sorted([*range(100)] * 5)
