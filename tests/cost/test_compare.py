from msgspec.structs import replace
from tests.cost.test_applied import JUNE, OTHER, SHIPPED, row
from tests.records import finish, line_of

from trimtab.cost.compare import Effect, Moved, differences, latest_start_us
from trimtab.cost.lock import Tier, Units, build_lock
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import instant_us
from trimtab.domain.record import LedgerLine

BEFORE, AFTER = PriceList(SHIPPED), PriceList(OTHER)
NOW_US = instant_us("2026-11-01")


def line(model: str = "b", tenant: str = "acme", **fields: object) -> LedgerLine:
    members = {
        "provider": "account",
        "model_sent": model,
        "tenant_id": tenant,
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "cached_tokens": None,
        "cache_write_5m": None,
        "usage_source": "provider",
        "price_version": "ps_of_before",
        **fields,
    }
    return replace(line_of(finish().record), **members)


def effect(*lines: LedgerLine, at: str = "2026-11-01") -> Effect:
    made = Effect(lambda _: BEFORE, lambda _: AFTER, {"account": "p"}.get, at_us=instant_us(at))
    for it in lines:
        made.add(it)
    return made


def test_rows_are_added_removed_and_changed() -> None:
    found = differences(SHIPPED, OTHER)

    assert [(it.id, it.kind) for it in found] == [
        ("p/b", "changed"),
        ("p/b#2026-06-01", "added"),
        ("p/c", "removed"),
        ("p/d", "added"),
    ]
    assert found[0].prices == (("to", None, JUNE),)
    assert ("output", None, "4") in found[1].prices
    assert ("input", "3", None) in found[2].prices
    assert differences(SHIPPED, SHIPPED) == ()


def test_prices_of_tiers_and_units_are_named() -> None:
    plain = row("p/a", "1")
    tiered = replace(
        plain,
        usd_per_mtok=(*plain.usd_per_mtok, Tier(above_input_tokens=200_000, input="2")),
        usd_per_unit=Units(web_search="0.01"),
    )

    (found,) = differences(build_lock("x", [plain]), build_lock("y", [tiered]))

    assert found.prices == (
        ("input above 200000", None, "2"),
        ("web_search", None, "0.01"),
    )


def test_the_instant_compared_is_when_all_of_it_holds() -> None:
    found = differences(SHIPPED, OTHER)

    assert latest_start_us(found, instant_us("2026-01-01")) == instant_us(JUNE)
    assert latest_start_us(found, NOW_US) == NOW_US


def test_traffic_is_priced_anew_by_both_lists() -> None:
    found = effect(line(), line("a"), line(tenant="globex"))

    assert found.total == Moved(5 * 10**9, 9 * 10**9)
    assert found.tenants == {
        "acme": Moved(3 * 10**9, 5 * 10**9),
        "globex": Moved(2 * 10**9, 4 * 10**9),
    }
    assert found.providers == {"account": found.total}
    assert found.total.difference_nano == 4 * 10**9


def test_what_one_list_does_not_price_is_counted_and_not_added() -> None:
    found = effect(line("c"), line("d"))

    assert (found.n, found.n_unpriced, found.total) == (2, 2, Moved())


def test_adjustments_are_no_traffic() -> None:
    assert effect(line(kind="adjustment")).n == 0


def test_a_line_that_does_not_say_all_it_was_priced_by_is_told() -> None:
    booked = line("a", price_version=BEFORE.version, cost_nano=10**9)

    assert effect(booked).n_inexact == 0
    assert effect(replace(booked, cost_nano=10**9 + 1)).n_inexact == 1
