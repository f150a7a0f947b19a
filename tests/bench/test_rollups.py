"""How fast it is told what a tenant cost last month, in a store of 13 months. Prints.

1,000 tenants with 10,000,000 ledger lines in 2,500,000 sums by day: a few are large, as in life.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

import pytest

from trimtab.store.rollup import DAY_US, Key, Sums
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.sqlite.reading import SqliteReading
from trimtab.wiring import SystemClock

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

DAYS = int(os.environ.get("TRIMTAB_BENCH_DAYS", "396"))
TENANTS = 1_000
ASKED = 400
LINES = 4
"""Lines in each sum, on average."""

LARGEST_MS = 50
FIRST_US = 20_400 * DAY_US

_COLUMNS = ("bucket_us", *Key._fields, *Sums._fields)
_PUT = (
    f"INSERT INTO rollup_day_local ({', '.join(_COLUMNS)})"  # noqa: S608 -- names of ours
    f" VALUES ({', '.join('?' for _ in _COLUMNS)})"
)


def name(tenant: int) -> str:
    return f"tenant-{tenant:04d}"


def sums_of_a_day(day: int) -> Iterator[tuple[int | str, ...]]:
    """Give what each tenant adds: the largest 150 sums, the median 4."""
    for tenant in range(TENANTS):
        for n in range(min(150, 600 // (tenant + 1) + 3)):
            key = Key(
                tenant_id=name(tenant),
                tier="smb",
                feature=f"feature-{n % 25}",
                key_id=f"key-{n % 7}",
                provider="openai",
                model=f"model-{n % 5}",
                prompt_name="answer",
                prompt_version=f"1.{n}.0",
                experiment="",
                arm="",
                origin="live",
                status="ok" if n % 10 else "error",
            )
            sums = Sums(n=LINES, input_tokens=4_000, output_tokens=900, cost_nano=7_000_000 + n)
            yield (FIRST_US + day * DAY_US, *key, *sums)


async def test_what_a_tenant_cost_last_month_by_feature(tmp_path: Path) -> None:
    connection = open_writer(tmp_path / "records.db", "records")
    connection.execute("PRAGMA synchronous=OFF")
    for day in range(DAYS):
        with transaction(connection):
            connection.executemany(_PUT, sums_of_a_day(day))
    (count, calls) = connection.execute("SELECT count(*), sum(n) FROM rollup_day_local").fetchone()
    connection.close()
    reading = SqliteReading(tmp_path, lambda _: b"", SystemClock())
    chance = Random(7)  # noqa: S311
    asked = [*range(4), *(chance.randrange(TENANTS) for _ in range(ASKED))]
    until_us = FIRST_US + (DAYS - 5) * DAY_US
    own: defaultdict[str, int] = defaultdict(int)
    for _, tenant_id, *_, cost_nano in sums_of_a_day(0):
        own[str(tenant_id)] += int(cost_nano)
    took_ms: list[float] = []
    for tenant in asked:
        start_s = perf_counter()
        rows = await reading.costs(
            since_us=until_us - 31 * DAY_US,
            until_us=until_us,
            group_by=["feature"],
            tenant_id=name(tenant),
        )
        took_ms.append((perf_counter() - start_s) * 1e3)
        assert sum(it.cost_nano for it in rows) == 31 * own[name(tenant)]
    reading.close()

    ordered = sorted(took_ms)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    print(
        f"\n{count:,} sums of {calls:,} lines, {TENANTS:,} tenants: one month by feature p50"
        f" {p50:.2f} ms, p99 {p99:.1f} ms, largest {ordered[-1]:.1f} ms"
    )
    assert p99 < LARGEST_MS
