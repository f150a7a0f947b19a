"""How fast a ClickHouse finds, lists and adds up requests, 10^8 of 30 days. Prints.

The engine makes them: only what questions are about differs from one to the next. Attempts and
details, which are only asked for by their request, are those of the last day.
`TRIMTAB_BENCH_ROWS=10000000` makes fewer. Then how long erasing a tenant takes, with two pieces of
content and words for each of `TRIMTAB_BENCH_ERASE` requests.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from random import Random
from time import perf_counter, process_time

import psycopg
import pytest
from tests.chdb import running_engine
from tests.postgres import running_server
from tests.records import DAY_US, finish, tenant_key

from trimtab.domain.erasure import Erasure, ErasureScope
from trimtab.domain.record import Attempt
from trimtab.store.base.reading import RecordFilter
from trimtab.store.clickhouse.reading import ClickHouseReading
from trimtab.store.clickhouse.recording import ClickHouseRecording
from trimtab.store.clickhouse.session import Archive

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

ROWS = int(os.environ.get("TRIMTAB_BENCH_ROWS", str(10**8)))
ERASED = int(os.environ.get("TRIMTAB_BENCH_ERASE", "100000"))
DAYS = 30
TENANTS = 200
FIRST_US = 20_400 * DAY_US
LOOKUPS = 200
PAGES = 30

_STEP_US = DAYS * DAY_US // ROWS
_CHARS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = "".join(a + b for a in _CHARS for b in _CHARS)
_MS = "toUInt64(intDiv(ts_us, 1000))"
# Ten characters of milliseconds and sixteen that nobody can foresee, as `domain.ids.ulid` has them.
_ID = (
    "concat('r_', "
    + ", ".join(
        f"substring('{_PAIRS}', bitAnd(bitShiftRight({_MS}, {shift}), 1023) * 2 + 1, 2)"
        for shift in (40, 30, 20, 10, 0)
    )
    + ", upper(leftPad(hex(sipHash64(number)), 16, '0')))"
)
_SAME = ("origin", "provider", "model_requested", "tier", "params", "extra")
_MADE = {
    "request_id": _ID,
    "ts_us": f"{FIRST_US} + number * {_STEP_US}",
    "end_us": "ts_us + latency_us",
    # The largest have most, as in life.
    "tenant_id": f"concat('tenant-', toString(intDiv(sipHash64(number, 1) % {TENANTS}"
    f" * (sipHash64(number, 2) % {TENANTS}), {TENANTS})))",
    "feature": "concat('feature-', toString(sipHash64(number, 3) % 20))",
    "status": "if(sipHash64(number, 4) % 100 = 0, 'error', 'ok')",
    "cost_nano": "1000000 + sipHash64(number, 5) % 50000000",
    "latency_us": "100000 + sipHash64(number, 6) % 9000000",
}


def literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "NULL" if value is None else repr(value)


def insert(day: int) -> str:
    """Write the statement that makes the requests of a day."""
    ordinary = finish(7).record
    made = {it: literal(getattr(ordinary, it)) for it in _SAME} | _MADE
    order = ["ts_us", "latency_us", *(it for it in made if it not in ("ts_us", "latency_us"))]
    listed = ", ".join(f"{made[it]} AS {it}" for it in order)
    a_day = ROWS // DAYS
    # Names and numbers of ours, here and below.
    return (
        f"INSERT INTO request ({', '.join(order)}) SELECT {listed}"  # noqa: S608
        f" FROM numbers({day * a_day}, {a_day})"
    )


async def timed(asked: Callable[[], Awaitable[object]]) -> float:
    start_s = perf_counter()
    await asked()
    return (perf_counter() - start_s) * 1000


def told(name: str, took_ms: list[float]) -> None:
    took_ms.sort()
    p50, p99 = took_ms[len(took_ms) // 2], took_ms[-max(1, len(took_ms) // 100)]
    print(f"{name:<34} {p50:8.1f} ms p50 {p99:8.1f} ms p99 {took_ms[-1]:8.1f} ms at most")


async def test_prints_how_fast_single_requests_are_found_listed_and_added_up() -> None:
    with running_server() as server, running_engine() as engine:
        url, way = server.database(), engine.database()
        archive = Archive(way)
        store = ClickHouseRecording(url, "bench", Archive(way), is_keeper=True)
        with closing(store), closing(ClickHouseReading(url, "bench", tenant_key, archive)) as it:
            await store.positions()
            await asyncio.to_thread(fill, archive, store)
            await asyncio.to_thread(sum_up, url)
            await look(it, archive)


def fill(archive: Archive, store: ClickHouseRecording) -> None:
    start_s = perf_counter()
    made = finish(7)
    for day in range(DAYS):
        archive.use(lambda to, day=day: to.tell(insert(day)), "")
    took_s = perf_counter() - start_s
    last = f"FROM request WHERE ts_us >= {FIRST_US + (DAYS - 1) * DAY_US}"
    attempt = ", ".join(
        f"{literal(getattr(made.attempts[0], it))} AS {it}" for it in Attempt.__struct_fields__
    )
    packed = store.packed(made.detail).hex()
    for statement in (
        f"INSERT INTO request_detail SELECT ts_us, request_id, unhex('{packed}') {last}",
        f"INSERT INTO attempt SELECT ts_us, request_id, origin, false, {attempt} {last}",
    ):
        archive.use(lambda to, statement=statement: to.tell(statement), "")
    ((rows, size, parts),) = archive.use(
        lambda to: to.execute(
            "SELECT sum(rows), sum(bytes_on_disk), count() FROM system.parts"
            " WHERE active AND table = 'request' AND database = currentDatabase()"
        ).fetchall(),
        "",
    )
    print(f"\n{rows} requests in {parts} parts, {size / 2**30:.1f} GiB, made in {took_s:.0f} s")


def sum_up(url: str) -> None:
    """Make the sums of those days: 100 of each tenant and day."""
    columns = (
        "bucket_us, tenant_id, tier, feature, key_id, provider, model, prompt_name, prompt_version,"
        " experiment, arm, origin, status, n, n_fallback, n_flagged, n_redacted, n_blocked,"
        " n_refused, n_estimated, n_unpriced, input_tokens, cached_tokens, cache_write_tokens,"
        " output_tokens, reasoning_tokens, cost_nano"
    )
    n = max(1, ROWS // DAYS // TENANTS // 100)
    with psycopg.connect(url) as connection:
        connection.execute(
            f"INSERT INTO rollup_day ({columns}) SELECT {FIRST_US} + day * {DAY_US}, 'tenant-' ||"  # noqa: S608
            " tenant, 'smb', 'feature-' || f % 20, 'k' || f / 20, 'sim', 'chat', '', '', '', '',"
            f" 'live', CASE WHEN f < 50 THEN 'ok' ELSE 'error' END, {n}, 0, 0, 0, 0, 0, 0, 0,"
            f" {n} * 900, 0, 0, {n} * 300, 0, {n} * 25000000::bigint"
            f" FROM generate_series(0, {DAYS - 1}) AS day, generate_series(0, {TENANTS - 1}) AS"
            " tenant, generate_series(0, 99) AS f".encode()
        )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


async def look(reading: ClickHouseReading, archive: Archive) -> None:
    chance = Random(7)  # noqa: S311 -- repeatable on purpose
    asked = partial(
        reading.costs,
        since_us=FIRST_US,
        until_us=FIRST_US + DAYS * DAY_US,
        group_by=("tenant_id", "day"),
    )
    rollup = [await timed(asked) for _ in range(9)]
    told("tenant x day, of sums", rollup)
    raw = (
        "SELECT tenant_id, toYYYYMMDD(fromUnixTimestamp64Micro(ts_us)), count(), sum(cost_nano)"
        " FROM request WHERE origin = 'live' GROUP BY 1, 2"
    )
    scan = [
        await timed(lambda: asyncio.to_thread(archive.use, lambda it: it.execute(raw).rowcount, ""))
        for _ in range(3)
    ]
    told("tenant x day, of single requests", scan)
    for kept in (False, True):
        if kept:
            start_s = perf_counter()
            archive.use(lambda it: it.tell("OPTIMIZE TABLE request FINAL"), "")
            print(f"merged in {perf_counter() - start_s:.0f} s")
        last = ROWS // DAYS * (DAYS - 1)
        at = [chance.randrange(last, ROWS // DAYS * DAYS) for _ in range(LOOKUPS)]
        ids = [archive.use(lambda it, n=n: it.execute(name_of(n)).fetchall()[0][0], "") for n in at]
        assert await reading.find(ids[0]) is not None
        told("find by id", [await timed(lambda it=it: reading.find(it)) for it in ids])
        for name, where in (
            ("page of all", RecordFilter()),
            ("page of a tenant", RecordFilter(tenant_id="tenant-17")),
            ("page of errors", RecordFilter(status="error")),
            ("page of a tenant's errors", RecordFilter(tenant_id="tenant-17", status="error")),
        ):
            told(name, [await timed(lambda it=where: reading.page(it)) for _ in range(PAGES)])
    assert rollup[len(rollup) // 2] < 1000


def name_of(number: int) -> str:
    return f"SELECT {_ID} FROM (SELECT toUInt64({number}) AS number, {_MADE['ts_us']} AS ts_us)"  # noqa: S608


async def test_a_tenant_is_erased_in_a_minute() -> None:
    with running_server() as server, running_engine() as engine:
        url, way = server.database(), engine.database()
        store = ClickHouseRecording(url, "bench", Archive(way), is_keeper=True)
        with closing(store):
            await store.positions()
            await asyncio.to_thread(fill_tenants, store)
            erasure = Erasure(scope=ErasureScope(tenant_id="acme"), until_us=1 << 60)
            begun_s, cpu_s = perf_counter(), process_time()
            after, steps, done, longest_s = None, 0, 0, 0.0
            while True:
                step_s = perf_counter()
                step = await store.erase(erasure, now_us=1 << 60, after=after)
                longest_s = max(longest_s, perf_counter() - step_s)
                done, steps = done + step.deleted.get("records_scrubbed", 0), steps + 1
                after = step.place
                if after is None:
                    break
            passed_s = perf_counter() - begun_s
            await store.shred()
            took_s, cpu_s = perf_counter() - begun_s, process_time() - cpu_s
            print(
                f"\n{done} records erased in {passed_s:.1f} s and {steps} steps, {took_s:.1f} s"
                f" with shredding, {cpu_s:.1f} s of a core; longest step {longest_s * 1e3:.0f} ms"
            )
            assert done == ERASED
            # Of a machine that others use, too, only what it took itself tells.
            assert cpu_s < 60


def fill_tenants(store: ClickHouseRecording) -> None:
    """Make what one tenant asked in a month, and as much of another, around it."""
    made = finish(7)
    step_us = DAYS * DAY_US // ERASED
    packed = store.packed(made.detail).hex()
    attempt = ", ".join(
        f"{literal(getattr(made.attempts[0], it))} AS {it}" for it in Attempt.__struct_fields__
    )
    ordinary = {it: literal(getattr(made.record, it)) for it in _SAME}
    for tenant in ("acme", "globex"):
        members = {
            **ordinary,
            **_MADE,
            "ts_us": f"{FIRST_US} + number * {step_us}",
            "tenant_id": literal(tenant),
            "request_id": _ID.replace(
                "hex(sipHash64(number))", f"hex(sipHash64(number, '{tenant}'))"
            ),
            "user_hash": "concat('user', toString(number % 1000))",
            "content_state": "'full'",
            **{
                f"{it}_ref": f"unhex(hex(SHA256(concat('{tenant}{it}', toString(number)))))"
                for it in ("input", "output")
            },
        }
        order = [
            "ts_us",
            "latency_us",
            *(it for it in members if it not in ("ts_us", "latency_us")),
        ]
        listed = ", ".join(f"{members[it]} AS {it}" for it in order)
        words = "concat(' word', toString(sipHash64(request_id) % 10000), ' of ', request_id, ' ')"
        of = f"FROM request WHERE tenant_id = '{tenant}'"
        for statement in (
            f"INSERT INTO request ({', '.join(order)}) SELECT {listed} FROM numbers({ERASED})",  # noqa: S608
            f"INSERT INTO request_detail SELECT ts_us, request_id, unhex('{packed}') {of}",
            f"INSERT INTO attempt SELECT ts_us, request_id, origin, false, {attempt} {of}",
            *(
                "INSERT INTO content SELECT toDate(fromUnixTimestamp64Micro(ts_us, 'UTC')),"
                f" tenant_id, assumeNotNull({it}_ref), 'raw', randomString(200) {of}"
                for it in ("input", "output")
            ),
            f"INSERT INTO search SELECT tenant_id, ts_us, request_id, {words} {of}",
        ):
            store.archive.use(lambda it, statement=statement: it.tell(statement), "")
    # As those of a day that is over are.
    for table in ("request", "request_detail", "attempt", "content", "search"):
        store.archive.use(lambda it, of=table: it.tell(f"OPTIMIZE TABLE {of} FINAL"), "")
