import math
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.telemetry.shapes import record

from trimtab.domain.trace_context import WHOLE, TraceContext, opentelemetry, th_text
from trimtab.telemetry.deciding import Seen
from trimtab.telemetry.sampling import Mode, Policy, Sampler, adjusted_count, threshold

OWN = TraceContext()
PARENT = "00f067aa0ba902b7"
TWENTIETH = Sampler(Policy(rest=0.05))

STRATA: Mapping[str, tuple[dict[str, object], str]] = {
    "error": ({"status": "error"}, "error"),
    "truncated": ({"status": "truncated"}, "error"),
    "lost": ({"status": "lost"}, "error"),
    "as slow as the limit": ({"latency_us": 10_000_000}, "slow"),
    "faster than the limit": ({"latency_us": 9_999_999}, "rest"),
    "an arm": ({"experiment": "e", "arm": "control"}, "experiment"),
    "shadow": ({"origin": "shadow"}, "experiment"),
    "canary": ({"origin": "canary"}, "experiment"),
    "drill": ({"origin": "drill"}, "experiment"),
    "evaluation": ({"origin": "eval"}, "rest"),
    "blocked": ({"guardrail_decision": "block", "status": "blocked"}, "guard"),
    "redacted": ({"guardrail_decision": "redact"}, "guard"),
    "a guard failed": ({"guard_failed": True}, "guard"),
    "the model refused": ({"refusal": True}, "guard"),
    "no budget": ({"status": "rejected", "error_code": "budget_exhausted"}, "guard"),
    "a rate": ({"status": "rejected", "error_code": "rate_limited"}, "rest"),
    "fallback": ({"fallback_used": True}, "guard"),
    "error before slow": ({"status": "error", "latency_us": 10**9}, "error"),
    "slow before guard": ({"latency_us": 10**9, "fallback_used": True}, "slow"),
    "cancelled": ({"status": "cancelled"}, "rest"),
    "nothing": ({}, "rest"),
}


def trace_with(rv: int) -> str:
    return f"{1:018x}{rv:014x}"


def joined(
    rv: int, state: str | None = None, *, is_sampled: bool = True, is_random: bool = True
) -> tuple[float, bool, str | None]:
    """Give weight, whether it is kept, and the `tracestate`, of a part of a caller's trace."""
    context = TraceContext(
        parent_span_id=PARENT, tracestate=state, is_sampled=is_sampled, is_random=is_random
    )
    it = record(trace_id=trace_with(rv), parent_span_id=PARENT, tracestate=state)
    decided, _ = TWENTIETH(it, context)
    return decided.adjusted_count, decided.trace_kept, decided.tracestate


@pytest.mark.parametrize(("fields", "rule"), STRATA.values(), ids=STRATA)
def test_the_first_rule_that_fits_decides(fields: dict[str, object], rule: str) -> None:
    for rv in (0, WHOLE - 1):
        decided, note = TWENTIETH(record(trace_id=trace_with(rv), **fields), OWN)

        assert decided.sampling_rule == rule
        assert decided.trace_kept == (rule != "rest" or rv > 0)
        assert decided.tracestate == ("ot=th:f333" if rule == "rest" else "ot=th:0")
        assert note.slow_ms == (10_000 if rule == "slow" else None)


@pytest.mark.parametrize(
    ("fields", "limit_ms"),
    [
        ({"operation": "embeddings", "wire": "openai.embeddings"}, 500),
        ({"operation": "chat", "wire": "openai.chat"}, 10_000),
    ],
)
def test_a_route_has_a_limit_of_its_own(fields: dict[str, object], limit_ms: int) -> None:
    sampler = Sampler(Policy(rest=0.05, slow_ms_by_route={"/v1/embeddings": 500}))
    slow, fast = (
        sampler(record(latency_us=limit_ms * 1000 - less, **fields), OWN) for less in (0, 1)
    )

    assert (slow[0].sampling_rule, slow[1].slow_ms) == ("slow", limit_ms)
    assert (fast[0].sampling_rule, fast[1].slow_ms) == ("rest", None)


@pytest.mark.parametrize(
    "watched", ["tenant:acme-corp", "prompt:rag", "model:answers", "feature:search"]
)
def test_what_is_under_watch_and_what_is_asked_for_is_kept(watched: str) -> None:
    dropped = record(trace_id=trace_with(0), prompt_name="rag", status="error")
    sampler = Sampler(Policy(rest=0.05, keep=(watched,)))

    assert sampler(dropped, OWN)[0].sampling_rule == "forced"
    assert TWENTIETH(dropped, TraceContext(keep=True))[0].sampling_rule == "forced"
    assert TWENTIETH(dropped, OWN)[0].sampling_rule == "error"
    other = Sampler(Policy(rest=0.05, keep=("tenant:answers", "model:acme-corp")))
    assert other(dropped, OWN)[0].sampling_rule == "error"


def test_thresholds_are_those_of_the_specification() -> None:
    assert th_text(threshold(0.05)) == "f333"
    assert adjusted_count(threshold(0.05)) == pytest.approx(19.9988, abs=1e-4)
    assert (th_text(threshold(1)), adjusted_count(threshold(1))) == ("0", 1.0)
    assert (th_text(threshold(0.5)), adjusted_count(threshold(0.5))) == ("8", 2.0)
    assert th_text(threshold(1e-9)) == "ffff"


def test_without_a_setting_all_are_kept() -> None:
    decided, _ = Sampler(Policy())(record(trace_id=trace_with(0)), OWN)

    assert (decided.sampling_rule, decided.trace_kept, decided.adjusted_count) == ("rest", True, 1)
    assert decided.tracestate == "ot=th:0"


def test_weights_of_a_million_traces_add_up_to_a_million() -> None:
    chance = np.random.default_rng(20260425)
    values = chance.integers(0, WHOLE, 1_000_000, dtype=np.uint64)

    for share in (0.05, 0.01, 0.3):
        th = threshold(share)
        kept = int((values >= th).sum())

        sigma = math.sqrt(len(values) * (adjusted_count(th) - 1))
        assert abs(kept * adjusted_count(th) - len(values)) < 4 * sigma

    th = threshold(0.05)
    few = [TWENTIETH(record(trace_id=trace_with(int(it))), OWN)[0] for it in values[:2000]]
    assert [it.trace_kept for it in few] == [int(it) >= th for it in values[:2000]]


def test_strata_that_are_kept_whole_add_up_exactly() -> None:
    chance = random.Random(7)  # noqa: S311 -- repeatable
    whole = [fields for fields, rule in STRATA.values() if rule != "rest"]
    decided = [
        TWENTIETH(record(trace_id=trace_with(chance.randrange(WHOLE)), **fields), OWN)[0]
        for fields in whole
        for _ in range(100)
    ]

    assert sum(it.adjusted_count for it in decided if it.trace_kept) == len(decided)


@given(st.integers(0, WHOLE - 1), st.floats(0.0001, 1), st.floats(0.0001, 1))
def test_a_larger_share_loses_no_trace(rv: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    it = record(trace_id=trace_with(rv))

    few, many = (Sampler(Policy(rest=share))(it, OWN)[0] for share in (low, high))

    assert many.trace_kept >= few.trace_kept
    assert many.adjusted_count <= few.adjusted_count


@given(st.integers(0, WHOLE - 1), st.sampled_from(sorted(STRATA)))
def test_two_workers_agree_and_chance_changes_no_stratum(rv: int, name: str) -> None:
    fields, rule = STRATA[name]
    policy = Policy(rest=0.05, tiers={"free": 0.01})
    it = record(trace_id=trace_with(rv), tier="free", **fields)

    one, other = Sampler(policy)(it, OWN), Sampler(replace(policy))(it, OWN)

    assert one == other
    assert one[0].sampling_rule == rule
    explicit = replace(it, tracestate=f"ot=rv:{rv:014x}", trace_id=trace_with(WHOLE - 1 - rv))
    assert Sampler(policy)(explicit, OWN)[0].trace_kept == one[0].trace_kept


def test_a_tier_has_its_own_share() -> None:
    sampler = Sampler(Policy(rest=0.05, tiers={"free": 0.5}))
    middle = record(trace_id=trace_with(WHOLE // 2))

    assert not sampler(middle, OWN)[0].trace_kept
    assert sampler(replace(middle, tier="free"), OWN)[0].adjusted_count == 2.0


HALF = WHOLE // 2
OURS = adjusted_count(threshold(0.05))


def test_who_drew_less_than_us_adds_nothing_and_who_drew_more_counts_alone() -> None:
    assert joined(WHOLE - 1, "ot=th:8,a=1") == (OURS, True, "ot=th:f333,a=1")
    assert joined(HALF, "ot=th:8,a=1") == (OURS, False, "ot=th:f333,a=1")
    assert joined(WHOLE - 1, "ot=th:fff") == (4096.0, True, "ot=th:fff")


def test_what_is_kept_whole_keeps_the_weight_of_who_drew_before() -> None:
    for state, weight in (("ot=th:8", 2.0), ("ot=th:0", 1.0), (None, 1.0)):
        context = TraceContext(parent_span_id=PARENT, tracestate=state)
        it = record(
            trace_id=trace_with(WHOLE - 1),
            parent_span_id=PARENT,
            tracestate=state,
            status="error",
        )
        decided, _ = TWENTIETH(it, context)

        assert (decided.adjusted_count, decided.trace_kept) == (weight, True)
        assert decided.tracestate == (state or "ot=th:0")


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param(None, {"is_random": False}, id="no threshold and no random id"),
        pytest.param("ot=th:8", {"is_sampled": False}, id="not sampled"),
        pytest.param(None, {"is_sampled": False}, id="not sampled, no threshold"),
    ],
)
def test_the_weight_is_unknown(state: str | None, said: dict[str, bool]) -> None:
    assert joined(WHOLE - 1, state, **said) == (0.0, True, None)
    assert joined(0, state, **said) == (0.0, False, None)


def test_a_threshold_that_contradicts_the_flag_is_erased_and_others_stay() -> None:
    assert joined(0, "ot=th:8,a=1") == (0.0, False, "a=1")


def test_explicit_randomness_wins_and_is_passed_on() -> None:
    state = "ot=rv:ffffffffffffff,a=1"

    assert joined(0, state, is_random=False) == (OURS, True, "ot=th:f333;rv:ffffffffffffff,a=1")


@given(st.integers(0, WHOLE - 1), st.integers(0, 13))
def test_a_kept_trace_never_contradicts_its_own_threshold(rv: int, digits: int) -> None:
    state = f"ot=th:{th_text(WHOLE - (WHOLE >> 4 * digits))}" if digits else None
    weight, is_kept, after = joined(rv, state)

    said = opentelemetry(after or "").th
    if weight and is_kept:
        assert said is not None
        assert rv >= said
        assert weight == adjusted_count(said)


def test_the_answer_says_sampled_only_if_it_is_sure() -> None:
    last, first = trace_with(WHOLE - 1), trace_with(0)

    assert TWENTIETH.flags(last, OWN, "free") == 0x03
    assert TWENTIETH.flags(first, OWN, "free") == 0x02
    assert TWENTIETH.flags(first, TraceContext(keep=True), "free") == 0x03
    assert TWENTIETH.flags(first, TraceContext(parent_span_id=PARENT, is_random=False), "x") == 0
    assert Sampler(Policy()).flags(first, OWN, "free") == 0x03


def test_a_policy_is_named_by_what_it_says() -> None:
    assert Sampler(Policy()).version == Sampler(Policy()).version
    assert Sampler(Policy()).version != TWENTIETH.version
    assert TWENTIETH(record(), OWN)[1].policy == TWENTIETH.version


def test_whether_anything_is_dropped() -> None:
    assert not Policy().drops
    assert Policy(tiers={"free": 0.5}).drops
    assert not Policy(rest=0.05, mode=Mode.COLLECTOR).drops


def test_application_spans_are_drawn_as_requests_are() -> None:
    dropped = Seen(trace_with(0), 0, 100, is_random=True)

    assert TWENTIETH.of_spans(dropped)[:3] == (False, "rest", threshold(0.05))
    assert TWENTIETH.of_spans(dropped._replace(has_failed=True))[:3] == (True, "error", 0)
    assert TWENTIETH.of_spans(dropped._replace(longest_us=10_000_000))[:3] == (True, "slow", 0)
    kept = dropped._replace(trace_id=trace_with(WHOLE - 1), tracestate="ot=th:fff")
    assert TWENTIETH.of_spans(kept)[:3] == (True, "rest", WHOLE - (WHOLE >> 12))
    unknown = kept._replace(tracestate="", is_random=False)
    assert TWENTIETH.of_spans(unknown)[:3] == (True, "rest", None)
