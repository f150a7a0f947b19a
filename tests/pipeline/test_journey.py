from tests.pipeline.conftest import Rig

from trimtab.domain.record import StageTime
from trimtab.pipeline.journey import Journey


def test_stages_follow_one_another_without_a_gap() -> None:
    rig = Rig()
    rig.clock.advance(5)
    journey = Journey(rig.request(), rig.clock)

    rig.clock.advance(0.25)
    journey.passed("admit")
    rig.clock.advance(0.5)
    journey.passed("plan")

    assert journey.stages == [
        StageTime("admit", 0, 250_000),
        StageTime("plan", 250_000, 500_000),
    ]


def test_a_new_journey_has_nothing_behind_it() -> None:
    rig = Rig()
    journey = Journey(rig.request(), rig.clock)

    assert (journey.tries, journey.stages, journey.begun, journey.committed) == (
        [],
        [],
        False,
        False,
    )
