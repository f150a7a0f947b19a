import pytest
from tests.changes import draft

from trimtab.control.carry import carry
from trimtab.domain.errors import SettingsInvalid
from trimtab.store.base.control import Account, ContentKey
from trimtab.store.memory.control import (
    MemoryAccounts,
    MemoryAcknowledgements,
    MemoryAuditLog,
    MemoryChangeLog,
    MemoryContentKeys,
)

# A hash, not a password.
ANA = Account(name="ana", role="admin", password="$hash")  # noqa: S106


class MemoryControl(
    MemoryChangeLog, MemoryAcknowledgements, MemoryAccounts, MemoryAuditLog, MemoryContentKeys
):
    """A control store in memory."""

    def __init__(self) -> None:
        MemoryChangeLog.__init__(self)
        MemoryAcknowledgements.__init__(self)
        MemoryAccounts.__init__(self)
        MemoryAuditLog.__init__(self)
        MemoryContentKeys.__init__(self)


async def with_log(*names: str) -> MemoryControl:
    store = MemoryControl()
    for number, name in enumerate(names):
        await store.append([draft(name)], ts_us=number, change_ids=[f"c_{number}"])
    return store


async def test_a_log_is_carried_with_its_hashes_and_its_people() -> None:
    ours, theirs = await with_log("a", "b", "c"), MemoryControl()
    await ours.put_account(ANA)

    assert await carry(ours, theirs) == 3

    assert await theirs.changes(after=0) == await ours.changes(after=0)
    assert await theirs.accounts() == (ANA,)


async def test_keys_of_content_come_along_with_a_log_that_is_carried() -> None:
    ours, theirs = await with_log("a"), MemoryControl()
    key = ContentKey(tenant_id="acme", key_id=b"k" * 8, wrapped=b"wrapped")
    await ours.add_content_keys([key])

    await carry(ours, theirs)

    assert await theirs.content_keys() == (key,)


async def test_what_was_carried_half_way_is_gone_on_with() -> None:
    ours, theirs = await with_log("a", "b", "c"), await with_log("a")

    assert await carry(ours, theirs) == 2

    assert await theirs.changes(after=0) == await ours.changes(after=0)


async def test_a_log_that_went_on_elsewhere_is_left_alone() -> None:
    ours, theirs = await with_log("a"), await with_log("a", "b")
    await ours.put_account(ANA)

    assert await carry(ours, theirs) == 0

    assert await theirs.head() == 2
    assert await theirs.accounts() == ()


async def test_two_logs_are_never_mixed() -> None:
    ours, theirs = await with_log("a", "b", "c"), await with_log("other")

    with pytest.raises(SettingsInvalid, match=r"move its control.db away"):
        await carry(ours, theirs)

    assert await theirs.head() == 1
