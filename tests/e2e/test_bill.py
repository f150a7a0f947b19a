"""The ledger equals the bill, whoever leaves, fails or dies. What is no estimate is not off at all;
how far an estimate may be off is said in docs/concepts/cost.md.
"""

from pathlib import Path

import pytest
from tests.e2e.bill_run import bill_run, check

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CALLS = 600
AT_ONCE = 24


def test_the_ledger_equals_the_bill_of_mixed_calls(tmp_path: Path) -> None:
    run = bill_run(tmp_path, CALLS, AT_ONCE)

    check(run)
    assert run.kills
    assert run.crowd.left > CALLS * 0.03
    assert {it.why for it in run.reckoning.estimates} >= {"lost", "cancelled", "truncated"}
