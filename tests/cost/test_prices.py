from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from trimtab.cost.lock import Match, Row, Tier, Units, build_lock, shipped_lock
from trimtab.cost.overrides import Context
from trimtab.cost.prices import PriceList, context_of
from trimtab.cost.rates import instant_us
from trimtab.domain.usage import Usage, UsageSource

FLEX: Context = (("service_tier", "flex"),)
JUNE = "2026-06-01"
LOCK = build_lock(
    "a test",
    [
        Row(
            id="p/old",
            match=Match(exact=("m",), dated=True),
            end=f"{JUNE}T00:00:00Z",
            usd_per_mtok=(Tier(input="10", output="20"),),
        ),
        Row(
            id="p/new",
            match=Match(exact=("m",), dated=True),
            start=f"{JUNE}T00:00:00Z",
            usd_per_mtok=(Tier(input="5", cache_read="1", output="10"),),
            usd_per_unit=Units(web_search="0.01"),
        ),
        Row(
            id="p/flex",
            match=Match(exact=("m",), dated=True),
            context={"service_tier": "flex"},
            usd_per_mtok=(Tier(input="2", output="4"),),
        ),
        Row(
            id="p/pinned",
            match=Match(exact=("m-2026-01-31", "plain")),
            usd_per_mtok=(Tier(input="7", output="8"),),
        ),
    ],
)


def found(
    model: str = "m",
    *,
    at: str = "2026-11-01",
    context: Context = (),
    overrides: Mapping[str, Any] | None = None,
) -> tuple[str, float] | None:
    """Id and USD per million input tokens of the row that holds."""
    row = PriceList(LOCK, overrides).find("p", model, at_us=instant_us(at), context=context)
    return None if row is None else (row.id, row.rates(0).input / 10**9)


def test_the_row_is_the_one_in_force() -> None:
    assert found(at="2026-05-31T23:59:59.999999") == ("p/old", 10)
    assert found(at=JUNE) == ("p/new", 5)


def test_case_does_not_matter() -> None:
    assert found("M") == found("m")


def test_a_dated_name_costs_what_its_family_costs() -> None:
    for name in ("m-20260131", "m-2026-02-28", "m@20260131"):
        assert found(name) == ("p/new", 5)


def test_a_dated_name_with_a_row_of_its_own_has_that_price() -> None:
    assert found("m-2026-01-31") == ("p/pinned", 7)


@pytest.mark.parametrize(
    "model", ["m2", "m-preview", "m-20261331", "m-2026", "plain-20260131", "p/m", ""]
)
def test_nothing_else_is_guessed(model: str) -> None:
    assert found(model) is None


def test_an_unknown_provider_has_no_price() -> None:
    assert PriceList(LOCK).find("q", "m", at_us=0) is None


def test_a_context_has_a_price_of_its_own_or_none() -> None:
    assert found(context=FLEX) == ("p/flex", 2)
    assert found(context=(("service_tier", "scale"),)) is None
    assert found("plain", context=FLEX) is None


@pytest.mark.parametrize(
    ("members", "context"),
    [
        ({}, ()),
        ({"service_tier": "default", "speed": "standard", "region": "global"}, ()),
        ({"service_tier": "standard", "region": "not_available"}, ()),
        ({"service_tier": "flex"}, FLEX),
        ({"service_tier": "batch"}, (("batch", "true"),)),
        ({"service_tier": "auto"}, (("service_tier", "auto"),)),
        (
            {"service_tier": "priority", "speed": "fast", "region": "us"},
            (("region", "us"), ("service_tier", "priority"), ("speed", "fast")),
        ),
    ],
    ids=str,
)
def test_only_words_for_ordinary_service_mean_the_list_price(
    members: dict[str, str], context: Context
) -> None:
    assert context_of(replace(Usage(source=UsageSource.PROVIDER), **members)) == context


def test_an_absolute_override_replaces_the_row() -> None:
    overrides = {"p/m": {"input": 4, "output": 8}}

    assert found(overrides=overrides) == ("override:p/m", 4)
    assert found("m-20260131", overrides=overrides) == ("override:p/m", 4)
    assert found("m-2026-01-31", overrides=overrides) == ("p/pinned", 7)
    assert found(context=FLEX, overrides=overrides) == ("p/flex", 2)


def test_an_absolute_override_prices_an_unknown_model() -> None:
    assert found("own", overrides={"p/own": {"input": 0, "output": 0}}) == ("override:p/own", 0)


def test_a_share_of_an_unknown_price_is_unknown() -> None:
    assert found("own", overrides={"p/*": {"discount": "10%"}}) is None


def test_a_discount_holds_at_every_time_and_in_every_context() -> None:
    overrides = {"p/*": {"discount": "10%"}}

    assert found(at="2026-01-01", overrides=overrides) == ("p/old override:p/*", 9)
    assert found(overrides=overrides) == ("p/new override:p/*", 4.5)
    assert found(context=FLEX, overrides=overrides) == ("p/flex override:p/*", 1.8)


def test_a_multiplier_for_a_context_the_list_does_not_know_multiplies_the_ordinary_price() -> None:
    overrides = {"p/*": {"multiplier": 1.1, "context": {"region": "us"}}}

    assert found(context=(("region", "us"),), overrides=overrides) == ("p/new override:p/*", 5.5)
    assert found(overrides=overrides) == ("p/new", 5)


def test_an_override_holds_from_and_to_its_instants() -> None:
    overrides = {"p/m": {"input": 1, "output": 1, "from": "2026-07-01", "to": "2026-08-01"}}

    held = [found(at=f"2026-{month:02d}-01", overrides=overrides) for month in (5, 6, 7, 8)]
    assert held == [("p/old", 10), ("p/new", 5), ("override:p/m", 1), ("p/new", 5)]


def test_the_override_that_says_most_wins() -> None:
    overrides = {
        "p/m": {"input": 1},
        "p/*": {"input": 2},
        "*/*": {"input": 3},
    }

    assert found(overrides=overrides) == ("override:p/m", 1)
    assert found("other", overrides=overrides) == ("override:p/*", 2)


def test_the_later_of_two_equal_overrides_wins() -> None:
    overrides = {"p/m": [{"input": 1}, {"input": 2, "from": "2026-01-01"}]}

    assert found(overrides=overrides) == ("override:p/m", 2)
    assert found(at="2025-12-31", overrides=overrides) == ("override:p/m", 1)


def test_the_version_names_lock_and_overrides() -> None:
    overrides = {"p/m": {"input": 1, "output": 2}}
    versions = {
        PriceList(LOCK).version,
        PriceList(LOCK, overrides).version,
        PriceList(LOCK, {"p/m": {"input": 1, "output": 3}}).version,
    }

    assert len(versions) == 3
    assert PriceList(LOCK).version == PriceList(LOCK, {}).version == LOCK.price_version
    assert PriceList(LOCK, overrides).version == PriceList(LOCK, dict(overrides)).version


def test_every_row_says_the_version_it_belongs_to() -> None:
    prices = PriceList(LOCK, {"p/m": {"discount": "1%"}})
    row = prices.find("p", "m", at_us=instant_us(JUNE))

    assert row is not None
    assert row.price_version == prices.version


def test_many_unknown_names_do_not_fill_the_memory() -> None:
    prices = PriceList(LOCK)
    for n in range(10_000):
        assert prices.find("p", f"unknown-{n}", at_us=0) is None

    assert prices.remembered <= 4096


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-5"),
        ("openai", "gpt-5-2025-08-07"),
        ("anthropic", "claude-haiku-4-5"),
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("google", "gemini-2.5-flash"),
        ("mistral", "mistral-large-latest"),
    ],
)
def test_the_shipped_list_knows_the_models_people_use(provider: str, model: str) -> None:
    row = PriceList(shipped_lock()).find(provider, model, at_us=instant_us("2026-11-24"))

    assert row is not None
    assert row.rates(0).input > 0
