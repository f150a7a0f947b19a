"""What is told equals the bill, and every fault does to it what its name says."""

import pytest
from tests.sim.conftest import Sim
from tests.sim.ledgers import MIDNIGHT_S, statements

from trimtab.sim.bill_faults import KINDS, BillBoard, BillFaults
from trimtab.sim.faults import BadFault
from trimtab.sim.statements import DAY_S, STRANGER, Asked, Page, money

DESKS = ("completions", "embeddings", "messages")
ASKED = Asked(MIDNIGHT_S, MIDNIGHT_S + 3 * DAY_S, DAY_S, 7, frozenset(), None)


def page(*rules: str, is_usage: bool = True) -> Page:
    told, _ = statements(*rules)
    return told.page(ASKED, DESKS, is_usage=is_usage)


def tokens(page: Page) -> list[int]:
    return [sum(sum(row.usage[:5]) for row in bucket.rows) for bucket in page.buckets]


def costs(page: Page) -> int:
    return sum(money(row) for bucket in page.buckets for row in bucket.rows)


WELL = page()


def test_costs_by_kind_of_token_add_up_to_the_bill_to_the_nano_dollar() -> None:
    told, _ = statements()

    assert costs(told.page(ASKED, DESKS, is_usage=False)) == told.bill.told()["cost_nano"]


def test_late_calls_are_told_later() -> None:
    assert tokens(page("bill_late:13")) == [*tokens(WELL)[:2], 0]


def test_a_revised_bucket_tells_half_at_first_and_all_later() -> None:
    told, _ = statements("bill_revised")

    first, second = (told.page(ASKED, DESKS, is_usage=True) for _ in range(2))

    assert all(a < b for a, b in zip(tokens(first), tokens(WELL), strict=True))
    assert tokens(second) == tokens(WELL)


def test_dropped_rows_are_those_of_one_model() -> None:
    told = page("bill_dropped:embed")

    assert {row.model for row in told.buckets[0].rows} == {"large-2026-01-15", "small-2026-01-15"}


def test_calls_from_outside_come_with_a_key_of_their_own() -> None:
    rows = page("bill_outside:5").buckets[0].rows

    assert [row.usage.input for row in rows if row.account == STRANGER] == [5, 5, 5]


def test_a_changed_price_changes_costs_only() -> None:
    told = page("bill_price:0.5")

    assert (tokens(told), costs(told)) == (tokens(WELL), pytest.approx(costs(WELL) / 2, abs=20))


def test_an_alias_parts_each_model_in_two_without_a_loss() -> None:
    told = page("bill_alias")

    assert {row.model for row in told.buckets[0].rows} >= {"large-2026-01-15", "large-2026-06-01"}
    assert (tokens(told), costs(told)) == (tokens(WELL), costs(WELL))


def test_local_time_puts_calls_into_the_next_day() -> None:
    assert tokens(page("bill_local_time:14")) == [0, *tokens(WELL)[:2]]
    assert tokens(page("bill_local_time:-13"))[:2] == tokens(WELL)[1:]


def test_pages_are_cut_told_twice_short_or_empty() -> None:
    cut, twice, gap = (page(f"bill_{it}") for it in ("cut", "twice", "gap"))

    assert (cut.has_more, cut.next_page) == (True, None)
    assert twice.has_more
    assert len(gap.buckets) == 2
    assert tokens(page("bill_empty")) == [0, 0, 0]
    assert costs(page("bill_empty", is_usage=False)) == costs(WELL)


def test_so_many_calls_are_refused_and_then_none() -> None:
    board = BillBoard(["bill_refused:2"])

    assert [board.refuses() for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("name", KINDS)
def test_every_fault_changes_something(name: str) -> None:
    assert BillBoard([name]).faults != BillFaults()


@pytest.mark.parametrize(
    "rule", ["bill_nothing", "bill_cut:1", "bill_price:x", "bill_late:-1", "bill_cut!status:500"]
)
def test_a_fault_that_cannot_be_read_changes_nothing(rule: str) -> None:
    board = BillBoard(["bill_cut"])

    with pytest.raises(BadFault):
        board.set([rule])

    assert board.rules == ["bill_cut"]
    assert board.faults.cut


def test_faults_of_the_bill_are_set_like_others(sim: Sim) -> None:
    path = f"/v1/organization/costs?start_time={MIDNIGHT_S}"
    key = {"x-api-key": "", "authorization": "Bearer sk-admin"}

    told = sim.rules("bill_refused:1", "status:500").json()
    wrong = sim.rules("bill_refused:1", "explode")
    statuses = [sim.call("GET", path, headers=key).status for _ in range(2)]

    assert sorted(told["faults"]) == ["bill_refused:1", "status:500"]
    assert set(KINDS) < set(told["known"])
    assert wrong.status == 400
    assert statuses == [429, 200]
