import pytest

from trimtab.sim.bill import Usage
from trimtab.sim.cache import PrefixCache
from trimtab.sim.models import find
from trimtab.sim.request import Mark, Request

TOKENS = 2_000
TEXT = "".join(f"{number:04d}" for number in range(TOKENS))


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def cache(time: Time) -> PrefixCache:
    return PrefixCache(time)


def _request(prompt: str, *marks: Mark, model: str = "large", blocks: int = 0) -> Request:
    served = find(model)
    assert served is not None
    ends = tuple(range(blocks, len(prompt) + 1, blocks)) if blocks else (len(prompt),)
    return Request(served=served, prompt=prompt, marks=marks, blocks=ends)


def test_a_long_prompt_sent_again_is_cached_in_steps_of_128(cache: PrefixCache) -> None:
    first = cache.read_automatic("a", _request(TEXT))
    again = cache.read_automatic("a", _request(TEXT))

    assert first == Usage(input=TOKENS)
    assert again == Usage(input=TOKENS - 1_920, cached=1_920)


def test_what_differs_early_is_not_cached(cache: PrefixCache) -> None:
    cache.read_automatic("a", _request(TEXT))

    assert cache.read_automatic("a", _request("x" + TEXT[1:])).cached == 0
    assert cache.read_automatic("a", _request(TEXT[:5_000] + "x" * 3_000)).cached == 1_152


def test_a_short_prompt_is_never_cached(cache: PrefixCache) -> None:
    short = _request(TEXT[: 1_023 * 4])
    cache.read_automatic("a", short)

    assert cache.read_automatic("a", short) == Usage(input=1_023)


def test_accounts_and_models_share_nothing(cache: PrefixCache) -> None:
    cache.read_automatic("a", _request(TEXT))

    assert cache.read_automatic("b", _request(TEXT)).cached == 0
    assert cache.read_automatic("a", _request(TEXT, model="small")).cached == 0


def test_a_prefix_lives_five_minutes_after_its_last_use(cache: PrefixCache, time: Time) -> None:
    cache.read_automatic("a", _request(TEXT))
    time.now_s += 299
    assert cache.read_automatic("a", _request(TEXT)).cached
    time.now_s += 299
    assert cache.read_automatic("a", _request(TEXT)).cached
    time.now_s += 300

    assert cache.read_automatic("a", _request(TEXT)).cached == 0


def test_only_what_is_marked_is_written_and_read(cache: PrefixCache) -> None:
    asked = _request(TEXT, Mark(6_000, hour=False))

    assert cache.read_marked("a", asked) == Usage(input=500, write_5m=1_500)
    assert cache.read_marked("a", asked) == Usage(input=500, cached=1_500)
    assert cache.read_marked("a", _request(TEXT)) == Usage(input=TOKENS)


def test_writes_are_split_by_lifetime(cache: PrefixCache) -> None:
    asked = _request(TEXT, Mark(4_800, hour=True), Mark(8_000, hour=False))

    assert cache.read_marked("a", asked) == Usage(write_1h=1_200, write_5m=800)


def test_an_hour_is_longer_than_five_minutes(cache: PrefixCache, time: Time) -> None:
    asked = _request(TEXT, Mark(4_800, hour=True), Mark(8_000, hour=False))
    cache.read_marked("a", asked)
    time.now_s += 1_000

    assert cache.read_marked("a", asked) == Usage(cached=1_200, write_5m=800)


def test_a_longer_conversation_reads_what_a_shorter_one_wrote(cache: PrefixCache) -> None:
    cache.read_marked("a", _request(TEXT[:6_000], Mark(6_000, hour=False), blocks=1_000))

    grown = cache.read_marked("a", _request(TEXT, Mark(8_000, hour=False), blocks=1_000))

    assert grown == Usage(cached=1_500, write_5m=500)


def test_no_more_than_twenty_blocks_are_looked_back(cache: PrefixCache) -> None:
    cache.read_marked("a", _request(TEXT[:5_000], Mark(5_000, hour=False), blocks=100))

    assert cache.read_marked("a", _request(TEXT, Mark(7_000, hour=False), blocks=100)).cached == 0
    assert cache.read_marked("a", _request(TEXT, Mark(6_900, hour=False), blocks=100)).cached


def test_a_mark_too_early_is_ignored(cache: PrefixCache) -> None:
    assert cache.read_marked("a", _request(TEXT, Mark(4_092, hour=False))) == Usage(input=TOKENS)
