from typing import NamedTuple

import pytest
from tests.records import tenant_key
from tests.telemetry.shapes import TS_US, record

from trimtab.control.changes import Control
from trimtab.control.erasures import Erasures
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.erasure import ErasureScope
from trimtab.domain.record import Finish, RequestRecord
from trimtab.store.base.control import ContentKey
from trimtab.store.base.recording import Batch
from trimtab.store.memory.control import MemoryChangeLog, MemoryContentKeys
from trimtab.store.memory.erasing import MemoryKeeper
from trimtab.testing import FrozenClock, seeded_entropy

DANA = By("dana", Source.CLI, "GDPR art. 17")


class Site(NamedTuple):
    erasures: Erasures
    keeper: MemoryKeeper
    kept: RequestRecord
    keys: MemoryContentKeys

    async def has_key(self) -> bool:
        return len(await self.keys.content_keys("acme")) == 1


@pytest.fixture
async def site() -> Site:
    keeper, keys = MemoryKeeper(tenant_key), MemoryContentKeys()
    asked = record(tenant_id="acme")
    await keeper.commit(Batch(finishes=(Finish(record=asked),)))
    await keys.add_content_keys([ContentKey(tenant_id="acme", key_id=b"k" * 8, wrapped=b"w")])
    clock = FrozenClock(TS_US + 1)
    control = Control(MemoryChangeLog(), clock, seeded_entropy(1))
    erasures = Erasures(control, keeper, keeper, clock, seeded_entropy(2), keys)
    return Site(erasures, keeper, asked, keys)


async def test_what_was_sealed_for_a_tenant_is_unreadable_as_soon_as_its_end_is_ordered(
    site: Site,
) -> None:
    await site.erasures.order(ErasureScope(tenant_id="acme"), DANA)

    assert not await site.has_key()


async def test_a_key_stays_while_something_of_the_tenant_is_kept_for_a_case(site: Site) -> None:
    await site.keeper.hold("CASE-12", [site.kept], author="dana", until_us=None)

    await site.erasures.order(ErasureScope(tenant_id="acme"), DANA)

    assert await site.has_key()


async def test_the_end_of_one_request_is_not_that_of_the_key(site: Site) -> None:
    await site.erasures.order(ErasureScope(request_id=site.kept.request_id), DANA)

    assert await site.has_key()
