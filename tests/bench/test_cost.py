"""What pricing costs a request. Prints; asserts nothing about time."""

from collections.abc import Callable
from time import perf_counter

import pytest

from trimtab.cost.charge import charge
from trimtab.cost.lock import shipped_lock
from trimtab.cost.prices import PriceList, context_of
from trimtab.cost.usage import read_anthropic, read_openai_chat
from trimtab.domain.usage import Usage, UsageSource

pytestmark = pytest.mark.bench

NOV_2026_US = 1_795_500_000_000_000
OPENAI = (
    b'{"prompt_tokens":4123,"completion_tokens":487,"total_tokens":4610,'
    b'"prompt_tokens_details":{"cached_tokens":3800,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":100,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
)
ANTHROPIC = (
    b'{"input_tokens":323,"cache_creation_input_tokens":100,"cache_read_input_tokens":3800,'
    b'"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":0},'
    b'"output_tokens":487,"service_tier":"standard","inference_geo":"not_available"}'
)


def test_prints_what_pricing_costs() -> None:
    prices = PriceList(shipped_lock())
    usage = Usage(
        source=UsageSource.PROVIDER, input_tokens=4123, cached_tokens=3800, output_tokens=487
    )

    def find_and_charge() -> object:
        row = prices.find(
            "anthropic", "claude-sonnet-4-5", at_us=NOV_2026_US, context=context_of(usage)
        )
        assert row is not None
        return charge(usage, row)

    measure("find and charge", find_and_charge)
    measure("read openai usage", lambda: read_openai_chat(OPENAI))
    measure("read anthropic usage", lambda: read_anthropic(ANTHROPIC))
    measure("load the lock", lambda: PriceList(shipped_lock()), times=3)


def measure(what: str, work: Callable[[], object], *, times: int = 20_000) -> None:
    best = float("inf")
    for _ in range(5):
        start_s = perf_counter()
        for _ in range(times):
            work()
        best = min(best, perf_counter() - start_s)
    print(f"{what:24} {best / times * 1e6:9.2f} us")
