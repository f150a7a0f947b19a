import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.control.conftest import ACME, BY, FragileLog, having, pointer

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.domain.change import Change, Draft, Source, canonical
from trimtab.domain.errors import (
    ChangeConflict,
    InvalidRequest,
    NotFound,
    SettingsInvalid,
    TrimtabError,
)
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.keys import digest, key_id_of
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.store.sqlite.control import SqliteControl
from trimtab.testing import FrozenClock, seeded_entropy

WHO: Any = {"author": "ana", "source": Source.CLI}
WHY: Any = {**WHO, "reason": "because"}
KEY: Any = {**WHY, "name": "app", "models": None, "expires_us": None}
HOUR_US = 3_600_000_000


@pytest.fixture
async def filled(control: Control, company: Desired) -> Control:
    await control.apply_file(company, **BY)
    return control


async def test_a_new_key_opens_what_its_tenant_may(filled: Control) -> None:
    made = await filled.create_key(ACME, **KEY)

    grant = (await filled.snapshot()).grants[made.id]
    assert key_id_of(made.text) == made.id
    assert (grant.tenant.id, grant.key.sha256) == (ACME, digest(made.text))
    assert grant.allows("chat")


async def test_the_text_of_a_key_is_in_no_change(filled: Control) -> None:
    made = await filled.create_key(ACME, **KEY)

    secret = made.text.rpartition("_")[2].encode()
    assert all(secret not in (change.after or b"") for change in await filled.history())


@pytest.mark.parametrize(
    ("tenant", "wrong", "error", "says"),
    [
        pytest.param("acmee", {}, NotFound, "did you mean 'acme'", id="unknown tenant"),
        pytest.param("acme", {"name": "A B"}, InvalidRequest, "no name for a key", id="name"),
        pytest.param("acme", {"models": ("chta",)}, SettingsInvalid, "model 'chta'", id="model"),
        pytest.param("acme", {"expires_us": 5}, InvalidRequest, "expired already", id="expired"),
        pytest.param("acme", {"reason": "  "}, InvalidRequest, "reason is missing", id="no reason"),
        pytest.param("acme", {"reason": "x" * 501}, InvalidRequest, "shorten it", id="novel"),
    ],
)
async def test_refuses_a_key_that_could_not_work(
    filled: Control,
    tenant: str,
    wrong: dict[str, Any],
    error: type[TrimtabError],
    says: str,
) -> None:
    before = await filled.history()

    with pytest.raises(error, match=says):
        await filled.create_key(TenantId(tenant), **{**KEY, **wrong})

    assert await filled.history() == before


async def test_a_key_is_revoked_once_and_for_good(filled: Control) -> None:
    made = await filled.create_key(ACME, **KEY)

    change = await filled.revoke_key(made.id, **WHY)

    assert await filled.revoke_key(made.id, **WHY) == change
    assert (await filled.snapshot()).grants[made.id].key.revoked


async def test_an_unknown_key_is_not_revoked(filled: Control) -> None:
    with pytest.raises(NotFound, match="there is no key 'nobody'"):
        await filled.revoke_key(KeyId("nobody"), **WHY)


async def test_suspends_and_resumes_a_tenant(filled: Control) -> None:
    await filled.suspend_tenant(ACME, **WHY)
    assert (await filled.snapshot()).suspensions[ACME].reason == "because"

    await filled.resume_tenant(ACME, **WHY)
    assert not (await filled.snapshot()).suspensions


async def test_a_tenant_suspended_twice_for_one_reason_gives_the_first_change(
    filled: Control,
) -> None:
    first = await filled.suspend_tenant(ACME, **WHY)

    assert await filled.suspend_tenant(ACME, **WHY) == first


async def test_a_suspension_may_end_by_itself_but_not_in_the_past(
    filled: Control, clock: FrozenClock
) -> None:
    end_us = clock.now_us() + HOUR_US

    await filled.suspend_tenant(ACME, **WHY, until_us=end_us)

    assert (await filled.snapshot()).suspensions[ACME].until_us == end_us
    with pytest.raises(InvalidRequest, match="over already"):
        await filled.suspend_tenant(ACME, **WHY, until_us=clock.now_us())


async def test_a_tenant_that_runs_is_not_resumed(filled: Control) -> None:
    with pytest.raises(NotFound, match="not suspended"):
        await filled.resume_tenant(ACME, **WHY)


async def test_undo_appends_the_inverse(filled: Control, company: Desired) -> None:
    moved = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "small"))
    (change,) = await filled.apply_file(having(company, "model/chat", moved), **BY)

    undone = await filled.undo(change.seq, **WHY)

    assert (undone.before, undone.after) == (change.after, change.before)
    assert str((await filled.snapshot()).models["chat"].to) == "sim/large"


async def test_undo_of_an_undo_is_the_change_again(filled: Control) -> None:
    suspended = await filled.suspend_tenant(ACME, **WHY)
    undone = await filled.undo(suspended.seq, **WHY)

    await filled.undo(undone.seq, **WHY)

    assert ACME in (await filled.snapshot()).suspensions


async def test_undo_refuses_when_the_pointer_moved_since(filled: Control) -> None:
    suspended = await filled.suspend_tenant(ACME, **WHY)
    await filled.resume_tenant(ACME, **WHY)
    again = await filled.suspend_tenant(ACME, **WHY)

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


async def test_history_of_one_pointer_leaves_out_all_others(filled: Control) -> None:
    await filled.suspend_tenant(ACME, **WHY)
    await filled.resume_tenant(ACME, **WHY)

    found = await filled.history(pointer=pointer("suspension/acme"))

    assert [change.seq for change in found] == [7, 6]


async def test_two_controls_on_one_log_see_each_other(
    filled: Control, log: FragileLog, clock: FrozenClock
) -> None:
    other = Control(log, clock, seeded_entropy(8))
    await other.suspend_tenant(ACME, **WHY)

    assert ACME in (await filled.snapshot()).suspensions


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
            self, drafts: Sequence[Draft], *, ts_us: int, change_ids: Sequence[str]
        ) -> tuple[Change, ...]:
            await second.apply_file(company, **BY)
            return await log.append(drafts, ts_us=ts_us, change_ids=change_ids)

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


async def test_a_key_that_was_taken_away_is_not_given_back_by_an_undo(filled: Control) -> None:
    made = await filled.create_key(ACME, **KEY)
    revoked = await filled.revoke_key(made.id, **WHY)

    with pytest.raises(SettingsInvalid, match="was taken away and stays so; make another"):
        await filled.undo(revoked.seq, **WHY)

    assert (await filled.snapshot()).grants[made.id].key.revoked


async def test_undoing_the_undo_of_a_new_key_does_not_bring_it_back(filled: Control) -> None:
    made = await filled.create_key(ACME, **KEY)
    (created,) = await filled.history(pointer=pointer(f"key/{made.id}"))
    removed = await filled.undo(created.seq, **WHY)

    with pytest.raises(SettingsInvalid, match="make another"):
        await filled.undo(removed.seq, **WHY)


async def test_only_the_suspension_that_was_seen_is_taken_back(filled: Control) -> None:
    seen = await filled.suspend_tenant(ACME, **WHY)
    await filled.resume_tenant(ACME, **WHY)
    await filled.suspend_tenant(ACME, **WHO, reason="another incident")

    with pytest.raises(ChangeConflict):
        await filled.resume_tenant(ACME, **WHY, expected_seq=seen.seq)

    assert ACME in (await filled.snapshot()).suspensions


async def test_an_instant_that_no_calendar_can_write_is_refused(filled: Control) -> None:
    nanoseconds = 1_790_000_000_000_000_000

    with pytest.raises(InvalidRequest, match="in microseconds since 1970"):
        await filled.suspend_tenant(ACME, **WHY, until_us=nanoseconds)
    with pytest.raises(InvalidRequest, match="after the year 9999"):
        await filled.create_key(ACME, **WHY, name="app", models=None, expires_us=nanoseconds)
