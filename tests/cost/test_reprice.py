from collections.abc import Mapping

from msgspec.structs import replace
from tests.cost.test_applied import OTHER, SHIPPED
from tests.cost.test_compare import line

from trimtab.cost.prices import PriceList
from trimtab.cost.reprice import Repricing
from trimtab.domain.record import LedgerLine

THEN, NOW = PriceList(SHIPPED), PriceList(OTHER)
SETS: Mapping[str, PriceList] = {THEN.version: THEN, NOW.version: NOW}
TWO, FOUR = 2 * 10**9, 4 * 10**9
IN_AUTUMN = 1_790_000_000_000_000


def looked(*lines: LedgerLine, now: PriceList = NOW) -> Repricing:
    made = Repricing(lambda _: now, SETS.get, {"account": "p"}.get)
    made.look(lines)
    return made


def booked(model: str = "b", **fields: object) -> LedgerLine:
    made = line(model, price_version=THEN.version, cost_nano=TWO, ts_us=IN_AUTUMN)
    return replace(made, **fields)


def test_a_line_that_is_off_gets_a_signed_line_beside_it() -> None:
    (found,) = looked(booked()).found

    made = found.adjustment(7)

    assert made.cost_nano == TWO
    assert made.line_id == f"{booked().line_id}/adjustment/0"
    assert (made.kind, made.config_seq, made.price_version) == ("adjustment", 7, NOW.version)
    assert (made.input_tokens, made.output_tokens, made.extras) == (None, None, "")
    assert (made.day_local, made.tenant_id) == (booked().day_local, "acme")


def test_what_was_too_dear_is_given_back() -> None:
    off = booked(price_version=NOW.version, cost_nano=FOUR)

    assert [it.difference_nano for it in looked(off, now=THEN).found] == [-TWO]


def test_the_day_of_the_line_decides_not_today() -> None:
    assert looked(booked(ts_us=1_770_000_000_000_000)).found == []


def test_once_adjusted_it_is_right_and_a_price_that_moves_back_is_followed() -> None:
    first = looked(booked()).found[0].adjustment(7)
    assert looked(booked(), first).found == []

    (back,) = looked(booked(), first, now=THEN).found

    assert back.difference_nano == -TWO
    assert back.adjustment(8).line_id.endswith("/adjustment/1")
    assert looked(booked(), first, back.adjustment(8), now=THEN).found == []


def test_a_line_that_had_no_price_gets_one() -> None:
    (found,) = looked(booked("d", cost_nano=None)).found

    assert (found.booked_nano, found.difference_nano) == (None, 5 * 10**9)


def test_what_cannot_be_judged_is_left_alone_and_counted() -> None:
    found = looked(
        booked(cost_nano=TWO + 1), booked(price_version="ps_forgotten"), booked("c", cost_nano=1)
    )

    assert (found.n, found.n_inexact, found.n_unknown, found.found) == (3, 1, 2, [])


def test_an_adjustment_of_somebody_else_is_not_of_the_line() -> None:
    other = replace(booked(), line_id="adj_1/0/adjustment/0", kind="adjustment", cost_nano=99)

    assert [it.difference_nano for it in looked(booked(), other).found] == [TWO]
