"""What every store of the ledger must do, beside what requests write into it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.contracts.test_records import ALWAYS, IMPLEMENTATIONS, Stores, everything, put
from tests.records import DAY_US, chance_finish, finish, line_of
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import LedgerLine
from trimtab.store.base.ledger import Billed, LedgerSum
from trimtab.store.base.reading import Cursor
from trimtab.store.base.recording import Unstorable
from trimtab.store.rollup import month_us

MIDNIGHT_US = TS_US - TS_US % DAY_US
DAY = "2026-04-25"


@pytest.fixture(params=IMPLEMENTATIONS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stores]:
    with IMPLEMENTATIONS[request.param](tmp_path, request) as opened:
        await opened.writer.positions()
        yield opened


def adjustment(number: int = 1, cost_nano: int = 5, **fields: object) -> LedgerLine:
    members = {
        "line_id": f"adj_{number}/0/adjustment/0",
        "kind": "adjustment",
        "day_local": DAY,
        "tenant_id": "trimtab-unattributed",
        "key_id": "",
        "model_requested": "large",
        "cost_nano": cost_nano,
        **fields,
    }
    return replace(line_of(finish(1).record, day_local=DAY), **members)


async def cost_of_lines(stores: Stores) -> int:
    rows = await stores.reader.billed(since_us=-(1 << 60), until_us=1 << 60)
    return sum(row.cost_nano for row in rows)


async def cost_of_sums(stores: Stores) -> int:
    rows = await stores.reader.costs(group_by=("tenant_id",), since_us=-(1 << 60), until_us=1 << 60)
    return sum(row.cost_nano for row in rows)


async def test_lines_are_listed_by_tenant_oldest_first_in_pages(stores: Stores) -> None:
    one, two = finish(1, tenant_id="acme", ts_us=TS_US), finish(2, tenant_id="acme", ts_us=TS_US)
    other = finish(3, tenant_id="globex", ts_us=TS_US)
    late = line_of(one.record, 2, ts_us=TS_US + 5)
    await put(stores, replace(one, lines=(*one.lines, late)), two, other)
    wanted = sorted((*one.lines, *two.lines), key=lambda it: it.line_id)
    span: dict[str, Any] = {"tenant_id": "acme", "since_us": TS_US, "until_us": TS_US + 6}

    first = await stores.reader.ledger(**span, limit=1)
    rest = await stores.reader.ledger(**span, after=Cursor(TS_US, first[0].line_id))

    assert [*first, *rest] == [*wanted, late]
    assert await stores.reader.ledger(**dict(span, until_us=TS_US + 5)) == tuple(wanted)
    assert await stores.reader.ledger(**dict(span, since_us=TS_US + 1)) == (late,)
    assert await stores.reader.payers() == ("acme", "globex")


async def test_live_lines_are_summed_by_month_of_the_tenants_calendar(stores: Stores) -> None:
    made = finish(1, tenant_id="acme", ts_us=MIDNIGHT_US, feature="search")
    named: dict[str, Any] = {"price_version": "ps_1", "model_requested": "chat", "kind": "charge"}
    unknown = {**named, "price_version": None}
    lines = (
        line_of(made.record, 1, day_local="2026-04-25", cost_nano=5, **named),
        line_of(made.record, 2, day_local="2026-04-24", cost_nano=None, **named),
        line_of(made.record, 3, day_local="2026-04-25", cost_nano=7, **unknown),
        line_of(made.record, 4, day_local="2026-04-25", cost_nano=9, origin="eval", **named),
        line_of(made.record, 5, day_local="2026-03-31", cost_nano=11, **named),
    )
    other = finish(2, tenant_id="globex", ts_us=MIDNIGHT_US)
    await put(stores, replace(made, lines=lines), other)

    sums = await stores.reader.sums(tenant_id="acme", months=("2026-04", "2026-05"))

    assert sums == (
        LedgerSum("2026-04", "charge", "search", "chat", "", 1, 0, 7),
        LedgerSum("2026-04", "charge", "search", "chat", "ps_1", 2, 1, 5),
    )
    assert await stores.reader.sums(tenant_id="acme", months=()) == ()


@pytest.mark.parametrize("hours", [-12, 14])
async def test_the_edges_of_a_month_are_in_it_wherever_the_tenant_lives(
    stores: Stores, hours: int
) -> None:
    first_us = month_us("2026-04") - hours * 3_600_000_000
    last_us = month_us("2026-05") - hours * 3_600_000_000 - 1
    for seed, at_us, day in ((1, first_us, "2026-04-01"), (2, last_us, "2026-04-30")):
        made = finish(seed, tenant_id="acme", ts_us=at_us)
        await put(stores, replace(made, lines=(line_of(made.record, day_local=day, cost_nano=1),)))

    sums = await stores.reader.sums(tenant_id="acme", months=("2026-04",))

    assert sum(it.n for it in sums) == 2


async def test_an_empty_ledger_bills_nothing(stores: Stores) -> None:
    assert await stores.reader.billed(since_us=0, until_us=1 << 60) == ()


async def test_lines_are_summed_by_day_provider_account_and_model(stores: Stores) -> None:
    first = finish(1, input_tokens=100, cached_tokens=40, output_tokens=7, cost_nano=11)
    lines = (
        line_of(first.record, 1, cache_write_5m=3, cache_write_30m=4, cache_write_1h=5),
        line_of(first.record, 2, cache_write_12h=6, cost_nano=None, usage_source="estimated"),
        line_of(first.record, 3, account="env:B"),
        line_of(first.record, 4, model_sent="small"),
        line_of(first.record, 5, ts_us=MIDNIGHT_US + DAY_US, origin="shadow"),
    )
    await put(stores, replace(first, lines=lines))

    told = await stores.reader.billed(since_us=MIDNIGHT_US, until_us=MIDNIGHT_US + 2 * DAY_US)

    provider = first.record.provider
    assert told[0] == Billed(
        day=DAY,
        provider=provider,
        account="",
        model_sent="large",
        n=2,
        n_estimated=1,
        n_unpriced=1,
        input_tokens=200,
        cached_tokens=80,
        cache_write_5m=3 + (first.record.cache_write_tokens or 0),
        cache_write_30m=4,
        cache_write_1h=5,
        cache_write_12h=6,
        output_tokens=14,
        cost_nano=11,
    )
    assert [(it.day, it.account, it.model_sent) for it in told[1:]] == [
        (DAY, "", "small"),
        (DAY, "env:B", "large"),
        ("2026-04-26", "", "large"),
    ]


async def test_a_span_begins_with_its_first_instant_and_ends_before_its_last(
    stores: Stores,
) -> None:
    await put(stores, finish(1))
    ts_us = finish(1).record.ts_us

    async def found(since_us: int, until_us: int) -> int:
        return len(await stores.reader.billed(since_us=since_us, until_us=until_us))

    assert await found(ts_us, ts_us + 1) == 1
    assert await found(ts_us - 1, ts_us) == await found(ts_us + 1, ts_us + 2) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_sums_of_lines_equal_the_rollups_with_adjustments_in_them(
    stores: Stores, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311 -- repeatable on purpose
    made = [chance_finish(chance) for _ in range(50)]
    made = [
        replace(
            it,
            record=replace(it.record, origin="live", model_kind="alias", model_requested="chat"),
        )
        for it in made
    ]
    await put(stores, *made)
    amounts = [chance.randrange(-(1 << 40), 1 << 40) for _ in range(20)]

    added = await stores.writer.adjust(
        [adjustment(n, amount, feature=f"f{n % 3}") for n, amount in enumerate(amounts)]
    )

    wanted = sum(line.cost_nano or 0 for it in made for line in it.lines) + sum(amounts)
    assert added == 20
    assert await cost_of_lines(stores) == await cost_of_sums(stores) == wanted


async def test_adjusting_again_adds_nothing(stores: Stores) -> None:
    await put(stores, finish(1))
    assert await stores.writer.adjust([adjustment(1), adjustment(2, -7)]) == 2
    before = await everything(stores)

    assert await stores.writer.adjust([adjustment(2, -7), adjustment(1, 99)]) == 0

    assert await everything(stores) == before
    assert await cost_of_lines(stores) == 9_414_000 + 5 - 7


async def test_the_first_of_two_adjustments_of_one_id_counts(stores: Stores) -> None:
    assert await stores.writer.adjust([adjustment(1, 5), adjustment(1, 9)]) == 1

    assert await cost_of_lines(stores) == await cost_of_sums(stores) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(adjustment(2, kind="charge"), id="a charge"),
        pytest.param(replace(adjustment(2), cost_nano=None), id="without an amount"),
        pytest.param(adjustment(2, 1 << 63), id="too much"),
        pytest.param(adjustment(2, day_local="tomorrow"), id="no day"),
    ],
)
async def test_one_wrong_adjustment_stores_none(stores: Stores, wrong: LedgerLine) -> None:
    with pytest.raises(Unstorable):
        await stores.writer.adjust([adjustment(1), wrong])

    assert await cost_of_lines(stores) == await cost_of_sums(stores) == 0


async def test_an_adjustment_is_no_request(stores: Stores) -> None:
    await stores.writer.adjust([adjustment(1)])

    (row,) = await stores.reader.costs(group_by=("tenant_id",), **ALWAYS)
    assert (row.group, row.n, row.cost_nano) == (("trimtab-unattributed",), 0, 5)
    assert await stores.reader.used(since_us=0) == ()
