from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import CHAT, SIM, Rig

from trimtab.domain.errors import ModelNotFound, PriceUnknown, UnsupportedByTarget
from trimtab.domain.model import ProviderWire, Target, Wire
from trimtab.pipeline.handoff import Planned


def planned(rig: Rig, wire: Wire = Wire.OPENAI_CHAT) -> Planned:
    identified = rig.pipeline.identify(rig.request(wire=wire))
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
    ("spoken", "wire", "good"),
    [
        (ProviderWire.CALLER, Wire.OPENAI_CHAT, True),
        (ProviderWire.CALLER, Wire.ANTHROPIC_MESSAGES, True),
        (ProviderWire.OPENAI, Wire.OPENAI_CHAT, True),
        (ProviderWire.OPENAI, Wire.ANTHROPIC_MESSAGES, False),
        (ProviderWire.ANTHROPIC, Wire.OPENAI_CHAT, False),
        (ProviderWire.ANTHROPIC, Wire.ANTHROPIC_MESSAGES, True),
    ],
)
def test_a_provider_is_only_spoken_to_in_its_wire(
    *, spoken: ProviderWire, wire: Wire, good: bool
) -> None:
    rig = Rig(provider=msgspec.structs.replace(SIM, wire=spoken))

    if good:
        assert planned(rig, wire).routes
    else:
        with pytest.raises(UnsupportedByTarget):
            planned(rig, wire)


def test_what_has_no_price_is_refused() -> None:
    model = msgspec.structs.replace(CHAT, to=Target("unpriced", "m"))
    provider = msgspec.structs.replace(SIM, name="unpriced")

    with pytest.raises(PriceUnknown, match="unpriced/m"):
        planned(Rig(model=model, provider=provider))

    assert planned(Rig(model=model, provider=provider, reject_unpriced=False)).routes
