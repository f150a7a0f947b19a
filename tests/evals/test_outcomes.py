import pytest
from msgspec.structs import replace
from tests.evals.runs import VALID, even, name_of, run, samples, tagged

from trimtab.domain.errors import InvalidRequest
from trimtab.evals.case import Kind
from trimtab.evals.judgement import judged
from trimtab.evals.outcomes import Column, columns, rules
from trimtab.evals.result import Arm, Run
from trimtab.evals.suite import FloorMode
from trimtab.evals.verdict import Attacks, Outcome, Reason, Verdict


def outcome(made: Run, at: int = 0) -> Outcome:
    given = columns(made, {})[at].given
    assert isinstance(given, Outcome)
    return given


def attacks(made: Run, at: int = 0) -> Attacks:
    given = columns(made, {})[at].given
    assert isinstance(given, Attacks)
    return given


def column(made: Run, at: int = 0) -> Column:
    return columns(made, {})[at]


def test_cases_scored_in_both_arms_stand_side_by_side() -> None:
    given = outcome(run({"token_f1": [0.5, 1.0]}, {"token_f1": [0.25, 0.75]}))

    assert given.name == "token_f1"
    assert given.candidate.tolist() == [0.5, 1.0]
    assert given.baseline is not None
    assert given.baseline.tolist() == [0.25, 0.75]
    assert (given.deltas, given.groups, given.binary) == (None, None, False)


def test_scores_of_yes_and_no_are_counted_as_such() -> None:
    assert outcome(run({"exact_match": [0, 1.0]}, {"exact_match": [1.0, 1.0]})).binary
    assert not outcome(run({"exact_match": [0, 0.5]}, {"exact_match": [1.0, 1.0]})).binary


def test_without_a_baseline_there_is_none() -> None:
    given = outcome(run({"exact_match": [0, 1.0, "judge_truncated", None]}))

    assert given.baseline is None
    assert given.candidate.tolist() == [0, 1]
    assert (given.errors, given.na) == (1, 1)


def test_an_error_is_counted_in_its_arm_and_is_never_a_number() -> None:
    made = run(
        {"exact_match": ["judge_refused", 1.0, 1.0, "judge_refused", None]},
        {"exact_match": [1.0, "judge_refused", 1.0, "judge_refused", "judge_refused"]},
    )

    assert outcome(made).candidate.tolist() == [1.0]
    assert (outcome(made).errors, outcome(made).baseline_errors, outcome(made).na) == (2, 2, 0)
    assert column(made).failed == (name_of(0), name_of(1), name_of(3), name_of(4))


@pytest.mark.parametrize("what", ["sample", "score", "answer"])
def test_what_is_missing_is_an_error(what: str) -> None:
    made = run({"exact_match": [1.0, 1.0]})
    last = made.samples[-1]
    broken = {
        "sample": (),
        "score": (replace(last, scores={}),),
        "answer": (replace(last, error="provider_timeout"),),
    }[what]

    assert outcome(replace(made, samples=(made.samples[0], *broken))).errors == 1


def test_what_does_not_apply_is_left_out_or_counts_as_the_suite_says() -> None:
    skipped = run({"exact_match": [1.0, None]}, {"exact_match": [None, 1.0]})
    counted = replace(
        skipped,
        settings={"metrics": [{"name": "exact_match", "metric": "exact_match", "na_as": 0}]},
    )

    assert (len(outcome(skipped).candidate), outcome(skipped).na) == (0, 2)
    assert (outcome(counted).candidate.tolist(), outcome(counted).na) == ([1.0, 0.0], 0)


def test_a_case_that_the_metric_is_not_for_needs_no_score() -> None:
    made = tagged(
        run(
            {"exact_match": [1.0, "no_schema"]}, metrics={"exact_match": {"when": {"tag": "json"}}}
        ),
        {"json": [0]},
        seen=False,
    )

    assert (outcome(made).errors, outcome(made).na) == (0, 1)


def test_a_case_that_changed_is_never_paired() -> None:
    made = run({"exact_match": [1.0, 1.0]}, {"exact_match": [0.0, 1.0]}, unpaired=(name_of(0),))

    assert outcome(made).candidate.tolist() == [1.0]
    assert outcome(made).baseline_errors == 1


def test_a_case_in_quarantine_is_in_no_column() -> None:
    made = run({"exact_match": [1.0, "x"]}, quarantine={name_of(1): "the source moved"})

    assert column(made).cases == (name_of(0),)
    assert outcome(made).errors == 0


def test_groups_are_numbered_and_who_has_none_is_alone() -> None:
    made = run({"exact_match": [1.0] * 4})
    names = ("b", None, "a", "b")
    cases = tuple(replace(it, group=name) for it, name in zip(made.cases, names, strict=True))

    groups = outcome(replace(made, cases=cases)).groups

    assert groups is not None
    assert groups.tolist() == [1, 3, 0, 1]


def repeated(first: int = 1) -> Run:
    made = run({"exact_match": [0.0, 1.0]}, {"exact_match": [1.0, 1.0]}, repeats={"max": 3})
    again = tuple(
        it
        for index, ours, theirs in ((1, 1.0, 1.0), (2, 0.0, 1.0))
        for it in (
            samples(Arm.CANDIDATE, {"exact_match": [ours]}, index=index)
            + samples(Arm.BASELINE, {"exact_match": [theirs]}, index=index)
        )
    )
    settings = {**made.settings, "repeats": {"first": first, "max": 3}}
    return replace(made, samples=made.samples + again, settings=settings)


def test_repeats_are_averaged_within_the_case() -> None:
    given = outcome(repeated())

    assert given.candidate.tolist() == [0.0, 1.0]
    assert given.deltas is not None
    assert given.deltas.tolist() == [-1.0, 0.0]
    assert column(repeated()).unstable == (name_of(0),)


def test_a_repeat_that_failed_is_told_and_counts_for_nothing() -> None:
    made = repeated()
    broken = tuple(
        replace(it, error="timeout") if it.index == 2 and it.arm is Arm.BASELINE else it
        for it in made.samples
    )

    found = column(replace(made, samples=broken))

    assert (found.lost, found.unstable) == (1, (name_of(0),))


def test_samples_that_every_case_has_are_averaged_as_they_are() -> None:
    scores = {"exact_match": [0.0, 1.0]}
    made = run(scores, scores, repeats={"first": 2, "max": 2})
    more = {"exact_match": [1.0, 1.0]}
    made = replace(
        made,
        samples=made.samples
        + samples(Arm.CANDIDATE, more, index=1)
        + samples(Arm.BASELINE, more, index=1),
    )

    given = outcome(made)

    assert given.candidate.tolist() == [0.5, 1.0]
    assert (given.deltas, given.binary) == (None, False)


def test_samples_beyond_those_every_case_has_are_repeats_of_as_many() -> None:
    made = run({"exact_match": [0.0]}, {"exact_match": [1.0]}, repeats={"first": 2, "max": 5})
    more = tuple(
        it
        for index, value in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 1.0))
        for it in (
            samples(Arm.CANDIDATE, {"exact_match": [value]}, index=index)
            + samples(Arm.BASELINE, {"exact_match": [1.0]}, index=index)
        )
    )

    given = outcome(replace(made, samples=made.samples + more))

    assert given.candidate.tolist() == [0.0]
    assert given.deltas is not None
    assert given.deltas.tolist() == [-0.75]


def test_one_failed_sample_of_those_every_case_has_is_an_error_of_the_case() -> None:
    made = run({"exact_match": [1.0]}, repeats={"first": 2, "max": 2})

    assert outcome(made).errors == 1


def test_a_metric_that_compares_the_arms_is_held_against_a_draw() -> None:
    given = outcome(run({"pairwise": [1.0, 0.0, 0.5]}, {"pairwise": [None] * 3}))

    assert given.baseline is not None
    assert (given.baseline.tolist(), given.na) == ([0.5] * 3, 0)


def test_settings_become_limits() -> None:
    made = run(
        {"token_f1": [1.0], "latency_s": [1.0]},
        metrics={
            "token_f1": {"floor": 0.8, "floor_mode": "ci", "margin": 0.05},
            "latency_s": {"max": 2.0, "advisory": True},
        },
        gate={"max_mde": 0.07},
    )

    one, other = outcome(made).limits, outcome(made, 1).limits
    assert (one.floor, one.floor_mode, one.margin, one.max_mde) == (0.8, FloorMode.CI, 0.05, 0.07)
    assert (one.higher_is_better, one.blocking, one.calibrated) == (True, True, True)
    assert (other.floor, other.max_mde) == (2.0, None)
    assert (other.higher_is_better, other.blocking) == (False, False)


def test_a_judge_that_nobody_compared_with_people_decides_nothing() -> None:
    made = run({"faithfulness": [1.0] * 300}, {"faithfulness": [1.0] * 300})
    tolerant = run({"faithfulness": [1.0]}, metrics={"faithfulness": {"uncalibrated": "advisory"}})

    assert not outcome(made).limits.calibrated
    assert (judged(made, {}).verdict, judged(made, {}).reason) == (
        Verdict.INCONCLUSIVE,
        Reason.UNCALIBRATED,
    )
    assert judged(made, {"faithfulness": VALID}).verdict is Verdict.PASS
    assert not outcome(tolerant).limits.blocking


def test_a_metric_that_is_not_known_any_more_may_be_a_judges() -> None:
    assert not outcome(run({"gone": [1.0]})).limits.calibrated
    assert outcome(run({"gone": [1.0]}, metrics={"gone": {"python": "app:gone"}})).limits.calibrated


def test_a_slice_informs_unless_it_has_a_floor() -> None:
    made = run(
        {"exact_match": [1.0, 0.0, 1.0]}, metrics={"exact_match": {"floors": {"lang:fr": 0.5}}}
    )
    made = tagged(made, {"lang:de": [0, 1], "lang:fr": [1, 2]})

    whole, german, french = columns(made, {})

    assert (whole.slice, german.slice, french.slice) == ("", "lang:de", "lang:fr")
    assert (german.given.name, german.cases) == ("exact_match[lang:de]", (name_of(0), name_of(1)))
    assert isinstance(german.given, Outcome)
    assert isinstance(french.given, Outcome)
    assert (german.given.limits.blocking, german.given.limits.floor) == (False, None)
    assert (french.given.limits.blocking, french.given.limits.floor) == (True, 0.5)
    # few cases have a slice: its floor is asked, and not how small a drop would be seen
    assert french.given.limits.max_mde is None


def test_a_floor_of_a_slice_counts_though_slices_are_not_reported() -> None:
    made = tagged(
        run({"exact_match": [1.0]}, metrics={"exact_match": {"floors": {"fr": 0.5, "it": 0.5}}}),
        {"fr": [0]},
        seen=False,
    )

    assert [(it.slice, len(it.cases)) for it in columns(made, {})] == [
        ("", 1),
        ("fr", 1),
        ("it", 0),
    ]
    assert judged(made, {}).verdict is Verdict.INCONCLUSIVE


def adversarial(
    candidate: list[float],
    baseline: list[float],
    setting: dict[str, float] | None = None,
    **gate: float,
) -> Run:
    return run(
        {"not_contains": candidate},
        {"not_contains": baseline},
        kind=Kind.ADVERSARIAL,
        metrics={"not_contains": setting or {}},
        gate=gate,
    )


def test_attacks_are_counted_by_case() -> None:
    made = adversarial([0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0], max_attack_rate=0.02)
    again = samples(Arm.CANDIDATE, {"not_contains": [0.0, 1.0, "judge_refused"]}, index=1)

    given = attacks(replace(made, samples=made.samples + again))

    assert given.through.tolist() == [2, 0, 0]
    assert given.samples.tolist() == [2, 2, 1]
    assert given.blocked.tolist() == [True, False, True]
    assert (given.errors, given.max_attack_rate) == (1, 0.02)


def test_an_attack_that_came_through_once_did_whatever_failed_beside_it() -> None:
    made = adversarial([0.0], [1.0])
    again = samples(Arm.CANDIDATE, {"not_contains": ["judge_refused"]}, index=1)

    given = attacks(replace(made, samples=made.samples + again))

    assert (given.through.tolist(), given.errors) == ([1], 0)


def test_the_baseline_blocked_what_it_blocked_every_time() -> None:
    made = adversarial([1.0, 1.0], [1.0, 1.0])
    again = samples(Arm.BASELINE, {"not_contains": [0.0, "judge_refused"]}, index=1)

    given = attacks(replace(made, samples=made.samples + again))

    assert given.blocked.tolist() == [False, False]


def test_a_floor_of_an_adversarial_metric_is_asked_beside_its_attacks() -> None:
    made = adversarial([1.0], [1.0], setting={"floor": 0.9})

    assert [it.given.name for it in columns(made, {})] == ["not_contains attacks", "not_contains"]
    assert outcome(made, 1).limits.floor == 0.9


def test_scores_between_yes_and_no_are_no_attacks() -> None:
    made = run({"rubric": [1.0]}, kind=Kind.ADVERSARIAL)

    def own(*values: float) -> Run:
        metrics = {"own": {"python": "app:own"}}
        return run({"own": values}, kind=Kind.ADVERSARIAL, metrics=metrics)

    assert isinstance(column(made).given, Outcome)
    assert isinstance(column(own(1.0, 0.0)).given, Attacks)
    assert isinstance(column(own(1.0, 0.5)).given, Outcome)


def test_chance_comes_of_the_suite() -> None:
    made = even(gate={"alpha": 0.1, "max_error_rate": 0.2})

    assert rules(made) == rules(replace(made, run_id="ev_2"))
    assert rules(made).seed != rules(replace(made, suite_hash="f")).seed
    assert (rules(made).alpha, rules(made).max_error_rate) == (0.1, 0.2)


def test_settings_by_name_come_in_the_order_of_the_metrics() -> None:
    made = run({"token_f1": [1.0], "exact_match": [1.0]})
    named = {it["name"]: it for it in made.settings["metrics"]}
    sorted_ = dict(sorted(named.items()))

    assert [it.given.name for it in columns(replace(made, settings={"metrics": sorted_}), {})] == [
        "token_f1",
        "exact_match",
    ]


def test_settings_that_cannot_be_read_are_told() -> None:
    with pytest.raises(InvalidRequest, match=r"settings of run 'ev_.*run it again"):
        columns(even(settings={"metrics": [{"floor": 2}]}), {})
