import asyncio

import pytest
from tests.prompts import registry, version

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import Draining, InvalidRequest
from trimtab.gateway.prompt_events import PromptEvents
from trimtab.gateway.reply import Message
from trimtab.registry.feed import Feed

PLACE = "rag-answer/production/default"


class Listener:
    """One who listens, until told to hang up."""

    def __init__(self, seq: int = 1) -> None:
        self.feed = Feed()
        self.feed.on_change(Snapshot(config_seq=seq, prompts=registry(version())))
        self.events = PromptEvents(self.feed)
        self.sent: list[Message] = []
        self.hung_up = asyncio.Event()
        self._more = asyncio.Event()

    async def receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self._more.set()

    def move(self, seq: int) -> None:
        prompts = registry(version(), labels={PLACE: "3.2.0"} if seq % 2 == 0 else {})
        self.feed.on_change(Snapshot(config_seq=seq, prompts=prompts))

    @property
    def text(self) -> str:
        return b"".join(it.get("body", b"") for it in self.sent).decode()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.text:
                self._more.clear()
                await self._more.wait()


async def test_tells_each_move_once_while_it_is_listened_to() -> None:
    one = Listener()
    listening = asyncio.create_task(one.events({}, one.receive, one.send))
    await one.until("hello")

    one.move(2)
    await one.until("id: 2\nevent: moved")
    one.move(3)
    await one.until("id: 3\nevent: moved")
    one.hung_up.set()
    await listening

    assert one.text.count("event: moved") == 2
    assert one.text.startswith('event: hello\ndata: {"config_seq":1}')


async def test_tells_what_happened_meanwhile_and_ends_if_nobody_waits() -> None:
    one = Listener()
    one.move(2)

    await one.events({"after": "1", "wait": "0"}, one.receive, one.send)

    assert "id: 2\nevent: moved" in one.text
    assert one.sent[-1].get("more_body") is None


async def test_who_was_away_too_long_is_told_to_read_everything_anew() -> None:
    one = Listener(seq=50)

    await one.events({"after": "3", "wait": "0"}, one.receive, one.send)

    assert "id: 50\nevent: reset" in one.text


async def test_a_worker_that_stops_sends_listeners_away() -> None:
    one = Listener()
    listening = asyncio.create_task(one.events({}, one.receive, one.send))
    await one.until("hello")

    one.events.close()

    await asyncio.wait_for(listening, 5)
    with pytest.raises(Draining):
        await one.events({}, one.receive, one.send)


@pytest.mark.parametrize("after", ["x", "-1", "1" * 30, "٣"])
async def test_a_number_that_is_none_is_refused(after: str) -> None:
    one = Listener()

    with pytest.raises(InvalidRequest, match="`after` is a sequence number"):
        await one.events({"after": after}, one.receive, one.send)


async def test_who_neither_waits_nor_does_not_is_refused() -> None:
    one = Listener()

    with pytest.raises(InvalidRequest, match="'wait' is 1"):
        await one.events({"wait": "zz"}, one.receive, one.send)
