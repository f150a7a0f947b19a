"""An outbox over a change log in memory, and a subscriber that answers from a script."""

import asyncio
import json
import random
import time
from base64 import b64encode
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Reference
from tests.registry.site import OPS, PLACE, Site, seed

from trimtab.control.snapshot import Snapshot
from trimtab.domain.change import Change, PointerKind
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.domain.tenant import Tier
from trimtab.domain.transport import AddressRefused, Origin, Response, Transport
from trimtab.registry import outbox
from trimtab.registry.outbox import Outbox
from trimtab.registry.webhooks import MOST_BACKOFF_S, Backlog, Subscriber, Webhook
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, ScriptedAnswer, ScriptedProvider

KEY = bytes(range(32))
URL = "https://ci.example.com/prompts/?from=trimtab"


class Told(ScriptedProvider):
    """A subscriber that takes what its script does not refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    def take(self, *statuses: int) -> None:
        self.answers.extend(ScriptedAnswer([], status=it) for it in statuses)

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Response:
        if not self.answers:
            self.take(204)
        self.arrived.set()
        return await super().send(origin, head, body, connect_timeout_s=connect_timeout_s)

    @property
    def ids(self) -> list[str]:
        return [headers(head)["webhook-id"] for _, head, _ in self.sent]


class Silent:
    """A transport that never answers."""

    async def send(
        self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
    ) -> Response:
        _ = origin, head, body, connect_timeout_s
        await asyncio.Event().wait()
        raise AssertionError


def headers(head: bytes) -> dict[str, str]:
    lines = head.decode().split("\r\n")[1:-1]
    return dict(line.split(": ", 1) for line in lines)


class Rig:
    """A site with three versions, a snapshot as old as the last look, and one subscriber."""

    def __init__(self, site: Site, home: Path) -> None:
        self.site = site
        self.home = home
        self.told = Told()
        self.current = Snapshot()

    def start(
        self,
        name: str = "ci",
        *,
        transport: Transport | None = None,
        log: MemoryChangeLog | None = None,
        timeout_s: float = 10.0,
        allow_private: bool = False,
        proxy: str | None = None,
    ) -> Webhook:
        """Make a webhook, as after a restart."""
        return Webhook(
            Subscriber(name, URL, KEY, allow_private, proxy, timeout_s),
            Outbox(name, log or self.site.log, lambda: self.current, self.home),
            transport or self.told,
            self.site.clock,
            random.Random(7),  # noqa: S311
        )

    async def follow(self) -> None:
        """Look at the log."""
        self.current = Snapshot(
            config_seq=await self.site.log.head(), prompts=await self.site.registry.prompts()
        )

    async def moves(self, *versions: str) -> list[str]:
        """Move a label about, and give the ids of the changes."""
        made = [await self.site.labels.promote(PLACE, it, OPS) for it in versions]
        await self.follow()
        return [it.change_id for it in made]


@pytest.fixture
async def new(three: Site, tmp_path: Path) -> Rig:
    """Nobody has been told anything yet."""
    rig = Rig(three, tmp_path)
    await rig.follow()
    return rig


@pytest.fixture
async def rig(new: Rig) -> Rig:
    """Webhook `ci` has run before."""
    assert not await new.start().step()
    return new


async def settle(webhook: Webhook) -> None:
    while await webhook.step():
        pass


async def test_every_event_is_told_once_in_order(rig: Rig) -> None:
    ids = await rig.moves("3.2.0", "3.3.0", "3.4.0")
    webhook = rig.start()

    await settle(webhook)
    await settle(webhook)

    assert rig.told.ids == ids
    assert webhook.backlog == Backlog("ci", 0)


async def test_the_reference_verifies_what_arrives(rig: Rig) -> None:
    rig.site.clock.advance(time.time() - rig.site.clock.now_us() / 1e6)  # noqa: TID251
    (change,) = await rig.site.publish(seed("4.0.0", "Grüezi"))
    await rig.follow()

    await settle(rig.start())

    [(origin, head, body)] = rig.told.sent
    assert origin == Origin(scheme="https", host="ci.example.com", port=443)
    assert head.startswith(b"POST /prompts/?from=trimtab HTTP/1.1\r\nhost: ci.example.com\r\n")
    assert headers(head)["content-type"] == "application/json"
    event = Reference(b64encode(KEY).decode()).verify(body, headers(head))
    assert (event["type"], event["data"]["change"]) == ("prompt.published", change.change_id)


async def test_a_new_name_begins_with_what_comes_next_and_says_so(
    new: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await new.follow()
    webhook = new.start("new")
    await settle(webhook)
    assert "webhook 'new' is new; it is told what comes after change 7" in caplog.text

    ids = await new.moves("3.2.0")
    await settle(webhook)

    assert new.told.ids == ids


async def test_a_restart_goes_on_where_the_last_answer_came(rig: Rig) -> None:
    ids = await rig.moves("3.2.0", "3.3.0")
    first = rig.start()
    await first.step()
    # What was told is on disk before the next is.
    rig.told.take(500)
    await first.step()

    await settle(rig.start())

    assert rig.told.ids == [ids[0], ids[1], ids[1]]


async def test_a_kill_right_after_an_answer_repeats_that_event_alone(rig: Rig) -> None:
    ids = await rig.moves("3.2.0", "3.3.0", "3.4.0")
    first = rig.start()
    await first.step()
    await first.step()

    await settle(rig.start())

    assert rig.told.ids == [ids[0], ids[1], ids[1], ids[2]]


async def test_what_is_nobodys_business_moves_the_place_on(rig: Rig) -> None:
    await rig.site.put(PointerKind.TIER, "wide", Tier(name="wide"))
    await rig.follow()

    await settle(rig.start())

    kept = json.loads((rig.home / "webhooks" / "ci.json").read_text())
    assert kept["seq"] == await rig.site.log.head()


async def test_a_change_is_told_once_the_snapshot_has_it(rig: Rig) -> None:
    webhook = rig.start()
    ids = await rig.moves("3.2.0")
    change = await rig.site.labels.promote(PLACE, "3.3.0", OPS)
    await settle(webhook)
    assert rig.told.ids == ids

    await rig.follow()
    await settle(webhook)

    assert rig.told.ids == [*ids, change.change_id]


@pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
async def test_what_is_not_taken_is_sent_again_with_the_same_id_and_body(
    status: int, rig: Rig
) -> None:
    ids = await rig.moves("3.2.0", "3.3.0")
    rig.told.take(status)
    webhook = rig.start()

    assert not await webhook.step()
    assert webhook.backlog == Backlog("ci", 2, f"answer {status}")
    assert not await webhook.step()
    rig.site.clock.advance(1.0)
    await settle(webhook)

    assert rig.told.ids == [ids[0], *ids]
    (_, first_head, first), (_, again_head, again), _ = rig.told.sent
    assert first == again
    first_s, again_s = (int(headers(it)["webhook-timestamp"]) for it in (first_head, again_head))
    assert again_s == first_s + 1
    assert webhook.backlog == Backlog("ci", 0)


async def test_tries_are_spread_and_ever_rarer_up_to_a_day(rig: Rig) -> None:
    await rig.moves("3.2.0")
    rig.told.take(*[503] * 25)
    webhook = rig.start()
    await webhook.step()
    waits: list[float] = []

    while rig.told.answers:
        left, waited_s = len(rig.told.answers), 0.0
        while len(rig.told.answers) == left:
            step_s = max(0.01, waited_s * 0.01)
            rig.site.clock.advance(step_s)
            waited_s += step_s
            await webhook.step()
        waits.append(waited_s)

    ceilings_s = [min(MOST_BACKOFF_S, 2.0**failures) for failures in range(24)]
    shares = [wait_s / most_s for wait_s, most_s in zip(waits, ceilings_s, strict=True)]
    assert all(0.5 <= share <= 1.03 for share in shares)
    assert max(shares) - min(shares) > 0.3


async def test_a_subscriber_that_was_away_for_an_hour_gets_everything_in_order(rig: Rig) -> None:
    webhook = rig.start()
    ids = await rig.moves("3.2.0")
    for _ in range(3600):
        rig.told.answers.clear()
        rig.told.take(503)
        await webhook.step()
        rig.site.clock.advance(1.0)
    ids += await rig.moves("3.3.0", "3.4.0")
    await webhook.step()
    assert webhook.backlog.waiting == 3
    rig.told.answers.clear()
    failed = len(rig.told.sent)
    assert failed < 20

    for _ in range(3600):
        rig.site.clock.advance(2.0)
        await settle(webhook)

    assert rig.told.ids[failed:] == ids


async def test_one_that_says_gone_is_sent_nothing_more_until_a_restart(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await rig.moves("3.2.0", "3.3.0")
    rig.told.take(410)
    webhook = rig.start()

    await webhook.step()
    rig.site.clock.advance(2 * MOST_BACKOFF_S)
    await settle(webhook)

    assert rig.told.ids == ids[:1]
    assert webhook.backlog == Backlog("ci", 2, "answer 410")
    assert "webhook 'ci' is gone (410)" in caplog.text

    await settle(rig.start())
    assert rig.told.ids == [ids[0], *ids]


async def test_one_that_never_answers_is_given_up_in_time(rig: Rig) -> None:
    await rig.moves("3.2.0")
    webhook = rig.start(transport=Silent(), timeout_s=0.01)

    assert not await webhook.step()

    assert webhook.backlog == Backlog("ci", 1, "timeout")


async def test_a_private_address_is_refused_unless_it_is_allowed(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.moves("3.2.0")
    rig.told.answers.append(AddressRefused("'ci.example.com' leads to a private address; stop"))
    webhook = rig.start()

    await webhook.step()

    assert webhook.backlog == Backlog("ci", 1, "AddressRefused")
    assert "webhook 'ci' tries again: 'ci.example.com' leads to a private address" in caplog.text
    assert not rig.told.sent[0][0].allow_private
    await settle(rig.start(allow_private=True))
    assert rig.told.sent[1][0].allow_private


async def test_it_is_reached_by_its_proxy(rig: Rig) -> None:
    await rig.moves("3.2.0")

    await settle(rig.start(proxy="http://proxy.corp:3128"))

    assert rig.told.sent[0][0].proxy == "http://proxy.corp:3128"


async def test_an_answer_is_let_go_of(rig: Rig) -> None:
    await rig.moves("3.2.0")
    answer = ScriptedAnswer([b"thanks", None])
    rig.told.answers.append(answer)

    assert await rig.start().step()

    assert answer.closed


async def test_a_first_failure_after_a_success_is_tried_again_soon(rig: Rig) -> None:
    await rig.moves("3.2.0", "3.3.0")
    rig.told.take(*[503] * 6, 204, 503)
    webhook = rig.start()
    while rig.told.answers:
        await webhook.step()
        rig.site.clock.advance(32.0)
    rig.site.clock.advance(-31.0)

    assert await webhook.step()


async def test_a_failure_is_logged_once_and_so_is_its_end(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.moves("3.2.0")
    rig.told.take(503, 503, 503)
    webhook = rig.start()

    for _ in range(5):
        await webhook.step()
        rig.site.clock.advance(4.0)

    assert [record.message for record in caplog.records] == [
        "webhook 'ci' tries again: answer 503; events wait",
        "webhook 'ci' is through again",
    ]


async def test_one_that_hangs_does_not_hold_up_another(rig: Rig) -> None:
    other = rig.start("other")
    await other.step()
    (change_id,) = await rig.moves("3.2.0")
    hanging = asyncio.create_task(rig.start(transport=Silent()).run())
    telling = asyncio.create_task(other.run())

    async with asyncio.timeout(2):
        await rig.told.arrived.wait()

    assert rig.told.ids == [change_id]
    assert not hanging.done()
    for task in (hanging, telling):
        task.cancel()
    await asyncio.gather(hanging, telling, return_exceptions=True)


class Shaky(MemoryChangeLog):
    """Another log, which cannot be read behind a number while there is one."""

    def __init__(self, behind: MemoryChangeLog) -> None:
        super().__init__()
        self.behind = behind
        self.until: int | None = None

    async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
        if self.until is not None and after >= self.until:
            raise TryLater("the control store is away; start it")
        return await self.behind.changes(after=after, limit=limit)

    async def head(self) -> int:
        return await self.behind.head()


async def test_what_was_read_before_the_log_went_away_is_told_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAGE", 1)
    log = Shaky(rig.site.log)
    log.until = await log.head() + 2
    ids = await rig.moves("3.2.0", "3.3.0", "3.4.0")
    webhook = rig.start(log=log)
    assert not await webhook.step()
    assert webhook.backlog == Backlog("ci", 2, "TryLater")

    log.until = None
    await settle(webhook)

    assert rig.told.ids == ids


async def test_a_log_that_is_away_is_waited_for(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    log = Shaky(rig.site.log)
    log.until = 0
    webhook = rig.start(log=log)

    assert not await webhook.step()
    assert not await webhook.step()

    assert webhook.backlog == Backlog("ci", 0, "TryLater")
    assert [record.message for record in caplog.records] == [
        "webhook 'ci' waits: the control store is away; start it"
    ]


async def test_nothing_more_is_told_while_the_place_cannot_be_kept(rig: Rig) -> None:
    ids = await rig.moves("3.2.0", "3.3.0")
    webhook = rig.start()
    await webhook.step()
    kept = rig.home / "webhooks"
    kept.rename(rig.home / "aside")
    kept.touch()

    assert not await webhook.step()
    assert webhook.backlog == Backlog("ci", 1, "FileExistsError")
    kept.unlink()
    (rig.home / "aside").rename(kept)
    await settle(webhook)

    assert rig.told.ids == ids
    assert webhook.backlog == Backlog("ci", 0)


@pytest.mark.parametrize("left", [b"", b'{"seq": 5', b'{"seq": 5, "hash": "another log"}'])
async def test_a_place_that_means_nothing_any_more_is_said_aloud_and_left(
    left: bytes, rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.moves("3.2.0")
    (rig.home / "webhooks" / "ci.json").write_bytes(left)
    webhook = rig.start()
    await settle(webhook)
    assert rig.told.ids == []
    assert "tell it by hand what it missed" in caplog.text

    ids = await rig.moves("3.3.0")
    await settle(webhook)

    assert rig.told.ids == ids


async def test_a_log_that_goes_on_otherwise_is_not_told(rig: Rig) -> None:
    log = Shaky(rig.site.log)
    webhook = rig.start(log=log)
    await webhook.step()
    rig.site = Site()
    await rig.site.publish(*(seed(f"3.{it}.0", f"Cite {it}") for it in range(9)))
    log.behind = rig.site.log
    await rig.follow()

    assert not await webhook.step()

    assert webhook.backlog == Backlog("ci", 0, "SettingsInvalid")
    assert rig.told.ids == []


async def test_a_log_that_was_put_back_is_not_mistaken_for_the_one_that_was_told(rig: Rig) -> None:
    await rig.moves("3.2.0", "3.3.0")
    webhook = rig.start(log=MemoryChangeLog())
    await webhook.step()
    rig.current = Snapshot(config_seq=20)

    assert not await webhook.step()

    assert webhook.backlog == Backlog("ci", 0, "SettingsInvalid")
    assert rig.told.ids == []


async def test_a_long_log_is_read_in_pages_and_not_all_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PAGE", 2)
    monkeypatch.setattr(outbox, "MOST_WAITING", 3)
    ids = await rig.moves(*["3.2.0", "3.3.0", "3.4.0"] * 3)
    rig.told.take(503)
    webhook = rig.start()

    await webhook.step()
    assert webhook.backlog.waiting == 4
    rig.site.clock.advance(1.0)
    await settle(webhook)

    assert rig.told.ids == [ids[0], *ids]


@pytest.mark.parametrize("url", ["https://", "ftp://e.com", "https://e.com/a b", "https://e.com:x"])
def test_a_url_that_cannot_be_used_is_refused(url: str, tmp_path: Path) -> None:
    box = Outbox("ci", MemoryChangeLog(), Snapshot, tmp_path)

    with pytest.raises(SettingsInvalid, match="webhook 'ci' has a URL that cannot be used"):
        Webhook(
            Subscriber("ci", url, KEY),
            box,
            ScriptedProvider(),
            FrozenClock(),
            random.Random(7),  # noqa: S311
        )


def test_what_is_shown_of_a_subscriber_holds_no_secret() -> None:
    assert repr(KEY) not in repr(Subscriber("ci", URL, KEY))
