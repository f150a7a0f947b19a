from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import ACME, GRANT, KEY, OF_ACME, SIM, SUSPENDED, TIER, Rig

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import (
    InvalidRequest,
    KeyExpired,
    KeyRevoked,
    ModelNotAllowed,
    ModelNotFound,
    TenantNotAllowed,
    TenantSuspended,
    TrimtabError,
    Unauthenticated,
)
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.keys import new_key
from trimtab.domain.model import ModelKind
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.domain.tenant import Key, Retiring
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
    rig = Rig(grant=SUSPENDED)

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


BACKEND = Key(id=KEY.id, name="backend", sha256=KEY.sha256, act_for=("acme", "globex"))


def backend(**changes: object) -> Rig:
    """A worker whose only key acts for tenants."""
    rig = Rig()
    key = msgspec.structs.replace(BACKEND, **changes)
    rig.snapshot = replace(
        rig.snapshot,
        grants={},
        acting={KEY.id: key},
        tiers={"free": TIER},
        tenants={ACME.id: ACME, TenantId("trimtab-canary"): ACME},
    )
    return rig


def test_a_backend_names_the_tenant_that_pays() -> None:
    rig = backend(models=("chat",))

    grant = rig.pipeline.identify(rig.request(tenant="acme")).grant

    assert (grant.tenant, grant.models, grant.key.name) == (ACME, frozenset({"chat"}), "backend")


@pytest.mark.parametrize(
    ("tenant", "act_for", "error", "says"),
    [
        pytest.param(None, ("*",), InvalidRequest, "x-trimtab-tenant", id="none"),
        pytest.param("A B", ("*",), InvalidRequest, "lower-case", id="no name"),
        pytest.param("acme", ("globex",), TenantNotAllowed, "does not act for", id="not in list"),
        pytest.param("globex", ("globex",), TenantNotAllowed, "there is no", id="not there"),
        pytest.param("nobody", ("*",), TenantNotAllowed, "there is no", id="never seen"),
        pytest.param("trimtab-canary", ("*",), TenantNotAllowed, "does not act", id="the system's"),
        pytest.param(
            "trimtab-canary", ("trimtab-canary",), TenantNotAllowed, "does not act", id="even so"
        ),
    ],
)
def test_a_backend_is_told_what_is_wrong_with_its_tenant(
    tenant: str | None, act_for: tuple[str, ...], error: type[TrimtabError], says: str
) -> None:
    rig = backend(act_for=act_for)

    with pytest.raises(error, match=says):
        rig.pipeline.identify(rig.request(tenant=tenant))


def test_a_switch_of_its_tenant_or_of_itself_stops_a_backend() -> None:
    for scope in (OF_ACME, Scope(ScopeKind.KEY, KEY.id)):
        rig = backend()
        rig.suspend(scope)

        with pytest.raises(TenantSuspended):
            rig.pipeline.admit(rig.pipeline.identify(rig.request(tenant="acme")))


def test_a_key_of_one_tenant_may_name_no_other() -> None:
    rig = Rig()

    assert rig.pipeline.identify(rig.request(tenant="acme")).grant == GRANT
    with pytest.raises(TenantNotAllowed, match="another tenant"):
        rig.pipeline.identify(rig.request(tenant="globex"))


@pytest.mark.parametrize(("left_us", "good"), [(1, True), (0, False)])
def test_the_text_before_a_rotation_is_good_while_it_overlaps(*, left_us: int, good: bool) -> None:
    rig = Rig()
    new = new_key("test", seeded_entropy(9), key_id=KEY.id)
    old = Retiring(KEY.sha256, rig.clock.now_us() + left_us)
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: keyed(sha256=new.sha256, retiring=old)})

    assert rig.pipeline.identify(rig.request(key=new.text)).grant.key.id == KEY.id
    if good:
        assert rig.pipeline.identify(rig.request(key=KEY.text)).grant.key.id == KEY.id
    else:
        with pytest.raises(KeyExpired, match="was rotated"):
            rig.pipeline.identify(rig.request(key=KEY.text))


def test_a_text_that_was_rotated_away_without_overlap_is_unknown() -> None:
    rig = Rig()
    new = new_key("test", seeded_entropy(9), key_id=KEY.id)
    rig.pipeline.identify(rig.request())
    rig.snapshot = replace(rig.snapshot, grants={KEY.id: keyed(sha256=new.sha256)})

    with pytest.raises(Unauthenticated):
        rig.pipeline.identify(rig.request())
