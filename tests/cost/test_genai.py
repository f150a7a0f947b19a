"""The compiled price of every shipped row equals what its source calculates, to the nano-USD.

Where the two differ on purpose, usages are kept off the difference:

- the source falls back to the list price before a context's first day; for us it is unknown
- it prices a cache write of an hour at the price of 5 minutes, and output or a web search without
  a price at nothing; for us all of these are unknown
- it has no lifetimes of 30 minutes and 12 hours; here they count as its plain cache writes
- it wants to be told which part of the audio was cached; we assume as little as possible
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN
from random import Random

import pytest
from genai_prices import Usage as SourceUsage
from genai_prices.data import providers as bundled

from trimtab.cost import genai
from trimtab.cost.charge import charge
from trimtab.cost.lock import Row, build_lock, shipped_lock
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import PriceRow, instant_us
from trimtab.domain.usage import Usage, UsageSource

LOCK = shipped_lock()
PRICES = PriceList(LOCK)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US, LAST_US = 1_577_836_800_000_000, 1_900_000_000_000_000
USAGES_PER_ROW = 50
SOURCE_WORDS = {"batch": ("processing", "batch")}
MODELS = {
    f"{provider.id}/{model.id}": (provider, model)
    for provider in bundled
    for model in provider.models
}
ROWS: dict[str, list[Row]] = defaultdict(list)
for listed in LOCK.rows:
    ROWS[listed.provider].append(listed)


@pytest.mark.parametrize("provider", genai.PROVIDERS)
def test_every_row_charges_what_its_source_calculates(provider: str) -> None:
    # Seeded: the same usages in every run.
    random = Random(provider)  # noqa: S311
    assert ROWS[provider]
    for row in ROWS[provider]:
        for at_us in _instants(row, random):
            found = PRICES.find(
                provider,
                row.match.exact[0],
                at_us=at_us,
                context=tuple(sorted(row.context.items())),
            )
            assert found is not None
            assert found.id == row.id
            usage = _usage(found, random)
            assert charge(usage, found).cost_nano == _expected(row, usage, at_us), (row.id, usage)


def test_the_shipped_lock_is_what_the_source_gives() -> None:
    checked = date.fromisoformat(LOCK.rows[0].checked)

    assert build_lock(genai.source_name(), genai.rows(checked)) == LOCK


@pytest.mark.parametrize("provider", genai.PROVIDERS)
def test_a_name_leads_to_the_model_its_source_finds(provider: str) -> None:
    for row in ROWS[provider]:
        source, model = MODELS[_key(row)]
        assert all(source.find_model(name) is model for name in row.match.exact)


@pytest.mark.parametrize(
    "key",
    [
        "deepseek/deepseek-v4-pro",  # prices by the time of day
        "google/gemini-3-pro-image-preview",  # images at a price of their own
        "openai/gpt-4o-audio-preview",  # audio at the price of text
        "openai/whisper-1",  # by the hour
        "openai/omni-moderation-latest",  # no price at all
    ],
)
def test_what_the_lock_cannot_say_is_left_out(key: str) -> None:
    assert all(_key(row) != key for row in LOCK.rows)


def _instants(row: Row, random: Random) -> Iterator[int]:
    start_us = instant_us(row.start) if row.start else FIRST_US
    end_us = instant_us(row.end) if row.end else LAST_US
    for _ in range(USAGES_PER_ROW):
        yield random.randrange(start_us, end_us)


def _usage(row: PriceRow, random: Random) -> Usage:
    given = random.choice((0, random.randrange(3000), random.randrange(500_000)))
    rates = row.rates(given)
    cached = random.randint(0, given)
    plain = random.randint(0, given - cached)
    hour = 0 if rates.cache_write_1h is None else random.randint(0, given - cached - plain)
    wrote = 0 if rates.output is None else random.randrange(50_000)
    of_30m = plain if rates.cache_write_30m == rates.cache_write_5m else 0
    return Usage(
        source=UsageSource.PROVIDER,
        input_tokens=given,
        cached_tokens=cached,
        cache_write_5m=plain - of_30m,
        cache_write_30m=of_30m,
        cache_write_1h=hour,
        audio_input_tokens=random.randint(0, given - plain - hour),
        output_tokens=wrote,
        audio_output_tokens=random.randint(0, wrote),
        web_search_requests=0 if rates.web_search is None else random.randrange(5),
    )


def _expected(row: Row, usage: Usage, at_us: int) -> int:
    provider, model = MODELS[_key(row)]
    given, cached = usage.input_tokens or 0, usage.cached_tokens or 0
    writes, audio = usage.cache_write_tokens or 0, usage.audio_input_tokens or 0
    price = model.calc_price(
        SourceUsage(
            input_tokens=given,
            cache_read_tokens=cached,
            cache_write_tokens=writes,
            cache_write_1h_tokens=usage.cache_write_1h,
            input_audio_tokens=audio,
            cache_audio_read_tokens=max(0, audio - (given - cached - writes)),
            output_tokens=usage.output_tokens,
            output_audio_tokens=usage.audio_output_tokens,
            web_searches=usage.web_search_requests,
        ),
        provider,
        genai_request_timestamp=EPOCH + timedelta(microseconds=at_us),
        price_context=dict(SOURCE_WORDS.get(key, (key, said)) for key, said in row.context.items()),
    )
    return int((price.total_price * 10**9).to_integral_value(rounding=ROUND_HALF_EVEN))


def _key(row: Row) -> str:
    return row.id.partition("#")[0].partition("?")[0]
