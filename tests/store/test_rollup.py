from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.records import DAY_US, finish, line_of
from tests.telemetry.shapes import TS_US, record

from trimtab.store.rollup import (
    MAX_NAMES,
    OTHER,
    Key,
    Known,
    MinuteKey,
    MinuteSums,
    Sums,
    bounded,
    buckets,
    latency_index,
    minute,
    parts,
    quantile_us,
)

MIDNIGHT_US = TS_US - TS_US % DAY_US


@given(st.integers(1, 1 << 52))
def test_a_quantile_is_within_four_and_a_half_percent(latency_us: int) -> None:
    read = quantile_us({latency_index(latency_us): 1}, 0.5)

    assert read is not None
    assert abs(read - latency_us) <= 0.045 * latency_us + 0.5


@given(st.integers(0, 1 << 52), st.integers(0, 1 << 52))
def test_a_longer_latency_has_no_smaller_index(one: int, two: int) -> None:
    assert (latency_index(min(one, two))) <= latency_index(max(one, two))


def test_quantiles_count_from_the_fastest() -> None:
    counts = {latency_index(us): n for us, n in ((1000, 50), (100_000, 45), (10_000_000, 5))}

    found = [quantile_us(counts, share) for share in (0.5, 0.51, 0.95, 0.96, 1.0)]

    expected = [1000, 100_000, 100_000, 10_000_000, 10_000_000]
    assert found == [pytest.approx(us, rel=0.045) for us in expected]
    assert quantile_us({}, 0.5) is None


def test_a_record_belongs_to_its_hour_its_day_and_the_tenant_s_day() -> None:
    here = buckets(finish(1, day_local="2026-04-26"))

    assert here.hour_us == MIDNIGHT_US + 18 * 3_600_000_000
    assert here.day_us == MIDNIGHT_US
    assert here.local_day_us == MIDNIGHT_US + DAY_US


def test_without_a_local_day_it_is_that_of_utc() -> None:
    assert buckets(finish(1)).local_day_us == MIDNIGHT_US
    assert buckets(finish(1, ts_us=MIDNIGHT_US + DAY_US)).local_day_us == MIDNIGHT_US + DAY_US


def test_a_local_day_that_is_no_date_is_refused() -> None:
    with pytest.raises(ValueError, match="tomorrow"):
        buckets(finish(1, day_local="tomorrow"))


def test_counts_are_of_the_record_and_amounts_of_its_lines() -> None:
    made = finish(1, provider="sim", attempt_count=2)
    one = line_of(made.record, 1, provider="sim-us", cost_nano=None, input_tokens=None)
    two = line_of(
        made.record, 2, provider="sim", cache_write_5m=1, cache_write_30m=2, cache_write_1h=4,
        cache_write_12h=8,
    )  # fmt: skip

    counted, first, second = parts(replace(made, lines=(one, two)))

    assert counted[1] == Sums(n=1)
    assert first[1] == Sums(cached_tokens=3800, output_tokens=487, reasoning_tokens=12)
    assert second[1] == Sums(
        input_tokens=4123,
        cached_tokens=3800,
        cache_write_tokens=15,
        output_tokens=487,
        reasoning_tokens=12,
        cost_nano=9_414_000,
    )
    assert [key.provider for key, _ in (counted, first, second)] == ["sim", "sim-us", "sim"]


@pytest.mark.parametrize(
    ("fields", "sums"),
    [
        pytest.param({"fallback_used": True}, Sums(n=1, n_fallback=1), id="fallback"),
        pytest.param({"guardrail_decision": "flag"}, Sums(n=1, n_flagged=1), id="flag"),
        pytest.param({"guardrail_decision": "redact"}, Sums(n=1, n_redacted=1), id="redact"),
        pytest.param(
            {"guardrail_decision": "pseudonymise"}, Sums(n=1, n_redacted=1), id="pseudonymise"
        ),
        pytest.param({"guardrail_decision": "rewrite"}, Sums(n=1, n_redacted=1), id="rewrite"),
        pytest.param({"guardrail_decision": "block"}, Sums(n=1, n_blocked=1), id="block"),
        pytest.param({"refusal": True}, Sums(n=1, n_refused=1), id="refusal"),
        pytest.param({"refusal": False}, Sums(n=1), id="no refusal"),
        pytest.param({"usage_source": "estimated"}, Sums(n=1, n_estimated=1), id="estimated"),
        pytest.param({"usage_source": "partial"}, Sums(n=1, n_estimated=1), id="partial"),
        pytest.param({"cost_nano": None}, Sums(n=1, n_unpriced=1), id="no price"),
        pytest.param({"cost_nano": 0}, Sums(n=1), id="free"),
        pytest.param({"cost_nano": None, "attempt_count": 0}, Sums(n=1), id="nothing was sent"),
    ],
)
def test_what_a_record_counts_as(fields: dict[str, Any], sums: Sums) -> None:
    (_, counted), *_ = parts(finish(1, **fields))

    assert counted == sums


def test_sums_are_kept_by_what_people_ask_for() -> None:
    made = finish(1, prompt_name="rag", prompt_version="3.2.0", experiment="e", arm="b")
    (key, _), *_ = parts(made)

    assert key == Key(
        tenant_id="acme-corp",
        tier="enterprise",
        feature="search",
        key_id="7hq2m9xkd4wp",
        provider="anthropic",
        model="answers",
        prompt_name="rag",
        prompt_version="3.2.0",
        experiment="e",
        arm="b",
        origin="live",
        status="ok",
    )
    (bare, _), *_ = parts(finish(1))
    assert (bare.prompt_name, bare.prompt_version, bare.experiment, bare.arm) == ("", "", "", "")


@pytest.mark.parametrize("status", ["error", "truncated", "lost"])
def test_a_minute_counts_failures(status: str) -> None:
    found = minute(record(1, status=status, cost_nano=None))

    assert found is not None
    key, sums = found
    assert key == MinuteKey(TS_US - TS_US % 60_000_000, "acme-corp", latency_index(2_340_000))
    assert sums == MinuteSums(1, 1, 0)


@pytest.mark.parametrize("status", ["ok", "blocked", "rejected", "cancelled"])
def test_a_no_that_was_meant_is_no_failure(status: str) -> None:
    assert (minute(record(1, status=status)) or ())[1:] == (MinuteSums(1, 0, 9_414_000),)


def test_a_minute_is_of_live_traffic() -> None:
    assert minute(record(1, origin="shadow")) is None


def test_features_beyond_a_thousand_are_counted_together() -> None:
    (key, _), *_ = parts(finish(1))
    known = Known({str(number) for number in range(MAX_NAMES - 1)}, set())

    assert bounded(key._replace(feature="last"), known).feature == "last"
    assert bounded(key._replace(feature="late"), known).feature == OTHER
    assert bounded(key._replace(feature="7"), known).feature == "7"
    assert len(known.features) == MAX_NAMES


def test_models_beyond_a_thousand_are_counted_together() -> None:
    (key, _), *_ = parts(finish(1))
    known = Known(set(), {str(number) for number in range(MAX_NAMES)})

    assert bounded(key._replace(model="late"), known).model == OTHER
    assert bounded(key._replace(model="7"), known).model == "7"


def test_a_model_that_is_not_configured_has_no_sums_of_its_own() -> None:
    guess = replace(finish(1), record=record(1, model_requested="guess-1", model_kind=""))

    assert {key.model for key, _ in parts(guess)} == {""}


def test_a_fault_that_is_asked_for_makes_no_other_model() -> None:
    asked = replace(finish(1), record=record(1, model_requested="chat!status:500"))

    assert {key.model for key, _ in parts(asked)} == {"chat"}
