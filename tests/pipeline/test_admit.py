from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import GRANT, KEY, SIM, Rig

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import (
    KeyExpired,
    KeyRevoked,
    ModelNotAllowed,
    ModelNotFound,
    TenantSuspended,
    TrimtabError,
    Unauthenticated,
)
from trimtab.domain.ids import KeyId
from trimtab.domain.keys import new_key
from trimtab.domain.model import ModelKind
from trimtab.domain.tenant import Key, Suspension
from trimtab.testing import seeded_entropy

STRANGER = new_key("test", seeded_entropy(8))
FORGED = KEY.text[:-7] + ("A" if KEY.text[-7] != "A" else "B") + KEY.text[-6:]


def keyed(**changes: object) -> Grant:
    key = msgspec.structs.replace(GRANT.key, **changes)
    return replace(GRANT, key=key)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="none"),
        pytest.param("sk-ant-api03-abc", id="a provider's"),
        pytest.param(STRANGER.text, id="unknown id"),
        pytest.param(FORGED, id="wrong check digits"),
        pytest.param(KEY.text + " ", id="trailing blank"),
        pytest.param("x" * 100_000, id="endless"),
        pytest.param("ključ", id="not ASCII"),
    ],
)
def test_refuses_a_key_that_is_not_one_without_saying_why(key: str) -> None:
    rig = Rig()

    with pytest.raises(Unauthenticated) as raised:
        rig.pipeline.identify(rig.request(key=key))

    assert str(raised.value) == (
        "the API key is missing or not valid; make one with `trimtab keys create`"
    )


def test_refuses_a_known_id_with_another_secret() -> None:
    twin = new_key("test", seeded_entropy(9))
    rig = Rig()
    key = Key(id=twin.id, name="k", tenant=GRANT.tenant.id, sha256=KEY.sha256)
    rig.snapshot = replace(rig.snapshot, grants={twin.id: replace(GRANT, key=key)})

    with pytest.raises(Unauthenticated):
        rig.pipeline.identify(rig.request(key=twin.text))


def test_a_key_that_was_taken_away_opens_nothing_although_it_was_right_before() -> None:
    rig = Rig()
    rig.pipeline.identify(rig.request())
    rig.snapshot = replace(rig.snapshot, grants={})

    with pytest.raises(Unauthenticated):
        rig.pipeline.identify(rig.request())


def test_refuses_a_revoked_key() -> None:
    rig = Rig(grant=keyed(revoked=True))

    with pytest.raises(KeyRevoked, match=KEY.id):
        rig.pipeline.identify(rig.request())


@pytest.mark.parametrize(("left_us", "good"), [(1, True), (0, False), (-1, False)])
def test_a_key_expires_at_its_instant(*, left_us: int, good: bool) -> None:
    rig = Rig()
    grant = keyed(expires_us=rig.clock.now_us() + left_us)
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: grant})

    try:
        rig.pipeline.identify(rig.request())
    except KeyExpired:
        assert not good
    else:
        assert good


def test_pins_the_configuration_of_this_instant() -> None:
    rig = Rig()
    identified = rig.pipeline.identify(rig.request())
    rig.snapshot = replace(rig.snapshot, config_seq=8)

    assert identified.snapshot.config_seq == 7


@pytest.mark.parametrize(
    ("model", "error"),
    [
        pytest.param("chat", None, id="by name"),
        pytest.param("sim/anything", None, id="by pattern"),
        pytest.param("chat!cut_after:1", None, id="with a fault of the simulator"),
        pytest.param("gpt-5", ModelNotFound, id="not configured"),
        pytest.param("", ModelNotFound, id="no name"),
        pytest.param("other/large", ModelNotFound, id="unknown provider"),
        pytest.param("dear/large", ModelNotAllowed, id="provider of others"),
        pytest.param("sim/", ModelNotFound, id="provider without model"),
        pytest.param("sim/a\r\nx: 1", ModelNotFound, id="a line break"),
        pytest.param("sim/a\x00", ModelNotFound, id="a NUL"),
        pytest.param("chat!a\x7f", ModelNotFound, id="a control character in a fault"),
    ],
)
def test_admits_models_the_key_may_call(model: str, error: type[TrimtabError] | None) -> None:
    rig = Rig()
    dear = msgspec.structs.replace(SIM, name="dear")
    rig.snapshot = replace(rig.snapshot, providers={"sim": SIM, "dear": dear})
    identified = rig.pipeline.identify(rig.request(model=model))

    if error is None:
        assert rig.pipeline.admit(identified).model.to.provider == "sim"
    else:
        with pytest.raises(error):
            rig.pipeline.admit(identified)


def test_a_fault_asked_of_a_simulator_opens_no_other_model() -> None:
    rig = Rig(grant=replace(GRANT, models=frozenset({"chat"})))

    with pytest.raises(ModelNotAllowed):
        rig.pipeline.admit(rig.pipeline.identify(rig.request(model="sim/large!chat")))


def test_a_direct_name_leads_to_its_provider() -> None:
    rig = Rig()

    model = rig.pipeline.admit(rig.pipeline.identify(rig.request(model="sim/a/b"))).model

    assert (model.kind, str(model.to)) == (ModelKind.DIRECT, "sim/a/b")


def test_a_suspended_tenant_is_told_before_its_models_are_looked_at() -> None:
    rig = Rig(grant=replace(GRANT, suspension=Suspension(reason="loop")))

    with pytest.raises(TenantSuspended):
        rig.pipeline.admit(rig.pipeline.identify(rig.request(model="nothing")))


def test_remembers_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.pipeline.admit.MAX_REMEMBERED", 3)
    keys = [new_key("test", seeded_entropy(seed)) for seed in range(10)]
    rig = Rig()
    grants = {KeyId(key.id): keyed(id=key.id, sha256=key.sha256) for key in keys}
    rig.snapshot = replace(rig.snapshot, grants=grants)

    found = [rig.pipeline.identify(rig.request(key=key.text)) for key in keys * 2]

    assert [identified.grant.key.id for identified in found] == [key.id for key in keys * 2]
