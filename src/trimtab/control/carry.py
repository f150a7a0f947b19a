"""Carrying a change log to a store that has none yet, entry by entry, so that its hashes stay."""

from trimtab.domain.change import Change, Draft
from trimtab.domain.errors import SettingsInvalid
from trimtab.store.base.control import ControlStore

PAGE = 1000


async def carry(ours: ControlStore, theirs: ControlStore) -> int:
    """Bring the other store up to ours, and tell how many changes it did not have.

    Safe to repeat: what was carried before is the beginning of ours. People who may log in, and
    keys of content, come along with a log that is carried.

    Raises:
        SettingsInvalid: both have a log, and neither begins with the other.
    """
    here, there = await ours.head(), await theirs.head()
    common = min(here, there)
    if common and await _at(ours, common) != await _at(theirs, common):
        raise SettingsInvalid(
            "the change log of this state directory is not that of the control store; if it may be"
            " forgotten, move its control.db away"
        )
    if here <= there:
        return 0
    for account in await ours.accounts():
        if await theirs.account(account.name) is None:
            await theirs.put_account(account)
    await theirs.add_content_keys(await ours.content_keys())
    carried = there
    while page := await ours.changes(after=carried, limit=PAGE):
        for change in page:
            await theirs.append([_draft(change)], ts_us=change.ts_us, change_ids=[change.change_id])
        carried = page[-1].seq
    return carried - there


async def _at(store: ControlStore, seq: int) -> str:
    [change] = await store.changes(after=seq - 1, limit=1)
    return change.hash


def _draft(change: Change) -> Draft:
    return Draft(
        pointer=change.pointer,
        after=change.after,
        author=change.author,
        source=change.source,
        reason=change.reason,
        expected_seq=None,
    )
