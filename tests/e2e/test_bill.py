"""The ledger equals the bill, whoever leaves, fails or dies. What is no estimate is not off at all;
how far an estimate may be off is said in docs/concepts/cost.md.
"""

import pytest
from tests.e2e.bill_run import BillRun, bill_run, check

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240), pytest.mark.xdist_group("bill")]

CALLS = 600
AT_ONCE = 24


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> BillRun:
    return bill_run(tmp_path_factory.mktemp("bill"), CALLS, AT_ONCE)


def test_the_ledger_equals_the_bill_of_mixed_calls_while_workers_are_killed(run: BillRun) -> None:
    check(run)
    assert run.kills
    assert run.crowd.left > CALLS * 0.03
    assert {it.why for it in run.reckoning.estimates} >= {"lost", "cancelled", "truncated"}


def test_t05_who_leaves_is_charged_the_bill_where_the_provider_is_read_to_its_end(
    run: BillRun,
) -> None:
    left = [it for it in run.records if it["provider"] == "drain" and it["status"] != "lost"]

    assert {it["status"] for it in left} >= {"ok", "cancelled"}
    assert {it["usage_source"] for it in left} == {"provider"}


def test_t13_a_cancelled_stream_is_charged_what_was_seen_of_it(run: BillRun) -> None:
    cancelled = [it for it in run.reckoning.estimates if it.why == "cancelled"]
    fresh = [it for it in cancelled if it.billed and not it.billed["cached_tokens"]]

    assert {it.record["provider"] for it in cancelled} == {"cancel"}
    billed = sum(it.billed["cost_nano"] for it in fresh if it.billed)
    assert abs(sum(it.off_nano for it in fresh)) < 0.1 * billed
