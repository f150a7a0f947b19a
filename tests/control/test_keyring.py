from typing import Any

import pytest
from msgspec.structs import replace
from tests.control.conftest import ACME, WHY, pointer

from trimtab.control.changes import Control
from trimtab.control.keyring import Keyring, find_key
from trimtab.domain.errors import InvalidRequest, NotFound, SettingsInvalid, TrimtabError
from trimtab.domain.ids import TenantId
from trimtab.domain.keys import NewKey, digest, key_id_of
from trimtab.domain.tenant import Key, KeyTerms
from trimtab.testing import FrozenClock

APP = KeyTerms(name="app", tenant=ACME)
DAY_S = 86_400.0


async def held(control: Control, made: NewKey) -> Key:
    return find_key(await control.state(), made.id)


async def test_a_new_key_opens_what_its_tenant_may(filled: Control, keyring: Keyring) -> None:
    made = await keyring.create(APP, **WHY)

    grant = (await filled.snapshot()).grants[made.id]
    assert key_id_of(made.text) == made.id
    assert (grant.tenant.id, grant.key.sha256) == (ACME, digest(made.text))
    assert grant.allows("chat")


async def test_the_text_of_a_key_is_in_no_change(filled: Control, keyring: Keyring) -> None:
    made = await keyring.create(APP, **WHY)
    again = await keyring.rotate("app", overlap_s=DAY_S, **WHY)

    for text in (made.text, again.text):
        secret = text.rpartition("_")[2].encode()
        assert all(secret not in (change.after or b"") for change in await filled.history())


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        pytest.param({"tenant": "acmee"}, NotFound, "did you mean 'acme'", id="tenant"),
        pytest.param({"name": "A B"}, InvalidRequest, "no name for a key", id="name"),
        pytest.param({"models": ("chta",)}, SettingsInvalid, "model 'chta'", id="model"),
        pytest.param({"expires_us": 5}, InvalidRequest, "expired already", id="expired"),
        pytest.param(
            {"expires_us": 10**18}, InvalidRequest, "after the year 9999", id="nanoseconds"
        ),
        pytest.param({"tenant": None}, InvalidRequest, "name one of the two", id="nobody pays"),
        pytest.param({"act_for": ("*",)}, InvalidRequest, "name one of the two", id="two pay"),
        pytest.param({"new_tenant_tier": "free"}, InvalidRequest, "add `act_for`", id="one pays"),
    ],
)
async def test_refuses_a_key_that_could_not_work(
    filled: Control, keyring: Keyring, wrong: dict[str, Any], error: type[TrimtabError], says: str
) -> None:
    before = await filled.history()

    with pytest.raises(error, match=says):
        await keyring.create(replace(APP, **wrong), **WHY)

    assert await filled.history() == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        pytest.param({"act_for": ("ACME",)}, "no tenant to act for", id="no name"),
        pytest.param({"act_for": ("globex",)}, "needs tenant 'globex'", id="unknown tenant"),
        pytest.param({"new_tenant_tier": "gold"}, "needs tier 'gold'", id="unknown tier"),
    ],
)
async def test_refuses_a_key_that_acts_for_whom_there_is_not(
    filled: Control, keyring: Keyring, wrong: dict[str, Any], says: str
) -> None:
    backend = KeyTerms(name="backend", act_for=("acme",))

    with pytest.raises(TrimtabError, match=says):
        await keyring.create(replace(backend, **wrong), **WHY)

    assert (await filled.snapshot()).acting == {}


@pytest.mark.parametrize(("reason", "says"), [("  ", "reason is missing"), ("x" * 501, "shorten")])
async def test_a_key_is_made_for_a_reason(
    filled: Control, keyring: Keyring, reason: str, says: str
) -> None:
    because: Any = {**WHY, "reason": reason}

    with pytest.raises(InvalidRequest, match=says):
        await keyring.create(APP, **because)

    assert not (await filled.snapshot()).grants


async def test_a_key_may_act_for_tenants_that_it_will_make(
    filled: Control, keyring: Keyring
) -> None:
    made = await keyring.create(
        KeyTerms(name="backend", act_for=("acme", "globex"), new_tenant_tier="free"), **WHY
    )

    snapshot = await filled.snapshot()
    key = snapshot.acting[made.id]
    grant = snapshot.acted_for(key, ACME)
    assert grant is not None
    assert grant.allows("chat")
    assert snapshot.acted_for(key, TenantId("globex")) is None


async def test_a_key_is_revoked_once_and_for_good(filled: Control, keyring: Keyring) -> None:
    made = await keyring.create(APP, **WHY)

    change = await keyring.revoke("app", **WHY)

    assert await keyring.revoke(made.id, **WHY) == change
    assert (await filled.snapshot()).grants[made.id].key.revoked


@pytest.mark.usefixtures("filled")
async def test_an_unknown_key_is_not_revoked(keyring: Keyring) -> None:
    with pytest.raises(NotFound, match="there is no key 'nobody'"):
        await keyring.revoke("nobody", **WHY)


@pytest.mark.usefixtures("filled")
async def test_a_name_of_two_keys_finds_neither_but_says_their_ids(keyring: Keyring) -> None:
    first, second = await keyring.create(APP, **WHY), await keyring.create(APP, **WHY)

    with pytest.raises(NotFound) as raised:
        await keyring.revoke("app", **WHY)
    await keyring.revoke(first.id, **WHY)
    found = await keyring.rotate("app", overlap_s=0, **WHY)

    assert first.id in str(raised.value)
    assert second.id in str(raised.value)
    assert found.id == second.id


async def test_a_rotated_key_has_two_texts_until_the_overlap_ends(
    filled: Control, keyring: Keyring, clock: FrozenClock
) -> None:
    old = await keyring.create(APP, **WHY)

    new = await keyring.rotate("app", overlap_s=DAY_S, **WHY)

    key = await held(filled, new)
    assert (new.id, key.name) == (old.id, "app")
    assert [key.knows(text.sha256, clock.now_us()) for text in (old, new)] == [True, True]
    clock.advance(DAY_S)
    assert [key.knows(text.sha256, clock.now_us()) for text in (old, new)] == [False, True]


async def test_without_an_overlap_the_old_text_ends_at_once(
    filled: Control, keyring: Keyring, clock: FrozenClock
) -> None:
    old = await keyring.create(APP, **WHY)

    new = await keyring.rotate("app", overlap_s=0, **WHY)

    assert not (await held(filled, new)).knows(old.sha256, clock.now_us())


async def test_an_overlap_that_runs_is_cut_short_on_purpose_only(
    filled: Control, keyring: Keyring, clock: FrozenClock
) -> None:
    first = await keyring.create(APP, **WHY)
    second = await keyring.rotate("app", overlap_s=DAY_S, **WHY)

    with pytest.raises(InvalidRequest, match="its overlap still runs"):
        await keyring.rotate("app", overlap_s=DAY_S, **WHY)
    third = await keyring.rotate("app", overlap_s=0, **WHY)

    key = await held(filled, third)
    texts = [key.knows(text.sha256, clock.now_us()) for text in (first, second, third)]
    assert texts == [False, False, True]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("overlap_s", [-1.0, 91 * DAY_S, float("inf"), float("nan")])
async def test_an_overlap_has_a_bound(keyring: Keyring, overlap_s: float) -> None:
    await keyring.create(APP, **WHY)

    with pytest.raises(InvalidRequest, match="at most 90 days"):
        await keyring.rotate("app", overlap_s=overlap_s, **WHY)


@pytest.mark.usefixtures("filled")
async def test_a_revoked_key_is_not_rotated(keyring: Keyring) -> None:
    made = await keyring.create(APP, **WHY)
    await keyring.revoke("app", **WHY)

    with pytest.raises(InvalidRequest, match="was revoked; make another"):
        await keyring.rotate(made.id, overlap_s=0, **WHY)


async def test_a_rotation_is_undone_while_it_overlaps_and_not_after(
    filled: Control, keyring: Keyring, clock: FrozenClock
) -> None:
    old = await keyring.create(APP, **WHY)
    await keyring.rotate("app", overlap_s=DAY_S, **WHY)
    (rotated,) = await filled.history(pointer=pointer(f"key/{old.id}"), limit=1)

    clock.advance(DAY_S)
    with pytest.raises(SettingsInvalid, match="was taken away and stays so"):
        await filled.undo(rotated.seq, **WHY)
    clock.advance(-1)
    await filled.undo(rotated.seq, **WHY)

    assert (await held(filled, old)).sha256 == old.sha256


async def test_a_revoked_key_is_not_given_back_by_an_undo(
    filled: Control, keyring: Keyring
) -> None:
    made = await keyring.create(APP, **WHY)
    revoked = await keyring.revoke("app", **WHY)

    with pytest.raises(SettingsInvalid, match="was taken away and stays so; make another"):
        await filled.undo(revoked.seq, **WHY)

    assert (await held(filled, made)).revoked


async def test_undoing_the_undo_of_a_new_key_does_not_bring_it_back(
    filled: Control, keyring: Keyring
) -> None:
    made = await keyring.create(APP, **WHY)
    (created,) = await filled.history(pointer=pointer(f"key/{made.id}"))
    removed = await filled.undo(created.seq, **WHY)

    with pytest.raises(SettingsInvalid, match="make another"):
        await filled.undo(removed.seq, **WHY)
