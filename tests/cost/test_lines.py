from msgspec.structs import replace
from tests.records import finish, line_of

from trimtab.cost.charge import charge
from trimtab.cost.lines import extras_of, price_line, usage_of
from trimtab.cost.lock import shipped_lock
from trimtab.cost.prices import PriceList, context_of
from trimtab.domain.record import LedgerLine
from trimtab.domain.usage import Usage, UsageSource

NOV_2026_US = 1_795_500_000_000_000
PRICES = PriceList(shipped_lock(), {"p/*": {"input": 3, "output": 15, "web_search": "0.01"}})


def line(usage: Usage, **fields: object) -> LedgerLine:
    """The line that the pipeline writes of a usage."""
    members = {
        name: getattr(usage, name)
        for name in LedgerLine.__struct_fields__
        if name in Usage.__struct_fields__
    }
    members |= {
        "context": usage.service_tier or "",
        "extras": extras_of(usage),
        "usage_source": usage.source.value,
        **fields,
    }
    return replace(line_of(finish().record), **members)


FULL = Usage(
    source=UsageSource.PROVIDER,
    input_tokens=1000,
    cached_tokens=200,
    cache_write_5m=1,
    cache_write_30m=2,
    cache_write_1h=3,
    cache_write_12h=4,
    output_tokens=500,
    reasoning_tokens=100,
    audio_input_tokens=50,
    audio_output_tokens=60,
    image_tokens=7,
    web_search_requests=2,
    service_tier="priority & co",
    speed="fast=1",
    region="us east",
)


def test_all_that_a_price_is_made_of_comes_back_from_a_line() -> None:
    assert usage_of(line(FULL)) == FULL


def test_ordinary_words_are_not_kept() -> None:
    usage = replace(FULL, service_tier=None, speed="standard", region="not_available")

    kept = usage_of(line(usage))

    assert kept == replace(usage, speed=None, region=None)
    assert context_of(kept) == context_of(usage)


def test_an_ordinary_usage_has_no_extras() -> None:
    usage = Usage(source=UsageSource.PROVIDER, input_tokens=5, output_tokens=6)

    assert extras_of(usage) == ""
    assert usage_of(line(usage)) == usage


def test_a_line_is_priced_as_its_usage_was() -> None:
    usage = replace(FULL, service_tier=None, speed=None, region=None)
    row = PRICES.find("p", "m", at_us=NOV_2026_US, context=context_of(usage))
    assert row is not None

    priced = price_line(line(usage, model_sent="m!cut=1"), PRICES, "p", NOV_2026_US)

    assert priced == charge(usage, row)
    assert priced.other_nano == 20_000_000


def test_what_was_never_sent_is_free_and_what_is_unknown_has_no_price() -> None:
    unsent = Usage(source=UsageSource.NONE, input_tokens=0, output_tokens=0)

    assert price_line(line(unsent), PRICES, "q", NOV_2026_US).cost_nano == 0
    assert price_line(line(FULL), PRICES, "q", NOV_2026_US).cost_nano is None
