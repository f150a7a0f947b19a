import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from trimtab.cost.applied import differing, lay_over
from trimtab.cost.lock import Lock, Match, Row, Tier, build_lock, faults
from trimtab.domain.errors import SettingsInvalid


def row(id_: str, price: str, start: str | None = None, end: str | None = None) -> Row:
    model = id_.partition("/")[2].partition("#")[0]
    tier = Tier(input=price, output=price)
    return Row(id=id_, match=Match(exact=(model,)), start=start, end=end, usd_per_mtok=(tier,))


JUNE = "2026-06-01T00:00:00Z"
SHIPPED = build_lock("one", [row("p/a", "1"), row("p/b", "2"), row("p/c", "3")])
OTHER = build_lock(
    "two",
    [row("p/a", "1"), row("p/b", "2", end=JUNE), row("p/b#2026-06-01", "4", JUNE), row("p/d", "5")],
)


def over(shipped: Lock, other: Lock) -> Lock:
    return lay_over(shipped, to_builtins(differing(shipped, other)))


def test_only_models_that_differ_are_kept() -> None:
    applied = differing(SHIPPED, OTHER)

    assert {model: len(rows) for model, rows in applied.models.items()} == {
        "p/b": 2,
        "p/c": 0,
        "p/d": 1,
    }
    assert (applied.source, applied.base) == ("two", SHIPPED.price_version)


def test_laid_over_it_is_the_other_list() -> None:
    assert over(SHIPPED, OTHER) == OTHER
    assert lay_over(SHIPPED, {}) is SHIPPED


def test_the_day_of_the_last_look_is_no_difference() -> None:
    looked = [replace(it, checked="2026-11-30") for it in SHIPPED.rows]

    assert not differing(SHIPPED, build_lock("one", looked)).models


def test_over_a_newer_program_a_model_is_taken_whole() -> None:
    applied = to_builtins(differing(SHIPPED, OTHER))
    newer = build_lock(
        "three", [row("p/a", "7"), row("p/b", "8", end=JUNE), row("p/b#x", "9", JUNE)]
    )

    mixed = lay_over(newer, applied)

    assert [it.id for it in mixed.rows] == ["p/a", "p/b", "p/b#2026-06-01", "p/d"]
    assert mixed.rows[0].usd_per_mtok[0].input == "7"
    assert faults(mixed) == []


def test_a_value_that_is_no_list_says_how_to_go_back() -> None:
    with pytest.raises(SettingsInvalid, match="undo the change of 'prices/list'"):
        lay_over(SHIPPED, {"models": 3})
