from tests.control.conftest import ACME, BY, WHY, having, pointer, without

from trimtab.control.changes import Control
from trimtab.control.desired import Desired
from trimtab.control.difference import Difference
from trimtab.control.keyring import Keyring
from trimtab.domain.change import PointerKind, canonical
from trimtab.domain.ids import KeyId
from trimtab.domain.model import Model, ModelKind, Target
from trimtab.domain.tenant import Key, KeyTerms

MOVED = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "small"))


async def told(control: Control, desired: Desired) -> dict[str, Difference]:
    return {str(it.pointer): it for it in await control.diff(desired)}


async def test_what_was_applied_does_not_differ(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)

    assert await control.diff(company) == ()


async def test_tells_what_applying_the_file_would_move(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)

    found = await told(control, having(without(company, "tenant/hobby"), "model/chat", MOVED))

    assert found.keys() == {"model/chat", "tenant/hobby"}
    assert all(it.pending for it in found.values())
    assert found["model/chat"].file == canonical(MOVED)
    assert found["tenant/hobby"].file is None


async def test_tells_what_was_moved_by_hand_and_stays(control: Control, company: Desired) -> None:
    await control.apply_file(company, **BY)
    change = await control.move(pointer("model/chat"), MOVED, **WHY)
    await control.move(pointer("tenant/hobby"), None, **WHY)

    found = await told(control, company)

    assert (found["model/chat"].pending, found["model/chat"].last) == (False, change)
    assert (found["tenant/hobby"].pending, found["tenant/hobby"].live) == (False, None)


async def test_what_the_file_never_named_is_no_difference(
    control: Control, keyring: Keyring, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    await keyring.create(KeyTerms(name="app", tenant=ACME), **WHY)

    assert await control.diff(company) == ()


async def test_a_key_that_was_revoked_by_hand_is_no_difference(
    control: Control, keyring: Keyring, company: Desired
) -> None:
    key = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00")
    filed = having(company, f"key/{key.id}", key)
    await control.apply_file(filed, **BY)
    await keyring.revoke(key.id, **WHY)

    assert await control.diff(filed) == ()


async def test_only_pointers_of_the_kinds_asked_for_are_moved(
    control: Control, company: Desired
) -> None:
    await control.apply_file(company, **BY)
    wanted = having(without(company, "tenant/hobby"), "model/chat", MOVED)

    (change,) = await control.apply_file(wanted, **BY, only={PointerKind.MODEL})

    assert change.pointer == pointer("model/chat")
    assert (await told(control, wanted)).keys() == {"tenant/hobby"}
