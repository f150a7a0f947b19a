import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.control.conftest import BY, OF_ACME, WHY, FragileLog, having, pointer, suspend

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.switches import Switches
from trimtab.domain.change import Change, Draft, canonical, read_reason
from trimtab.domain.errors import ChangeConflict, InvalidRequest, NotFound, SettingsInvalid
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.store.sqlite.control import SqliteControl
from trimtab.testing import FrozenClock, seeded_entropy


async def test_undo_appends_the_inverse(filled: Control, company: Desired) -> None:
    moved = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "small"))
    (change,) = await filled.apply_file(having(company, "model/chat", moved), **BY)

    undone = await filled.undo(change.seq, **WHY)

    assert (undone.before, undone.after) == (change.after, change.before)
    assert str((await filled.snapshot()).models["chat"].to) == "sim/large"


async def test_undo_of_an_undo_is_the_change_again(filled: Control) -> None:
    suspended = await suspend(filled)
    undone = await filled.undo(suspended.seq, **WHY)

    await filled.undo(undone.seq, **WHY)

    assert OF_ACME in (await filled.snapshot()).suspensions


async def test_undo_refuses_when_the_pointer_moved_since(
    filled: Control, switches: Switches
) -> None:
    suspended = await suspend(filled)
    await switches.resume(OF_ACME, **WHY)
    again = await suspend(filled)

    with pytest.raises(ChangeConflict, match=f"by change {again.seq}; undo that one first"):
        await filled.undo(suspended.seq, **WHY)


async def test_undo_refuses_to_remove_what_is_in_use(filled: Control) -> None:
    created = (await filled.state())[pointer("tier/free")].change

    with pytest.raises(SettingsInvalid, match="needs tier 'free'"):
        await filled.undo(created.seq, **WHY)


@pytest.mark.parametrize("seq", [-1, 0, 99])
async def test_undo_refuses_a_change_that_is_not_there(filled: Control, seq: int) -> None:
    with pytest.raises(NotFound):
        await filled.undo(seq, **WHY)


@pytest.mark.parametrize("reason", ["one\ntwo", "\x1b[31mred", "\u202egnp.exe"])
def test_a_reason_is_one_line_of_what_can_be_printed(reason: str) -> None:
    with pytest.raises(InvalidRequest, match="one plain line"):
        read_reason(reason)


async def test_refuses_a_value_that_is_none_of_its_kind(filled: Control) -> None:
    draft = Draft(pointer=pointer("tier/free"), after=canonical({"models": 5}), **WHY)

    with pytest.raises(SettingsInvalid, match="not of its pointer's kind"):
        await filled.apply([draft])


async def test_history_is_newest_first_and_pages(filled: Control) -> None:
    every = [change.seq for change in await filled.history()]

    assert every == [5, 4, 3, 2, 1]
    assert [c.seq for c in await filled.history(limit=2)] == [5, 4]
    assert [c.seq for c in await filled.history(before=4, limit=2)] == [3, 2]
    assert await filled.history(before=1) == ()


async def test_history_of_one_pointer_leaves_out_all_others(
    filled: Control, switches: Switches
) -> None:
    await suspend(filled)
    await switches.resume(OF_ACME, **WHY)

    found = await filled.history(pointer=OF_ACME.pointer)

    assert [change.seq for change in found] == [7, 6]


async def test_two_controls_on_one_log_see_each_other(
    filled: Control, log: FragileLog, clock: FrozenClock
) -> None:
    other = Control(log, clock, seeded_entropy(8))
    await suspend(other)

    assert OF_ACME in (await filled.snapshot()).suspensions


async def test_two_processes_that_load_one_file_make_one_set_of_changes(
    log: FragileLog, clock: FrozenClock, company: Desired
) -> None:
    first, second = (Control(log, clock, seeded_entropy(seed)) for seed in (1, 2))
    await second.state()

    await first.apply_file(company, **BY)

    assert await second.apply_file(company, **BY) == ()


async def test_plans_anew_when_another_process_loads_the_same_file_a_moment_earlier(
    log: FragileLog, clock: FrozenClock, company: Desired
) -> None:
    second = Control(log, clock, seeded_entropy(2))

    class Contended(FragileLog):
        """The first append comes a moment too late."""

        async def append(
            self,
            drafts: Sequence[Draft],
            *,
            ts_us: int,
            change_ids: Sequence[str],
            at: int | None = None,
        ) -> tuple[Change, ...]:
            await second.apply_file(company, **BY)
            return await log.append(drafts, ts_us=ts_us, change_ids=change_ids, at=at)

        async def changes(self, *, after: int, limit: int = 10_000) -> tuple[Change, ...]:
            return await log.changes(after=after, limit=limit)

    first = Control(Contended(), clock, seeded_entropy(1))

    assert await first.apply_file(company, **BY) == ()
    assert await log.head() == len(company)


async def test_verify_finds_a_log_whole(filled: Control) -> None:
    verdict = await filled.verify()

    assert (verdict.seq, verdict.fault) == (5, None)
    assert verdict.hash == (await filled.history())[0].hash


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("author", "mallory"),
        ("reason", "trimtab.yamL"),
        ("ts_us", 1),
        ("name", "chaT"),
        ("kind", "tier"),
        ("kind", "nonsense"),
        ("source", "cli"),
        ("change_id", "c_x"),
        ("after", b'{"tier":"enterprise"}'),
        ("before", b"{}"),
        ("prev_hash", "0" * 64),
        ("hash", "0" * 64),
    ],
)
async def test_verify_finds_the_one_change_that_was_edited(
    tmp_path: Path, clock: FrozenClock, company: Desired, column: str, value: object
) -> None:
    store = SqliteControl(tmp_path / "control.db")
    control = Control(store, clock, seeded_entropy())
    await control.apply_file(company, **BY)
    connection = sqlite3.connect(tmp_path / "control.db")
    connection.execute("DROP TRIGGER change_is_final")
    # The column is one of the list above.
    connection.execute(f"UPDATE change SET {column} = ? WHERE seq = 3", (value,))  # noqa: S608
    connection.commit()
    connection.close()

    verdict = await control.verify()

    assert verdict.seq in (0, 2)
    assert verdict.fault is not None
    assert "change 3" in verdict.fault
    store.close()


async def test_tells_where_everything_stood_after_any_change(
    filled: Control, company: Desired
) -> None:
    moved = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "small"))
    before = await filled.state()
    change = await filled.move(pointer("model/chat"), moved, **WHY)
    assert change is not None

    assert await filled.state_at(change.seq - 1) == before
    assert await filled.state_at(change.seq) == await filled.state()
    assert await filled.state_at(change.seq + 9) == await filled.state()
    assert len(await filled.state_at(1)) == 1
    assert await filled.state_at(0) == {}
    assert len(before) == len(company)
