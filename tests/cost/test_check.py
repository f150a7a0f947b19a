from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from tests.cost.test_applied import JUNE, SHIPPED, row

from trimtab.cost.check import check_lock, check_overrides
from trimtab.cost.lock import Tier, build_lock, shipped_lock
from trimtab.cost.overrides import parse_overrides


def told(overrides: Mapping[str, Any]) -> list[tuple[bool, str]]:
    return [
        (it.is_fault, it.text.partition(";")[0])
        for it in check_overrides(parse_overrides(overrides), "override")
    ]


def test_the_shipped_list_is_in_order() -> None:
    assert list(check_lock(shipped_lock())) == []


def test_gaps_overlaps_tiers_and_services_of_a_list_are_faults() -> None:
    july = "2026-07-01T00:00:00Z"
    tiers = (Tier(input="1"), Tier(above_input_tokens=0, input="2"))
    rows = [
        *(row("p/gap", "1", end=JUNE), row("p/gap#x", "2", july)),
        *(row("p/over", "1", end=july), row("p/over#x", "2", JUNE)),
        replace(row("p/tiers", "1"), usd_per_mtok=tiers),
        replace(row("p/odd", "1"), context={"service_tier": "platinum"}),
    ]

    found = [it.text for it in check_lock(build_lock("x", rows)) if it.is_fault]

    assert found == [
        "tiers of row 'p/tiers' do not rise from 0",
        "'p/gap' has a gap between 'p/gap' and 'p/gap#x'",
        "'p/over' has an overlap between 'p/over' and 'p/over#x'",
        "row 'p/odd' is for `service_tier: platinum`, a service that no answer tells of",
    ]
    assert list(check_lock(SHIPPED)) == []


def test_entries_of_one_pattern_may_follow_but_not_hide_one_another() -> None:
    price = {"input": 1, "output": 1}

    assert told({"p/a": [{**price, "to": "2026-06-01"}, {**price, "from": "2026-06-01"}]}) == []
    assert told({"p/a": [{**price, "to": "2026-06-01"}, {**price, "from": "2026-07-01"}]}) == [
        (False, "override 'p/a' has a gap: the list's own price holds in it")
    ]
    assert told({"p/a": [price, {**price, "from": "2026-06-01"}]}) == [
        (True, "override 'p/a' has two entries for one time")
    ]
    assert told({"p/a": price, "p/*": price}) == []


def test_a_service_with_a_name_of_its_own_is_worth_a_look_and_a_misspelt_one_a_fault() -> None:
    price = {"input": 1, "output": 1}

    assert told({"p/a": {**price, "context": {"region": "mars"}}}) == []
    assert told({"p/a": {**price, "context": {"service_tier": "scale"}}}) == [
        (False, "override 'p/a' is for `service_tier: scale`, a service that no price list knows")
    ]
    assert told({"p/a": {**price, "context": {"teir": "flex"}}}) == [
        (True, "override 'p/a' is for `teir: flex`, a service that no price list knows")
    ]
