import pytest
from msgspec.structs import replace
from tests.control.conftest import ACME, BY, HOBBY, OF_ACME, WHY, having, pointer, suspend, without

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.keyring import Keyring
from trimtab.domain.change import Draft, Source, canonical
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.ids import KeyId
from trimtab.domain.model import Fallback, Model, ModelKind, Provider, ProviderWire, Target
from trimtab.domain.tenant import Key, KeyTerms, Tenant, Tier
from trimtab.testing import FrozenClock, seeded_entropy

MOVED = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "small"))
AGAIN = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "reasoner"))


async def test_a_file_applied_twice_changes_nothing_the_second_time(
    control: Control, company: Desired
) -> None:
    first = await control.apply_file(company, **BY)

    assert len(first) == len(company)
    assert await control.apply_file(company, **BY) == ()


async def test_only_what_differs_moves(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)

    (change,) = await control.apply_file(having(company, "model/chat", MOVED), **BY)

    assert change.pointer == pointer("model/chat")
    assert (change.author, change.source, change.reason) == ("ana", Source.FILE, "trimtab.yaml")


async def test_what_a_file_made_and_names_no_more_is_removed(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)

    (change,) = await control.apply_file(without(company, "tenant/hobby"), **BY)

    assert (change.pointer, change.after) == (pointer("tenant/hobby"), None)


async def test_what_others_made_stays_though_no_file_names_it(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    key = await _key(control)
    await suspend(control)

    assert await control.apply_file(company, **BY) == ()

    state = await control.state()
    assert pointer(f"key/{key}") in state
    assert OF_ACME.pointer in state


async def test_a_pointer_moved_by_hand_keeps_its_place(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)
    await _by_hand(control, "model/chat", MOVED)

    assert await control.apply_file(company, **BY) == ()
    assert (await control.snapshot()).models["chat"] == MOVED


async def test_a_pointer_moved_by_hand_follows_the_file_once_that_says_something_new(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await _by_hand(control, "model/chat", MOVED)

    await control.apply_file(having(company, "model/chat", AGAIN), **BY)

    assert (await control.snapshot()).models["chat"] == AGAIN


async def test_a_pointer_removed_by_hand_does_not_come_back(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await _by_hand(control, "tenant/hobby", None)

    assert await control.apply_file(company, **BY) == ()
    assert HOBBY not in (await control.snapshot()).tenants


async def test_a_revoked_key_of_the_file_stays_revoked_whatever_the_file_says(
    control: Control, company: Desired
) -> None:
    key = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00")
    filed = having(company, f"key/{key.id}", key)
    await control.apply_file(filed, **BY)
    await keyring(control).revoke(key.id, **WHY)

    assert await control.apply_file(filed, **BY) == ()
    longer = having(filed, f"key/{key.id}", replace(key, expires_us=2_000_000_000_000_000))
    await control.apply_file(longer, **BY)

    held = (await control.snapshot()).grants[key.id].key
    assert held.revoked
    assert held.expires_us == 2_000_000_000_000_000


async def test_a_text_that_was_rotated_away_does_not_come_back_with_the_file(
    control: Control, company: Desired
) -> None:
    key = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00")
    filed = having(company, f"key/{key.id}", key)
    await control.apply_file(filed, **BY)
    made = await keyring(control).rotate("app", overlap_s=0, **WHY)

    assert await control.apply_file(filed, **BY) == ()
    narrower = having(filed, f"key/{key.id}", replace(key, models=("chat",)))
    await control.apply_file(narrower, **BY)
    assert await control.apply_file(narrower, **BY) == ()

    held = (await control.snapshot()).grants[key.id].key
    assert (held.sha256, held.models) == (made.sha256, ("chat",))


async def test_a_file_may_give_a_key_a_new_text(control: Control, company: Desired) -> None:
    key = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00")
    await control.apply_file(having(company, f"key/{key.id}", key), **BY)

    newer = replace(key, sha256="11")
    await control.apply_file(having(company, f"key/{key.id}", newer), **BY)

    assert (await control.snapshot()).grants[key.id].key.sha256 == "11"


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        pytest.param("provider/sim", "model 'chat' needs provider 'sim'", id="provider of a model"),
        pytest.param("model/chat", "tier 'free' needs model 'chat'", id="model of a tier"),
        pytest.param("tier/free", "tenant 'acme' needs tier 'free'", id="tier of a tenant"),
    ],
)
async def test_what_is_in_use_is_not_removed(
    control: Control, company: Desired, gone: str, says: str
) -> None:
    await control.apply_file(company, **BY)
    before = await control.state()

    with pytest.raises(SettingsInvalid, match=says):
        await control.apply_file(without(company, gone), **BY)

    assert await control.state() == before


async def test_a_model_does_not_fall_back_to_itself(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)
    looping = replace(MOVED, fallback=Fallback(when_refused=("chat",)))

    with pytest.raises(SettingsInvalid, match="'chat' falls back to itself"):
        await control.apply_file(having(company, "model/chat", looping), **BY)


async def test_a_refused_file_changes_nothing_else_either(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    new = having(without(company, "tier/free"), "model/chat", MOVED)

    with pytest.raises(SettingsInvalid):
        await control.apply_file(new, **BY)

    assert await control.apply_file(company, **BY) == ()


async def test_a_tenant_with_a_live_key_is_not_removed_until_the_key_is_revoked(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    key = await _key(control)

    with pytest.raises(SettingsInvalid, match=f"key '{key}' needs tenant 'acme'"):
        await control.apply_file(without(company, "tenant/acme"), **BY)
    await keyring(control).revoke(key, **WHY)

    assert len(await control.apply_file(without(company, "tenant/acme"), **BY)) == 1


async def test_a_model_that_tenants_may_call_by_pattern_alone_is_removed(
    control: Control, company: Desired
) -> None:
    tier = Tier(name="free", models=("sim/*",))
    await control.apply_file(having(company, "tier/free", tier), **BY)

    gone = without(having(company, "tier/free", tier), "model/chat")

    assert len(await control.apply_file(gone, **BY)) == 1


async def test_a_direct_name_needs_its_provider(control: Control, company: Desired) -> None:
    other = Provider(name="other", wire=ProviderWire.OPENAI, url="https://example.com")
    tenant = Tenant(id=HOBBY, tier="free", models=("other/large",))
    full = having(having(company, "provider/other", other), "tenant/hobby", tenant)
    await control.apply_file(full, **BY)

    with pytest.raises(SettingsInvalid, match="tenant 'hobby' needs provider 'other'"):
        await control.apply_file(without(full, "provider/other"), **BY)


async def test_what_a_model_falls_back_to_is_in_use(control: Control, company: Desired) -> None:
    backed = replace(MOVED, name="backed", fallback=Fallback(when_error=("chat", "sim/huge")))
    await control.apply_file(having(company, "model/backed", backed), **BY)

    with pytest.raises(SettingsInvalid, match="model 'backed' needs model 'chat'"):
        await _by_hand(control, "model/chat", None)


async def test_a_freezer_cannot_be_given_a_fallback_that_moves(
    control: Control, company: Desired
) -> None:
    frozen = Model(
        name="frozen",
        kind=ModelKind.FREEZER,
        to=Target("sim", "large-2026-01-15"),
        fallback=Fallback(when_error=("chat",)),
    )

    with pytest.raises(SettingsInvalid, match="freezer 'frozen' falls back to freezers only"):
        await control.apply_file(having(company, "model/frozen", frozen), **BY)


async def _key(control: Control) -> str:
    made = await keyring(control).create(KeyTerms(name="app", tenant=ACME), **WHY)
    return made.id


def keyring(control: Control) -> Keyring:
    return Keyring(control, FrozenClock(), seeded_entropy(5))


async def _by_hand(control: Control, name: str, value: object) -> None:
    await control.apply(
        [
            Draft(
                pointer=pointer(name),
                after=None if value is None else canonical(value),
                author="bob",
                source=Source.CONSOLE,
                reason="by hand",
            )
        ]
    )
