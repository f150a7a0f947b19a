import pytest

from trimtab.control.snapshot import Entry, Snapshot, build
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.model import Model, ModelKind, Share, Target
from trimtab.domain.tenant import Key, Tenant, Tier


def snapshot(tier: tuple[str, ...], key: tuple[str, ...] | None = None) -> Snapshot:
    values = {
        Pointer(PointerKind.TIER, "free"): Tier(name="free", models=tier),
        Pointer(PointerKind.TENANT, "acme"): Tenant(id=TenantId("acme"), tier="free"),
        Pointer(PointerKind.KEY, "k"): Key(
            id=KeyId("k"), name="k", tenant=TenantId("acme"), sha256="", models=key
        ),
    }
    change = Change(
        seq=1,
        change_id="c_1",
        ts_us=0,
        pointer=Pointer(PointerKind.TIER, "free"),
        before=None,
        after=None,
        author="ana",
        source=Source.FILE,
        reason="",
        prev_hash="",
        hash="",
    )
    return build(1, {pointer: Entry(change, value) for pointer, value in values.items()})


@pytest.mark.parametrize(
    ("tier", "key", "model", "allowed"),
    [
        pytest.param(("chat",), None, "chat", True, id="named"),
        pytest.param(("chat",), None, "embed", False, id="not named"),
        pytest.param(("sim/*",), None, "sim/large", True, id="pattern"),
        pytest.param(("sim/*",), None, "sim", False, id="an alias called as a provider"),
        pytest.param(("sim/*",), ("sim/small",), "sim/small", True, id="narrowed below a pattern"),
        pytest.param(("sim/*",), ("sim/small",), "sim/large", False, id="outside of what is left"),
        pytest.param(("sim/small",), ("sim/*",), "sim/small", True, id="a pattern of the key"),
        pytest.param(("sim/small",), ("sim/*",), "sim/large", False, id="a key widens nothing"),
        pytest.param(("chat",), ("embed",), "embed", False, id="a key adds nothing"),
    ],
)
def test_a_key_may_call_what_both_it_and_its_tenant_may(
    tier: tuple[str, ...], key: tuple[str, ...] | None, model: str, *, allowed: bool
) -> None:
    assert snapshot(tier, key).grants[KeyId("k")].allows(model) is allowed


def test_a_fault_that_is_asked_for_goes_along_to_the_first_target() -> None:
    shares = (Share(Target("sim", "large"), 9), Share(Target("sim", "small"), 1))
    chat = Model(name="chat", kind=ModelKind.ALIAS, to=Target("sim", "large"), shares=shares)
    found = Snapshot(models={"chat": chat}).model("chat!status:503")

    assert found is not None
    assert found.targets == (Target("sim", "large!status:503"),)
