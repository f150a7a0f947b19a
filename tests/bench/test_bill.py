"""The bill of a long run: figures, and the same checks as in `tests/e2e/test_bill.py`.

`TRIMTAB_BENCH_CALLS=100000` asks more. "1 % worker kills" is read so: one call in a hundred is
under way in a worker that is killed. A kill takes some dozens along, so kills are rarer than that.
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest
from tests.e2e.bill_run import BillRun, bill_run, check
from tests.e2e.reckoning import Estimate

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

CALLS = int(os.environ.get("TRIMTAB_BENCH_CALLS", "20000"))
AT_ONCE = 64


def test_prints_how_ledger_and_bill_compare(tmp_path: Path) -> None:
    run = bill_run(tmp_path, CALLS, AT_ONCE)
    _print(run)

    check(run)


def _print(run: BillRun) -> None:
    crowd, reckoning = run.crowd, run.reckoning
    print(f"\ncalls            {crowd.begun:8} in {run.seconds:.0f} s, {AT_ONCE} at once")
    print(f"callers left     {crowd.left:8}")
    print(f"workers killed   {run.kills:8}, with {crowd.broken} calls under way")
    print(f"exact lines      {reckoning.exact:8}, wrong ones {len(reckoning.wrong)}")
    print(f"billed, unknown  {len(reckoning.unknown):8}")
    kinds = defaultdict[str, list[Estimate]](list)
    for it in reckoning.estimates:
        kinds[it.why if it.billed else f"{it.why}, not billed"].append(it)
    billed = sum(line["cost_nano"] for line in run.bill)
    for why, found in sorted(kinds.items()):
        _print_kind(why, found, billed)
    off = sum(it.off_nano for it in reckoning.estimates)
    print(f"in all           {off / billed:+8.3%} of a bill of {billed / 1e9:.2f} USD")


def _print_kind(why: str, found: list[Estimate], billed: int) -> None:
    off = sorted(it.off_nano for it in found)
    shares = sorted(it.off_nano / it.billed["cost_nano"] for it in found if it.billed)
    told = (
        f"line by line {shares[0]:+.1%} to {shares[-1]:+.1%}, median {shares[len(off) // 2]:+.1%}"
        if shares
        else ""
    )
    print(f"estimated        {len(found):8} {why}: {sum(off) / billed:+.3%} of the bill; {told}")
