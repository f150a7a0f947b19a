"""What every reader of what was spent must tell, whatever it reads from."""

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from tests.contracts.test_records import IMPLEMENTATIONS
from tests.records import DAY_US, chance_finish, finish, line_of
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import Finish
from trimtab.store.base.recording import Batch, RecordWriter
from trimtab.store.memory.spend import MemorySpend
from trimtab.store.relational.spend import Spend
from trimtab.store.rollup import HOUR_US
from trimtab.store.spend import About, OddLines, PartSpent, Repeated, SpendReader, Spent

HOUR = TS_US - TS_US % HOUR_US
DAY = TS_US - TS_US % DAY_US
TODAY, TOMORROW = "2026-04-25", "2026-04-26"
COST = 9_414_000

Line = Mapping[str, Any]
NOTHING: Line = {}


class Stores(NamedTuple):
    writer: RecordWriter
    spend: SpendReader


SPEND: Mapping[str, Callable[[Any], SpendReader]] = {
    "memory": MemorySpend,
    "sqlite": Spend,
    "postgres": Spend,
    "clickhouse": Spend,
}
"""How each of the stores is asked, over its reader."""


@contextmanager
def opened(name: str, home: Path, request: pytest.FixtureRequest) -> Generator[Stores]:
    with IMPLEMENTATIONS[name](home, request) as stores:
        yield Stores(stores.writer, SPEND[name](stores.reader))


@pytest.fixture(params=IMPLEMENTATIONS)
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Stores]:
    with opened(request.param, tmp_path, request) as stores:
        assert await stores.writer.positions() == ()
        yield stores


async def put(stores: Stores, *finishes: Finish) -> None:
    await stores.writer.commit(Batch(finishes=finishes))


def call(
    seed: int,
    /,
    *,
    body: str = "aa",
    day_local: str = TODAY,
    line: Line = NOTHING,
    **fields: object,
) -> Finish:
    """Make a request of tenant acme that sent a body, with one attempt and its line."""
    made = finish(seed, day_local=day_local, **{"tenant_id": "acme", **fields})
    [attempt] = made.attempts
    lines = (line_of(made.record, day_local=day_local, **line),)
    return replace(made, attempts=(replace(attempt, sent_hash=body),), lines=lines)


def ids(*finishes: Finish) -> tuple[str, ...]:
    return tuple(it.record.request_id for it in finishes)


async def test_an_empty_store_spent_nothing(stores: Stores) -> None:
    spend = stores.spend

    assert await spend.days(since_us=0, until_us=1 << 62) == ()
    assert await spend.hours([HOUR]) == ()
    assert await spend.parts_of_days("acme", [DAY]) == ()
    assert await spend.parts_of_hours("acme", [HOUR]) == ()
    assert await spend.largest("acme", since_us=0, until_us=1 << 62) == ()
    assert await spend.repeated(since_us=0, least=1, equal=1) == ()
    assert await spend.conversations(since_us=0, least=1) == ()
    assert await spend.odd(since_us=0, until_us=1 << 62) == ()


async def test_days_are_the_tenants_own(stores: Stores) -> None:
    await put(stores, call(1), call(2, day_local=TOMORROW), call(3, tenant_id="globex"))

    days = await stores.spend.days(since_us=DAY, until_us=DAY + 2 * DAY_US)

    assert days == (
        Spent("acme", DAY, COST),
        Spent("acme", DAY + DAY_US, COST),
        Spent("globex", DAY, COST),
    )
    assert await stores.spend.days(since_us=DAY + DAY_US, until_us=DAY + 2 * DAY_US) == days[1:2]


async def test_hours_are_those_asked_for_and_no_others(stores: Stores) -> None:
    await put(stores, call(1), call(2, ts_us=TS_US - HOUR_US), call(3, ts_us=TS_US - 3 * HOUR_US))

    assert await stores.spend.hours([HOUR - HOUR_US, HOUR, HOUR - 7 * HOUR_US]) == (
        Spent("acme", HOUR - HOUR_US, COST),
        Spent("acme", HOUR, COST),
    )


async def test_what_is_not_live_or_costs_nothing_is_left_out(stores: Stores) -> None:
    await put(stores, call(1, origin="eval"), call(2, line={"cost_nano": 0}, cost_nano=0))

    assert await stores.spend.days(since_us=0, until_us=1 << 62) == ()
    assert await stores.spend.hours([HOUR]) == ()
    assert await stores.spend.largest("acme", since_us=0, until_us=1 << 62) == ()
    assert await stores.spend.repeated(since_us=0, least=2, equal=1) == ()


async def test_parts_are_by_feature_and_model(stores: Stores) -> None:
    await put(
        stores,
        *(call(1), call(2), call(3, feature="bot"), call(4, model_requested="small!slow")),
        *(call(5, tenant_id="globex"), call(6, day_local=TOMORROW, ts_us=TS_US + HOUR_US)),
    )
    parts = (
        PartSpent("bot", "answers", COST),
        PartSpent("search", "answers", 2 * COST),
        PartSpent("search", "small", COST),
    )

    assert await stores.spend.parts_of_days("acme", [DAY]) == parts
    assert await stores.spend.parts_of_hours("acme", [HOUR]) == parts
    both = await stores.spend.parts_of_days("acme", [DAY, DAY + DAY_US])
    assert both[1] == PartSpent("search", "answers", 3 * COST)


async def test_the_largest_are_the_dearest_of_the_span(stores: Stores) -> None:
    made = [call(seed, cost_nano=seed * 100) for seed in range(1, 6)]
    other = [
        call(6, cost_nano=900, tenant_id="globex"),
        call(7, cost_nano=900, ts_us=TS_US + HOUR_US),
        call(8, cost_nano=700, feature="bot", model_requested="small!slow"),
    ]
    await put(stores, *made, *other)
    span: Line = {"since_us": HOUR, "until_us": HOUR + HOUR_US}

    assert await stores.spend.largest("acme", **span) == ids(other[2], made[4], made[3])
    assert await stores.spend.largest("acme", **span, feature="search") == ids(*made[:1:-1])
    assert await stores.spend.largest("acme", **span, model="small", limit=1) == ids(other[2])


async def test_repeated_calls_are_found_by_all_that_they_have_in_common(stores: Stores) -> None:
    shared: Line = {"conversation_id": "c1", "user_hash": "u1", "prompt_hash": "p1"}
    same = [call(seed, **shared) for seed in range(5)]
    others = [call(5, body="bb", **shared, feature="bot"), call(6, body="cc"), call(7, key_id="k")]
    await put(stores, *same, *others)
    first, last = min(ids(*same)), max(ids(*same))

    found = await stores.spend.repeated(since_us=TS_US, least=6, equal=5)

    assert [(it.about, it.name, it.calls) for it in found] == [
        (About.CONVERSATION, "c1", 6),
        (About.END_USER, "u1", 6),
        (About.KEY, "7hq2m9xkd4wp", 7),
        (About.PROMPT, "p1", 6),
    ]
    assert found[0] == Repeated(
        *("acme", "7hq2m9xkd4wp", About.CONVERSATION, "c1"),
        *(6, 5, 6 * COST, "search", "answers", first, last),
    )
    assert await stores.spend.repeated(since_us=TS_US, least=6, equal=6) == ()
    assert await stores.spend.repeated(since_us=TS_US + 1, least=1, equal=1) == ()


async def test_conversations_come_in_their_order(stores: Stores) -> None:
    calls = [
        call(seed, ts_us=TS_US + at, conversation_id="c1", input_tokens=tokens, cost_nano=at)
        for seed, at, tokens in ((3, 3, 30), (2, 2, 20), (1, 1, 10))
    ]
    unread = call(4, conversation_id="c1", input_tokens=None)
    short = call(5, conversation_id="c2")
    await put(stores, *calls, unread, short)

    [found] = await stores.spend.conversations(since_us=TS_US, least=3)

    assert (found.tenant_id, found.conversation_id, found.model) == ("acme", "c1", "answers")
    assert (found.tokens, found.costs) == ((10, 20, 30), (1, 2, 3))
    assert found.requests == ids(*reversed(calls))
    assert await stores.spend.conversations(since_us=TS_US, least=4) == ()


async def test_odd_lines_are_counted_beside_all_of_their_kind(stores: Stores) -> None:
    well, unpriced = call(1), call(2, line={"cost_nano": None})
    free = call(3, line={"cost_nano": 0})
    unused = call(4, line={"cost_nano": 0, "input_tokens": 0, "output_tokens": 0})
    contrary = call(5, line={"flags": "usage_inconsistent"})
    fine = call(6, model_requested="small")
    await put(stores, well, unpriced, free, unused, contrary, fine)
    odd = unpriced, free, contrary

    found = await stores.spend.odd(since_us=TS_US, until_us=TS_US + 1)

    assert found == (
        OddLines(
            *("acme", "search", "answers", "anthropic", "large"), *(5, 1, 1, 1, min(ids(*odd)))
        ),
    )
    assert await stores.spend.odd(since_us=TS_US + 1, until_us=TS_US + 2) == ()


async def test_odd_lines_are_found_of_an_attempt_an_hour_behind_its_request(
    stores: Stores,
) -> None:
    await put(stores, call(1, line={"cost_nano": None, "ts_us": HOUR + HOUR_US + 1}))

    [found] = await stores.spend.odd(since_us=HOUR + HOUR_US, until_us=HOUR + 2 * HOUR_US)

    assert found.unpriced == 1


async def test_all_tell_the_same_of_whatever_comes(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # Repeatable on purpose: nothing made of it is a secret.
    finishes = tuple(_plain(chance_finish(Random(seed))) for seed in range(150))  # noqa: S311
    told: list[object] = []
    for name in IMPLEMENTATIONS:
        with opened(name, tmp_path, request) as stores:
            await stores.writer.commit(Batch(finishes=finishes))
            spend, hours = stores.spend, [HOUR + n * HOUR_US for n in range(-1000, 1000)]
            days = [DAY + n * DAY_US for n in range(-50, 50)]
            told.append(
                (
                    await spend.days(since_us=0, until_us=1 << 62),
                    await spend.hours(hours),
                    await spend.parts_of_days("acme", days),
                    await spend.parts_of_hours("acme", hours),
                    await spend.largest("acme", since_us=0, until_us=1 << 62, limit=50),
                    await spend.odd(since_us=0, until_us=1 << 62),
                )
            )

    assert told[0] == told[1] == told[2]


def _plain(made: Finish) -> Finish:
    """Let record and lines name the same day, so that both know it."""
    day = made.day_local
    lines = tuple(replace(it, day_local=day, ts_us=made.record.ts_us) for it in made.lines)
    return replace(made, lines=lines)
