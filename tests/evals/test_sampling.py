from collections import Counter

import pytest
from tests.telemetry.shapes import TS_US, record

from trimtab.domain.record import Origin, RequestRecord
from trimtab.evals.sampling import Sampler, can_be_judged
from trimtab.store.base.reading import Stratum
from trimtab.store.rollup import DAY_US

KEPT = {"input_ref": b"i", "output_ref": b"o"}


def records(count: int, **fields: object) -> list[RequestRecord]:
    return [record(seed, **fields) for seed in range(count)]


def test_a_share_is_chosen_with_its_probability() -> None:
    sampler = Sampler(0.1, at_least=0)

    chosen = [it for it in map(sampler.probability, records(4_000)) if it is not None]

    assert set(chosen) == {0.1}
    assert 320 <= len(chosen) <= 480


def test_the_choice_can_be_made_again_and_a_larger_share_has_all_of_a_smaller() -> None:
    some, again, more = (
        {it.request_id for it in records(500) if Sampler(rate, 0).probability(it)}
        for rate in (0.1, 0.1, 0.3)
    )

    assert some == again
    assert some < more


def test_weighted_by_their_probability_the_chosen_stand_for_all() -> None:
    sampler = Sampler(0.05, at_least=50)

    chosen = [it for it in map(sampler.probability, records(8_000)) if it is not None]

    assert sum(1 / it for it in chosen) == pytest.approx(8_000, rel=0.15)


def test_the_first_of_each_prompt_and_tier_are_chosen_each_day() -> None:
    sampler = Sampler(0.0, at_least=3)
    strata = [
        {"prompt_name": prompt, "tier": tier} for prompt in ("a", None) for tier in ("free", "gold")
    ]
    chosen = Counter[str]()
    for day in range(2):
        for at, fields in enumerate(strata):
            for it in records(5, ts_us=TS_US + day * DAY_US, **fields):
                chosen[f"{day}/{at}"] += sampler.probability(it) == 1.0

    assert chosen == dict.fromkeys([f"{day}/{at}" for day in range(2) for at in range(4)], 3)


def test_what_was_chosen_before_a_start_counts() -> None:
    sampler = Sampler(0.0, at_least=3)
    sampler.know(TS_US, {Stratum("", "enterprise"): 2})

    chosen = [it for it in map(sampler.probability, records(5)) if it]

    assert chosen == [1.0]


def test_a_request_of_the_day_before_begins_no_new_day() -> None:
    sampler = Sampler(0.0, at_least=1)
    assert sampler.probability(record(1)) == 1.0
    late = record(2, ts_us=TS_US - DAY_US)

    assert sampler.probability(late) is None
    assert sampler.probability(record(3)) is None


@pytest.mark.parametrize("fields", [{"experiment": "e1"}, {"guardrail_decision": "flag"}])
def test_experiments_and_what_a_guard_flagged_are_chosen_all(fields: dict[str, str]) -> None:
    sampler = Sampler(0.0, at_least=0)

    assert {sampler.probability(it) for it in records(20, **fields)} == {1.0}


@pytest.mark.parametrize(
    "fields",
    [
        *({"origin": it} for it in Origin if it is not Origin.LIVE),
        {"status": "error"},
        {"status": "blocked"},
        {"input_ref": None},
        {"output_ref": None},
    ],
)
def test_only_answers_to_users_of_which_all_is_kept_can_be_judged(fields: dict[str, str]) -> None:
    assert can_be_judged(record(**KEPT))
    assert not can_be_judged(record(**{**KEPT, **fields}))
