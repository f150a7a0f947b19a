import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.cost.usage import read_reports
from trimtab.cost.usage_out import convert_usage
from trimtab.domain.chat import UsageReport
from trimtab.domain.model import Wire

OPENAI, ANTHROPIC = Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES
COUNTS = st.integers(0, 1_000_000)


def converted(provider: Wire, caller: Wire, *reports: object) -> object:
    told = [UsageReport(json.dumps(report).encode(), final=True) for report in reports]
    raw = convert_usage(provider, caller, told)
    return None if raw is None else json.loads(bytes(raw))


def test_openais_input_is_parted_into_fresh_and_cached() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "total_tokens": 107,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }

    assert converted(OPENAI, ANTHROPIC, usage) == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }


def test_anthropics_input_is_summed_up_and_the_last_report_wins() -> None:
    first = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 1,
    }

    assert converted(ANTHROPIC, OPENAI, first, {"output_tokens": 7}) == {
        "prompt_tokens": 100,
        "completion_tokens": 7,
        "total_tokens": 107,
        "prompt_tokens_details": {"cached_tokens": 60},
    }


def test_zero_stays_zero_and_what_is_unknown_stays_out() -> None:
    assert converted(OPENAI, ANTHROPIC, {"prompt_tokens": 0}) == {"input_tokens": 0}
    assert converted(ANTHROPIC, OPENAI, {"input_tokens": 0, "cache_read_input_tokens": 0}) == {
        "prompt_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


@pytest.mark.parametrize("reports", [(), ({},), ({"prompt_tokens": "many"},)])
def test_no_usage_is_none(reports: tuple[object, ...]) -> None:
    assert converted(OPENAI, ANTHROPIC, *reports) is None


@given(given=COUNTS, cached=COUNTS, wrote=COUNTS)
def test_there_and_back_the_counts_are_the_same(given: int, cached: int, wrote: int) -> None:
    usage = {
        "prompt_tokens": given + cached,
        "completion_tokens": wrote,
        "prompt_tokens_details": {"cached_tokens": cached},
    }

    there = converted(OPENAI, ANTHROPIC, usage)
    back = converted(ANTHROPIC, OPENAI, there)

    told = [UsageReport(json.dumps(each).encode(), final=True) for each in (usage, back)]
    assert read_reports(OPENAI, told[:1]) == read_reports(OPENAI, told[1:])
