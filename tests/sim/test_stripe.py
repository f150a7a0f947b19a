import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest
from tests.sim.conftest import Answered, Sim

from trimtab.sim import stripe
from trimtab.sim.request import Refused
from trimtab.sim.stripe import MeterEvents

EVENT = {
    "event_name": "trimtab_cents",
    "identifier": "acme:2026-11:1",
    "payload[stripe_customer_id]": "cus_1",
    "payload[value]": "25",
}


def told(sim: Sim, changed: Mapping[str, str] = EVENT, *, key: str = "sk_test") -> Answered:
    members = {**EVENT, **changed}
    request = urllib.request.Request(  # noqa: S310
        f"{sim.url}/v1/billing/meter_events",
        data=urlencode(members).encode(),
        headers={"authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=1) as answer:  # noqa: S310
            return Answered(answer.status, {}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answered(error.code, {}, error.read())


def sums(sim: Sim) -> list[int]:
    return [it for months in sim.told("meter")["sums"].values() for it in months.values()]


def test_events_of_a_customer_add_up(sim: Sim) -> None:
    assert told(sim).json()["identifier"] == EVENT["identifier"]
    told(sim, {"identifier": "2"})

    assert sums(sim) == [50]


def test_an_identifier_is_taken_once(sim: Sim) -> None:
    told(sim)

    again = told(sim)

    assert again.status == 400
    assert (
        f"already exists with identifier {EVENT['identifier']}." in again.json()["error"]["message"]
    )
    assert (sums(sim), sim.told("meter")["duplicates"]) == ([25], 1)


def test_it_is_forgotten_after_a_day() -> None:
    clock = [1_800_000_000.0]
    meter = MeterEvents(lambda: clock[0])
    meter.take(EVENT)
    clock[0] += stripe.KNOWN_S - 1
    with pytest.raises(Refused, match="already exists"):
        meter.take(EVENT)

    clock[0] += 1
    meter.take(EVENT)

    assert meter.told()["events"] == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"payload[value]": "2.5"}, "whole numbers"),
        ({"payload[stripe_customer_id]": stripe.NOBODY}, "No such customer"),
        ({"payload[stripe_customer_id]": ""}, "Missing required"),
        ({"timestamp": "1000"}, "35 calendar days"),
        ({"timestamp": "9000000000"}, "35 calendar days"),
    ],
)
def test_what_stripe_would_not_take_is_refused(
    sim: Sim, changed: dict[str, str], reason: str
) -> None:
    answer = told(sim, changed)

    assert answer.status == 400
    assert reason in answer.json()["error"]["message"]
    assert sums(sim) == []


def test_a_key_must_be_shown(sim: Sim) -> None:
    assert told(sim, key="other").status == 401


def test_calls_go_wrong_as_asked_one_after_the_other(sim: Sim) -> None:
    faults = ["refused", "broken", "broken_late", "lost", "silent"]
    assert sim.call("PUT", "/_sim/meter", {"faults": faults}).json()["faults"] == faults

    statuses = [told(sim, {"identifier": str(n)}).status for n in range(3)]
    assert (statuses, sums(sim)) == ([429, 500, 500], [25])
    for n in (3, 4):
        with pytest.raises(OSError, match=r"closed|timed out|reset"):
            told(sim, {"identifier": str(n)})

    assert sums(sim) == [75]
    assert told(sim, {"identifier": "4"}).status == 400
    assert sim.call("PUT", "/_sim/meter", {"faults": ["else"]}).status == 400


def test_a_reset_forgets_it(sim: Sim) -> None:
    told(sim)

    sim.call("POST", "/_sim/reset")

    assert sums(sim) == []
