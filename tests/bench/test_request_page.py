"""How fast the console shows a request of very many, and what the keeper holds of them. Prints.

A real `trimtab up` answers some calls; rows like theirs, of 90 days before, fill its store; then it
is started again and asked. `TRIMTAB_BENCH_RECORDS=10000000` fills it as far as the goals speak of.
"""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter, time

import pytest
from tests.e2e.browser import Browser, printed_password
from tests.e2e.conftest import processes_of, stack_in

from trimtab.domain.ids import request_id
from trimtab.testing import seeded_entropy

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

RECORDS = int(os.environ.get("TRIMTAB_BENCH_RECORDS", "20000"))
CALLS, PAGES, WARM = 200, 200, 5
PART = 100_000
DAY_US = 86_400_000_000
DAYS = 90
GOAL_MS = 100.0
LISTS = (
    "/console/requests",
    "/console/requests?q=tenant:acme",
    "/console/requests?q=status:error",
    "/console",
)
_TABLES = ("request", "request_detail", "attempt", "ledger")
_FRESH = {
    "request_id": "new.id",
    "line_id": "new.id || substr(it.line_id, instr(it.line_id, '/'))",
    "ts_us": "new.ts_us",
    "end_us": "new.ts_us + it.latency_us",
    "trace_id": "lower(hex(randomblob(16)))",
    "response_id": "'chatcmpl-' || lower(hex(randomblob(12)))",
}


def test_a_request_of_very_many_is_shown_at_once(tmp_path: Path) -> None:
    body = b'{"model": "sim/small", "messages": [{"role": "user", "content": "hello"}]}'
    with stack_in(tmp_path) as stack:
        key = stack.key()
        asked: list[str] = []
        for _ in range(CALLS):
            _, headers, _ = stack.post("/v1/chat/completions", body, key)
            asked.append(headers["x-trimtab-request-id"])
        for it in asked:
            stack.record(it)
        password = printed_password(stack.log())
        stack.stop()
        began_s = perf_counter()
        made = fill(tmp_path, asked)
        size = sum(it.stat().st_size for it in tmp_path.rglob("*") if it.is_file())
        print(f"\n{RECORDS} more in {perf_counter() - began_s:.0f} s, {size / 2**30:.1f} GiB")
        began_s = perf_counter()
        stack.start()
        print(f"ready after {perf_counter() - began_s:.1f} s")
        browser = Browser(f"http://127.0.0.1:{stack.port}")
        browser.log_in(password)
        answered = told("page of an answered request", browser, asked[:PAGES])
        told("page of a request of old", browser, made)
        for path in LISTS:
            listed(path, browser)
        for pid, command in processes_of(tmp_path).items():
            [rss] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
            [(_, name)] = re.findall(r"trimtab (--supervised )?(\w+)", command)
            print(f"{name:<30} {int(rss) / 1024:6.0f} MB")
    assert answered < GOAL_MS


def told(what: str, browser: Browser, ids: list[str]) -> float:
    took = sorted(timed(browser, f"/console/requests/{it}") for it in ids)
    p99 = took[-1 - len(took) // 100]
    print(
        f"{what:<30} {took[len(took) // 2]:6.1f} ms p50 {p99:6.1f} ms p99 {took[-1]:6.1f} at most"
    )
    return p99


def listed(path: str, browser: Browser) -> None:
    took = [timed(browser, path) for _ in range(WARM)]
    print(f"{path:<30} {took[0]:6.1f} ms at first {min(took):6.1f} ms then")


def timed(browser: Browser, path: str) -> float:
    began_s = perf_counter()
    browser.page(path)
    return (perf_counter() - began_s) * 1e3


def fill(home: Path, like: list[str]) -> list[str]:
    """Add rows like those of some requests; gives some of the new ids."""
    chance, some = Random(7), list[str]()  # noqa: S311 -- repeatable
    with closing(sqlite3.connect(home / "records.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        later = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name IN ('request', 'request_detail', 'attempt', 'ledger')"
        ).fetchall()
        connection.execute("CREATE TEMP TABLE new (id TEXT, ts_us INTEGER, old TEXT)")
        statements = [copy_of(connection, table) for table in _TABLES]
        # An index is made at once faster than row by row.
        for name, _ in later:
            connection.execute(f"DROP INDEX {name}")
        for part in parts(like, chance):
            connection.execute("BEGIN")
            connection.execute("DELETE FROM new")
            connection.executemany("INSERT INTO new VALUES (?, ?, ?)", part)
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
            some += [chance.choice(part)[0] for _ in range(max(1, PAGES * PART // RECORDS))]
        for _, sql in later:
            connection.execute(sql)
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return chance.sample(some, min(PAGES, len(some)))


def copy_of(connection: sqlite3.Connection, table: str) -> str:
    columns = [it[1] for it in connection.execute(f"PRAGMA table_info({table})")]
    connection.execute(f"CREATE TEMP TABLE like_{table} AS SELECT * FROM {table}")  # noqa: S608
    connection.execute(f"CREATE INDEX temp.at_{table} ON like_{table} (request_id)")
    fresh = ", ".join(_FRESH.get(it, f"it.{it}") for it in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {fresh}"  # noqa: S608 -- names of ours
        f" FROM new JOIN like_{table} AS it ON it.request_id = new.old"
    )


def parts(like: list[str], chance: Random) -> Iterator[list[tuple[str, int, str]]]:
    entropy, until_us = seeded_entropy(), int(time() * 1e6) - DAY_US // 24
    step_us = DAYS * DAY_US // RECORDS
    for start in range(0, RECORDS, PART):
        times = (
            until_us - (RECORDS - n) * step_us for n in range(start, min(start + PART, RECORDS))
        )
        yield [(request_id(ts_us, entropy), ts_us, chance.choice(like)) for ts_us in times]
