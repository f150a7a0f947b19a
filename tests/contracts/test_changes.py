"""What every implementation of the control stores must do."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from tests.postgres import Server

from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import (
    GENESIS_HASH,
    Draft,
    Pointer,
    PointerKind,
    Source,
    canonical,
    chain_hash,
)
from trimtab.domain.errors import ChangeConflict, VersionImmutable
from trimtab.store.base.control import Account, Acknowledgement, ChangeLog, ContentKey, ControlStore
from trimtab.store.memory.control import (
    MemoryAccounts,
    MemoryAcknowledgements,
    MemoryAuditLog,
    MemoryChangeLog,
    MemoryContentKeys,
)
from trimtab.store.postgres.control import PostgresControl
from trimtab.store.sqlite.control import SqliteControl


class MemoryControl(
    MemoryChangeLog, MemoryAcknowledgements, MemoryAccounts, MemoryAuditLog, MemoryContentKeys
):
    """The five references in one object."""

    def __init__(self) -> None:
        MemoryChangeLog.__init__(self)
        MemoryAcknowledgements.__init__(self)
        MemoryAccounts.__init__(self)
        MemoryAuditLog.__init__(self)
        MemoryContentKeys.__init__(self)


CHAT = Pointer(PointerKind.MODEL, "chat")
ACME = Pointer(PointerKind.TENANT, "acme")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[ControlStore]:
    match request.param:
        case "memory":
            yield MemoryControl()
        case "sqlite":
            sqlite = SqliteControl(tmp_path / "control.db")
            yield sqlite
            sqlite.close()
        case _:
            server: Server = request.getfixturevalue("postgres")
            control = PostgresControl(server.database())
            yield control
            await control.close()


def draft(pointer: Pointer, value: object, expected_seq: int | None = None) -> Draft:
    return Draft(
        pointer=pointer,
        after=None if value is None else canonical(value),
        author="ana",
        source=Source.CLI,
        reason="because",
        expected_seq=expected_seq,
    )


async def put(log: ChangeLog, *drafts: Draft) -> list[int]:
    ids = [f"c_{await log.head()}_{number}" for number in range(len(drafts))]
    return [change.seq for change in await log.append(drafts, ts_us=5, change_ids=ids)]


async def test_an_empty_log_has_head_0_and_no_changes(stores: ControlStore) -> None:
    assert await stores.head() == 0
    assert await stores.changes(after=0) == ()


async def test_numbers_changes_from_1_without_gaps(stores: ControlStore) -> None:
    first = await put(stores, draft(CHAT, {"to": "a"}), draft(ACME, {"tier": "free"}))
    second = await put(stores, draft(CHAT, {"to": "b"}))

    assert (first, second) == ([1, 2], [3])
    assert await stores.head() == 3


async def test_gives_back_what_was_appended(stores: ControlStore) -> None:
    made = await stores.append([draft(CHAT, {"to": "a"})], ts_us=5, change_ids=["c_1"])

    assert await stores.changes(after=0) == made
    (change,) = made
    assert (change.change_id, change.ts_us, change.pointer) == ("c_1", 5, CHAT)
    assert (change.before, change.after) == (None, b'{"to":"a"}')
    assert (change.author, change.source, change.reason) == ("ana", Source.CLI, "because")


async def test_chains_each_change_to_the_one_before(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, 1), draft(CHAT, 2), draft(ACME, 3))

    changes = await stores.changes(after=0)

    assert [c.prev_hash for c in changes] == [GENESIS_HASH, changes[0].hash, changes[1].hash]
    assert all(change.hash == chain_hash(change) for change in changes)


async def test_reads_from_a_number_on_up_to_a_limit(stores: ControlStore) -> None:
    await put(stores, *(draft(CHAT, number) for number in range(5)))

    assert [change.seq for change in await stores.changes(after=1, limit=3)] == [2, 3, 4]
    assert await stores.changes(after=5) == ()


async def test_leaves_out_a_draft_that_changes_nothing(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, {"to": "a"}))

    assert await put(stores, draft(CHAT, {"to": "a"}), draft(ACME, None)) == []
    assert await stores.head() == 1


async def test_moves_a_pointer_only_from_where_its_author_saw_it(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, 1))
    await put(stores, draft(CHAT, 2, expected_seq=1))

    with pytest.raises(ChangeConflict, match="'model/chat' is at change 2"):
        await put(stores, draft(CHAT, 3, expected_seq=1))

    assert await stores.head() == 2


async def test_a_removed_pointer_is_at_0_again(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, 1), draft(CHAT, None))

    assert await put(stores, draft(CHAT, 1, expected_seq=0)) == [3]


async def test_appends_all_drafts_or_none(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, 1))

    with pytest.raises(ChangeConflict):
        await put(stores, draft(ACME, 1), draft(CHAT, 2, expected_seq=0))

    assert [change.pointer for change in await stores.changes(after=0)] == [CHAT]


async def test_one_of_many_racing_writers_wins(stores: ControlStore) -> None:
    async def race(number: int) -> bool:
        try:
            await stores.append(
                [draft(CHAT, number, expected_seq=0)], ts_us=5, change_ids=[f"c_{number}"]
            )
        except ChangeConflict:
            return False
        return True

    async with asyncio.TaskGroup() as group:
        racers = [group.create_task(race(number)) for number in range(20)]

    assert sum(racer.result() for racer in racers) == 1
    assert await stores.head() == 1


async def test_keeps_the_last_word_of_every_worker(stores: ControlStore) -> None:
    for worker, seq in (("w2", 3), ("w1", 3), ("w2", 4)):
        ack = Acknowledgement(worker_id=worker, config_seq=seq, ts_us=9)
        await stores.acknowledge(ack)

    said = [(ack.worker_id, ack.config_seq) for ack in await stores.acknowledgements()]
    assert said == [("w1", 3), ("w2", 4)]


async def test_replaces_an_account_of_the_same_name(stores: ControlStore) -> None:
    # A hash, not a password.
    ana = Account(name="ana", role="viewer", password="$hash")  # noqa: S106
    await stores.put_account(ana)
    await stores.put_account(msgspec.structs.replace(ana, role="admin"))

    found = await stores.account("ana")

    assert found is not None
    assert found.role == "admin"
    assert await stores.account("bob") is None


async def test_keeps_every_reading_in_the_order_it_came(stores: ControlStore) -> None:
    row = Reading(ts_us=5, author="ana", source=Source.CLI, what=Protected.KEYS)
    of_acme = msgspec.structs.replace(
        row, what=Protected.CONTENT, tenant_id="acme", request_id="r_1", source=Source.CONSOLE
    )
    assert await stores.readings(limit=9) == ()
    for it in (row, row, of_acme):
        await stores.note(it)

    found = await stores.readings(limit=9)

    assert [msgspec.structs.replace(it, seq=0) for it in found] == [of_acme, row, row]
    assert await stores.readings(limit=1) == found[:1]
    assert await stores.readings(before=found[0].seq, limit=9) == found[1:]


async def test_asks_again_within_a_second_though_nothing_moved(stores: ControlStore) -> None:
    await stores.head()

    async with asyncio.timeout(1.0):
        await stores.moved()


@pytest.mark.parametrize("kind", [it for it in PointerKind if it.is_final])
@pytest.mark.parametrize("after", ["another", None], ids=["written over", "removed"])
async def test_what_is_final_is_written_once(
    stores: ControlStore, kind: PointerKind, after: str | None
) -> None:
    pointer = Pointer(kind, "a@1.0.0")
    assert await put(stores, draft(pointer, "one")) == [1]

    with pytest.raises(VersionImmutable, match="stays what it is"):
        await put(stores, draft(CHAT, "beside"), draft(pointer, after))

    assert await put(stores, draft(pointer, "one")) == []
    assert await stores.head() == 1


async def test_who_looked_at_all_of_the_log_appends_only_there(stores: ControlStore) -> None:
    await put(stores, draft(CHAT, "one"))

    with pytest.raises(ChangeConflict, match="no longer at 0"):
        await stores.append([draft(ACME, "late")], ts_us=5, change_ids=["c_late"], at=0)
    made = await stores.append([draft(ACME, "in time")], ts_us=5, change_ids=["c_in"], at=1)

    assert [change.seq for change in made] == [2]


async def test_of_many_who_looked_at_once_one_appends(stores: ControlStore) -> None:
    async def append(number: int) -> bool:
        pointer = Pointer(PointerKind.LABEL, f"a/l{number}/default")
        try:
            await stores.append([draft(pointer, number)], ts_us=5, change_ids=[f"c_{number}"], at=0)
        except ChangeConflict:
            return False
        return True

    outcomes = await asyncio.gather(*map(append, range(10)))

    assert outcomes.count(True) == 1
    assert await stores.head() == 1


def content_key(tenant_id: str, number: int = 1, wrapped: bytes = b"wrapped") -> ContentKey:
    return ContentKey(tenant_id=tenant_id, key_id=bytes([number] * 8), wrapped=wrapped)


async def test_of_two_keys_for_the_content_of_a_tenant_the_first_stays(
    stores: ControlStore,
) -> None:
    assert await stores.content_keys() == ()

    await stores.add_content_keys([content_key("globex"), content_key("acme")])
    await stores.add_content_keys([content_key("acme", 2), content_key("initech", 3)])

    assert await stores.content_keys() == (
        content_key("acme"),
        content_key("globex"),
        content_key("initech", 3),
    )
    assert await stores.content_keys("acme") == (content_key("acme"),)
    assert await stores.content_keys("nobody") == ()


async def test_a_key_of_content_that_was_destroyed_is_gone(stores: ControlStore) -> None:
    await stores.add_content_keys([content_key("acme"), content_key("globex")])

    assert await stores.destroy_content_key("acme")

    assert await stores.content_keys() == (content_key("globex"),)
    assert not await stores.destroy_content_key("acme")


async def test_keys_are_wrapped_anew_but_not_brought_back(stores: ControlStore) -> None:
    await stores.add_content_keys([content_key("acme"), content_key("globex", 2)])

    await stores.rewrap_content_keys(
        [content_key("acme", 1, b"anew"), content_key("globex", 9, b"x"), content_key("gone")]
    )

    assert await stores.content_keys() == (
        content_key("acme", 1, b"anew"),
        content_key("globex", 2),
    )


async def test_the_mark_of_keys_moves_with_which_there_are(stores: ControlStore) -> None:
    marks = [await stores.content_keys_mark()]
    await stores.add_content_keys([content_key("acme")])
    marks.append(await stores.content_keys_mark())
    await stores.rewrap_content_keys([content_key("acme", 1, b"anew")])
    assert await stores.content_keys_mark() == marks[-1]
    await stores.destroy_content_key("acme")
    marks.append(await stores.content_keys_mark())
    await stores.add_content_keys([content_key("acme", 2)])
    marks.append(await stores.content_keys_mark())

    assert all(one != other for one, other in pairwise(marks))
