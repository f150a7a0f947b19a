from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.control.conftest import ACME, BY, HOBBY, WHY, having, without

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.keyring import Keyring
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.domain.ids import KeyId
from trimtab.domain.model import Model, ModelKind, Provider, ProviderWire, Target
from trimtab.domain.tenant import Key, KeyTerms, Limits, Tier
from trimtab.store.base.sums import Use

KEY = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00")
AGENT = Key(id=KeyId("3fz8c1yrn6tb"), name="agent", act_for=("*",), sha256="11")
CHAT = Use(ACME, KEY.id, "chat")
MODEL = Model(name="other", kind=ModelKind.ALIAS, to=Target("sim", "small"))
NARROW = Tier(name="free", models=("sim/*",), limits=Limits(parallel=4))


async def load(control: Control, desired: Desired, *uses: Use) -> int:
    """Apply a file while these calls were made lately; tell how much it changed."""

    async def used() -> tuple[Use, ...]:
        return uses

    return len(await control.apply_file(desired, **BY, used=used))


@pytest.fixture
def keyed(company: Desired) -> Desired:
    return having(having(company, f"key/{KEY.id}", KEY), f"key/{AGENT.id}", AGENT)


def narrower_tier(company: Desired) -> Desired:
    return having(company, "tier/free", NARROW)


def without_key(company: Desired) -> Desired:
    return without(company, f"key/{KEY.id}")


def narrower_key(company: Desired) -> Desired:
    return having(company, f"key/{KEY.id}", replace(KEY, models=("sim/*",)))


def without_tenant(company: Desired) -> Desired:
    return without(company, "tenant/hobby")


@pytest.mark.parametrize(
    ("shrunken", "use"),
    [
        (narrower_tier, CHAT),
        (without_key, CHAT),
        (narrower_key, CHAT),
        (without_tenant, Use(HOBBY, AGENT.id, "sim/large")),
    ],
)
async def test_t24_a_file_that_cuts_off_who_called_lately_changes_nothing(
    control: Control, keyed: Desired, shrunken: Callable[[Desired], Desired], use: Use
) -> None:
    await load(control, keyed)
    before = await control.state()

    with pytest.raises(
        SettingsInvalid, match=f"tenant '{use.tenant_id}' called model '{use.model}'"
    ):
        await load(control, shrunken(keyed), use)

    assert await control.state() == before
    assert len(await control.apply_file(shrunken(keyed), **BY)) == 1


async def test_what_nobody_called_may_go(control: Control, keyed: Desired) -> None:
    await load(control, keyed)

    other = Use(ACME, KEY.id, "sim/large")
    assert await load(control, having(keyed, "tier/free", NARROW), other) == 1


async def test_who_was_cut_off_before_is_no_reason_to_refuse(
    control: Control, keyring: Keyring, keyed: Desired
) -> None:
    await load(control, keyed)
    made = await keyring.create(KeyTerms(name="gone", tenant=ACME), **WHY)
    await keyring.revoke(made.id, **WHY)

    gone = Use(ACME, made.id, "chat")
    assert await load(control, having(keyed, "tier/free", NARROW), gone) == 1


@pytest.mark.parametrize("shrunken", [narrower_tier, without_key, without_tenant])
async def test_where_nobody_can_tell_what_was_called_everything_that_may_be_is_in_use(
    control: Control, keyed: Desired, shrunken: Callable[[Desired], Desired]
) -> None:
    async def away() -> tuple[Use, ...]:
        raise TryLater("the records are away")

    await control.apply_file(keyed, **BY, used=away)

    with pytest.raises(SettingsInvalid, match="may have called model"):
        await control.apply_file(shrunken(keyed), **BY, used=away)

    sim = Provider(name="sim", wire=ProviderWire.CALLER, url="http://127.0.0.1:1")
    harmless = having(having(keyed, "provider/sim", sim), "model/other", MODEL)
    assert len(await control.apply_file(harmless, **BY, used=away)) == 2
