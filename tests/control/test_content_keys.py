import asyncio
import os
from contextlib import suppress

import pytest

from trimtab.control import content_keys
from trimtab.control.content_keys import Sealing
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.store.base.control import ContentKey
from trimtab.store.memory.control import MemoryContentKeys
from trimtab.store.sealing import MasterKey

REF = b"r" * 32
MASTER, OTHER = (MasterKey(fill * 32, os.urandom) for fill in (b"m", b"o"))


class Counted(MemoryContentKeys):
    """Keys that know how often all were read, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.is_away = False

    async def content_keys(self, tenant_id: str | None = None) -> tuple[ContentKey, ...]:
        self.reads += 1
        found = await super().content_keys(tenant_id)
        # Others come in between.
        await asyncio.sleep(0)
        return found

    async def content_keys_mark(self) -> tuple[int, int]:
        if self.is_away:
            raise TryLater("it is away")
        return await super().content_keys_mark()


def sealing(store: MemoryContentKeys, *tenants: str, master: MasterKey = MASTER) -> Sealing:
    return Sealing(store, master, os.urandom, lambda: tenants)


def sealed(by: Sealing, tenant_id: str, data: bytes = b"planted") -> bytes:
    sealer = by.of(tenant_id)
    assert sealer is not None
    return sealer.seal(REF, data)


async def opened(store: MemoryContentKeys, tenant_id: str, data: bytes) -> bytes | None:
    unseal = await content_keys.unsealer(store, MASTER, tenant_id)
    return None if unseal is None else unseal(REF, data)


async def test_every_tenant_has_a_key_and_all_hosts_have_the_same() -> None:
    store = Counted()
    here, there = sealing(store, "acme", "globex"), sealing(store, "acme")

    assert here.of("acme") is None
    await asyncio.gather(here.look(), there.look())

    assert len(await store.content_keys()) == 2
    for tenant_id, by in (("acme", here), ("acme", there), ("globex", here)):
        assert await opened(store, tenant_id, sealed(by, tenant_id)) == b"planted"


async def test_keys_are_read_only_if_there_are_others() -> None:
    store = Counted()
    here = sealing(store, "acme")
    for _ in range(5):
        await here.look()
    reads = store.reads

    for _ in range(5):
        await here.look()

    assert store.reads == reads


async def test_a_tenant_that_is_new_is_given_a_key() -> None:
    store, tenants = Counted(), ["acme"]
    here = Sealing(store, MASTER, os.urandom, lambda: tenants)
    await here.look()

    tenants.append("globex")
    await here.look()

    assert here.of("globex") is not None


async def test_what_was_sealed_under_a_destroyed_key_is_unreadable_at_once() -> None:
    store = Counted()
    here = sealing(store, "acme", "globex")
    await here.look()
    before, others = sealed(here, "acme"), sealed(here, "globex")

    await store.destroy_content_key("acme")

    assert await opened(store, "acme", before) is None
    assert await opened(store, "globex", others) == b"planted"
    # The tenant goes on, under a key that opens nothing of before.
    await here.look()
    assert await opened(store, "acme", sealed(here, "acme")) == b"planted"
    with pytest.raises(ValueError, match="was destroyed"):
        await opened(store, "acme", before)


async def test_a_tenant_that_is_gone_gets_no_key_again() -> None:
    store, tenants = Counted(), ["acme"]
    here = Sealing(store, MASTER, os.urandom, lambda: tenants)
    await here.look()

    tenants.clear()
    await store.destroy_content_key("acme")
    await here.look()

    assert await store.content_keys() == ()
    assert here.of("acme") is None


async def test_keys_under_another_master_key_are_told_once_and_do_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Counted()
    await store.add_content_keys([OTHER.make("acme")])
    here = sealing(store, "acme", "globex")
    for _ in range(4):
        await here.look()

    assert here.of("acme") is None
    assert here.of("globex") is not None
    # Once when it was read, and once more for the key that was made beside it.
    assert caplog.text.count("content key of tenant 'acme'") == 2
    assert (await store.content_keys("acme"))[0] == (await store.content_keys())[0]
    with pytest.raises(SettingsInvalid):
        await content_keys.expect_own(store, MASTER)


async def test_it_goes_on_while_the_store_is_away_and_looks_when_woken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, tenants = Counted(), ["acme"]
    store.is_away = True
    here = Sealing(store, MASTER, os.urandom, lambda: tenants)
    task = asyncio.create_task(here.run())
    for _ in range(3):
        await asyncio.sleep(0)
        here.wake()
        await asyncio.sleep(0.01)
    assert here.of("acme") is None

    store.is_away = False
    here.wake()
    await asyncio.sleep(0.01)

    assert here.of("acme") is not None
    assert caplog.text.count("keys of content cannot be read") == 1
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_another_master_key_takes_over_and_no_content_is_touched() -> None:
    store = Counted()
    here = sealing(store, "acme", "globex", master=OTHER)
    await here.look()
    data = sealed(here, "acme")

    assert await content_keys.rewrap(store, MASTER, OTHER) == 2
    assert await content_keys.rewrap(store, MASTER, OTHER) == 0

    assert await opened(store, "acme", data) == b"planted"
    await content_keys.expect_own(store, MASTER)


async def test_keys_that_neither_master_key_opens_stop_a_rewrap_before_it_changes_any() -> None:
    store = Counted()
    third = MasterKey(b"t" * 32, os.urandom)
    await store.add_content_keys([OTHER.make("acme"), third.make("globex")])
    before = await store.content_keys()

    with pytest.raises(SettingsInvalid, match="globex"):
        await content_keys.rewrap(store, MASTER, OTHER)

    assert await store.content_keys() == before
