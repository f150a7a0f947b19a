from typing import Any

import pytest
from tests.jobs.site import Site, at

from trimtab.cost.baseline import Terms
from trimtab.domain.alert import Finding, Rule
from trimtab.jobs.oddities import LineRules, LoopRule

NOW = at(12)
KEY = "7hq2m9xkd4wp"


@pytest.fixture
def site() -> Site:
    return Site()


async def loops(site: Site, now_us: int = NOW) -> list[Finding]:
    return await LoopRule(site.spend, lambda: site.snapshot, Terms()).find(now_us)


async def lines(site: Site) -> dict[Rule, Finding]:
    def is_free(provider: str, model: str, _at_us: int) -> bool:
        return (provider, model) == ("local", "llama")

    found = await LineRules(site.spend, lambda: site.snapshot, is_free).find(NOW)
    return {it.rule: it for it in found}


async def test_fifty_equal_calls_of_a_key_are_a_loop(site: Site) -> None:
    for n in range(49):
        await site.spends(0.01, NOW - n, body="same")
    assert await loops(site) == []
    await site.spends(0.01, NOW, body="same")

    [found] = await loops(site)

    assert (found.rule, found.subject) == (Rule.LOOP, f"key {KEY}")
    assert found.told == "50 calls in 5 minutes, 50 of them the same, for 0.50 USD"
    assert (found.feature, found.model, len(found.samples)) == ("search", "answers", 2)
    assert await loops(site, NOW + 300_000_001) == []


async def test_a_key_is_told_of_once_by_the_narrowest_that_its_calls_have_in_common(
    site: Site,
) -> None:
    shared: dict[str, Any] = {"conversation_id": "c" * 100, "user_hash": "u1", "prompt_hash": "p1"}
    for _ in range(60):
        await site.spends(0.01, NOW, body="same", **shared)

    [found] = await loops(site)

    assert found.subject == f"conversation '{'c' * 64}' of key {KEY}"


async def test_a_conversation_that_reads_more_and_more_is_told_once_it_is_dear(site: Site) -> None:
    for n in range(10):
        await site.spends(0.12, NOW - 10 + n, conversation_id="c" * 99, input_tokens=1000 * (n + 1))
    assert await loops(site) == []
    await site.spends(0.2, NOW, conversation_id="c" * 99, input_tokens=20_000)

    [found] = await loops(site)

    assert found.told == (
        "10 calls in a row read more each time, 2,000 to 20,000 tokens, for 1.28 USD"
    )
    assert found.subject == f"conversation '{'c' * 64}' of key {KEY}"
    assert len(found.samples) == 3


async def test_what_has_no_price_is_told_by_model(site: Site) -> None:
    unpriced = await site.spends(0, NOW, line={"cost_nano": None}, cost_nano=None)
    await site.spends(1, NOW)

    [found] = (await lines(site)).values()

    assert found.rule is Rule.PRICE_UNKNOWN
    assert found.subject == "anthropic/large"
    assert found.told.startswith("1 of 2 calls of anthropic/large in an hour have no price; add")
    assert found.samples == (unpriced,)


async def test_tokens_that_cost_nothing_are_told_unless_their_price_is_zero(site: Site) -> None:
    await site.spends(0, NOW, provider="local", line={"model_sent": "llama"})
    assert await lines(site) == {}

    await site.spends(0, NOW)

    assert set(await lines(site)) == {Rule.ZERO_COST}


async def test_more_than_one_contradiction_in_a_thousand_is_told(site: Site) -> None:
    contrary = {"flags": "usage_inconsistent"}
    for _ in range(499):
        await site.spends(1, NOW)
    await site.spends(1, NOW, line=contrary)

    assert set(await lines(site)) == {Rule.USAGE_INCONSISTENT}


async def test_lines_older_than_an_hour_are_not_looked_at(site: Site) -> None:
    await site.spends(0, NOW - 3_600_000_001)

    assert await lines(site) == {}
