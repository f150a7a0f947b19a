import pytest
from tests.control.conftest import HOUR_US

from trimtab.control.breakers import Breakers
from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.errors import InvalidRequest, NotFound
from trimtab.domain.health import BreakerOrder

ANA = By("ana", Source.CLI, "slow")


async def orders(control: Control) -> dict[str, BreakerOrder]:
    return dict((await control.snapshot()).breakers)


async def test_each_decision_is_a_change_and_can_be_taken_back(filled: Control) -> None:
    breakers = Breakers(filled)
    await breakers.hold_open("sim/large", ANA, at_us=5)
    closed = await breakers.close("sim/large", ANA, at_us=6)
    assert not (await orders(filled))["sim/large"].is_open

    await filled.undo(closed.seq, reason="oops", author="ana", source=Source.CLI)

    assert (await orders(filled))["sim/large"].is_open


async def test_a_hold_ends_by_itself_and_not_before(filled: Control) -> None:
    await Breakers(filled).hold_open("sim/large", ANA, at_us=5, until_us=5 + HOUR_US)

    order = (await orders(filled))["sim/large"]

    assert [order.holds(at_us) for at_us in (5, 4 + HOUR_US, 5 + HOUR_US)] == [True, True, False]


async def test_a_fault_asked_of_a_simulator_is_no_target_of_its_own(filled: Control) -> None:
    await Breakers(filled).hold_open("sim/large!status:503", ANA, at_us=5)

    assert list(await orders(filled)) == ["sim/large"]


@pytest.mark.parametrize(
    ("target", "until_us", "error"),
    [
        ("large", None, InvalidRequest),
        ("nobody/large", None, NotFound),
        ("sim/large", 5, InvalidRequest),
    ],
)
async def test_what_makes_no_sense_changes_nothing(
    filled: Control, target: str, until_us: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await Breakers(filled).hold_open(target, ANA, at_us=5, until_us=until_us)

    assert await orders(filled) == {}
