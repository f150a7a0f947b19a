from decimal import Decimal

import pytest

from trimtab.cost.overrides import parse_overrides
from trimtab.domain.errors import SettingsInvalid


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("vllm/llama-3.3-70b", "vllm/llama-3.3-70b"),
        ("anthropic/*", "anthropic/claude-haiku-4-5"),
        ("*/claude-*-5", "anthropic/claude-haiku-4-5"),
        ("openrouter/*", "openrouter/meta/llama:free"),
        ("p/Model", "p/mODEL"),
    ],
)
def test_a_star_stands_for_anything(pattern: str, key: str) -> None:
    (override,) = parse_overrides({pattern: {"input": 1}})

    assert override.matches(key)


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("vllm/llama-3.3-70b", "vllm/llama-3-3-70b"),
        ("anthropic/*", "anthropic2/claude"),
        ("p/m", "p/m2"),
        ("p/m", "xp/m"),
    ],
)
def test_nothing_but_a_star_stands_for_anything(pattern: str, key: str) -> None:
    (override,) = parse_overrides({pattern: {"input": 1}})

    assert not override.matches(key)


@pytest.mark.parametrize("discount", ["12%", "12 %", 0.12, "0.120"])
def test_a_discount_is_a_share(discount: object) -> None:
    (override,) = parse_overrides({"p/*": {"discount": discount}})

    assert override.factor == Decimal("0.88")


def test_a_number_of_yaml_is_read_as_it_was_written() -> None:
    (override,) = parse_overrides({"p/m": {"input": 0.1, "output": 1e-3, "web_search": 0.01}})

    assert override.row is not None
    assert override.row.usd_per_mtok[0].input == "0.1"
    assert override.row.usd_per_mtok[0].output == "0.001"
    assert override.row.usd_per_unit.web_search == "0.01"


def test_entries_may_follow_one_another_in_time() -> None:
    entries = [{"input": 2, "to": "2026-06-01"}, {"input": 1, "from": "2026-06-01"}]
    first, second = parse_overrides({"p/m": entries})

    assert first.end_us == second.start_us == 1_780_272_000_000_000


@pytest.mark.parametrize(
    ("pattern", "entry"),
    [
        ("claude", {"input": 1}),
        ("p/m", None),
        ("p/m", {}),
        ("p/m", "12%"),
        ("p/m", {"output": 1}),
        ("p/m", {"input": -1}),
        ("p/m", {"input": "free"}),
        ("p/m", {"input": True}),
        ("p/m", {"input": "NaN"}),
        ("p/m", {"input": 1, "inptu": 2}),
        ("p/m", {"input": 1, "discount": "12%"}),
        ("p/m", {"discount": 12}),
        ("p/m", {"discount": "5%", "multiplier": 2}),
        ("p/m", {"input": 1, "from": "yesterday"}),
        ("p/m", {"input": 1, "from": "2026-02-01", "to": "2026-01-01"}),
        ("p/m", {"input": 1, "context": "flex"}),
        ("p/m", [{"input": 1}, {"inptu": 1}]),
    ],
)
def test_refuses_what_is_no_override_and_names_it(pattern: str, entry: object) -> None:
    with pytest.raises(SettingsInvalid, match=f"price override '{pattern}' .*; write"):
        parse_overrides({pattern: entry})
