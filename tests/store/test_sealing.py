import os

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.store import sealing
from trimtab.store.base.control import ContentKey
from trimtab.store.sealing import MasterKey, Sealer, Unsealer

REF, OTHER_REF = b"r" * 32, b"o" * 32


def master(fill: bytes = b"m") -> MasterKey:
    return MasterKey(fill * 32, os.urandom)


def pair(kept: ContentKey, of: MasterKey) -> tuple[Sealer, Unsealer]:
    key = of.unwrap(kept)
    return Sealer(kept.key_id, key, os.urandom), Unsealer(kept.key_id, key)


def test_what_is_sealed_opens_in_its_place_only() -> None:
    sealer, unseal = pair(master().make("acme"), master())
    data = sealer.seal(REF, b"planted")

    assert b"planted" not in data
    assert unseal(REF, data) == b"planted"
    with pytest.raises(ValueError, match="another's place"):
        unseal(OTHER_REF, data)


@pytest.mark.parametrize("at", [0, 8, 16, 28, -1], ids=["key", "salt", "nonce", "text", "tag"])
def test_no_byte_of_it_may_differ(at: int) -> None:
    sealer, unseal = pair(master().make("acme"), master())
    data = bytearray(sealer.seal(REF, b"planted"))
    data[at] ^= 1

    with pytest.raises(ValueError, match=r"damaged|destroyed"):
        unseal(REF, bytes(data))


def test_what_is_cut_short_does_not_open() -> None:
    sealer, unseal = pair(master().make("acme"), master())
    data = sealer.seal(REF, b"planted")

    for size in range(len(data)):
        with pytest.raises(ValueError, match=r"damaged|destroyed"):
            unseal(REF, data[:size])


def test_equal_content_is_sealed_otherwise_each_time() -> None:
    sealer, _ = pair(master().make("acme"), master())

    assert len({sealer.seal(REF, b"same") for _ in range(100)}) == 100


def test_the_key_of_one_tenant_does_not_open_what_another_said() -> None:
    kept = master().make("acme")
    sealer, _ = pair(kept, master())
    _, unseal = pair(master().make("globex"), master())

    with pytest.raises(ValueError, match="destroyed"):
        unseal(REF, sealer.seal(REF, b"planted"))
    with pytest.raises(SettingsInvalid):
        master().unwrap(ContentKey(tenant_id="globex", key_id=kept.key_id, wrapped=kept.wrapped))


def test_a_derived_key_serves_for_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MOST_SEALED", 3)
    sealer, unseal = pair(master().make("acme"), master())
    sealed = [sealer.seal(REF, b"%d" % number) for number in range(7)]

    assert len({data[8:16] for data in sealed}) == 3
    assert [unseal(REF, data) for data in sealed] == [b"%d" % number for number in range(7)]


def test_another_master_key_opens_nothing_and_says_whose() -> None:
    with pytest.raises(SettingsInvalid, match="content key of tenant 'acme'; set the one before"):
        master(b"x").unwrap(master().make("acme"))


def test_a_key_stays_the_same_under_another_master_key() -> None:
    old, new = master(b"o"), master(b"n")
    kept = old.make("acme")
    anew = new.take_over(kept, old)

    assert anew.key_id == kept.key_id
    assert new.unwrap(anew) == old.unwrap(kept)
    assert new.take_over(anew, old) == anew
    with pytest.raises(SettingsInvalid):
        old.unwrap(anew)
    with pytest.raises(SettingsInvalid):
        new.take_over(kept, master(b"x"))
