import pytest
from msgspec.structs import replace

from trimtab.cost.lock import (
    Match,
    Row,
    Tier,
    build_lock,
    decode_lock,
    encode_lock,
    faults,
    shipped_lock,
)
from trimtab.domain.errors import SettingsInvalid

PRICES = (Tier(input="3", output="15"),)


def row(model: str, start: str | None = None, end: str | None = None) -> Row:
    return Row(
        id=f"p/{model}#{start}",
        match=Match(exact=(model,)),
        start=start and f"{start}T00:00:00Z",
        end=end and f"{end}T00:00:00Z",
        usd_per_mtok=PRICES,
    )


def test_the_shipped_lock_has_no_faults() -> None:
    assert faults(shipped_lock()) == []


def test_the_shipped_lock_prices_the_large_providers() -> None:
    providers = {row.provider for row in shipped_lock().rows}

    assert {"anthropic", "google", "mistral", "openai"} <= providers


def test_a_lock_survives_its_file() -> None:
    lock = build_lock("a test", [row("b"), row("a", "2026-01-01")])

    assert decode_lock(encode_lock(lock)) == lock


def test_a_row_is_a_line() -> None:
    lock = build_lock("a test", [row("b"), row("a")])

    assert [line[:11] for line in encode_lock(lock).splitlines()] == [
        b'{"schema":1',
        b'{"id":"p/a#',
        b'{"id":"p/b#',
        b"]}",
    ]


def test_the_order_of_rows_does_not_change_the_version() -> None:
    one, other = row("a"), row("b")

    assert build_lock("x", [one, other]) == build_lock("x", [other, one])


def test_any_price_changes_the_version() -> None:
    dearer = replace(row("a"), usd_per_mtok=(Tier(input="3", output="15.1"),))

    first, second = build_lock("x", [row("a")]), build_lock("x", [dearer])
    assert first.price_version != second.price_version
    assert len(first.price_version) == len("ps_") + 12


def test_looking_again_does_not_change_the_version() -> None:
    checked = replace(row("a"), checked="2026-11-24")

    first, second = build_lock("x", [row("a")]), build_lock("x", [checked])
    assert first.price_version == second.price_version


def test_an_edited_file_is_refused() -> None:
    raw = encode_lock(build_lock("x", [row("a")])).replace(b'"15"', b'"14"')

    with pytest.raises(SettingsInvalid, match=r"changed by hand; .*prices\.overrides"):
        decode_lock(raw)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"15"', b'"-15"'),
        (b'"15"', b"15"),
        (b'"15"', b'"1e1"'),
        (b'"15"', b'"0.0000000001"'),
        (b'"output"', b'"outptu"'),
        (b'{"schema"', b'{schema"'),
    ],
)
def test_what_is_no_price_is_refused(old: bytes, new: bytes) -> None:
    raw = encode_lock(build_lock("x", [row("a")]))

    with pytest.raises(SettingsInvalid, match=r"cannot be read: .*; restore the file"):
        decode_lock(raw.replace(old, new))


def test_another_schema_is_refused() -> None:
    raw = encode_lock(build_lock("x", [row("a")])).replace(b'"schema":1', b'"schema":2')

    with pytest.raises(SettingsInvalid, match="has schema 2, not 1; restore"):
        decode_lock(raw)


def test_finds_rows_that_are_there_twice() -> None:
    lock = build_lock("x", [row("a"), row("a")])

    assert "row 'p/a#None' is there twice" in faults(lock)


def test_finds_gaps_and_overlaps_in_time() -> None:
    gap = build_lock("x", [row("a", None, "2026-01-01"), row("a", "2026-01-02")])
    overlap = build_lock("x", [row("a", None, "2026-01-02"), row("a", "2026-01-01")])
    endless = build_lock("x", [row("a"), row("a", "2026-01-01")])

    assert faults(gap) == ["'p/a' has a gap between 'p/a#None' and 'p/a#2026-01-02'"]
    assert faults(overlap) == ["'p/a' has an overlap between 'p/a#None' and 'p/a#2026-01-01'"]
    assert faults(endless) == faults(overlap)


def test_rows_that_follow_one_another_are_fine() -> None:
    lock = build_lock("x", [row("a", None, "2026-01-01"), row("a", "2026-01-01"), row("b")])

    assert faults(lock) == []


def test_finds_tiers_that_do_not_rise_from_zero() -> None:
    late = (Tier(above_input_tokens=1, input="1"),)
    falling = (*PRICES, Tier(above_input_tokens=9, input="1"), *late)
    lock = build_lock(
        "x", [replace(row("a"), usd_per_mtok=late), replace(row("b"), usd_per_mtok=falling)]
    )

    assert faults(lock) == [
        "tiers of row 'p/a#None' do not rise from 0",
        "tiers of row 'p/b#None' do not rise from 0",
    ]
