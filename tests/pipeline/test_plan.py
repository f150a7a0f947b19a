from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import CHAT, SIM, Rig

from trimtab.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    ModelSuspended,
    PriceUnknown,
    UnsupportedByTarget,
)
from trimtab.domain.model import (
    Fallback,
    Model,
    ModelKind,
    ProviderWire,
    Share,
    Target,
    WhenUntranslatable,
    Wire,
)
from trimtab.domain.suspension import Scope, ScopeKind
from trimtab.pipeline.handoff import Planned
from trimtab.providers.same_wire import SameWire

CLAUDE = msgspec.structs.replace(SIM, wire=ProviderWire.ANTHROPIC)


def planned(
    rig: Rig, wire: Wire = Wire.OPENAI_CHAT, members: dict[str, object] | None = None
) -> Planned:
    identified = rig.pipeline.identify(rig.request(members, wire=wire))
    return rig.pipeline.plan(rig.pipeline.admit(identified))


def test_leads_a_name_to_its_target() -> None:
    (route,) = planned(Rig()).routes

    assert (route.target, route.provider) == (Target("sim", "large"), SIM)


def test_says_so_if_the_provider_is_gone() -> None:
    rig = Rig()
    rig.snapshot = replace(rig.snapshot, providers={})

    with pytest.raises(ModelNotFound, match="trimtab check"):
        planned(rig)


@pytest.mark.parametrize(
    ("spoken", "wire", "sent"),
    [
        (ProviderWire.CALLER, Wire.OPENAI_CHAT, Wire.OPENAI_CHAT),
        (ProviderWire.CALLER, Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_MESSAGES),
        (ProviderWire.OPENAI, Wire.OPENAI_CHAT, Wire.OPENAI_CHAT),
        (ProviderWire.OPENAI, Wire.ANTHROPIC_MESSAGES, Wire.OPENAI_CHAT),
        (ProviderWire.ANTHROPIC, Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES),
        (ProviderWire.ANTHROPIC, Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_MESSAGES),
    ],
)
def test_a_provider_is_only_spoken_to_in_its_wire(
    spoken: ProviderWire, wire: Wire, sent: Wire
) -> None:
    rig = Rig(provider=msgspec.structs.replace(SIM, wire=spoken))

    (route,) = planned(rig, wire).routes

    assert route.adapter.wire is sent
    assert isinstance(route.adapter, SameWire) == (wire is sent)
    assert route.dropped == ()


def test_a_wire_that_nobody_translates_is_refused() -> None:
    rig = Rig()
    plan = replace(rig.pipeline.plan, adapters={})

    with pytest.raises(UnsupportedByTarget, match="does not speak"):
        plan(rig.pipeline.admit(rig.pipeline.identify(rig.request())))


def test_what_the_targets_wire_has_no_words_for_is_refused_by_name() -> None:
    rig = Rig(provider=CLAUDE)

    with pytest.raises(UnsupportedByTarget, match=r"`seed`.*when_untranslatable") as raised:
        planned(rig, members={"seed": 7})

    assert raised.value.param == "seed"


def test_a_hint_is_dropped_and_told_under_either_rule() -> None:
    (route,) = planned(Rig(provider=CLAUDE), members={"service_tier": "auto"}).routes

    assert route.dropped == ("service_tier",)


def test_each_kind_of_member_is_told_once_when_it_is_dropped() -> None:
    lenient = msgspec.structs.replace(CHAT, when_untranslatable=WhenUntranslatable.DROP)
    said = [{"role": "user", "content": "x", "name": f"n{place}"} for place in range(3)]
    rig = Rig(provider=CLAUDE, model=lenient)
    more: dict[str, object] = {f"member_{place}": place for place in range(100)}

    (one,) = planned(rig, members={"messages": said, "seed": 7}).routes
    (many,) = planned(rig, members=more).routes

    assert one.dropped == ("seed", "messages[].name")
    assert len(many.dropped) == 33
    assert many.dropped[-1] == "..."


def test_a_request_to_be_translated_has_to_be_readable() -> None:
    with pytest.raises(InvalidRequest) as raised:
        planned(Rig(provider=CLAUDE), members={"temperature": "warm"})

    assert raised.value.param == "temperature"


def test_t15_what_has_no_price_is_refused() -> None:
    model = msgspec.structs.replace(CHAT, to=Target("unpriced", "m"))
    provider = msgspec.structs.replace(SIM, name="unpriced")

    with pytest.raises(PriceUnknown, match="unpriced/m"):
        planned(Rig(model=model, provider=provider))

    assert planned(Rig(model=model, provider=provider, reject_unpriced=False)).routes


OTHER = msgspec.structs.replace(SIM, name="other")
MUTE = msgspec.structs.replace(SIM, name="mute", wire=ProviderWire.ANTHROPIC)


def led(
    model: Model, suspended: Scope | None = None, *, asked: dict[str, object] | None = None
) -> Planned:
    rig = Rig(model=model, others=(OTHER, MUTE), reject_unpriced=False)
    small = Model(name="small", kind=ModelKind.ALIAS, to=Target("other", "tiny"))
    looped = msgspec.structs.replace(
        small, name="looped", fallback=Fallback(when_error=("looped", "chat"))
    )
    models = {**rig.snapshot.models, small.name: small, looped.name: looped}
    rig.snapshot = replace(rig.snapshot, models=models)
    if suspended is not None:
        rig.suspend(suspended)
    return planned(rig, members=asked)


def names(plan: Planned) -> str:
    return " ".join(str(route.target) for route in plan.routes)


def test_what_a_model_falls_back_to_follows_it_by_name_or_by_target() -> None:
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("small", "other/huge")))

    assert names(led(model)) == "sim/large other/tiny other/huge"


def test_each_cause_has_its_own_list() -> None:
    fallback = Fallback(
        when_rate_limited=("small",), when_context_too_long=("other/long",), when_refused=("small",)
    )

    plan = led(msgspec.structs.replace(CHAT, fallback=fallback))

    assert plan.when_rate_limited is not None
    assert [str(it.target) for it in plan.when_rate_limited] == ["other/tiny"]
    assert [str(it.target) for it in plan.when_context_too_long] == ["other/long"]
    assert [str(it.target) for it in plan.when_refused] == ["other/tiny"]


def test_a_name_leads_to_its_own_target_only_so_nothing_loops() -> None:
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("looped", "chat")))

    assert names(led(model)) == "sim/large other/tiny sim/large"


def test_a_target_that_cannot_do_it_is_skipped_and_the_plan_says_so() -> None:
    model = msgspec.structs.replace(
        CHAT, fallback=Fallback(when_error=("mute/m", "gone/m", "small"))
    )

    plan = led(model, asked={"seed": 7})

    assert names(plan) == "sim/large other/tiny"
    assert plan.skipped == (("mute/m", "unsupported_by_target"),)


def test_the_first_reason_is_told_when_no_target_is_left() -> None:
    model = msgspec.structs.replace(
        CHAT, to=Target("mute", "m"), fallback=Fallback(when_error=("mute/n",))
    )

    with pytest.raises(UnsupportedByTarget):
        led(model, asked={"seed": 7})


def test_targets_with_weights_share_the_requests_and_stand_in_for_one_another() -> None:
    shares = (
        Share(Target("sim", "a"), 3),
        Share(Target("sim", "b"), 1),
        Share(Target("sim", "c"), 0),
    )
    model = msgspec.structs.replace(CHAT, to=Target("sim", "a"), shares=shares)
    rig = Rig(model=model)
    first: list[str] = []
    for _ in range(2000):
        request = rig.request()
        plan = rig.pipeline.plan(rig.pipeline.admit(rig.pipeline.identify(request)))
        assert sorted(names(plan).split()) == ["sim/a", "sim/b", "sim/c"]
        assert rig.pipeline.plan(plan.admitted).routes == plan.routes
        first.append(str(plan.routes[0].target))

    assert abs(first.count("sim/a") - 1500) < 100
    assert "sim/c" not in first


@pytest.mark.parametrize(
    ("suspended", "routes"),
    [
        pytest.param(Scope(ScopeKind.PROVIDER, "sim"), "other/tiny other/huge", id="provider"),
        pytest.param(Scope(ScopeKind.PROVIDER, "other"), "sim/large", id="provider of the others"),
        pytest.param(Scope(ScopeKind.MODEL, "sim/large"), "other/tiny other/huge", id="target"),
        pytest.param(
            Scope(ScopeKind.MODEL, "small"), "sim/large other/huge", id="fallback by name"
        ),
        pytest.param(Scope(ScopeKind.MODEL, "other/huge"), "sim/large other/tiny", id="direct"),
    ],
)
def test_what_is_suspended_is_passed_over_and_told(suspended: Scope, routes: str) -> None:
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("small", "other/huge")))

    plan = led(model, suspended)

    assert names(plan) == routes
    assert {code for _, code in plan.skipped} == {"model_suspended"}


def test_a_model_that_is_suspended_by_name_is_not_served_by_its_fallback() -> None:
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("small",)))

    with pytest.raises(ModelSuspended, match="model 'chat' is suspended"):
        led(model, Scope(ScopeKind.MODEL, "chat"))
